#include "command.h"
#include "document.h"
#include "inspect_any.h"
#include "inspect_map.h"
#include "message.h"
#include "outcome.h"
#include "table.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_tensors(const json_t *tensors) {
    static const char *const titles[] = {"tensor", "shape", "dtype", "parameters", "zeros", "sparsity"};
    pare_table *table = pare_table_new("lllrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *tensor = json_array_get(tensors, i);
        char shape[128];
        pare_inspect_shape(pare_document_at(tensor, "shape"), shape, sizeof shape);
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

static void print_tokenizer(const json_t *tokenizer) {
    const json_t *problem = json_object_get(tokenizer, "problem");
    uint64_t beyond = pare_document_count(tokenizer, "beyond_embedding");
    if (problem) {
        printf("tokenizer     none that can be used: %s\n", json_string_value(problem));
        return;
    }
    printf("tokenizer     %s tokens", pare_count_show(pare_document_count(tokenizer, "tokens")).text);
    if (beyond)
        printf(", %s more than the embedding has rows: a text that has one of these is refused",
               pare_count_show(beyond).text);
    putchar('\n');
}

static void print_list(const json_t *list, const char *none) {
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i ? ", " : "", json_string_value(json_array_get(list, i)));
    if (!json_array_size(list)) fputs(none, stdout);
}

static void print_block(const json_t *model) {
    const json_t *family = pare_document_at(model, "family"), *block = pare_document_at(model, "block");
    const json_t *biases = pare_document_at(block, "biases");
    const char *heads = pare_document_text(block, "head_norm");
    printf("family        %s: %s\n", pare_document_text(family, "name"), pare_document_text(family, "models"));
    printf("norms         %s: ", pare_document_text(block, "norm"));
    print_list(pare_document_at(block, "norms"), "none around attention and the FFN");
    if (*heads) printf("; queries and keys: %s", heads);
    printf("\nblock         %s%s%s, positions: %s", pare_document_text(block, "activation"),
           json_is_true(pare_document_at(block, "gated")) ? ", gated" : "",
           json_is_true(pare_document_at(block, "parallel")) ? ", attention and FFN in parallel" : "",
           pare_document_text(block, "positions"));
    if (json_array_size(biases)) {
        fputs(", biases: ", stdout);
        print_list(biases, "");
    }
    if (json_is_true(pare_document_at(block, "sinks"))) fputs(", attention sinks", stdout);
    putchar('\n');
}

/* Nothing where all layers see all tokens and turn alike. */
static void print_attention(const json_t *attention) {
    const json_t *first = json_array_get(attention, 0);
    if (json_array_size(attention) == 1 && !pare_document_count(first, "window")) return;
    for (size_t i = 0; i < json_array_size(attention); i++) {
        const json_t *stretch = json_array_get(attention, i);
        uint64_t begin = pare_document_count(stretch, "first"), end = pare_document_count(stretch, "last");
        uint64_t window = pare_document_count(stretch, "window");
        printf("%-14s", i ? "" : "attention");
        if (begin == end)
            printf("layer %llu: ", (unsigned long long)begin);
        else
            printf("layers %llu-%llu: ", (unsigned long long)begin, (unsigned long long)end);
        if (window)
            printf("%s of %s tokens", json_object_get(stretch, "chunked") ? "chunks" : "a window",
                   pare_count_show(window).text);
        else
            fputs("all tokens", stdout);
        puts(json_object_get(stretch, "rope") ? "" : ", no rotation");
    }
}

static void print_shares(const json_t *experts) {
    const char *scores = json_string_value(pare_document_at(experts, "scores"));
    double scale = json_number_value(pare_document_at(experts, "scale"));
    bool sigmoid = scores && strcmp(scores, "sigmoid") == 0;
    if (scores && strcmp(scores, "sparsemixer") == 0)
        fputs("are sparsemixer's", stdout);
    else if (json_is_true(pare_document_at(experts, "normalised")))
        printf("%sadd up to %g", sigmoid ? "are sigmoids that " : "", scale);
    else
        fputs(sigmoid ? "are sigmoids" : "are of all experts' softmax", stdout);
    if (!json_is_true(pare_document_at(experts, "normalised")) && fabs(scale - 1.0) > 0.0) printf(" times %g", scale);
    if (json_is_true(pare_document_at(experts, "shares_inputs"))) fputs(", of what experts read", stdout);
}

static void print_latents(const json_t *latents) {
    if (!latents) return;
    unsigned long long queries = (unsigned long long)pare_document_count(latents, "queries");
    printf("latents       keys and values of %llu", (unsigned long long)pare_document_count(latents, "keys"));
    if (queries) printf(", queries of %llu", queries);
    printf("; heads of %llu turned and %llu plain, values of %llu\n",
           (unsigned long long)pare_document_count(latents, "rotated"),
           (unsigned long long)pare_document_count(latents, "plain"),
           (unsigned long long)pare_document_count(latents, "value"));
}

static void print_experts(const json_t *experts) {
    if (!experts) return;
    printf("experts       each token reaches %llu of %llu, %llu wide; shares ",
           (unsigned long long)pare_document_count(experts, "chosen"),
           (unsigned long long)pare_document_count(experts, "count"),
           (unsigned long long)pare_document_count(experts, "width"));
    print_shares(experts);
    if (pare_document_count(experts, "groups") > 1)
        printf(", in %llu of %llu groups", (unsigned long long)pare_document_count(experts, "groups_chosen"),
               (unsigned long long)pare_document_count(experts, "groups"));
    if (pare_document_count(experts, "shared"))
        printf("; one more, %llu wide, for all tokens", (unsigned long long)pare_document_count(experts, "shared"));
    putchar('\n');
}

static unsigned long long count_of(const json_t *json, const char *name) {
    return (unsigned long long)pare_document_count(json, name);
}

static void print_shape(const json_t *model) {
    const json_t *pictures = pare_document_at(model, "pictures");
    printf("shape         %llu layers, hidden %llu, head size %llu", count_of(model, "layers"),
           count_of(model, "hidden"), count_of(model, "head_size"));
    if (!pictures)
        printf(", vocabulary %llu%s\n", count_of(model, "vocabulary"),
               json_is_true(pare_document_at(model, "tied")) ? ", tied head" : "");
    else
        printf(", %llu classes\npictures      %llu x %llu of %llu channel%s, patches of %llu x %llu\n",
               count_of(pictures, "classes"), count_of(pictures, "height"), count_of(pictures, "width"),
               count_of(pictures, "channels"), count_of(pictures, "channels") == 1 ? "" : "s",
               count_of(pictures, "patch_height"), count_of(pictures, "patch_width"));
}

static void show(const pare_arguments *arguments, const json_t *model) {
    (void)arguments;
    printf("model         %s\n", pare_document_text(model, "path"));
    printf("architecture  %s (%s)\n", pare_document_text(model, "architecture"),
           pare_document_text(model, "model_type"));
    print_shape(model);
    print_block(model);
    print_latents(pare_document_at(model, "latents"));
    print_experts(pare_document_at(model, "experts"));
    printf("widths%s\n", json_is_false(pare_document_at(model, "uniform")) ? " (they differ between layers)" : "");
    pare_document_print_widths(pare_document_at(model, "widths"), "              ");
    if (pare_document_at(model, "rope")) pare_inspect_rope("rotary", pare_document_at(model, "rope"));
    if (pare_document_at(model, "windowed_rope"))
        pare_inspect_rope("  in windows", pare_document_at(model, "windowed_rope"));
    printf("positions     %s", pare_count_show(pare_document_count(model, "max_positions")).text);
    putchar('\n');
    print_attention(pare_document_at(model, "attention"));
    printf("parameters    %s\n", pare_count_show(pare_document_count(model, "parameters")).text);
    printf("bytes         %s\n", pare_bytes_show(pare_document_count(model, "bytes")).text);
    pare_inspect_dtypes(pare_document_at(model, "dtypes"));
    const json_t *sparsity = pare_document_at(model, "sparsity");
    if (sparsity) printf("sparsity      %.2f %% zeros\n", 100 * json_number_value(sparsity));
    if (pare_document_at(model, "tokenizer")) print_tokenizer(pare_document_at(model, "tokenizer"));
    pare_inspect_files(pare_document_at(model, "files"));
    const json_t *tensors = pare_document_at(model, "tensors");
    if (tensors) print_tensors(tensors);
}

/* A sound checkpoint that is no model of pare's is shown all the same, with the reason why it is none. */
static int run_any(const pare_arguments *arguments, pare_status refusal) {
    char reason[1024], trace[4096], *report;
    snprintf(reason, sizeof reason, "%s", pare_message());
    snprintf(trace, sizeof trace, "%s", pare_trace());
    if (refusal == PARE_UNSUPPORTED || refusal == PARE_FILE_ERROR) {
        pare_status status = pare_checkpoint_describe(arguments->model, reason, &report);
        if (status == PARE_OK) return pare_outcome_deliver(status, report, arguments, pare_inspect_show_any);
    }
    pare_terminal_fail("%s", reason);
    fputs(trace, stderr);
    return PARE_EXIT_FAILED;
}

static int run(const pare_arguments *arguments) {
    if (!arguments->model) return pare_outcome_usage("inspect", "MODEL is missing: the folder to look into");
    if (arguments->map) return pare_inspect_map(arguments);
    if (arguments->output) return pare_outcome_usage("inspect", "-o is the picture of --map MATRIX, which is missing");
    if (arguments->against) return pare_outcome_usage("inspect", "--against goes with --map MATRIX, which is missing");
    pare_model *model = NULL;
    pare_status status = pare_model_open(arguments->model, &model);
    if (status != PARE_OK) return run_any(arguments, status);
    char *report = NULL;
    status = pare_model_describe(model, arguments->tensors, &report);
    int code = pare_outcome_deliver(status, report, arguments, show);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL [--tensors] [--json]", "MODEL --map MATRIX -o FILE [--against DENSE]",
                                       NULL};
static const char *const examples[] = {"my-model", "my-model --tensors", "my-model --json | jq .widths",
                                       "smaller --map layers.3.mlp.down_proj -o map.png --against my-model", NULL};

const pare_command pare_command_inspect = {
    .syntax = {"inspect", PARE_IN_INSPECT},
    .summary = "shows what is in a checkpoint: widths, parameters, bytes, sparsity",
    .synopsis = synopsis,
    .description = "Shows what is in a checkpoint: architecture, widths of each layer as its tensors have them, "
                   "parameters, dtype, bytes, tokens. Of the weights only headers are read, except with --tensors. Of "
                   "models that pare does "
                   "not prune it shows names, shapes and dtypes of the tensors, and why prune would refuse them. With "
                   "--map it draws where the weights of one matrix lie: what is kept and how large, by rows, columns "
                   "and tiles, against what chance would give.",
    .examples = examples,
    .run = run,
};
