/* Adapters of PEFT for families that name their matrices otherwise, store them as one, or turned round: what they make
 * of the model, merged or beside it, and what pare writes of its own (tests/data/adapters.json). */
#include "model/families.h"
#include "model/logits.h"
#include "safetensors_header.h"
#include "support/memory.h"
#include "train/write.h"

#include "tiny_trained.h"

#define ADAPTERS_GOLDEN PARE_SOURCE_DIR "/tests/data/adapters.json"

/* Of the largest logit; Gemma's embeddings and the factors' sizes make the fp32 forwards differ by 3e-6. */
static const double bound = 1e-5;

typedef struct adapters {
    families all;
    json_t *golden, *cases;
    pare_backend *backend;
} adapters;

static int setup(void **state) {
    adapters *a = *state = calloc(1, sizeof *a);
    a->all = families_load();
    a->golden = load_json(ADAPTERS_GOLDEN);
    a->cases = json_object_get(a->golden, "cases");
    assert_true(json_array_size(a->cases) > 10);
    return pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &a->backend) != PARE_OK;
}

static int teardown(void **state) {
    adapters *a = *state;
    pare_backend_close(a->backend);
    json_decref(a->golden);
    families_free(&a->all);
    free(a);
    return 0;
}

static family_model open_case(const adapters *a, const json_t *one) {
    return family_open(family_case(&a->all, family_name(one)), (family_form){.dtype = PARE_DTYPE_F32});
}

/* adapter_model.safetensors with numbers made of names, and the config that peft writes. */
static char *write_adapter(const adapters *a, const json_t *one, const char *ranks, const char *alphas) {
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

static void remove_folder(char *folder) {
    tiny_remove(folder);
    free(folder);
}

/* Of the dot products of all tokens' logits, relative to the largest logit. */
static double error_of(const adapters *a, const json_t *one, const pare_model *model, const pare_adapters *list) {
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

static void check_error(const json_t *one, const char *what, double error) {
    if (!(error <= bound)) fail_msg("%s: %s is off by %.2g", family_name(one), what, error);
}

static void check_merged(const adapters *a, const json_t *one, const family_model *m, const char *adapter) {
    char *folder = tiny_folder(), *output = pare_path_join(folder, "merged"), *report;
    pare_merge_options options = PARE_MERGE_OPTIONS_INIT;
    pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_model *merged;
    options.adapter = adapter;
    options.output = output;
    expect(pare_merge(m->model, &options, &runtime, &report), PARE_OK, "");
    assert_int_equal(pare_model_open(output, &merged), PARE_OK);
    check_error(one, "the merged model", error_of(a, one, merged, NULL));
    pare_model_close(merged);
    pare_text_free(report);
    free(output);
    remove_folder(folder);
}

static void adapters_of_peft_do_what_they_do_there(void **state) {
    const adapters *a = *state;
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
        pare_trained_free(lora);
        remove_folder(folder);
        family_close(&m);
    }
}

/* peft's names; its shapes, but for the ranks of fused modules, which the file must say. */
static void check_names(const json_t *one, const char *folder, json_int_t rank) {
    json_t *header = safetensors_header_in(folder, "adapter_model.safetensors"), *row;
    char *path = pare_path_join(folder, "adapter_config.json");
    json_t *config = load_json(path), *targets = json_object_get(config, "target_modules");
    const json_t *ranks = json_object_get(config, "rank_pattern"), *factors = json_object_get(one, "factors");
    size_t i;
    assert_int_equal(json_object_size(header), json_array_size(factors));
    json_array_foreach(factors, i, row) {
        const char *name = json_string_value(json_array_get(row, 0)), *suffix = strstr(name, ".lora_"), *found = NULL;
        const json_t *shape = json_object_get(json_object_get(header, name), "shape");
        bool is_a = strncmp(suffix, ".lora_A", 7) == 0;
        for (size_t j = 0; j < json_array_size(targets); j++) {
            const char *target = json_string_value(json_array_get(targets, j));
            size_t length = strlen(target);
            const char *end = suffix - length;
            if (strncmp(end, target, length) == 0 && end[-1] == '.') found = target;
        }
        if (!shape || !found) fail_msg("%s: %s is not there, or no target", family_name(one), name);
        const json_t *own = json_object_get(ranks, found);
        json_int_t expected = own ? json_integer_value(own) : rank;
        assert_int_equal(json_integer_value(json_array_get(shape, is_a ? 0 : 1)), expected);
        assert_int_equal(json_integer_value(json_array_get(shape, is_a ? 1 : 0)),
                         json_integer_value(json_array_get(json_array_get(row, 1), is_a ? 1 : 0)));
    }
    json_decref(config);
    json_decref(header);
    free(path);
}

/* An adapter of drawn values, written and read back with nothing lost. Returns its folder; *read: what the folder says
 * it is. */
static char *write_and_read(const adapters *a, const family_model *m, const pare_lora_options *options,
                            pare_lora_options *read) {
    char *folder = tiny_folder();
    pare_trained *lora, *back;
    expect(pare_trained_lora(m->model, a->backend, options, &lora), PARE_OK, "");
    tiny_move(lora, 0.3f);
    expect(pare_lora_write_adapter(lora, options, "base", folder), PARE_OK, "");
    expect(pare_lora_read_adapter(m->model, a->backend, folder, read, &back), PARE_OK, "");
    assert_int_equal(back->count, lora->count);
    assert_memory_equal(back->value, lora->value, lora->count * sizeof(float));
    pare_trained_free(back);
    pare_trained_free(lora);
    return folder;
}

/* As peft reads the folder: each module's own product, at its own scale. */
static void what_is_written_has_the_names_of_peft(void **state) {
    const adapters *a = *state;
    size_t i;
    json_t *one;
    json_array_foreach(a->cases, i, one) {
        family_model m = open_case(a, one);
        pare_lora_options options = all_targets, read;
        char *folder = write_and_read(a, &m, &options, &read);
        check_names(one, folder, options.rank);
        remove_folder(folder);
        family_close(&m);
    }
}

/* Only some parts of a fused matrix. */
static void parts_without_factors_stay_so(void **state) {
    const adapters *a = *state;
    static const char *const names[] = {"phi3", "gpt2", "gpt_neox", "falcon groups"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        family_model m = family_open(family_case(&a->all, names[i]), (family_form){.dtype = PARE_DTYPE_F32});
        pare_lora_options options = {.rank = 2, .alpha = 3, .targets = {[PARE_ROLE_Q] = true, [PARE_ROLE_V] = true}},
                          read;
        char *folder = write_and_read(a, &m, &options, &read);
        assert_memory_equal(read.targets, options.targets, sizeof options.targets);
        remove_folder(folder);
        family_close(&m);
    }
}

/* A rank of three parts whose factors are not apart. */
static void other_ranks_are_refused(void **state) {
    const adapters *a = *state;
    size_t i = 0;
    while (strcmp(family_name(json_array_get(a->cases, i)), "phi3") != 0)
        i++;
    json_t *one = json_array_get(a->cases, i), *row;
    json_t *wide = json_deep_copy(one);
    json_array_foreach(json_object_get(wide, "factors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        if (!strstr(name, "qkv_proj")) continue;
        json_array_set_new(json_array_get(row, 1), strstr(name, "lora_A") ? 0 : 1, json_integer(9));
    }
    family_model m = open_case(a, one);
    static const struct {
        const char *ranks, *alphas, *words;
    } cases[] = {
        {"{\"qkv_proj\":9}", "{\"qkv_proj\":18}", "has rank 9 where r is 3"},
        {"{\"qkv_proj\":9}", "{\"qkv_proj\":6}", "rank_pattern is"},
        {"{\"qkv_proj\":9}", "{}", "rank_pattern is"},
        {"{\"qkv_proj\":8}", "{\"qkv_proj\":16}", "rank_pattern is"},
    };
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = write_adapter(a, wide, cases[i].ranks, cases[i].alphas);
        pare_lora_options options;
        pare_trained *lora;
        expect(pare_lora_read_adapter(m.model, a->backend, folder, &options, &lora), PARE_UNSUPPORTED, cases[i].words);
        assert_null(lora);
        remove_folder(folder);
    }
    family_close(&m);
    json_decref(wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_of_peft_do_what_they_do_there),
        cmocka_unit_test(what_is_written_has_the_names_of_peft),
        cmocka_unit_test(parts_without_factors_stay_so),
        cmocka_unit_test(other_ranks_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
