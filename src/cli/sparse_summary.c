#include "sparse_summary.h"

#include "document.h"
#include "message.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All matrices of one layer. */
typedef struct layer {
    double weights, kept, energy, mask, refined, written, seconds;
    bool measured, is_refined;
} layer;

static long number_of(const json_t *matrix) {
    const char *at = strstr(pare_document_text(matrix, "name"), "layers.");
    return at ? strtol(at + strlen("layers."), NULL, 10) : -1;
}

static void add(layer *sum, const json_t *matrix) {
    double kept = pare_document_number(matrix, "kept", 0), share = pare_document_number(matrix, "sparsity", 0);
    sum->kept += kept;
    sum->weights += share < 1 ? kept / (1 - share) : pare_document_number(matrix, "zeros", 0);
    sum->seconds += pare_document_number(matrix, "seconds", 0);
    if (!pare_document_at(matrix, "error")) return;
    double mask = pare_document_number(matrix, "error.mask", 0);
    sum->measured = true;
    sum->is_refined = sum->is_refined || json_is_number(pare_document_at(matrix, "error.refined"));
    sum->energy += pare_document_number(matrix, "error.dense_output", 0);
    sum->mask += mask;
    sum->refined += pare_document_number(matrix, "error.refined", mask);
    sum->written += pare_document_number(matrix, "error.written", 0);
}

static void add_share(pare_table *table, double part, double whole) {
    pare_table_cell(table, "%.3g %%", whole > 0 ? 100 * part / whole : 0);
}

static void add_row(pare_table *table, long number, const layer *sum, bool measured, bool refined) {
    pare_table_cell(table, "%ld", number);
    add_share(table, sum->weights - sum->kept, sum->weights);
    if (measured) add_share(table, sum->mask, sum->energy);
    if (refined) add_share(table, sum->refined, sum->energy);
    if (measured) add_share(table, sum->written, sum->energy);
    pare_table_cell(table, "%s", pare_seconds_show(sum->seconds).text);
}

static void add_heading(pare_table *table, bool measured, bool refined) {
    pare_table_cell(table, "layer");
    pare_table_cell(table, "removed");
    if (measured) pare_table_cell(table, "error of the mask");
    if (refined) pare_table_cell(table, "refined");
    if (measured) pare_table_cell(table, "as written");
    pare_table_cell(table, "time");
}

static void print_layers(const json_t *matrices) {
    size_t count = json_array_size(matrices);
    const json_t *first = json_array_get(matrices, 0);
    bool measured = pare_document_at(first, "error");
    bool refined = json_is_number(pare_document_at(first, "error.refined"));
    pare_table *table = pare_table_new(refined ? "rrrrrr" : measured ? "rrrrr" : "rrr");
    add_heading(table, measured, refined);
    for (size_t i = 0; i < count;) {
        layer sum = {0};
        long number = number_of(json_array_get(matrices, i));
        for (; i < count && number_of(json_array_get(matrices, i)) == number; i++)
            add(&sum, json_array_get(matrices, i));
        add_row(table, number, &sum, measured, refined);
    }
    pare_table_print(table, stdout);
    pare_table_free(table);
    if (measured) printf("errors: of the layers' outputs on the calibration data, relative to the outputs\n");
}

void pare_sparse_summary_print(const json_t *sparsity) {
    const json_t *matrices = pare_document_at(sparsity, "matrices");
    if (!json_array_size(matrices)) return;
    printf("\nremoved %s of %s weights in %zu matrices (%.4g %%)\n",
           pare_count_show(pare_document_count(sparsity, "removed")).text,
           pare_count_show(pare_document_count(sparsity, "weights")).text, json_array_size(matrices),
           100 * pare_document_number(sparsity, "share", 0));
    print_layers(matrices);
}
