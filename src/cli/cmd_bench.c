#include "command.h"
#include "document.h"
#include "message.h"
#include "outcome.h"
#include "table.h"

static void add_pass(pare_table *table, const char *name, const json_t *pass) {
    if (!pass) return;
    pare_table_cell(table, "%s", name);
    pare_table_cell(table, "%s", pare_seconds_show(pare_document_number(pass, "seconds", 0)).text);
    pare_table_cell(table, "%s", pare_quantity_show(pare_document_number(pass, "tokens_per_second", 0)).text);
    pare_table_cell(table, "%.1f", pare_document_number(pass, "gflops", 0));
    pare_table_cell(table, "%.1f %%", 100 * pare_document_number(pass, "fraction_of_gemm", 0));
}

static void print_passes(const json_t *report) {
    static const char *const titles[] = {"pass", "time", "tokens/s", "GFLOP/s", "of matrix rate"};
    pare_table *table = pare_table_new("lrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    add_pass(table, "forward", pare_document_at(report, "forward"));
    add_pass(table, "forward + backward", pare_document_at(report, "forward_backward"));
    add_pass(table, "Moreau step", pare_document_at(report, "moreau"));
    pare_table_print(table, stdout);
    pare_table_free(table);
}

static void show(const pare_arguments *arguments, const json_t *report) {
    const char *cpu = pare_document_text(report, "cpu"), *shape = pare_document_text(report, "shape");
    printf("%s, layers: %llu, %s tokens, %s\n", *shape ? shape : arguments->model,
           (unsigned long long)pare_document_count(report, "layers"),
           pare_count_show(pare_document_count(report, "tokens")).text, pare_document_text(report, "compute"));
    printf("%s%sthreads: %llu\n", cpu, *cpu ? ", " : "", (unsigned long long)pare_document_count(report, "threads"));
    double bf16 = pare_document_number(report, "gemm_gflops_bf16", 0);
    printf("matrix rate: %.1f GFLOP/s in fp32", pare_document_number(report, "gemm_gflops_fp32", 0));
    if (bf16 > 0)
        printf(", %.1f GFLOP/s in bf16\n\n", bf16);
    else
        printf("; this CPU has no bf16 products of its own\n\n");
    print_passes(report);
    printf("\nanonymous memory %s", pare_bytes_show(pare_document_count(report, "anonymous_bytes")).text);
    if (pare_document_at(report, "block_bytes"))
        printf(", one block's weights %s", pare_bytes_show(pare_document_count(report, "block_bytes")).text);
    putchar('\n');
}

static const char *check(const pare_arguments *arguments) {
    bool shaped = arguments->shape >= 0;
    if (arguments->model && shaped) return "give either MODEL or --shape, not both";
    if (!arguments->model && !shaped) return "say what to measure: MODEL, or --shape 7b for synthetic weights";
    if (arguments->layers && !shaped) return "--layers goes with --shape, since MODEL has its own layers";
    return NULL;
}

static int run(const pare_arguments *arguments) {
    const char *wrong = check(arguments);
    if (wrong) return pare_outcome_usage("bench", wrong);
    pare_model *model = NULL;
    int code = arguments->model ? pare_outcome_open(arguments->model, &model) : PARE_EXIT_DONE;
    if (code != PARE_EXIT_DONE) return code;
    pare_bench_options options = {
        .shape = arguments->shape < 0 ? NULL : pare_choice_shape((size_t)arguments->shape),
        .layers = arguments->layers,
        .samples = arguments->samples,
        .length = arguments->length,
        .repeats = arguments->repeats,
    };
    pare_runtime runtime = pare_outcome_runtime(arguments);
    char *report = NULL;
    pare_status status = pare_bench(model, &options, &runtime, &report);
    code = pare_outcome_deliver(status, report, arguments, show);
    if (model) pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL [OPTION...]", "--shape NAME [OPTION...]", NULL};
static const char *const examples[] = {"my-model", "--shape 7b", "--shape 7b --layers 8 --json", NULL};

const pare_command pare_command_bench = {
    .syntax = {"bench", PARE_IN_BENCH},
    .summary = "measures this machine: matrix rate, tokens per second, memory",
    .synopsis = synopsis,
    .description =
        "Measures the matrix rate of this machine, and how many tokens per second a forward pass, a forward and "
        "backward pass and a Moreau step process, as a share of that rate; and the memory that it takes.",
    .examples = examples,
    .run = run,
};
