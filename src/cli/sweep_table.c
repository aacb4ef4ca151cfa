#include "sweep_table.h"
#include "document.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

static void add_value(pare_table *table, const json_t *value) {
    if (json_is_string(value))
        pare_table_cell(table, "%s", json_string_value(value));
    else
        pare_table_cell(table, "%g", json_number_value(value));
}

static void add_point(pare_table *table, const json_t *summary, const json_t *point) {
    const json_t *over = pare_document_at(summary, "over"), *list = pare_document_at(point, "values");
    for (size_t i = 0; i < json_array_size(over); i++)
        add_value(table, json_object_get(point, json_string_value(json_array_get(over, i))));
    pare_table_cell(table, "%llu", (unsigned long long)pare_document_count(point, "runs"));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i), *mean = pare_document_at(one, "mean");
        const json_t *sd = pare_document_at(one, "sd");
        if (json_is_number(sd))
            pare_table_cell(table, "%.3f +- %.3f", json_number_value(mean), json_number_value(sd));
        else if (json_is_number(mean))
            pare_table_cell(table, "%.3f", json_number_value(mean));
        else
            pare_table_cell(table, "too large");
    }
}

static void print(const json_t *summary, char *alignment) {
    const json_t *over = pare_document_at(summary, "over"), *texts = pare_document_at(summary, "texts");
    const json_t *before = pare_document_at(summary, "before"), *points = pare_document_at(summary, "points");
    size_t axes = json_array_size(over);
    memset(alignment, 'l', axes);
    pare_table *table = pare_table_new(alignment);
    for (size_t i = 0; i < axes; i++)
        pare_table_cell(table, "%s", json_string_value(json_array_get(over, i)));
    pare_table_cell(table, "runs");
    for (size_t i = 0; i < json_array_size(texts); i++)
        pare_table_cell(table, "%s, %s", pare_document_text(summary, "measure"),
                        json_string_value(json_array_get(texts, i)));
    for (size_t i = 0; i < axes; i++)
        pare_table_cell(table, "%s", i ? "" : "dense");
    pare_table_cell(table, "%s", "");
    for (size_t i = 0; i < json_array_size(before); i++)
        pare_table_cell(table, "%.3f", json_number_value(json_array_get(before, i)));
    for (size_t i = 0; i < json_array_size(points); i++)
        add_point(table, summary, json_array_get(points, i));
    pare_table_print_markdown(table, stdout);
    pare_table_free(table);
}

void pare_sweep_print_markdown(const char *text) {
    json_t *summary = json_loads(text, 0, NULL);
    size_t columns =
        json_array_size(pare_document_at(summary, "over")) + json_array_size(pare_document_at(summary, "texts")) + 1;
    char *alignment = malloc(columns + 1);
    if (alignment) {
        memset(alignment, 'r', columns);
        alignment[columns] = 0;
        print(summary, alignment);
    }
    free(alignment);
    json_decref(summary);
}
