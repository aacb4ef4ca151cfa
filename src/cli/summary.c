#include "summary.h"

#include "../support/shell_word.h"
#include "document.h"
#include "measured_rows.h"
#include "message.h"
#include "sparse_summary.h"
#include "table.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void add_row(pare_table *table, const char *name, const char *before, const char *after, pare_shown change) {
    pare_table_cell(table, "%s", name);
    pare_table_cell(table, "%s", before);
    pare_table_cell(table, "%s", after);
    pare_table_cell(table, "%s", change.text);
}

static void add_counts(pare_table *table, const json_t *report, const char *name, pare_shown (*show)(uint64_t)) {
    const json_t *pair = pare_document_at(report, name);
    if (!pair) return;
    uint64_t before = pare_document_count(pair, "before"), after = pare_document_count(pair, "after");
    add_row(table, name, show(before).text, show(after).text, pare_change_show((double)before, (double)after));
}

static void add_measured_row(void *table, const char *name, const char *before, const char *after, const char *change) {
    const char *cells[] = {name, before, after, change};
    for (size_t i = 0; i < 4; i++)
        pare_table_cell(table, "%s", cells[i]);
}

/* As it was measured on this machine, of --latency. */
static void add_latency(pare_table *table, const json_t *report) {
    const json_t *measured = pare_document_at(report, "latency.measured");
    double times[2] = {pare_document_number(measured, "dense_seconds", 0.0),
                       pare_document_number(measured, "pruned_seconds", 0.0)};
    pare_shown shown[2];
    if (!measured) return;
    for (int i = 0; i < 2; i++)
        snprintf(shown[i].text, sizeof shown[i].text, "%.2f ms", 1e3 * times[i]);
    add_row(table, "time per token", shown[0].text, shown[1].text, pare_change_show(times[0], times[1]));
}

static void print_sizes(const json_t *report) {
    pare_table *table = pare_table_new("lrrr");
    const json_t *images = pare_document_at(report, "images");
    bool both = pare_document_at(images, "recovered") != NULL;
    const json_t *texts = pare_document_at(report, "texts");
    add_row(table, "", "before", "after", (pare_shown){"change"});
    add_counts(table, report, "parameters", pare_count_show);
    add_counts(table, report, "bytes", pare_bytes_show);
    add_latency(table, report);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i);
        bool recovered = pare_document_at(text, "recovered") != NULL;
        pare_text_rows(text, "after", recovered ? " of the pruned model" : "", add_measured_row, table);
        if (recovered) pare_text_rows(text, "recovered", " after recovery", add_measured_row, table);
        if (pare_document_at(text, "adapted"))
            pare_text_rows(text, "adapted", " with the residual adapter", add_measured_row, table);
    }
    pare_image_rows(images, "after", both ? " of the pruned model" : "", add_measured_row, table);
    pare_image_rows(images, "recovered", " after recovery", add_measured_row, table);
    pare_image_rows(images, "adapted", " with the residual adapter", add_measured_row, table);
    pare_table_print(table, stdout);
    pare_table_free(table);
}

static void print_trace(const json_t *trace) {
    size_t steps = json_array_size(trace);
    if (!steps) return;
    const json_t *first = json_array_get(trace, 0), *last = json_array_get(trace, steps - 1);
    printf("\ncalibration loss %.4f", pare_document_number(first, "loss", 0));
    if (steps > 1) printf(", %.4f in step %zu", pare_document_number(last, "loss", 0), steps);
    if (pare_document_at(last, "delta_l2"))
        printf(", displacement %.4g (l2)", pare_document_number(last, "delta_l2", 0));
    putchar('\n');
}

static void print_training(const json_t *training) {
    const json_t *losses = pare_document_at(training, "losses");
    size_t points = json_array_size(losses);
    if (!points) return;
    const json_t *first = json_array_get(losses, 0), *last = json_array_get(losses, points - 1);
    printf("\ntrained on %s in %s: loss %.4f in the first, %.4f in the last\n",
           pare_count_of(pare_document_count(training, "examples"), "example").text,
           pare_count_of(pare_document_count(training, "steps"), "step").text, pare_document_number(first, "loss", 0),
           pare_document_number(last, "loss", 0));
}

/* Files, and the share that each has of every batch. */
void pare_summary_print_mixture(const json_t *data) {
    const json_t *mixture = pare_document_at(data, "mixture");
    for (size_t i = 0; i < json_array_size(mixture); i++) {
        const json_t *part = json_array_get(mixture, i);
        printf("  %.3g %% of a batch: %s%s, %s\n", 100 * pare_document_number(part, "share", 0),
               pare_document_text(part, "file"), json_is_true(pare_document_at(part, "calibration")) ? " (text)" : "",
               pare_count_of(pare_document_count(part, "examples"), "example").text);
    }
}

static void print_recovery(const json_t *recovery) {
    if (!recovery) return;
    printf("\nrecovered in %s on %s tokens", pare_count_of(pare_document_count(recovery, "steps"), "step").text,
           pare_count_show(pare_document_count(recovery, "tokens")).text);
    if (json_is_object(pare_document_at(recovery, "validation")))
        printf(": loss of held-out examples %.4f before, %.4f after",
               pare_document_number(recovery, "validation.before", 0),
               pare_document_number(recovery, "validation.best", 0));
    putchar('\n');
    pare_summary_print_mixture(pare_document_at(recovery, "data"));
}

static void print_search(const json_t *search) {
    for (size_t i = 0; i < json_array_size(search); i++) {
        const json_t *round = json_array_get(search, i);
        printf(
            "\nwidths searched on %llu sequences: KL divergence %.4f where it began, %.4f by the sensitivities, %.4f "
            "in the end (%llu measurements)\n",
            (unsigned long long)pare_document_count(round, "sequences"), pare_document_number(round, "start", 0),
            pare_document_number(round, "program", 0), pare_document_number(round, "end", 0),
            (unsigned long long)pare_document_count(round, "measurements"));
    }
}

static double total_seconds(const json_t *stages) {
    const char *name;
    const json_t *seconds;
    double total = 0;
    json_object_foreach((json_t *)stages, name, seconds) {
        if (strcmp(name, "total") == 0) return json_number_value(seconds);
        total += json_number_value(seconds);
    }
    return total;
}

static void add_stage(pare_table *table, const char *name, double seconds, double total) {
    pare_table_cell(table, "%s", name);
    pare_table_cell(table, "%s", pare_seconds_show(seconds).text);
    pare_table_cell(table, "%.0f %%", total > 0 ? 100 * seconds / total : 0);
}

void pare_summary_print_stages(const json_t *stages) {
    const char *name;
    const json_t *seconds;
    double total = total_seconds(stages);
    if (!json_object_size(stages)) return;
    pare_table *table = pare_table_new("lrr");
    json_object_foreach((json_t *)stages, name, seconds) {
        if (strcmp(name, "total") != 0) add_stage(table, name, json_number_value(seconds), total);
    }
    add_stage(table, "total", total, total);
    printf("\ntime\n");
    pare_table_print(table, stdout);
    pare_table_free(table);
}

/* pare uploads nothing. A repository is named after the folder, or the file without its ending. */
static void print_upload(const char *path) {
    static const char ending[] = ".gguf";
    size_t length = strlen(path), shorter = sizeof ending - 1;
    while (length > 1 && path[length - 1] == '/')
        length--;
    size_t name = length;
    while (name && path[name - 1] != '/')
        name--;
    if (!length) return;
    size_t shown = length - name;
    if (shown > shorter && strncasecmp(path + length - shorter, ending, shorter) == 0) shown -= shorter;
    char *repository = NULL;
    if (asprintf(&repository, "USER/%.*s", (int)shown, path + name) < 0) return;
    printf("to put it on the Hub: hf upload ");
    pare_shell_word(stdout, repository);
    putchar(' ');
    pare_shell_word(stdout, path);
    putchar('\n');
    free(repository);
}

void pare_summary_print_output(const json_t *output) {
    if (!output) {
        printf("\nnothing was written (dry run)\n");
        return;
    }
    const char *kind = pare_document_text(output, "kind"), *load = pare_document_text(output, "load");
    const json_t *files = pare_document_at(output, "files");
    printf("\nwritten to %s: %s", pare_document_text(output, "path"), kind);
    if (pare_document_count(output, "bytes"))
        printf(", %s", pare_bytes_show(pare_document_count(output, "bytes")).text);
    putchar('\n');
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        printf("  %s\n", json_is_string(file) ? json_string_value(file) : pare_document_text(file, "name"));
    }
    if (*load) printf("%s\n", load);
    if (*pare_document_text(output, "note")) printf("%s\n", pare_document_text(output, "note"));
    if (*pare_document_text(output, "speed")) printf("%s\n", pare_document_text(output, "speed"));
    print_upload(pare_document_text(output, "path"));
}

void pare_summary_print_warnings(const json_t *warnings) {
    for (size_t i = 0; i < json_array_size(warnings); i++)
        if (json_is_string(json_array_get(warnings, i)))
            pare_terminal_say("note: %s", json_string_value(json_array_get(warnings, i)));
}

/* The adapter that holds what is lost, and how it is used. */
static void print_residual(const json_t *report) {
    const json_t *residual = pare_document_at(report, "sparsity.residual");
    double before = pare_document_number(residual, "error_before", NAN),
           after = pare_document_number(residual, "error_after", NAN);
    if (!residual) return;
    printf("\nresidual adapter of rank %s, %s parameters", pare_count_show(pare_document_count(residual, "rank")).text,
           pare_count_show(pare_document_count(residual, "parameters")).text);
    if (before > 0) printf(": %.3g %% of the outputs' squared error is left with it", 100 * after / before);
    putchar('\n');
    const char *folder = pare_document_text(residual, "folder"), *output = pare_document_text(report, "output.path");
    if (*folder && *output)
        printf("  %s/%s: PEFT loads it beside the model, and so does pare eval %s --adapter %s/%s\n", output, folder,
               output, output, folder);
}

void pare_summary_print(const pare_arguments *arguments, const json_t *report) {
    const json_t *warnings = pare_document_at(report, "warnings"), *layers = pare_document_at(report, "layers");
    uint64_t peak = pare_document_count(report, "memory.anonymous_peak");
    pare_summary_print_warnings(warnings);
    print_sizes(report);
    const json_t *sparsity = pare_document_at(report, "sparsity");
    pare_sparse_summary_print(sparsity);
    if (json_array_size(layers) && !sparsity) printf("\nwidths kept\n");
    if (!sparsity) pare_document_print_widths(layers, "  ");
    print_search(pare_document_at(report, "search"));
    print_trace(pare_document_at(report, "trace"));
    print_training(pare_document_at(report, "training"));
    print_recovery(pare_document_at(report, "recovery"));
    pare_summary_print_stages(pare_document_at(report, "seconds"));
    if (peak) printf("anonymous memory at most %s\n", pare_bytes_show(peak).text);
    if (arguments->imatrix) printf("\nimportance matrix written to %s\n", arguments->imatrix);
    if (arguments->densities) printf("\nmask densities written to %s\n", arguments->densities);
    if (arguments->scores) printf("\nscores written to %s\n", arguments->scores);
    pare_summary_print_output(pare_document_at(report, "output"));
    print_residual(report);
}
