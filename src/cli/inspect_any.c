#include "inspect_any.h"
#include "document.h"
#include "message.h"
#include "table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pare_inspect_dtypes(const json_t *dtypes) {
    const char *name;
    const json_t *tensors;
    int printed = 0;
    printf("dtype         ");
    json_object_foreach((json_t *)(uintptr_t)dtypes, name, tensors) {
        printf("%s%s (%llu tensors)", printed++ ? ", " : "", name, (unsigned long long)json_integer_value(tensors));
    }
    putchar('\n');
}

void pare_inspect_rope(const char *heading, const json_t *rope) {
    const char *kind = pare_document_text(rope, "kind");
    double theta = pare_document_number(rope, "theta", 0), factor = pare_document_number(rope, "factor", 0);
    printf("%-14s%s", heading, kind);
    if (theta > 0) printf(", theta %g", theta);
    if (factor > 0) printf(", factor %g", factor);
    putchar('\n');
}

void pare_inspect_files(const json_t *files) {
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        printf("%s%s (%s)\n", i ? "              " : "files         ", pare_document_text(file, "name"),
               pare_bytes_show(pare_document_count(file, "bytes")).text);
    }
}

void pare_inspect_shape(const json_t *shape, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (size_t i = 0; i < json_array_size(shape) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%llu", i ? ", " : "",
                                 (unsigned long long)json_integer_value(json_array_get(shape, i)));
    if (used < size) snprintf(out + used, size - used, "]");
}

enum { NUMBERS = 4, NAME_BYTES = 640 };

/* Tensors whose names differ in numbers only. */
typedef struct family {
    char pattern[NAME_BYTES]; /* '#' for each number */
    const json_t *first;
    uint64_t least[NUMBERS], most[NUMBERS], count, parameters;
} family;

/* The name's parts that are numbers and nothing else become '#'; as many as there are places for. */
static int find_numbers(const char *name, char *pattern, uint64_t *numbers) {
    int count = 0;
    size_t used = 0;
    for (const char *at = name; *at && used + 2 < NAME_BYTES;) {
        size_t part = strcspn(at, "."), digits = strspn(at, "0123456789");
        bool number = digits && digits == part && digits < 12 && count < NUMBERS;
        if (number) {
            numbers[count++] = strtoull(at, NULL, 10);
            pattern[used++] = '#';
        }
        for (size_t i = 0; !number && i < part && used + 2 < NAME_BYTES; i++)
            pattern[used++] = at[i];
        at += part;
        if (*at == '.') {
            pattern[used++] = '.';
            at++;
        }
    }
    pattern[used] = 0;
    return count;
}

static bool belongs(const family *f, const char *pattern, const json_t *tensor) {
    return strcmp(f->pattern, pattern) == 0 &&
           json_equal(json_object_get(f->first, "shape"), json_object_get(tensor, "shape")) &&
           json_equal(json_object_get(f->first, "dtype"), json_object_get(tensor, "dtype"));
}

static void add(family *families, size_t *count, const json_t *tensor) {
    char pattern[NAME_BYTES];
    uint64_t numbers[NUMBERS] = {0};
    find_numbers(pare_document_text(tensor, "name"), pattern, numbers);
    size_t at = *count;
    while (at > 0 && !belongs(&families[at - 1], pattern, tensor))
        at--;
    family *f = at ? &families[at - 1] : &families[(*count)++];
    if (!at) {
        *f = (family){.first = tensor};
        memcpy(f->pattern, pattern, sizeof pattern);
    }
    for (int i = 0; i < NUMBERS; i++) {
        f->least[i] = f->count && f->least[i] < numbers[i] ? f->least[i] : numbers[i];
        f->most[i] = f->most[i] > numbers[i] ? f->most[i] : numbers[i];
    }
    f->count++;
    f->parameters += pare_document_count(tensor, "parameters");
}

/* "model.layers.0-31.mlp.up_proj.weight" */
static void show_name(const family *f, char *out, size_t size) {
    size_t used = 0;
    int number = 0;
    for (const char *at = f->pattern; *at && used + 48 < size; at++) {
        if (*at != '#') {
            out[used++] = *at;
            continue;
        }
        used += (size_t)snprintf(out + used, size - used, "%llu", (unsigned long long)f->least[number]);
        if (f->most[number] != f->least[number])
            used += (size_t)snprintf(out + used, size - used, "-%llu", (unsigned long long)f->most[number]);
        number++;
    }
    out[used] = 0;
}

static void print_families(const json_t *tensors, bool each) {
    size_t all = json_array_size(tensors), count = 0;
    family *families = calloc(all ? all : 1, sizeof *families);
    if (!families) return;
    for (size_t i = 0; i < all; i++) {
        if (each) families[count] = (family){.first = json_array_get(tensors, i), .count = 1};
        if (each)
            snprintf(families[count++].pattern, NAME_BYTES, "%s",
                     pare_document_text(json_array_get(tensors, i), "name"));
        else
            add(families, &count, json_array_get(tensors, i));
    }
    pare_table *table = pare_table_new("lllrr");
    static const char *const titles[] = {"tensor", "shape", "dtype", "tensors", "parameters"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < count; i++) {
        char name[NAME_BYTES + 256], shape[256];
        show_name(&families[i], name, sizeof name);
        pare_inspect_shape(pare_document_at(families[i].first, "shape"), shape, sizeof shape);
        uint64_t parameters = each ? pare_document_count(families[i].first, "parameters") : families[i].parameters;
        pare_table_cell(table, "%s", each ? pare_document_text(families[i].first, "name") : name);
        pare_table_cell(table, "%s", shape);
        pare_table_cell(table, "%s", pare_document_text(families[i].first, "dtype"));
        pare_table_cell(table, "%s", pare_count_show(families[i].count).text);
        pare_table_cell(table, "%s", pare_count_show(parameters).text);
    }
    putchar('\n');
    pare_table_print(table, stdout);
    pare_table_free(table);
    free(families);
}

void pare_inspect_show_any(const pare_arguments *arguments, const json_t *report) {
    const char *architecture = pare_document_text(report, "architecture");
    const json_t *rope = pare_document_at(report, "rope");
    printf("model         %s\n", pare_document_text(report, "path"));
    if (*architecture) printf("architecture  %s (%s)\n", architecture, pare_document_text(report, "model_type"));
    if (rope) pare_inspect_rope("rotary", rope);
    printf("parameters    %s (elements as stored)\n", pare_count_show(pare_document_count(report, "parameters")).text);
    printf("bytes         %s\n", pare_bytes_show(pare_document_count(report, "bytes")).text);
    pare_inspect_dtypes(pare_document_at(report, "dtypes"));
    pare_inspect_files(pare_document_at(report, "files"));
    printf("not prunable  %s\n", pare_document_text(report, "refused"));
    print_families(pare_document_at(report, "tensors"), arguments->tensors);
}
