/* The model card of what pare writes: what it says, what of a card before it stays, and that the recipe beside it makes
 * the same model. */
#include "cli/training_rows.h"
#include "support/memory.h"

static char *read_card(const char *folder) {
    char *path = pare_path_join(folder, "README.md"), *text = NULL;
    assert_int_equal(pare_file_read(path, 1 << 20, &text, NULL), PARE_OK);
    free(path);
    return text;
}

static size_t count(const char *text, const char *part) {
    size_t found = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        found++;
    return found;
}

static void expect_counts(const char *folder, const char *const *parts, size_t times) {
    char *card = read_card(folder);
    for (; *parts; parts++)
        if (count(card, *parts) != times) {
            fprintf(stderr, "'%s' is not there %zu times in\n%s", *parts, times, card);
            assert_true(false);
        }
    pare_free(card);
}

#define EXPECT(folder, ...) expect_counts(folder, (const char *const[]){__VA_ARGS__, NULL}, 1)
#define EXPECT_NONE(folder, ...) expect_counts(folder, (const char *const[]){__VA_ARGS__, NULL}, 0)

#define RANDOM "--method", "random", "--ratio", "0.25", "--quiet"

/* What was measured, how to load it, and the recipe, which makes the same model. */
static void a_new_card(void **state) {
    workplace *place = *state;
    workplace_write_text(place);
    tiny_write_text(place->model, "LICENSE",
                    "                                 Apache License\n Version 2.0, January 2004\n");
    char *recipe = pare_path_join(place->output, "recipe.json"), *again = pare_path_join(place->folder, "again");
    char *line = pare_format("to put it on the Hub: hf upload USER/out %s\n", place->output);
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--method", "taylor", "--ratio",
                                           "0.25", "--calib", place->text, "--text", place->text, QUICKLY);
    assert_non_null(strstr(result.out, line));
    assert_non_null(strstr(result.out, "  README.md\n"));
    assert_non_null(strstr(result.out, "  recipe.json\n"));
    program_result_free(&result);
    EXPECT(place->output, "license: apache-2.0\n", "library_name: transformers\n", "pipeline_tag: text-generation\n",
           "tags:\n- pruning\n- compression\n- pare\n", "model-index:\n- name: \"out\"\n", "    - type: perplexity\n",
           "    - type: kl_divergence\n", "# out\n", "| parameters | 1,312,384 |", "| perplexity, text.txt |",
           "| KL divergence from the dense model, text.txt |", "AutoModelForCausalLM.from_pretrained(\"out\")",
           "vllm serve out\n", "convert_hf_to_gguf.py out ", "pare generate out ", "--method taylor --ratio 0.25",
           "whose files are here: LICENSE.", "<!-- pare prune: end -->\n", "<!-- pare: as written, ");
    EXPECT_NONE(place->output, "base_model", "license_link", "What follows");
    result = EXPECT_SUCCESS("prune", place->model, "-o", again, "--recipe", recipe, "--ratio", "0.25", "--calib",
                            place->text, QUICKLY);
    program_result_free(&result);
    workplace_expect_same_file(place->output, again, "model.safetensors");
    workplace_expect_same_file(place->output, again, "config.json");
    EXPECT_NONE(again, "model-index", "perplexity");
    free(recipe);
    free(again);
    free(line);
}

/* A model of the Hub's cache, with a card. */
static char *in_a_cache(const workplace *place) {
    char *model = workplace_model_in_a_cache(place);
    tiny_write_text(
        model, "README.md",
        "---\nlicense: llama3.2\ntags: [stories, pruning]\nbase_model: org/older\n"
        "base_model_relation: finetune\nmodel-index:\n- name: old\n---\n\n# Tiny\n\nWords of its author.\n");
    return model;
}

/* What the author said stays, once, however often the model is pruned, trained and merged. */
static void the_card_before(void **state) {
    workplace *place = *state;
    char *model = in_a_cache(place), *second = pare_path_join(place->folder, "second"),
         *third = pare_path_join(place->folder, "third"), *rows = write_rows(place);
    program_result result = EXPECT_SUCCESS("prune", model, "-o", place->output, RANDOM);
    program_result_free(&result);
    EXPECT(place->output, "license: llama3.2\n", "base_model: org/tiny\n",
           "tags:\n- stories\n- pruning\n- compression\n- pare\n", "Words of its author.", "# Tiny\n",
           "Built with Llama.", "From **org/tiny** ", "What follows");
    EXPECT_NONE(place->output, "base_model_relation", "model-index", "org/older");
    result = EXPECT_SUCCESS("prune", place->output, "-o", second, RANDOM);
    program_result_free(&result);
    EXPECT(second, "base_model: org/tiny\n", "Words of its author.", "<!-- pare prune: end -->", "From **out** ",
           "- stories\n- pruning\n- compression\n- pare\n", "<!-- pare: as written, ");
    EXPECT_NONE(second, "From **org/tiny**");
    result = EXPECT_SUCCESS("recover", second, "-o", third, "--data", rows, "--steps", "2", "--batch", "2", "--val",
                            "0", "--quiet");
    program_result_free(&result);
    EXPECT(third, "Words of its author.", "<!-- pare prune: end -->", "<!-- pare recover: end -->", "# third\n",
           "# second\n", "**second** was trained for 2 steps", "pare recover ");
    workplace_expect_same_file(second, third, "recipe.json");
    free(model);
    free(second);
    free(third);
    free(rows);
}

static void add_line(const char *folder, const char *line) {
    char *path = pare_path_join(folder, "README.md");
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(line, file);
    assert_int_equal(fclose(file), 0);
    free(path);
}

/* --force replaces a card as it replaces weights, but not what somebody wrote into one of pare's. */
static void an_edited_card_is_kept(void **state) {
    workplace *place = *state;
    tiny_write_text(place->model, "README.md", "Of the model.\n");
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, RANDOM);
    program_result_free(&result);
    tiny_write_text(place->model, "README.md", "Of the model, now.\n");
    result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--force", RANDOM);
    program_result_free(&result);
    EXPECT(place->output, "Of the model, now.");
    add_line(place->output, "Mine.\n");
    tiny_write_text(place->model, "README.md", "Of the model, later.\n");
    result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--force", RANDOM, "--seed", "7");
    program_result_free(&result);
    EXPECT(place->output, "Mine.", "Of the model, now.", "<!-- pare prune: end -->", "with seed 7");
    EXPECT_NONE(place->output, "later");
    tiny_write_text(place->output, "README.md", "Of another model.\n");
    result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--force", RANDOM);
    program_result_free(&result);
    EXPECT(place->output, "Of the model, later.");
    EXPECT_NONE(place->output, "another");
}

static void without_a_card(void **state) {
    workplace *place = *state;
    tiny_write_text(place->model, "README.md", "words\n");
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--no-card", "--no-report", RANDOM);
    program_result_free(&result);
    workplace_expect_entries(place->output, ".\n..\nconfig.json\ngeneration_config.json\nmodel.safetensors\n"
                                            "pruning.json\nrecipe.json\ntokenizer.json\ntokenizer.model\n"
                                            "tokenizer_config.json\n");
}

/* A card that cannot be read is no reason to lose a model. */
static void a_card_that_is_no_text(void **state) {
    workplace *place = *state;
    tiny_write_text(place->model, "README.md", "caf\xe9\n");
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, RANDOM, "--json");
    assert_non_null(strstr(result.err, "README.md is no UTF-8 text"));
    assert_null(strstr(result.out, "README.md"));
    program_result_free(&result);
    char *path = pare_path_join(place->output, "README.md");
    assert_false(pare_file_exists(path));
    free(path);
}

static void an_adapter_and_its_merge(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *merged = pare_path_join(place->folder, "merged");
    tiny_write_text(place->model, "README.md", "---\nlicense: mit\nwidget:\n- text: x\n---\nWords.\n");
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--adapter",
                                           "--steps", "2", "--batch", "2", "--val", "0", "--quiet");
    program_result_free(&result);
    EXPECT(place->output, "license: mit\n", "library_name: peft\n", "- lora\n", "PeftModel.from_pretrained(",
           "pare merge model --adapter out -o merged\n");
    EXPECT_NONE(place->output, "widget", "Words.", "vllm");
    result = EXPECT_SUCCESS("merge", place->model, "--adapter", place->output, "-o", merged, "--quiet");
    program_result_free(&result);
    EXPECT(merged, "Words.", "The adapter out was merged into model", "library_name: transformers\n", "pare merge ");
    free(rows);
    free(merged);
}

/* Single weights with what they have lost beside them. */
static void with_a_residual_adapter(void **state) {
    workplace *place = *state;
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--method", "magnitude",
                                           "--sparsity", "0.5", "--residual-rank", "2", "--quiet");
    program_result_free(&result);
    EXPECT(place->output, "an adapter of rank 2 in residual-adapter",
           "PeftModel.from_pretrained(model, \"out\", subfolder=\"residual-adapter\")");
    EXPECT_NONE(place->output, ".  ");
}

/* Of several files, the first is named with its own number of examples. */
static void of_a_mixture(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *other = pare_path_join(place->folder, "other.jsonl");
    tiny_write_text(place->folder, "other.jsonl", "{\"text\": \"a dog\"}\n{\"text\": \"a bird\"}\n");
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--data",
                                           other, "--steps", "2", "--batch", "2", "--val", "0", "--quiet");
    program_result_free(&result);
    EXPECT(place->output, "rows.json (40 examples), 50 % of every batch being of other.jsonl");
    free(rows);
    free(other);
}

/* Also where nothing was measured. */
static void of_a_vision_transformer(void **state) {
    workplace *place = *state;
    program_result result =
        EXPECT_SUCCESS("prune", PARE_SOURCE_DIR "/examples/vit-digits", "-o", place->output, RANDOM);
    program_result_free(&result);
    EXPECT(place->output, "pipeline_tag: image-classification\n", "AutoImageProcessor.from_pretrained(\"out\")",
           "pare eval out --images DIR\n");
    EXPECT_NONE(place->output, "vllm", "AutoModelForCausalLM", "pare generate");
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(a_new_card),
                                       IN_A_WORKPLACE(the_card_before),
                                       IN_A_WORKPLACE(an_edited_card_is_kept),
                                       IN_A_WORKPLACE(without_a_card),
                                       IN_A_WORKPLACE(a_card_that_is_no_text),
                                       IN_A_WORKPLACE(an_adapter_and_its_merge),
                                       IN_A_WORKPLACE(with_a_residual_adapter),
                                       IN_A_WORKPLACE(of_a_mixture),
                                       IN_A_WORKPLACE(of_a_vision_transformer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
