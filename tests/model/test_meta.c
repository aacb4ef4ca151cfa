/* Models in Meta's and Mistral's own format: what is computed, written and refused. That their tensors are those of the
 * Hugging Face folder, bit by bit, tests/checkpoint/test_torch_file.c tells; here their configuration, and files that
 * do not belong together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/memory.h"
#include "tiny_model.h"

#define DATA PARE_SOURCE_DIR "/tests/data/pytorch/"

static void copy(const char *from, const char *folder, const char *name) {
    char *path = pare_format(DATA "%s", from);
    pare_mapping file;
    if (pare_mapping_open(path, &file) != PARE_OK) fail_msg("%s", pare_message());
    tiny_write_file(folder, name, file.data, file.bytes);
    pare_mapping_close(&file);
    free(path);
}

/* A folder of meta1's weights with that params.json. */
static char *with_params(const char *params) {
    char *folder = tiny_folder();
    copy("meta1/consolidated.00.pth", folder, "consolidated.00.pth");
    tiny_write_text(folder, "params.json", params);
    return folder;
}

static void expect_refusal(const char *folder, const char *word) {
    uint64_t before = pare_memory_current();
    pare_model *model;
    if (pare_model_open(folder, &model) == PARE_OK || !strstr(pare_message(), word) || !strstr(pare_message(), folder))
        fail_msg("\"%s\" is expected: %s", word, pare_message());
    assert_null(model);
    assert_int_equal(pare_memory_current(), before);
}

#define SIZES "\"dim\": 16, \"n_layers\": 2, \"n_heads\": 4, \"n_kv_heads\": 2, "

static void expect_config(const char *params, uint32_t positions, double theta, double factor) {
    char *folder = with_params(params);
    pare_model *model;
    if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s: %s", params, pare_message());
    const pare_config *config = &model->config;
    assert_true(config->made);
    assert_int_equal(config->stated_positions, positions);
    assert_true(config->rope[0].theta == theta);
    json_t *scaling = json_object_get(config->json, "rope_scaling");
    assert_true(json_number_value(json_object_get(scaling, "factor")) == factor);
    assert_int_equal(config->vocabulary, 32);
    assert_int_equal(config->widths[1].ffn, 24);
    assert_int_equal(config->widths[1].kv_heads, 2);
    assert_false(config->tied);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

/* Positions that params.json does not say are those of the release that it looks like. */
static void what_is_not_said_is_that_of_the_release(void **state) {
    (void)state;
    expect_config("{" SIZES "\"norm_eps\": 1e-6, \"vocab_size\": -1}", 2048, 1e4, 0);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"vocab_size\": 32, \"multiple_of\": 8}", 4096, 1e4, 0);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"rope_theta\": 1e6, \"hidden_dim\": 24}", 32768, 1e6, 0);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"rope_theta\": 1e5}", 16384, 1e5, 0);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"rope_theta\": 500000.0}", 8192, 5e5, 0);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"rope_theta\": 500000.0, \"use_scaled_rope\": true}", 131072, 5e5, 8);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"use_scaled_rope\": true, \"rope_scaling_factor\": 4}", 131072, 1e4,
                  4);
    expect_config("{\"model\": {" SIZES "\"norm_eps\": 1e-5}}", 4096, 1e4, 0);
    expect_config("{" SIZES "\"norm_eps\": 1e-5, \"max_seq_len\": 128, \"moe\": null}", 4096, 1e4, 0);
}

static void a_mistral_is_one(void **state) {
    (void)state;
    pare_model *model;
    assert_int_equal(pare_model_open(DATA "mistral", &model), PARE_OK);
    assert_string_equal(model->config.model_type, "mistral");
    assert_int_equal(model->config.plan[0].window, 48);
    pare_model_close(model);
}

static void params_that_lie_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *params, *word;
    } lies[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"dim\": 16, \"dim\": 16}", "without repeated keys"},
        {"{}", "dim must be a whole number"},
        {"{\"dim\": 16, \"n_layers\": 2}", "n_heads must be"},
        {"{\"dim\": -1}", "dim must be"},
        {"{\"dim\": 99999999999}", "dim must be"},
        {"{\"dim\": 16, \"n_layers\": 2, \"n_heads\": 5}", "head_dim must be"},
        {"{\"dim\": 16, \"n_layers\": 2, \"n_heads\": 0}", "n_heads must be"},
        {"{" SIZES "\"head_dim\": 3}", "an even number"},
        {"{" SIZES "\"moe\": {\"num_experts\": 8}}", "the key moe"},
        {"{" SIZES "\"vision_chunk_size\": 448}", "the key vision_chunk_size"},
        {"{" SIZES "\"quantization_args\": {\"scheme\": \"int4\"}}", "the key quantization_args"},
        {"{" SIZES "\"norm_eps\": 1e-5, \"vocab_size\": 33}", "another number of rows"},
        {"{" SIZES "\"vocab_size\": 32}", "norm_eps"},
        {"{\"dim\": 16, \"n_layers\": 1, \"n_heads\": 4, \"n_kv_heads\": 2, \"norm_eps\": 1e-5}", "has no place"},
        {"{\"dim\": 16, \"n_layers\": 3, \"n_heads\": 4, \"n_kv_heads\": 2, \"norm_eps\": 1e-5}", "model.layers.2"},
        {"{\"dim\": 32, \"n_layers\": 2, \"n_heads\": 8, \"n_kv_heads\": 2, \"norm_eps\": 1e-5}", "a file is missing"},
        {"{\"dim\": 16, \"n_layers\": 2, \"n_heads\": 4, \"norm_eps\": 1e-5}", "16 rows of keys, but 1 file has 8"},
        {"{\"dim\": 16, \"n_layers\": 2, \"n_heads\": 1, \"head_dim\": 6, \"norm_eps\": 1e-5}",
         "no multiple of the size"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char *folder = with_params(lies[i].params);
        expect_refusal(folder, lies[i].word);
        tiny_remove(folder);
        free(folder);
    }
}

static void files_must_belong_together(void **state) {
    (void)state;
    char *folder = tiny_folder();
    copy("meta2/params.json", folder, "params.json");
    copy("meta2/consolidated.00.pth", folder, "consolidated.00.pth");
    expect_refusal(folder, "but 1 file has 8: a file is missing");
    copy("meta2/consolidated.01.pth", folder, "consolidated.02.pth");
    expect_refusal(folder, "but not consolidated.01.pth");
    copy("meta1/consolidated.00.pth", folder, "consolidated.01.pth");
    char *third = pare_path_join(folder, "consolidated.02.pth");
    assert_int_equal(unlink(third), 0);
    expect_refusal(folder, "another shape or dtype than in the first file");
    copy("zip/pytorch_model.bin", folder, "consolidated.01.pth");
    expect_refusal(folder, "consolidated.01.pth: tensor");
    copy("meta2/consolidated.01.pth", folder, "consolidated.01.pth");
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    pare_model_close(model);
    free(third);
    tiny_remove(folder);
    free(folder);
}

/* config.json holds where somebody put one beside the files. */
static void a_config_beside_the_files_holds(void **state) {
    (void)state;
    char *folder = with_params("{" SIZES "\"norm_eps\": 1e-5}");
    copy("HF/config.json", folder, "config.json");
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_false(model->config.made);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_is_that_of_the_release),
        cmocka_unit_test(a_mistral_is_one),
        cmocka_unit_test(params_that_lie_are_refused),
        cmocka_unit_test(files_must_belong_together),
        cmocka_unit_test(a_config_beside_the_files_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
