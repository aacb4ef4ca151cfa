/* What gpt_oss has of its own, when a file has it wrong: sinks, biases and fused tensors of other shapes, MXFP4 halves
 * that do not fit, numbers that config.json must state; and the numbers of MXFP4 themselves. */
#include "families.h"

#include "checkpoint/ggml_decode.h"
#include "checkpoint/scan.h"

#include <math.h>

static const char layer[] = "model.layers.1.";

static void assert_refused(const json_t *one, family_form form, const char *part) {
    char *folder = family_write(one, form);
    pare_model *model;
    if (pare_model_open(folder, &model) == PARE_OK) fail_msg("opened, where \"%s\" was to be said", part);
    if (!strstr(pare_message(), part)) fail_msg("\"%s\" does not say \"%s\"", pare_message(), part);
    assert_null(strchr(pare_message(), '\n'));
    tiny_remove(folder);
    free(folder);
}

/* A tensor that is missing, and one of rows, or of rows and columns, in its place. */
static void assert_shapes_matter(const json_t *one, const char *name, uint32_t rows, uint32_t columns,
                                 const char *expected) {
    char full[96];
    snprintf(full, sizeof full, "%s%s", layer, name);
    assert_refused(one, (family_form){.without = full}, full);
    assert_refused(one, (family_form){.without = full, .more = full, .more_rows = rows, .more_columns = columns},
                   expected);
}

static void shapes_are_held_against_config(void **state) {
    families all = families_load_from(EXPERTS_GOLDEN);
    const json_t *one = family_case(&all, "gpt_oss");
    (void)state;
    assert_shapes_matter(one, "self_attn.sinks", 5, 0, "self_attn.sinks has shape [5] where [4] is expected");
    assert_shapes_matter(one, "self_attn.o_proj.bias", 31, 0, "shape [31] where [32] is expected");
    assert_shapes_matter(one, "mlp.router.bias", 7, 0, "mlp.router.bias has shape [7] where [6] is expected");
    assert_shapes_matter(one, "mlp.experts.gate_up_proj_bias", 6, 24, "shape [6, 24] where [6, 48] is expected");
    assert_shapes_matter(one, "mlp.experts.down_proj_bias", 6, 24, "shape [6, 24] where [6, 32] is expected");
    assert_shapes_matter(one, "mlp.experts.gate_up_proj", 6, 24, "shape [6, 24] where [6, 32, 48] is expected");
    assert_shapes_matter(one, "mlp.experts.down_proj", 24, 32, "shape [24, 32] where [6, 24, 32] is expected");
    families_free(&all);
}

static void assert_config(const json_t *one, const char *key, json_t *value, const char *part) {
    json_t *changed = json_deep_copy(json_object_get(one, "config"));
    json_object_set_new(changed, key, value);
    assert_refused(one, (family_form){.config = changed}, part);
    json_decref(changed);
}

static void numbers_must_be_stated(void **state) {
    families all = families_load_from(EXPERTS_GOLDEN);
    const json_t *one = family_case(&all, "gpt_oss"), *packed = family_case(&all, "gpt_oss mxfp4");
    (void)state;
    assert_config(one, "swiglu_limit", json_null(), "swiglu_limit");
    assert_config(one, "swiglu_limit", json_real(-7.0), "swiglu_limit");
    assert_config(one, "swiglu_alpha", json_real(1.0), "pare knows 1.702");
    assert_config(one, "rope_parameters", json_null(), "must say how positions turn");
    assert_config(one, "num_experts_per_tok", json_integer(7), "cannot choose more than the 6 experts");
    assert_config(one, "quantization_config", json_pack("{s:s}", "quant_method", "gptq"), "quantised (GPTQ)");
    assert_config(packed, "quantization_config", json_pack("{s:s}", "quant_method", "fp8"), "quantised (FP8)");
    assert_config(family_case(&all, "mixtral"), "quantization_config", json_pack("{s:s}", "quant_method", "mxfp4"),
                  "quantised (MXFP4)");
    json_t *usual = json_deep_copy(json_object_get(one, "config"));
    json_object_del(usual, "swiglu_limit"); /* the class's own is 7, as the case states */
    family_model m = family_open(one, (family_form){.config = usual});
    assert_true(m.model->config.architecture.gate_limit == 7.0);
    family_close(&m);
    json_decref(usual);
    families_free(&all);
}

static void halves_must_fit(void **state) {
    static const char blocks[] = "model.layers.1.mlp.experts.down_proj_blocks",
                      scales[] = "model.layers.1.mlp.experts.down_proj_scales";
    families all = families_load_from(EXPERTS_GOLDEN);
    const json_t *one = family_case(&all, "gpt_oss mxfp4");
    (void)state;
    assert_refused(one, (family_form){.without = scales}, "down_proj_blocks has no model.layers.1.mlp.experts.down_");
    assert_refused(one, (family_form){.without = blocks}, "down_proj_scales has dtype U8 and no model.layers.1.mlp");
    assert_refused(one, (family_form){.without = scales, .more = scales, .more_rows = 6, .more_columns = 32},
                   "down_proj_scales has shape [6, 32] where MXFP4 weights have [6, 32, 1]");
    assert_refused(one, (family_form){.without = blocks, .more = blocks, .more_rows = 6, .more_columns = 512},
                   "down_proj_blocks has shape [6, 512] where MXFP4 weights have [experts, outputs, inputs / 32, 16]");
    assert_refused(one, (family_form){.more = "model.layers.1.self_attn.q_proj_scales", .more_rows = 3},
                   "q_proj_scales has dtype U8 and no model.layers.1.self_attn.q_proj_blocks");
    assert_refused(family_case(&all, "mixtral"),
                   (family_form){.more = "model.layers.1.self_attn.q_proj_scales", .more_rows = 3},
                   "q_proj_scales has dtype U8");
    json_t *wider = json_deep_copy(json_object_get(one, "config"));
    json_object_set_new(wider, "intermediate_size", json_integer(64));
    assert_refused(one, (family_form){.config = wider},
                   "gate_up_proj_bias has shape [6, 64] where [6, 128] is expected");
    json_decref(wider);
    families_free(&all);
}

/* Tensors go to the shards in turn, so that halves are apart; what is not packed is in half precision. */
static void halves_may_lie_apart(void **state) {
    families all = families_load_from(EXPERTS_GOLDEN);
    const json_t *one = family_case(&all, "gpt_oss mxfp4");
    pare_backend *backend;
    (void)state;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    family_model m = family_open(one, (family_form){.dtype = PARE_DTYPE_BF16, .shards = 3});
    const pare_source source = {.model = m.model, .backend = backend};
    float *logits = family_logits(m.model, &source, all.ids);
    assert_true(family_logit_error(&all, one, logits, m.model->config.vocabulary) <= 1e-5);
    free(logits);
    family_close(&m);
    pare_backend_close(backend);
    families_free(&all);
}

/* Of an exponent of 2^128. */
static void infinite_numbers_are_found(void **state) {
    families all = families_load_from(EXPERTS_GOLDEN);
    family_model m = family_open(family_case(&all, "gpt_oss mxfp4"), (family_form){0});
    const pare_tensor *tensor = pare_checkpoint_find(m.model->checkpoint, "model.layers.1.mlp.experts.down_proj");
    const pare_mapping *file = pare_checkpoint_mapping(m.model->checkpoint, tensor->file);
    pare_scan scan;
    (void)state;
    assert_int_equal(pare_checkpoint_scan(m.model->checkpoint, NULL, &scan), PARE_OK);
    pare_scan_free(&scan);
    FILE *out = fopen(file->path, "r+b");
    assert_non_null(out);
    assert_int_equal(fseek(out, (long)(tensor->view->exponents + 7 - file->data), SEEK_SET), 0);
    assert_int_equal(fputc(255, out), 255);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(pare_checkpoint_scan(m.model->checkpoint, NULL, &scan), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "of tensor model.layers.1.mlp.experts.down_proj is infinite"));
    family_close(&m);
    families_free(&all);
}

/* E2M1 times a power of two, the first of two neighbours in the low half of a byte; also from within a block. */
static void numbers_are_those_of_the_format(void **state) {
    static const double fours[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    const unsigned char exponents[] = {0, 1, 2, 120, 127, 130, 252};
    enum { BLOCKS = sizeof exponents, COUNT = 32 * BLOCKS };
    unsigned char bytes[COUNT / 2];
    float values[COUNT], some[7];
    (void)state;
    for (int i = 0; i < COUNT / 2; i++)
        bytes[i] = (unsigned char)(i * 37 + i / 16);
    pare_mxfp4_values(bytes, exponents, 0, COUNT, values);
    for (int i = 0; i < COUNT; i++) {
        int bits = i % 2 ? bytes[i / 2] / 16 : bytes[i / 2] % 16;
        double wanted = ldexp(fours[bits % 8], exponents[i / 32] - 127);
        assert_true((double)values[i] == (bits < 8 ? wanted : -wanted));
    }
    pare_mxfp4_values(bytes, exponents, 61, 7, some);
    assert_memory_equal(some, values + 61, sizeof some);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_held_against_config),
        cmocka_unit_test(numbers_must_be_stated),
        cmocka_unit_test(halves_must_fit),
        cmocka_unit_test(halves_may_lie_apart),
        cmocka_unit_test(infinite_numbers_are_found),
        cmocka_unit_test(numbers_are_those_of_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
