#include "recover_summary.h"

#include "document.h"
#include "measured_rows.h"
#include "message.h"
#include "summary.h"
#include "table.h"

#include <math.h>

/* What a loss was at first, at last, and at best; "-" for what there is not. */
static void add_row(pare_table *table, const char *name, const double *values, const char *format) {
    pare_table_cell(table, "%s", name);
    for (int i = 0; i < 3; i++) {
        char shown[32] = "-";
        if (isfinite(values[i])) snprintf(shown, sizeof shown, format, values[i]);
        pare_table_cell(table, "%s", shown);
    }
    pare_table_cell(table, "%s", isfinite(values[1]) ? pare_change_show(values[0], values[1]).text : "");
}

static void add_measured_row(void *table, const char *name, const char *before, const char *after, const char *change) {
    const char *cells[] = {name, before, after, "-", change};
    for (size_t i = 0; i < 5; i++)
        pare_table_cell(table, "%s", cells[i]);
}

/* What the held-out examples say of the teacher: by the weights before, and by those that were taken. */
static void add_lesson(pare_table *table, const json_t *report) {
    static const struct {
        const char *name, *member, *format;
    } rows[] = {{"  cross-entropy of the labels", "ce", "%.4f"},
                {"  KL from the teacher", "kl", "%.4f"},
                {"  share of likeliest as the teacher's", "top1_agreement", "%.3f"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char first[64], best[64];
        snprintf(first, sizeof first, "teacher.before.%s", rows[i].member);
        snprintf(best, sizeof best, "teacher.best.%s", rows[i].member);
        double before = pare_document_number(report, first, NAN), after = pare_document_number(report, best, NAN);
        if (!isfinite(before)) continue;
        pare_table_cell(table, "%s", rows[i].name);
        pare_table_cell(table, "%s", pare_document_show(report, first, rows[i].format).text);
        pare_table_cell(table, "-");
        pare_table_cell(table, "%s", pare_document_show(report, best, rows[i].format).text);
        pare_table_cell(table, "%s", pare_change_show(before, after).text);
    }
}

static void print_losses(const json_t *report) {
    static const char *const titles[] = {"", "first", "last", "best", "change"};
    const json_t *texts = pare_document_at(report, "texts");
    const double loss[3] = {pare_document_number(report, "loss.first", NAN),
                            pare_document_number(report, "loss.last", NAN), NAN};
    const double validation[3] = {pare_document_number(report, "validation.before", NAN),
                                  pare_document_number(report, "validation.last", NAN),
                                  pare_document_number(report, "validation.best", NAN)};
    pare_table *table = pare_table_new("lrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    add_row(table, "training loss of a step", loss, "%.4f");
    if (isfinite(validation[0])) add_row(table, "loss of held-out examples", validation, "%.4f");
    add_lesson(table, report);
    for (size_t i = 0; i < json_array_size(texts); i++)
        pare_text_rows(json_array_get(texts, i), "after", "", add_measured_row, table);
    pare_image_rows(pare_document_at(report, "images"), "after", "", add_measured_row, table);
    pare_table_print(table, stdout);
    pare_table_free(table);
}

static void print_training(const json_t *report) {
    const json_t *data = pare_document_at(report, "data");
    uint64_t all = pare_document_count(data, "examples"), held = pare_document_count(data, "held_out");
    uint64_t cut = pare_document_count(data, "shortened"), left = pare_document_count(data, "left_out");
    printf("\n%s on %s", pare_count_of(pare_document_count(report, "steps"), "step").text,
           pare_count_of(all - held, "example").text);
    if (held) printf(", %s held out", pare_count_show(held).text);
    if (cut) printf(", %s cut", pare_count_show(cut).text);
    if (left) printf(", %s left out", pare_count_show(left).text);
    putchar('\n');
    pare_summary_print_mixture(data);
    printf("%s tokens in %s, %s tokens/s\n", pare_count_show(pare_document_count(report, "tokens")).text,
           pare_seconds_show(pare_document_number(report, "training_seconds", 0)).text,
           pare_quantity_show(pare_document_number(report, "tokens_per_second", 0)).text);
    printf("%s parameters trained, %.2f %% of the model's %s\n",
           pare_count_show(pare_document_count(report, "trained.parameters")).text,
           100 * pare_document_number(report, "trained.share", 0),
           pare_count_show(pare_document_count(report, "model.parameters")).text);
    if (pare_document_at(report, "validation.best_step"))
        printf("taken: the weights after step %s, with the lowest loss of held-out examples\n",
               pare_count_show(pare_document_count(report, "validation.best_step")).text);
}

void pare_recover_summary_print(const pare_arguments *arguments, const json_t *report) {
    uint64_t peak = pare_document_count(report, "memory.anonymous_peak");
    pare_summary_print_warnings(pare_document_at(report, "warnings"));
    print_losses(report);
    print_training(report);
    pare_summary_print_stages(pare_document_at(report, "seconds"));
    if (peak) printf("anonymous memory at most %s\n", pare_bytes_show(peak).text);
    if (arguments->curve) printf("\nloss curve written to %s.csv and %s.svg\n", arguments->curve, arguments->curve);
    pare_summary_print_output(pare_document_at(report, "output"));
}
