#include "eval_tables.h"

#include "document.h"
#include "eval_images.h"
#include "message.h"
#include "table.h"
#include "written_rows.h"

#include <stdlib.h>
#include <string.h>

static void print_table(const pare_arguments *arguments, pare_table *table) {
    (arguments->markdown ? pare_table_print_markdown : pare_table_print)(table, stdout);
    pare_table_free(table);
}

static void add_cells(pare_table *table, const char *const *cells, size_t count) {
    for (size_t i = 0; i < count; i++)
        pare_table_cell(table, "%s", cells[i]);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* The accuracy that papers print. */
static double chosen_of(const json_t *task) {
    return pare_document_number(task, pare_document_text(task, "chosen"), 0);
}

/* Whether texts were written on. */
static bool wrote(const json_t *report) {
    return pare_document_at(json_array_get(pare_document_at(report, "texts"), 0), "continuations") != NULL;
}

static void add_titles(pare_table *table, const json_t *report, bool several) {
    size_t index;
    json_t *entry;
    add_cells(table, (const char *const[]){"model", "parameters", "removed"}, several ? 3 : 2);
    json_array_foreach(pare_document_at(report, "texts"), index, entry) {
        pare_table_cell(table, "%s", base_name(pare_document_text(entry, "file")));
        if (wrote(report)) add_cells(table, (const char *const[]){"repeated", "ended"}, PARE_WRITTEN_ROWS);
    }
    json_array_foreach(pare_document_at(report, "tasks"), index, entry) {
        pare_table_cell(table, "%s", pare_task_title(pare_document_text(entry, "task")));
    }
    if (pare_document_at(report, "average")) pare_table_cell(table, "Average");
}

static void add_row(pare_table *table, const pare_eval_row *row, uint64_t most, bool several) {
    size_t index;
    json_t *entry;
    pare_table_cell(table, "%s", row->model);
    pare_table_cell(table, "%s", pare_count_show(row->parameters).text);
    if (several) pare_table_cell(table, "%.1f %%", 100 * (1 - (double)row->parameters / (double)most));
    json_array_foreach(pare_document_at(row->report, "texts"), index, entry) {
        pare_table_cell(table, "%s", pare_document_show(entry, "perplexity", "%.2f").text);
        for (size_t i = 0; wrote(row->report) && i < PARE_WRITTEN_ROWS; i++)
            pare_table_cell(table, "%s", pare_written_share_show(pare_document_at(entry, "continuations"), i).text);
    }
    json_array_foreach(pare_document_at(row->report, "tasks"), index, entry) {
        pare_table_cell(table, "%.2f", 100 * chosen_of(entry));
    }
    if (pare_document_at(row->report, "average"))
        pare_table_cell(table, "%.2f", 100 * pare_document_number(row->report, "average", 0));
}

/* Perplexities and accuracies, a row for each model. */
static void print_models(const pare_arguments *arguments, const pare_eval_row *rows, size_t count) {
    const json_t *first = rows[0].report;
    size_t texts = pare_document_count(first, "texts") * (wrote(first) ? 1 + PARE_WRITTEN_ROWS : 1);
    size_t columns = (count > 1 ? 3 : 2) + texts + pare_document_count(first, "tasks") +
                     (pare_document_at(first, "average") != NULL);
    char *alignment = calloc(columns + 1, 1);
    uint64_t most = 0;
    if (!alignment) return;
    memset(alignment, 'r', columns);
    alignment[0] = 'l';
    for (size_t i = 0; i < count; i++)
        most = rows[i].parameters > most ? rows[i].parameters : most;
    pare_table *table = pare_table_new(alignment);
    add_titles(table, first, count > 1);
    for (size_t i = 0; i < count; i++)
        add_row(table, &rows[i], most, count > 1);
    print_table(arguments, table);
    free(alignment);
}

static void add_text(pare_table *table, const json_t *text, bool compared) {
    pare_table_cell(table, "%s", pare_document_text(text, "file"));
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(text, "tokens")).text);
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(text, "windows")).text);
    pare_table_cell(table, "%s", pare_document_show(text, "perplexity", "%.3f").text);
    pare_table_cell(table, "%.4f", pare_document_number(text, "nll", 0));
    if (!compared) return;
    pare_table_cell(table, "%.4f", pare_document_number(text, "kl", 0));
    pare_table_cell(table, "%.2f %%", 100 * pare_document_number(text, "top1", 0));
}

static void add_written(pare_table *table, const char *file, const char *writer, const json_t *continuations) {
    pare_table_cell(table, "%s", file);
    pare_table_cell(table, "%s", writer);
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(continuations, "texts")).text);
    for (size_t i = 0; i < PARE_WRITTEN_ROWS; i++)
        pare_table_cell(table, "%s", pare_written_share_show(continuations, i).text);
}

/* A row for the model, and for the one that it is compared with. */
static void print_written(const pare_arguments *arguments, const json_t *report) {
    const json_t *texts = pare_document_at(report, "texts");
    pare_table *table = pare_table_new("llrrr");
    add_cells(table,
              (const char *const[]){"continuations of", "written by", "texts", pare_written_row_name(0),
                                    pare_written_row_name(1)},
              5);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i), *own = pare_document_at(text, "continuations");
        const char *file = pare_document_text(text, "file");
        add_written(table, file, pare_document_text(report, "model"), own);
        if (pare_document_at(own, "against"))
            add_written(table, file, arguments->against, pare_document_at(own, "against"));
    }
    putchar('\n');
    print_table(arguments, table);
}

static void print_texts(const pare_arguments *arguments, const json_t *report) {
    static const char *const titles[] = {"text", "tokens", "windows", "perplexity", "nll", "KL", "top-1"};
    bool compared = arguments->against != NULL;
    const json_t *texts = pare_document_at(report, "texts");
    pare_table *table = pare_table_new(compared ? "lrrrrrr" : "lrrrr");
    add_cells(table, titles, compared ? 7 : 5);
    for (size_t i = 0; i < json_array_size(texts); i++)
        add_text(table, json_array_get(texts, i), compared);
    print_table(arguments, table);
    if (compared)
        printf("\nKL: mean divergence from %s in nats per token; top-1: how often both predict the same token\n",
               arguments->against);
    if (wrote(report)) print_written(arguments, report);
}

/* "51.23 +- 1.02", or "-" where the task has no such number. */
static void add_share(pare_table *table, const json_t *task, const char *name, const char *error) {
    bool there = pare_document_at(task, name) != NULL;
    if (there)
        pare_table_cell(table, "%.2f", 100 * pare_document_number(task, name, 0));
    else
        pare_table_cell(table, "-");
    if (there && json_is_number(pare_document_at(task, error)))
        pare_table_cell(table, "%.2f", 100 * pare_document_number(task, error, 0));
    else
        pare_table_cell(table, "-");
}

static void print_tasks(const pare_arguments *arguments, const json_t *report) {
    static const char *const titles[] = {"task", "documents", "acc", "+-", "acc_norm", "+-", "tokens/s"};
    const json_t *tasks = pare_document_at(report, "tasks");
    pare_table *table = pare_table_new("lrrrrrr");
    add_cells(table, titles, 7);
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const json_t *task = json_array_get(tasks, i);
        pare_table_cell(table, "%s", pare_document_text(task, "task"));
        pare_table_cell(table, "%s", pare_count_show(pare_document_count(task, "n")).text);
        add_share(table, task, "acc", "acc_stderr");
        add_share(table, task, "acc_norm", "acc_norm_stderr");
        double rate = pare_document_number(task, "request_tokens_per_second", 0);
        pare_table_cell(table, "%s", pare_count_show((uint64_t)rate).text);
    }
    print_table(arguments, table);
}

static void print_details(const pare_arguments *arguments, const json_t *report) {
    if (pare_document_count(report, "texts")) print_texts(arguments, report);
    if (pare_document_count(report, "texts") && pare_document_count(report, "tasks")) putchar('\n');
    if (pare_document_count(report, "tasks")) print_tasks(arguments, report);
}

/* What is to be known of the files, once for all models. */
static void print_notes(const json_t *report) {
    const json_t *tasks = pare_document_at(report, "tasks");
    if (json_array_size(tasks))
        printf("\nAccuracies in percent by the rules '%s'; in rows of models acc_norm for piqa, hellaswag, "
               "arc_challenge and openbookqa, else acc\n",
               pare_document_text(report, "protocol"));
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const json_t *task = json_array_get(tasks, i);
        if (pare_document_at(task, "note"))
            printf("%s: %s\n", pare_document_text(task, "file"), pare_document_text(task, "note"));
        if (pare_document_count(task, "cut_continuations"))
            printf("%s: %s answers are longer than the model's window; of these only the end counts\n",
                   pare_document_text(task, "task"),
                   pare_count_show(pare_document_count(task, "cut_continuations")).text);
    }
}

void pare_eval_tables_print(const pare_arguments *arguments, const pare_eval_row *rows, size_t count) {
    if (pare_document_at(rows[0].report, "images")) {
        pare_eval_images_print(arguments, rows, count);
        return;
    }
    bool wide = count > 1 || pare_document_at(rows[0].report, "tasks");
    if (wide) print_models(arguments, rows, count);
    for (size_t i = 0; i < count && (count == 1 || arguments->verbose); i++) {
        if (wide) putchar('\n');
        if (count > 1) printf("%s\n\n", rows[i].model);
        print_details(arguments, rows[i].report);
    }
    if (wide && wrote(rows[0].report))
        printf("\nrepeated: share of 4-grams that stood in the same continuation before; ended: share of "
               "continuations that came to an end\n");
    print_notes(rows[0].report);
}
