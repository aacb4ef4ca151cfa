/* Adapter folders: factors that come back changed or in another place, names that PEFT does not know, and folders that
 * are damaged or say what pare cannot do. */
#include "safetensors_header.h"
#include "tiny_trained.h"
#include "train/write.h"

#include <sys/stat.h>

static const char config_name[] = "adapter_config.json", weights_name[] = "adapter_model.safetensors";

typedef struct adapter {
    tiny_pass t;
    pare_lora_options options;
    pare_trained *lora;
    char *folder;
} adapter;

static adapter adapter_open(pare_lora_options options) {
    adapter a = {.t = tiny_trained_open((tiny_model){.kv_heads = 2}, false, 1, 4), .options = options};
    a.folder = tiny_folder();
    expect(pare_trained_lora(a.t.model, a.t.backend, &a.options, &a.lora), PARE_OK, "");
    tiny_move(a.lora, 0.3f);
    expect(pare_lora_write_adapter(a.lora, &a.options, "some/base", a.folder), PARE_OK, "");
    return a;
}

static void adapter_close(adapter *a) {
    pare_trained_free(a->lora);
    tiny_remove(a->folder);
    free(a->folder);
    tiny_pass_close(&a->t);
}

static json_t *load_config(const adapter *a) {
    char *path = pare_path_join(a->folder, config_name);
    json_t *config = load_json(path);
    free(path);
    return config;
}

static void expect_base(const adapter *a, const char *base, const char *name, const char *revision) {
    adapter other = {.folder = tiny_folder()};
    expect(pare_lora_write_adapter(a->lora, &a->options, base, other.folder), PARE_OK, "");
    json_t *config = load_config(&other), *said = json_object_get(config, "revision");
    assert_string_equal(json_string_value(json_object_get(config, "base_model_name_or_path")), name);
    if (revision)
        assert_string_equal(json_string_value(said), revision);
    else
        assert_true(json_is_null(said));
    json_decref(config);
    tiny_remove(other.folder);
    free(other.folder);
}

/* By name and commit where the base is a snapshot of the Hub's cache, whole; else by its path. */
static void bases_of_the_hub_are_named(void **state) {
    (void)state;
    static const char *const below[] = {"models--org--base", "models--org--base/snapshots",
                                        "models--org--base/snapshots/c0ffee", "models--org--base/snapshots/c0ffee/part",
                                        "snapshots"};
    adapter a = adapter_open(all_targets);
    char *paths[sizeof below / sizeof *below];
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        paths[i] = pare_path_join(a.folder, below[i]);
        assert_int_equal(mkdir(paths[i], 0755), 0);
    }
    expect_base(&a, paths[2], "org/base", "c0ffee");
    expect_base(&a, paths[3], paths[3], NULL);
    expect_base(&a, paths[4], paths[4], NULL);
    expect_base(&a, "some/base", "some/base", NULL);
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        free(paths[i]);
    adapter_close(&a);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    pare_lora_options options = all_targets, read;
    options.targets[PARE_ROLE_K] = options.targets[PARE_ROLE_UP] = false;
    options.dropout = 0.05;
    adapter a = adapter_open(options);
    pare_trained *back;
    expect(pare_lora_read_adapter(a.t.model, a.t.backend, a.folder, &read, &back), PARE_OK, "");
    assert_int_equal(read.rank, 3);
    assert_true(read.alpha == 6.0 && read.dropout == 0.05);
    assert_memory_equal(read.targets, options.targets, sizeof options.targets);
    assert_int_equal(back->count, a.lora->count);
    assert_memory_equal(back->value, a.lora->value, back->count * sizeof(float));
    size_t id = pare_tensor_id(1, PARE_ROLE_DOWN);
    assert_memory_equal(back->adapters->list[id].b, back->value + pare_lora_factors_of(back, id).b, 3 * 16 * 4);
    pare_trained_free(back);
    adapter_close(&a);
}

static void check_shape(const json_t *entry, int rows, int columns) {
    json_t *shape = json_pack("[i,i]", rows, columns);
    assert_true(json_equal(json_object_get(entry, "shape"), shape));
    json_decref(shape);
}

static void names_and_shapes_are_those_of_peft(void **state) {
    (void)state;
    adapter a = adapter_open(all_targets);
    char *path = pare_path_join(a.folder, weights_name);
    size_t start;
    json_t *header = safetensors_header(path, &start);
    assert_int_equal(json_object_size(header), 2 * 2 * 7 + 1);
    json_t *k = json_object_get(header, "base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight"),
           *down = json_object_get(header, "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight");
    assert_string_equal(json_string_value(json_object_get(k, "dtype")), "F32");
    check_shape(k, 8, 3);
    check_shape(down, 3, 24);
    json_t *config = load_config(&a);
    assert_string_equal(json_string_value(json_object_get(config, "peft_type")), "LORA");
    assert_string_equal(json_string_value(json_object_get(config, "base_model_name_or_path")), "some/base");
    assert_int_equal(json_integer_value(json_object_get(config, "r")), 3);
    assert_int_equal(json_integer_value(json_object_get(config, "lora_alpha")), 6);
    assert_int_equal(json_array_size(json_object_get(config, "target_modules")), 7);
    json_decref(config);
    json_decref(header);
    free(path);
    adapter_close(&a);
}

static void expect_refused(const adapter *a, pare_status status, const char *words) {
    pare_lora_options read;
    pare_trained *back;
    expect(pare_lora_read_adapter(a->t.model, a->t.backend, a->folder, &read, &back), status, words);
    assert_null(back);
    assert_null(strchr(pare_message(), '\n'));
}

static void write_config(const adapter *a, const json_t *config) {
    char *text = json_dumps(config, 0);
    tiny_write_text(a->folder, config_name, text);
    free(text);
}

/* The config with one field set to what the JSON text says; NULL: taken out. */
static void with_field(const adapter *a, const char *key, const char *value) {
    json_t *config = load_config(a);
    if (value)
        json_object_set_new(config, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(config, key);
    write_config(a, config);
    json_decref(config);
}

static void configs_are_exact_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
        pare_status status;
        const char *words;
    } cases[] = {
        {"peft_type", "\"IA3\"", PARE_UNSUPPORTED, "peft_type is \"IA3\""},
        {"peft_type", NULL, PARE_FORMAT_ERROR, "no peft_type"},
        {"use_dora", "true", PARE_UNSUPPORTED, "use_dora is true"},
        {"bias", "\"lora_only\"", PARE_UNSUPPORTED, "bias is \"lora_only\""},
        {"lora_bias", "true", PARE_UNSUPPORTED, "lora_bias is true"},
        {"modules_to_save", "[\"lm_head\"]", PARE_UNSUPPORTED, "modules_to_save is [\"lm_head\"]"},
        {"rank_pattern", "{\"q_proj\":4}", PARE_UNSUPPORTED, "rank_pattern is {\"q_proj\":4}"},
        {"alpha_pattern", "{\"q_proj\":4}", PARE_UNSUPPORTED, "alpha_pattern"},
        {"layer_replication", "[[0,2],[1,2]]", PARE_UNSUPPORTED, "layer_replication"},
        {"two\nlines", "\"two\\nlines\"", PARE_UNSUPPORTED, "odd name is \"two\\nlines\""},
        {"something_new", "7", PARE_UNSUPPORTED, "something_new is 7"},
        {"init_lora_weights", "\"pissa_niter_4\"", PARE_UNSUPPORTED, "init_lora_weights is \"pissa_niter_4\""},
        {"r", "0", PARE_FORMAT_ERROR, "r is 0"},
        {"r", "3.5", PARE_FORMAT_ERROR, "r is 3.5"},
        {"r", "-1", PARE_FORMAT_ERROR, "r is -1"},
        {"r", "99999999999", PARE_FORMAT_ERROR, "r is 99999999999"},
        {"r", "4", PARE_FORMAT_ERROR, "which rank 4"},
        {"lora_alpha", "\"16\"", PARE_FORMAT_ERROR, "lora_alpha is \"16\""},
        {"lora_alpha", NULL, PARE_FORMAT_ERROR, "lora_alpha is missing"},
        {"lora_dropout", "1.5", PARE_FORMAT_ERROR, "lora_dropout is 1.5"},
    };
    adapter a = adapter_open(all_targets);
    json_t *good = load_config(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        with_field(&a, cases[i].key, cases[i].value);
        expect_refused(&a, cases[i].status, cases[i].words);
        write_config(&a, good);
    }
    json_decref(good);
    tiny_write_text(a.folder, config_name, "[1, 2");
    expect_refused(&a, PARE_FORMAT_ERROR, "not a JSON object");
    tiny_write_text(a.folder, config_name, "[1, 2]");
    expect_refused(&a, PARE_FORMAT_ERROR, "not a JSON object");
    adapter_close(&a);
}

/* What PEFT writes beside pare's fields, and rank-stabilised scaling: alpha / sqrt(r). */
static void other_fields_and_rslora_are_fine(void **state) {
    (void)state;
    adapter a = adapter_open(all_targets);
    pare_lora_options read;
    pare_trained *back;
    with_field(&a, "peft_version", "\"0.18.0\"");
    with_field(&a, "megatron_core", "\"megatron.core\"");
    with_field(&a, "qalora_group_size", "16");
    with_field(&a, "target_modules", "\"all-linear\"");
    with_field(&a, "init_lora_weights", "\"gaussian\"");
    with_field(&a, "use_rslora", "true");
    expect(pare_lora_read_adapter(a.t.model, a.t.backend, a.folder, &read, &back), PARE_OK, "");
    assert_true(fabs((double)pare_lora_scale(back) - 6.0 / sqrt(3.0)) < 1e-6);
    pare_trained_free(back);
    adapter_close(&a);
}

/* One pair of factors for layer 1's q_proj [16, 16], of rank 3. */
typedef struct pair {
    const char *a_name, *b_name, *dtype;
    int a_shape[2], b_shape[2];
    const float *values; /* [96], or NULL: a half each */
} pair;

#define Q_NAME "base_model.model.model.layers.1.self_attn.q_proj.lora_"

static const pair good_pair = {Q_NAME "A.weight", Q_NAME "B.weight", "F32", {3, 16}, {16, 3}, NULL};

static void write_pair(const adapter *a, pair p, size_t cut) {
    float values[96];
    for (int i = 0; i < 96; i++)
        values[i] = p.values ? p.values[i] : 0.5f;
    pare_dtype dtype = strcmp(p.dtype, "BF16") == 0 ? PARE_DTYPE_BF16 : PARE_DTYPE_F32;
    char stored[sizeof values];
    pare_from_float(stored, dtype, values, 96);
    size_t size = pare_dtype_size(dtype), begin = (size_t)(p.a_shape[0] * p.a_shape[1]) * size;
    size_t end = begin + (p.b_name ? (size_t)(p.b_shape[0] * p.b_shape[1]) * size : 0);
    json_t *header = json_pack("{s:{s:s,s:[i,i],s:[i,i]}}", p.a_name, "dtype", p.dtype, "shape", p.a_shape[0],
                               p.a_shape[1], "data_offsets", 0, (int)begin);
    if (p.b_name)
        json_object_set_new(header, p.b_name,
                            json_pack("{s:s,s:[i,i],s:[i,i]}", "dtype", p.dtype, "shape", p.b_shape[0], p.b_shape[1],
                                      "data_offsets", (int)begin, (int)end));
    char *text = json_dumps(header, 0);
    tiny_write_safetensors(a->folder, weights_name, text, stored, end - cut);
    free(text);
    json_decref(header);
}

/* Only some of the matrices have an adapter, and the numbers are of another type. */
static void the_files_tensors_decide(void **state) {
    (void)state;
    adapter a = adapter_open(all_targets);
    float values[96];
    for (int i = 0; i < 96; i++)
        values[i] = (float)(i - 40) / 64.0f;
    pair p = good_pair;
    p.dtype = "BF16";
    p.values = values;
    write_pair(&a, p, 0);
    pare_lora_options read;
    pare_trained *back;
    expect(pare_lora_read_adapter(a.t.model, a.t.backend, a.folder, &read, &back), PARE_OK, "");
    assert_int_equal(back->count, 96);
    assert_memory_equal(back->value, values, sizeof values);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        assert_int_equal(read.targets[role], role == PARE_ROLE_Q);
    assert_int_equal(pare_lora_factors_of(back, pare_tensor_id(0, PARE_ROLE_Q)).rank, 0);
    assert_int_equal(pare_lora_factors_of(back, pare_tensor_id(1, PARE_ROLE_Q)).rank, 3);
    char *folder = tiny_folder(), *path = pare_path_join(folder, config_name);
    expect(pare_lora_write_adapter(back, &read, "base", folder), PARE_OK, "");
    json_t *config = load_json(path), *layers = json_pack("[i]", 1);
    assert_true(json_equal(json_object_get(config, "layers_to_transform"), layers));
    json_decref(layers);
    json_decref(config);
    free(path);
    tiny_remove(folder);
    free(folder);
    pare_trained_free(back);
    adapter_close(&a);
}

static void damaged_weights_are_refused(void **state) {
    (void)state;
    adapter a = adapter_open(all_targets);
    float values[96] = {0};
    values[50] = NAN;
    pair p = good_pair;
    p.values = values;
    write_pair(&a, p, 0);
    expect_refused(&a, PARE_FORMAT_ERROR, Q_NAME "B.weight holds NaN or infinity");
    p = good_pair;
    p.b_name = NULL;
    write_pair(&a, p, 0);
    expect_refused(&a, PARE_FORMAT_ERROR, "has no " Q_NAME "B.weight");
    p = (pair){"a", NULL, "F32", {3, 16}, {0, 0}, NULL};
    write_pair(&a, p, 0);
    expect_refused(&a, PARE_UNSUPPORTED, "tensor a is no LoRA factor");
    p = good_pair;
    p.b_name = "base_model.model.lm_head.lora_A.weight";
    p.a_name = "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight";
    write_pair(&a, p, 0);
    expect_refused(&a, PARE_UNSUPPORTED, "is no LoRA factor of a matrix");
    p = good_pair;
    p.a_shape[0] = 2;
    write_pair(&a, p, 0);
    expect_refused(&a, PARE_FORMAT_ERROR, "another shape than [3, 16]");
    p = good_pair;
    p.b_shape[0] = 3, p.b_shape[1] = 16;
    write_pair(&a, p, 0);
    expect_refused(&a, PARE_FORMAT_ERROR, "another shape than [16, 3]");
    write_pair(&a, good_pair, 4);
    expect_refused(&a, PARE_FORMAT_ERROR, "truncated");
    tiny_write_safetensors(a.folder, weights_name, "{}", "", 0);
    expect_refused(&a, PARE_FORMAT_ERROR, "holds no tensors");
    char *path = pare_path_join(a.folder, weights_name);
    assert_int_equal(unlink(path), 0);
    free(path);
    expect_refused(&a, PARE_FILE_ERROR, weights_name);
    tiny_write_text(a.folder, "adapter_model.bin", "PK");
    expect_refused(&a, PARE_UNSUPPORTED, "is a pickle");
    adapter_close(&a);
}

static void only_what_an_adapter_can_hold_is_written(void **state) {
    (void)state;
    adapter a = adapter_open(all_targets);
    char *folder = tiny_folder();
    pare_trained *masked;
    expect(pare_trained_lora_masked(a.t.model, a.t.backend, &all_targets, &masked), PARE_OK, "");
    expect(pare_lora_write_adapter(masked, &all_targets, "base", folder), PARE_BAD_ARGUMENT, "(lora-masked)");
    a.lora->value[7] = INFINITY;
    expect(pare_lora_write_adapter(a.lora, &all_targets, "base", folder), PARE_NUMERIC_ERROR, "not finite");
    pare_trained_free(masked);
    tiny_remove(folder);
    free(folder);
    adapter_close(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bases_of_the_hub_are_named),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(names_and_shapes_are_those_of_peft),
        cmocka_unit_test(configs_are_exact_or_refused),
        cmocka_unit_test(other_fields_and_rslora_are_fine),
        cmocka_unit_test(the_files_tensors_decide),
        cmocka_unit_test(damaged_weights_are_refused),
        cmocka_unit_test(only_what_an_adapter_can_hold_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
