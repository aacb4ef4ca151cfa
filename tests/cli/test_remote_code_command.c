/* --remote-code: the file, what config.json says of it, what people are told, and that it goes along from then on. */
#include "cli/training_rows.h"
#include "model/families.h"

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, workplace_open, workplace_close)
#define EXPECT_OK(...) expect_ok((const char *const[]){__VA_ARGS__, NULL})
#define ONE_LAYER "--method", "random", "--layers", "1:2", "--ratio", "0.5", "--json", "--quiet"
#define A_BIT "--steps", "1", "--batch", "2", "--val", "0", "--json", "--quiet"

static json_t *expect_ok(const char *const *words) {
    program_result result = program_run(words);
    if (result.code) fail_msg("%s %s: exit code %d: %s", words[0], words[1], result.code, result.err);
    json_t *json = json_loads(result.out, 0, NULL);
    program_result_free(&result);
    assert_non_null(json);
    return json;
}

static json_t *config_of(const char *folder) {
    char *path = pare_path_join(folder, "config.json");
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    free(path);
    return json;
}

static const char *output_text(const json_t *report, const char *key) {
    const char *text = json_string_value(json_object_get(json_object_get(report, "output"), key));
    return text ? text : "";
}

static bool has_engine(const json_t *report, const char *name) {
    const json_t *engines = json_object_get(json_object_get(report, "output"), "engines"), *engine;
    size_t i;
    json_array_foreach(engines, i, engine) if (strcmp(json_string_value(engine), name) == 0) return true;
    return false;
}

/* The file of the tree, and the class that config.json names. */
static void expect_code(const char *folder, const char *class_name) {
    json_t *config = config_of(folder);
    char *named = pare_format("modeling_pare.%s", class_name), *configured = pare_format("%sConfig", named);
    const json_t *map = json_object_get(config, "auto_map");
    workplace_expect_same_file(PARE_SOURCE_DIR "/src/run", folder, "modeling_pare.py");
    assert_string_equal(json_string_value(json_array_get(json_object_get(config, "architectures"), 0)), class_name);
    assert_string_equal(json_string_value(json_object_get(map, "AutoConfig")), configured);
    assert_string_equal(json_string_value(json_object_get(map, "AutoModelForCausalLM")), named);
    free(named);
    free(configured);
    json_decref(config);
}

static void expect_no_code(const char *folder) {
    json_t *config = config_of(folder);
    char *path = pare_path_join(folder, "modeling_pare.py");
    assert_null(json_object_get(config, "auto_map"));
    assert_false(pare_file_exists(path));
    free(path);
    json_decref(config);
}

static void expect_in_card(const char *folder, const char *part, bool there) {
    char *path = pare_path_join(folder, "README.md");
    size_t bytes;
    char *card = (char *)workplace_read(path, &bytes);
    if ((strstr(card, part) != NULL) != there) fail_msg("'%s' is%s in\n%s", part, there ? " not" : "", card);
    free(card);
    free(path);
}

static void heads_that_differ(void **state) {
    const workplace *place = *state;
    json_t *report = EXPECT_OK("prune", place->model, "-o", place->output, "--remote-code", ONE_LAYER);
    expect_code(place->output, "PareLlamaForCausalLM");
    assert_string_equal(output_text(report, "remote_code"), "modeling_pare.py");
    assert_non_null(strstr(output_text(report, "load"), "trust_remote_code=True"));
    assert_non_null(strstr(output_text(report, "note"), "--attention-layers none"));
    assert_true(has_engine(report, "transformers") && has_engine(report, "pare") && !has_engine(report, "vllm"));
    expect_in_card(place->output, "AutoModelForCausalLM.from_pretrained(\"out\", trust_remote_code=True)\n", true);
    expect_in_card(place->output, "AutoTokenizer.from_pretrained(\"out\", trust_remote_code=True)\n", true);
    expect_in_card(place->output, "vllm serve", false);
    json_decref(report);
}

static void what_vllm_holds(void **state) {
    const workplace *place = *state;
    json_t *report =
        EXPECT_OK("prune", place->model, "-o", place->output, "--remote-code", "--attention-layers", "none", ONE_LAYER);
    expect_code(place->output, "DeciLMForCausalLM");
    assert_true(has_engine(report, "vllm"));
    assert_non_null(strstr(output_text(report, "note"), "--round-to 256"));
    expect_in_card(place->output, "vllm serve out --trust-remote-code\n", true);
    json_decref(report);
}

/* Wherever such a model goes on to, and only as long as its layers differ. */
static void it_goes_along(void **state) {
    const workplace *place = *state;
    char *again = pare_path_join(place->folder, "again"), *rows = write_rows(place);
    json_decref(EXPECT_OK("prune", place->model, "-o", place->output, "--remote-code", ONE_LAYER));
    json_decref(EXPECT_OK("convert", place->output, again, "--type", "f32", "--json", "--quiet"));
    expect_code(again, "PareLlamaForCausalLM");
    json_decref(EXPECT_OK("recover", place->output, "-o", again, "--force", "--data", rows, A_BIT));
    expect_code(again, "PareLlamaForCausalLM");
    json_decref(EXPECT_OK("prune", place->output, "-o", again, "--force", "--drop-layers", "1", "--json", "--quiet"));
    expect_no_code(again);
    free(again);
    free(rows);
}

/* Of a model whose folder has no such file. */
static void other_commands_write_it(void **state) {
    const workplace *place = *state;
    char *again = pare_path_join(place->folder, "again"), *adapter = pare_path_join(place->folder, "adapter"),
         *rows = write_rows(place);
    json_decref(EXPECT_OK("prune", place->model, "-o", place->output, ONE_LAYER));
    expect_no_code(place->output);
    json_decref(EXPECT_OK("recover", place->output, "-o", again, "--data", rows, "--remote-code", A_BIT));
    expect_code(again, "PareLlamaForCausalLM");
    json_decref(EXPECT_OK("recover", place->output, "-o", adapter, "--adapter", "--data", rows, A_BIT));
    json_decref(EXPECT_OK("merge", place->output, "--adapter", adapter, "-o", again, "--force", "--remote-code",
                          "--json", "--quiet"));
    expect_code(again, "PareLlamaForCausalLM");
    json_decref(EXPECT_OK("convert", place->output, again, "--force", "--remote-code", "--json", "--quiet"));
    expect_code(again, "PareLlamaForCausalLM");
    json_decref(EXPECT_OK("prune", place->model, "-o", again, "--force", "--remote-code", "--recover", rows,
                          "--recover-steps", "1", "--recover-batch", "2", ONE_LAYER));
    expect_code(again, "PareLlamaForCausalLM");
    free(again);
    free(adapter);
    free(rows);
}

static void layers_that_are_alike_need_none(void **state) {
    const workplace *place = *state;
    json_t *report = EXPECT_OK("prune", place->model, "-o", place->output, "--remote-code", "--method", "random",
                               "--ratio", "0.5", "--json", "--quiet");
    assert_non_null(strstr(output_text(report, "note"), "--remote-code was not needed"));
    assert_string_equal(output_text(report, "remote_code"), "");
    expect_no_code(place->output);
    json_decref(report);
}

/* llama.cpp is named where a GGUF file can hold the model, and not where biases were added that it has no place for. */
static void what_runs_layers_that_differ(void **state) {
    const workplace *place = *state;
    json_t *report = EXPECT_OK("prune", place->model, "-o", place->output, ONE_LAYER);
    assert_non_null(strstr(output_text(report, "load"), "has layers of different widths"));
    assert_non_null(strstr(output_text(report, "load"), "llama.cpp as a GGUF file"));
    expect_in_card(place->output, "The model has layers of different widths", true);
    json_decref(report);
    workplace_write_text(place);
    report = EXPECT_OK("prune", place->model, "-o", place->output, "--force", "--compensate", "bias", "--calib",
                       place->text, "--samples", "2", "--length", "16", ONE_LAYER);
    assert_non_null(strstr(output_text(report, "load"), "has layers of different widths"));
    assert_null(strstr(output_text(report, "load"), "llama.cpp"));
    json_decref(report);
}

/* The language model inside is the one whose layers differ; what is made of the output has the file, too. */
static void models_of_text_and_pictures(void **state) {
    static const struct {
        const char *name, *class_name;
    } cases[] = {{"gemma3 with pictures", "PareGemma3ForConditionalGeneration"},
                 {"mistral3 of ministral3", "PareMistral3ForConditionalGeneration"}};
    const workplace *place = *state;
    families all = families_load();
    char *again = pare_path_join(place->folder, "again");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        family_model m = family_open(family_case(&all, cases[i].name), (family_form){0});
        json_t *report = EXPECT_OK("prune", m.folder, "-o", place->output, "--force", "--remote-code", ONE_LAYER);
        expect_code(place->output, cases[i].class_name);
        json_t *config = config_of(place->output);
        const json_t *map = json_object_get(config, "auto_map"), *text = json_object_get(config, "text_config");
        assert_true(json_equal(json_object_get(map, "AutoModelForImageTextToText"),
                               json_object_get(map, "AutoModelForCausalLM")));
        assert_true(json_is_array(json_object_get(text, "intermediate_size")));
        assert_non_null(strstr(output_text(report, "note"), "reads text alone"));
        assert_false(has_engine(report, "vllm"));
        json_decref(EXPECT_OK("convert", place->output, again, "--force", "--json", "--quiet"));
        expect_code(again, cases[i].class_name);
        json_decref(report);
        json_decref(config);
        family_close(&m);
    }
    free(again);
    families_free(&all);
}

static void what_it_is_not_for(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "x.gguf"), *before = workplace_list(place->folder);
    EXPECT_FAILURE(2, "is of folders", "prune", place->model, "-o", file, "--remote-code", ONE_LAYER);
    EXPECT_FAILURE(2, "is of folders", "convert", place->model, file, "--remote-code");
    EXPECT_FAILURE(2, "leave out --remote-code", "prune", place->model, "-o", place->output, "--remote-code",
                   "--archive", "--sparsity", "0.5", "--method", "magnitude");
    EXPECT_FAILURE(2, "is of whole models", "recover", place->model, "-o", place->output, "--remote-code", "--adapter",
                   "--data", place->text);
    workplace_expect_entries(place->folder, before);
    free(before);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_PLACE(heads_that_differ),
        IN_PLACE(what_vllm_holds),
        IN_PLACE(it_goes_along),
        IN_PLACE(other_commands_write_it),
        IN_PLACE(layers_that_are_alike_need_none),
        IN_PLACE(what_runs_layers_that_differ),
        IN_PLACE(models_of_text_and_pictures),
        IN_PLACE(what_it_is_not_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
