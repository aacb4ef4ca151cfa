/* Adapters of PEFT beside tiny models of families, with what PEFT and transformers make of them: numbers of factors,
 * too, are made of tensors' names. */
#ifndef PARE_TESTS_PEFT_CASES_H
#define PARE_TESTS_PEFT_CASES_H

#include "model/families.h"
#include "model/logits.h"
#include "support/memory.h"
#include "train/write.h"

#include "tiny_trained.h"

/* Of the largest logit; Gemma's embeddings and the factors' sizes make the fp32 forwards differ by 3e-6. */
static const double adapters_bound = 1e-5;

typedef struct adapters {
    families all;
    json_t *golden, *cases;
    pare_backend *backend;
} adapters;

static inline int adapters_open(void **state, families all, const char *golden) {
    adapters *a = *state = calloc(1, sizeof *a);
    a->all = all;
    a->golden = load_json(golden);
    a->cases = json_object_get(a->golden, "cases");
    assert_true(json_array_size(a->cases) > 8);
    return pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &a->backend) != PARE_OK;
}

static inline int adapters_close(void **state) {
    adapters *a = *state;
    pare_backend_close(a->backend);
    json_decref(a->golden);
    families_free(&a->all);
    free(a);
    return 0;
}

static inline family_model open_case(const adapters *a, const json_t *one) {
    return family_open(family_case(&a->all, family_name(one)), (family_form){.dtype = PARE_DTYPE_F32});
}

/* adapter_model.safetensors with numbers made of names, and the config that peft writes. */
static inline char *write_adapter(const adapters *a, const json_t *one, const char *ranks, const char *alphas) {
    tiny_shard shard = {.header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt")};
    const family_form form = {.dtype = PARE_DTYPE_F32};
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(one, "factors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        family_add(&shard, &form, name, name, json_array_get(row, 1));
    }
    char *folder = tiny_folder(), *model = pare_path_join(folder, "model.safetensors"),
         *weights = pare_path_join(folder, "adapter_model.safetensors");
    const tiny_model shape = {.shards = 1};
    tiny_write_shards(folder, &shape, &shard);
    assert_int_equal(rename(model, weights), 0);
    char *config = pare_format("{\"peft_type\":\"LORA\",\"r\":%d,\"lora_alpha\":%d,\"target_modules\":[\"some\"],"
                               "\"fan_in_fan_out\":true,\"rank_pattern\":%s,\"alpha_pattern\":%s}",
                               (int)json_integer_value(json_object_get(a->golden, "rank")),
                               (int)json_integer_value(json_object_get(a->golden, "alpha")), ranks, alphas);
    tiny_write_text(folder, "adapter_config.json", config);
    json_decref(shard.header);
    free(shard.data);
    free(config);
    free(model);
    free(weights);
    return folder;
}

static inline void remove_folder(char *folder) {
    tiny_remove(folder);
    free(folder);
}

/* Of the dot products of all tokens' logits, relative to the largest logit. */
static inline double error_of(const adapters *a, const json_t *one, const pare_model *model,
                              const pare_adapters *list) {
    pare_source source = {.model = model, .backend = a->backend};
    const json_t *dots = json_object_get(one, "dots");
    uint32_t vocabulary = model->config.vocabulary;
    double worst = 0.0;
    for (size_t s = 0; s < FAMILY_SEQUENCES; s++) {
        pare_logits_request request = {
            .source = &source, .adapters = list, .ids = a->all.ids + s * FAMILY_LENGTH, .length = FAMILY_LENGTH};
        float *logits;
        assert_int_equal(pare_logits_compute(&request, &logits), PARE_OK);
        for (size_t t = 0; t < FAMILY_LENGTH; t++) {
            double sum = -json_number_value(json_array_get(dots, s * FAMILY_LENGTH + t));
            for (uint32_t i = 0; i < vocabulary; i++)
                sum += (double)logits[t * vocabulary + i] * (double)counted(family_stream("logits"), i);
            worst = family_worse(worst, fabs(sum) / sqrt(vocabulary));
        }
        pare_free(logits);
    }
    return worst / family_number(one, "largest");
}

static inline void check_error(const json_t *one, const char *what, double error) {
    if (!(error <= adapters_bound)) fail_msg("%s: %s is off by %.2g", family_name(one), what, error);
}

/* error: of what is written, or NULL: it is checked by pare alone. */
static inline void merge_in(const adapters *a, const json_t *one, const family_model *m, const char *adapter,
                            pare_compute compute, double *error) {
    char *folder = tiny_folder(), *output = pare_path_join(folder, "merged"), *report;
    pare_merge_options options = PARE_MERGE_OPTIONS_INIT;
    pare_runtime runtime = {.threads = 1, .compute = compute};
    pare_model *merged;
    options.adapter = adapter;
    options.output = output;
    expect(pare_merge(m->model, &options, &runtime, &report), PARE_OK, "");
    assert_int_equal(pare_model_open(output, &merged), PARE_OK);
    if (error) *error = error_of(a, one, merged, NULL);
    pare_model_close(merged);
    pare_text_free(report);
    free(output);
    remove_folder(folder);
}

static inline void check_merged(const adapters *a, const json_t *one, const family_model *m, const char *adapter) {
    double error = 0.0;
    merge_in(a, one, m, adapter, PARE_COMPUTE_FP32, &error);
    check_error(one, "the merged model", error);
}

/* What else a case is to hold. */
typedef void (*adapter_check)(const adapters *a, const json_t *one, const family_model *m, const char *folder,
                              const pare_trained *lora);

/* Beside every model and merged into it, an adapter of PEFT's does what it does there. more: NULL, or asked of each. */
static inline void check_adapters_of_peft(const adapters *a, adapter_check more) {
    size_t i;
    json_t *one;
    json_array_foreach(a->cases, i, one) {
        family_model m = open_case(a, one);
        char *folder = write_adapter(a, one, "{}", "{}");
        pare_lora_options options;
        pare_trained *lora;
        expect(pare_lora_read_adapter(m.model, a->backend, folder, &options, &lora), PARE_OK, "");
        assert_true(error_of(a, one, m.model, NULL) > 0.01);
        check_error(one, "the adapter", error_of(a, one, m.model, lora->adapters));
        check_merged(a, one, &m, folder);
        if (more) more(a, one, &m, folder, lora);
        pare_trained_free(lora);
        remove_folder(folder);
        family_close(&m);
    }
}

#endif
