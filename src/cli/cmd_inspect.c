#include "command.h"
#include "document.h"
#include "message.h"
#include "outcome.h"
#include "table.h"

#include <string.h>

static void print_dtypes(const json_t *dtypes) {
    const char *name;
    const json_t *tensors;
    int printed = 0;
    printf("dtype         ");
    json_object_foreach((json_t *)dtypes, name, tensors) {
        printf("%s%s (%llu tensors)", printed++ ? ", " : "", name, (unsigned long long)json_integer_value(tensors));
    }
    putchar('\n');
}

static void print_rope(const json_t *rope) {
    const char *kind = pare_document_text(rope, "kind");
    if (!*kind) kind = pare_document_text(rope, "rope_type");
    double theta = pare_document_number(rope, "theta", pare_document_number(rope, "rope_theta", 0));
    double factor = pare_document_number(rope, "factor", 0);
    printf("rotary        theta %g", theta);
    if (*kind) printf(", %s", kind);
    if (factor > 0 && factor != 1) printf(", factor %g", factor);
    putchar('\n');
}

static void print_files(const json_t *files) {
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        printf("%s%s (%s)\n", i ? "              " : "files         ", pare_document_text(file, "name"),
               pare_bytes_show(pare_document_count(file, "bytes")).text);
    }
}

/* "[128, 384]" */
static void describe_shape(const json_t *shape, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (size_t i = 0; i < json_array_size(shape) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%llu", i ? ", " : "",
                                 (unsigned long long)json_integer_value(json_array_get(shape, i)));
    if (used < size) snprintf(out + used, size - used, "]");
}

static void print_tensors(const json_t *tensors) {
    static const char *const titles[] = {"tensor", "shape", "dtype", "parameters", "zeros", "sparsity"};
    pare_table *table = pare_table_new("lllrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *tensor = json_array_get(tensors, i);
        char shape[128];
        describe_shape(pare_document_at(tensor, "shape"), shape, sizeof shape);
        pare_table_cell(table, "%s", pare_document_text(tensor, "name"));
        pare_table_cell(table, "%s", shape);
        pare_table_cell(table, "%s", pare_document_text(tensor, "dtype"));
        pare_table_cell(table, "%s", pare_count_show(pare_document_count(tensor, "parameters")).text);
        pare_table_cell(table, "%s", pare_count_show(pare_document_count(tensor, "zeros")).text);
        pare_table_cell(table, "%.2f %%", 100 * pare_document_number(tensor, "sparsity", 0));
    }
    putchar('\n');
    pare_table_print(table, stdout);
    pare_table_free(table);
}

static void show(const pare_arguments *arguments, const json_t *model) {
    (void)arguments;
    printf("model         %s\n", pare_document_text(model, "path"));
    printf("architecture  %s (%s)\n", pare_document_text(model, "architecture"),
           pare_document_text(model, "model_type"));
    printf("shape         %llu layers, hidden %llu, head size %llu, vocabulary %llu%s\n",
           (unsigned long long)pare_document_count(model, "layers"),
           (unsigned long long)pare_document_count(model, "hidden"),
           (unsigned long long)pare_document_count(model, "head_size"),
           (unsigned long long)pare_document_count(model, "vocabulary"),
           json_is_true(pare_document_at(model, "tied")) ? ", tied head" : "");
    printf("widths%s\n", json_is_false(pare_document_at(model, "uniform")) ? " (they differ between layers)" : "");
    pare_document_print_widths(pare_document_at(model, "widths"), "              ");
    print_rope(pare_document_at(model, "rope"));
    printf("positions     %s\n", pare_count_show(pare_document_count(model, "max_positions")).text);
    printf("parameters    %s\n", pare_count_show(pare_document_count(model, "parameters")).text);
    printf("bytes         %s\n", pare_bytes_show(pare_document_count(model, "bytes")).text);
    print_dtypes(pare_document_at(model, "dtypes"));
    const json_t *sparsity = pare_document_at(model, "sparsity");
    if (sparsity) printf("sparsity      %.2f %% zeros\n", 100 * json_number_value(sparsity));
    print_files(pare_document_at(model, "files"));
    const json_t *tensors = pare_document_at(model, "tensors");
    if (tensors) print_tensors(tensors);
}

static int run(const pare_arguments *arguments) {
    if (!arguments->model) return pare_outcome_usage("inspect", "MODEL is missing: the folder to look into");
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    char *report = NULL;
    pare_status status = pare_model_describe(model, arguments->tensors, &report);
    code = pare_outcome_deliver(status, report, arguments, show);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL [--tensors] [--json]", NULL};
static const char *const examples[] = {"my-model", "my-model --tensors", "my-model --json | jq .widths", NULL};

const pare_command pare_command_inspect = {
    .syntax = {"inspect", PARE_IN_INSPECT},
    .summary = "shows what is in a checkpoint: widths, parameters, bytes, sparsity",
    .synopsis = synopsis,
    .description = "Shows what is in a checkpoint: architecture, widths of each layer as its tensors have them, "
                   "parameters, dtype, bytes. Only headers are read, except with --tensors.",
    .examples = examples,
    .run = run,
};
