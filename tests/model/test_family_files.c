/* The same models in the files that people have: half precision, shards, names without a root or with another one,
 * masks and angles beside the weights, heads that are tied and stored; and files that lack a tensor or have one too
 * many. */
#include "families.h"

static pare_backend *open_backend(void) {
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    return backend;
}

static float *logits_of(const families *all, const family_model *m, const pare_backend *backend) {
    float *logits = malloc((size_t)FAMILY_TOKENS * m->model->config.vocabulary * sizeof *logits);
    family_forward(m->model, backend, all->ids, FAMILY_SEQUENCES, FAMILY_LENGTH, logits);
    return logits;
}

/* Computes what transformers does. */
static void check_form(const families *all, const pare_backend *backend, const json_t *one, family_form form) {
    family_model m = family_open(one, form);
    float *logits = logits_of(all, &m, backend);
    double apart = family_logit_error(all, one, logits, m.model->config.vocabulary);
    if (!(apart <= 1e-5)) fail_msg("%s: logits %.2g of the largest", family_name(one), apart);
    free(logits);
    family_close(&m);
}

/* The numbers are the same in fp32, fp16 and bf16. */
static void check_storage(pare_dtype dtype) {
    families all = families_load();
    pare_backend *backend = open_backend();
    size_t i;
    json_t *one;
    json_array_foreach(all.cases, i, one)
        check_form(&all, backend, one, (family_form){.dtype = dtype, .shards = 2 + (uint32_t)i % 3});
    pare_backend_close(backend);
    families_free(&all);
}

static void sharded_fp16(void **state) {
    (void)state;
    check_storage(PARE_DTYPE_F16);
}

static void sharded_bf16(void **state) {
    (void)state;
    check_storage(PARE_DTYPE_BF16);
}

/* As classes without a head, and other versions of transformers, name tensors. */
static const char *const rootless[][2] = {{"transformer.", ""}, {NULL, NULL}},
                         *const decoder[][2] = {{"model.decoder.", "decoder."}, {NULL, NULL}},
                         *const newer[][2] = {{"language_model.model.", "model.language_model."},
                                              {"language_model.", ""},
                                              {"vision_tower.", "model.vision_tower."},
                                              {"multi_modal_projector.", "model.multi_modal_projector."},
                                              {NULL, NULL}},
                         *const inner[][2] = {
                             {"language_model.model.", "language_model."}, {"language_model.", ""}, {NULL, NULL}};

static const struct {
    const char *name;
    const char *const (*names)[2];
} renamed[] = {
    {"gpt2", rootless},
    {"gpt_neo", rootless},
    {"gptj", rootless},
    {"bloom", rootless},
    {"mpt", rootless},
    {"falcon", rootless},
    {"falcon groups", rootless},
    {"opt", decoder},
    {"opt narrow embedding", decoder},
    {"gemma3 with pictures", newer},
    {"gemma3 with pictures", inner},
    {"mistral3 with pictures", newer},
    {"mistral3 with pictures", inner},
    {"mistral3 with a head", newer},
    {"mistral3 with a head", inner},
    {"mistral3 of ministral3", newer},
};

static void other_names(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend = open_backend();
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        check_form(&all, backend, family_case(&all, renamed[i].name), (family_form){.names = renamed[i].names});
    pare_backend_close(backend);
    families_free(&all);
}

/* What earlier versions of transformers stored though it is computed; dtype NULL: fp32. */
static const struct {
    const char *name, *tensor, *dtype;
} buffers[] = {
    {"gpt2", "transformer.h.0.attn.bias", NULL},
    {"gpt2", "transformer.h.1.attn.masked_bias", NULL},
    {"gpt_neox", "gpt_neox.layers.0.attention.bias", "U8"},
    {"gpt_neox", "gpt_neox.layers.1.attention.bias", "BOOL"},
    {"gpt_neo", "transformer.h.0.attn.attention.bias", "BOOL"},
    {"gptj", "transformer.h.0.attn.bias", "U8"},
    {"gpt_neo", "transformer.h.0.attn.attention.bias", NULL},
    {"gpt_neo", "transformer.h.1.attn.attention.masked_bias", NULL},
    {"gptj", "transformer.h.1.attn.bias", NULL},
    {"gptj", "transformer.h.0.attn.masked_bias", NULL},
    {"gpt_neox", "gpt_neox.layers.0.attention.bias", NULL},
    {"gpt_neox", "gpt_neox.layers.1.attention.masked_bias", NULL},
    {"gpt_neox", "gpt_neox.layers.1.attention.rotary_emb.inv_freq", NULL},
    {"llama", "model.layers.1.self_attn.rotary_emb.inv_freq", NULL},
};

static void masks_and_angles(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend = open_backend();
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        check_form(&all, backend, family_case(&all, buffers[i].name),
                   (family_form){.more = buffers[i].tensor,
                                 .more_dtype = buffers[i].dtype,
                                 .more_rows = 64,
                                 .more_columns = i % 2 ? 0 : 64});
    pare_backend_close(backend);
    families_free(&all);
}

/* Tied, and stored as the embedding, as the head, or as both; with a head that is another, it is not tied. */
static const struct {
    const char *name, *embedding, *head;
    uint32_t width;
} tied[] = {
    {"llama llama3", "model.embed_tokens.weight", "lm_head.weight", 32},
    {"gpt2", "transformer.wte.weight", "lm_head.weight", 32},
    {"opt narrow embedding", "model.decoder.embed_tokens.weight", "lm_head.weight", 20},
    {"gpt_neox one after the other", "gpt_neox.embed_in.weight", "embed_out.weight", 32},
    {"gemma3", "model.embed_tokens.weight", "lm_head.weight", 32},
    {"gemma3 with pictures", "language_model.model.embed_tokens.weight", "language_model.lm_head.weight", 32},
    {"mistral3 of ministral3", "language_model.model.embed_tokens.weight", "language_model.lm_head.weight", 32},
};

static void tied_heads(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend = open_backend();
    for (size_t i = 0; i < sizeof tied / sizeof *tied; i++) {
        const json_t *one = family_case(&all, tied[i].name);
        family_form both = {
            .more = tied[i].head, .more_like = tied[i].embedding, .more_rows = 64, .more_columns = tied[i].width};
        family_form alone = both, other = both;
        check_form(&all, backend, one, both);
        alone.without = tied[i].embedding;
        check_form(&all, backend, one, alone);
        other.more_like = NULL;
        json_t *config = json_deep_copy(json_object_get(one, "config"));
        json_object_set_new(config, "tie_word_embeddings", json_false());
        family_form untied = other;
        untied.config = config;
        family_model a = family_open(one, other), b = family_open(one, untied);
        float *here = logits_of(&all, &a, backend), *there = logits_of(&all, &b, backend);
        assert_memory_equal(here, there, (size_t)FAMILY_TOKENS * 64 * sizeof *here);
        assert_true(family_logit_error(&all, one, here, 64) > 1e-2);
        free(here);
        free(there);
        family_close(&a);
        family_close(&b);
        json_decref(config);
    }
    pare_backend_close(backend);
    families_free(&all);
}

static bool opens(const json_t *one, family_form form) {
    pare_model *model;
    char *folder = family_write(one, form);
    pare_status status = pare_model_open(folder, &model);
    tiny_remove(folder);
    free(folder);
    if (status == PARE_OK) pare_model_close(model);
    return status == PARE_OK;
}

/* In another layer than the first. */
static bool is_deeper(const char *name) {
    const char *at = strstr(name, "layers.");
    if (!at) at = strstr(name, "h.");
    if (!at) at = strstr(name, "blocks.");
    return at && strpbrk(at, "0123456789") && *strpbrk(at, "0123456789") != '0';
}

/* Every tensor of the language model's first layer and ends, left out, is missed by its name. */
static void none_may_be_missing(void **state) {
    (void)state;
    families all = families_load();
    size_t i, k;
    json_t *one, *row;
    json_array_foreach(all.cases, i, one) json_array_foreach(json_object_get(one, "tensors"), k, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        if (json_is_null(json_array_get(row, 2)) || is_deeper(name)) continue;
        if (opens(one, (family_form){.without = name})) fail_msg("%s opens without %s", family_name(one), name);
        if (!strstr(pare_message(), name)) fail_msg("%s without %s: %s", family_name(one), name, pare_message());
    }
    families_free(&all);
}

/* A bias, a norm or an adapter that the family has not. */
static void none_may_be_left_over(void **state) {
    (void)state;
    families all = families_load();
    size_t i, k;
    json_t *one, *row;
    json_array_foreach(all.cases, i, one) {
        const char *first = NULL;
        json_array_foreach(json_object_get(one, "tensors"), k,
                           row) if (!first && strstr(json_string_value(json_array_get(row, 0)), ".0.")) {
            first = json_string_value(json_array_get(row, 0));
            if (json_is_null(json_array_get(row, 2))) first = NULL;
        }
        char name[256];
        snprintf(name, sizeof name, "%.*s.0.another_norm.weight", (int)(strstr(first, ".0.") - first), first);
        if (opens(one, (family_form){.more = name, .more_rows = 32}))
            fail_msg("%s opens with %s", family_name(one), name);
        if (!strstr(pare_message(), name)) fail_msg("%s with %s: %s", family_name(one), name, pare_message());
    }
    families_free(&all);
}

/* Beside a wrapper's parts that are carried along, its language model's head must be where it is looked for. */
static void heads_are_no_other_parts(void **state) {
    (void)state;
    static const char *const names[] = {"lm_head.weight", "language_model.lm_head.bias", "model.lm_head.weight"};
    families all = families_load();
    const json_t *one = family_case(&all, "mistral3 of ministral3");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(opens(one, (family_form){.more = names[i], .more_rows = 64, .more_columns = i == 1 ? 0 : 32}));
        assert_non_null(strstr(pare_message(), names[i]));
    }
    assert_true(opens(one, (family_form){.more = "vision_tower.my_lm_head.weight", .more_rows = 64}));
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sharded_fp16),
        cmocka_unit_test(sharded_bf16),
        cmocka_unit_test(other_names),
        cmocka_unit_test(masks_and_angles),
        cmocka_unit_test(tied_heads),
        cmocka_unit_test(none_may_be_missing),
        cmocka_unit_test(none_may_be_left_over),
        cmocka_unit_test(heads_are_no_other_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
