/* Models with experts as GGUF files: the keys, names and shapes that llama.cpp's converter writes (by the gguf package,
 * tests/oracle/gguf_experts.py), the numbers of the model, the types that llama-quantize gives, and a reason for what
 * llama.cpp computes otherwise. */
#include "model/gguf_models.h"
#include "surgery/gguf_export.h"

static const pare_runtime alone = {.size = sizeof alone, .threads = 1};

/* Written to model.gguf in the model's folder; *path is freed with free(). */
static pare_status export(const pare_model *model, const char *folder, const char *type, char **path) {
    pare_gguf_exported said;
    pare_gguf_export what = {.name = "tiny"};
    assert_int_equal(pare_gguf_form_find(type, &what.form), PARE_OK);
    *path = pare_path_join(folder, "model.gguf");
    return pare_gguf_export_write(model, &what, *path, &alone, &said);
}

static pare_gguf open_file(const char *path) {
    pare_gguf file;
    if (pare_gguf_open(path, &file) != PARE_OK) fail_msg("%s", pare_message());
    return file;
}

static const pare_gguf_tensor *find_tensor(const pare_gguf *file, const char *name) {
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

/* Bit for bit, since both are F32. */
static void expect_tensors(const char *name, const pare_gguf *file, const pare_gguf *expected) {
    assert_int_equal(file->tensor_count, expected->tensor_count);
    for (size_t i = 0; i < expected->tensor_count; i++) {
        const pare_gguf_tensor *b = &expected->tensors[i], *a = find_tensor(file, b->name);
        if (!a) fail_msg("%s: no tensor %s", name, b->name);
        bool same = a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
        if (!same) fail_msg("%s: tensor %s has another shape", name, b->name);
        if (a->type != b->type || memcmp(a->data, b->data, b->bytes) != 0)
            fail_msg("%s: tensor %s has other numbers", name, b->name);
    }
}

static bool is_own(const pare_gguf *file, const char *key) {
    char *architecture;
    assert_int_equal(pare_gguf_string(file, "general.architecture", &architecture), PARE_OK);
    size_t length = strlen(architecture);
    bool own = strncmp(key, architecture, length) == 0 && key[length] == '.';
    free(architecture);
    return own;
}

static bool ends_with(const char *key, const char *const *endings, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(key) > strlen(endings[i]) && strcmp(key + strlen(key) - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

static double number_of(const pare_gguf_entry *entry) {
    return entry->kind == PARE_GGUF_BOOL ? entry->data[0] : pare_gguf_real_at(entry, 0);
}

/* Every key of the converter's, with its value; it leaves out what is llama.cpp's own default, and writes groups where
 * they leave no choice. */
static void expect_keys(const char *name, const pare_gguf *file, const pare_gguf *expected) {
    static const char *const more[] = {".vocab_size",           ".attention.key_length",  ".attention.value_length",
                                       ".rope.dimension_count", ".attention.q_lora_rank", ".expert_gating_func",
                                       ".expert_weights_norm",  ".context_length"};
    static const char *const fewer[] = {".expert_group_count", ".expert_group_used_count"};
    for (size_t i = 0; i < expected->entry_count; i++) {
        const pare_gguf_entry *b = &expected->entries[i], *a = pare_gguf_find(file, b->key);
        if (!is_own(expected, b->key) || b->kind == PARE_GGUF_STRING) continue;
        if (!a && ends_with(b->key, fewer, 2) && number_of(b) <= 1) continue;
        if (!a) fail_msg("%s: no key %s", name, b->key);
        if (!(fabs(number_of(a) - number_of(b)) <= 1e-7 * fabs(number_of(b))))
            fail_msg("%s: %s is %g, and %g is expected", name, b->key, number_of(a), number_of(b));
    }
    for (size_t i = 0; i < file->entry_count; i++) {
        const char *key = file->entries[i].key;
        if (is_own(file, key) && !pare_gguf_find(expected, key) && !ends_with(key, more, sizeof more / sizeof *more))
            fail_msg("%s: the converter has no key %s", name, key);
    }
}

static void check(const json_t *one) {
    family_model m = family_open(one, (family_form){0});
    gguf_bytes bytes = gguf_model_bytes(one);
    char *path, *golden, *folder = gguf_write(bytes, &golden);
    if (export(m.model, m.folder, "f32", &path) != PARE_OK) fail_msg("%s: %s", family_name(one), pare_message());
    pare_gguf file = open_file(path), expected = open_file(golden);
    expect_keys(family_name(one), &file, &expected);
    expect_tensors(family_name(one), &file, &expected);
    pare_gguf_close(&file);
    pare_gguf_close(&expected);
    tiny_remove(folder);
    free(folder);
    free(golden);
    free(bytes.data);
    free(path);
    family_close(&m);
}

static void files_are_the_converters(void **state) {
    (void)state;
    families all = gguf_models_load_from("gguf_experts.json.gz");
    size_t i;
    json_t *one;
    assert_true(json_array_size(all.cases) >= 14);
    json_array_foreach(all.cases, i, one) check(one);
    families_free(&all);
}

/* Read again, the file is the model: pare_gguf_export_write has found all tensors within what their types round, and
 * with 8 bits that is half a percent of each matrix. */
static void packed_experts_are_read(void **state) {
    (void)state;
    static const char *const names[] = {"granitemoe", "deepseek_v3", "qwen2_moe", "llama4_text"};
    families all = gguf_models_load_from("gguf_experts.json.gz");
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        family_model m = family_open(family_case(&all, names[i]), (family_form){0});
        char *path;
        pare_model *again;
        if (export(m.model, m.folder, "q8_0", &path) != PARE_OK) fail_msg("%s: %s", names[i], pare_message());
        if (pare_model_open(path, &again) != PARE_OK) fail_msg("%s", pare_message());
        double loss = family_forward(m.model, backend, all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
        double packed = family_forward(again, backend, all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
        if (!(fabs(packed - loss) < 0.02 * loss && fabs(packed - loss) > 0))
            fail_msg("%s: a loss of %g becomes %g", names[i], loss, packed);
        pare_model_close(again);
        free(path);
        family_close(&m);
    }
    pare_backend_close(backend);
    families_free(&all);
}

/* With a latent of 32 numbers, values are blocks of 8 bits, and keys, whose rows are 10 numbers, F16: what is read as
 * one matrix is neither. */
static json_t *longer_latent(const json_t *one) {
    json_t *copy = json_deep_copy(one), *row;
    size_t i;
    json_object_set_new(json_object_get(copy, "config"), "kv_lora_rank", json_integer(32));
    json_array_foreach(json_object_get(copy, "tensors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        json_t *shape = json_array_get(row, 1);
        if (strstr(name, "kv_a_layernorm")) json_array_set_new(shape, 0, json_integer(32));
        if (strstr(name, "kv_a_proj")) json_array_set_new(shape, 0, json_integer(32 + 6));
        if (strstr(name, "kv_b_proj")) json_array_set_new(shape, 1, json_integer(32));
    }
    return copy;
}

static void halves_of_two_types_are_one(void **state) {
    (void)state;
    enum { PLAIN = 10, VALUE = 8, RANK = 32 };
    families all = gguf_models_load_from("gguf_experts.json.gz");
    json_t *one = longer_latent(family_case(&all, "deepseek_v3"));
    family_model m = family_open(one, (family_form){0});
    pare_model *again;
    char *path;
    int rounded = 0;
    if (export(m.model, m.folder, "q8_0", &path) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_model_open(path, &again), PARE_OK);
    const pare_tensor *tensor = pare_model_tensor(again, 1, PARE_ROLE_V);
    assert_int_equal(tensor->dtype, PARE_DTYPE_F32);
    assert_string_equal(pare_tensor_type_name(tensor), "Q8_0");
    assert_int_equal(pare_tensor_run_count(tensor), 2);
    for (uint64_t at = 0; at < tensor->count; at += RANK) {
        float here[RANK], there[RANK], apart = 0;
        pare_tensor_values(tensor, at, RANK, here);
        pare_tensor_values(pare_model_tensor(m.model, 1, PARE_ROLE_V), at, RANK, there);
        for (int i = 0; i < RANK; i++)
            apart = fmaxf(apart, fabsf(here[i] - there[i]));
        /* F16 holds the weights, which are made so (families.h); 8 bits are half a 127th of the largest away. */
        bool key = at / RANK % (PLAIN + VALUE) < PLAIN;
        if (!(apart <= (key ? 0 : 0.5f / 127))) fail_msg("row %d: apart by %g", (int)(at / RANK), (double)apart);
        rounded += apart > 0;
    }
    assert_in_range(rounded, 4 * VALUE / 2, 4 * VALUE);
    pare_model_close(again);
    free(path);
    family_close(&m);
    json_decref(one);
    families_free(&all);
}

/* A Mixtral whose rows are blocks of 256, but those of Down where the experts are narrow. */
static json_t *wide_mixtral(uint32_t experts, int layers, int width) {
    static const struct {
        const char *name;
        int rows, columns;
    } own[] = {{"self_attn.q_proj", 256, 256},      {"self_attn.k_proj", 128, 256},    {"self_attn.v_proj", 128, 256},
               {"self_attn.o_proj", 256, 256},      {"block_sparse_moe.gate", 0, 256}, {"input_layernorm", 256, 0},
               {"post_attention_layernorm", 256, 0}};
    json_t *config =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f}", "model_type", "mixtral",
                  "hidden_size", 256, "num_hidden_layers", layers, "num_attention_heads", 4, "num_key_value_heads", 2,
                  "intermediate_size", width, "vocab_size", 64, "max_position_embeddings", 64, "num_local_experts",
                  (int)experts, "num_experts_per_tok", 2, "sliding_window", 64, "rms_norm_eps", 1e-5);
    json_t *tensors = json_pack("[[s,[i,i]],[s,[i,i]],[s,[i]]]", "model.embed_tokens.weight", 64, 256, "lm_head.weight",
                                64, 256, "model.norm.weight", 256);
    char name[128];
    for (int layer = 0; layer < layers; layer++) {
        for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
            int rows = own[i].rows ? own[i].rows : (int)experts;
            snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, own[i].name);
            json_array_append_new(tensors, own[i].columns ? json_pack("[s,[i,i]]", name, rows, own[i].columns)
                                                          : json_pack("[s,[i]]", name, rows));
        }
        for (uint32_t part = 0; part < 3 * experts; part++) {
            snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe.experts.%u.w%u.weight", layer, part / 3,
                     part % 3 + 1);
            bool down = part % 3 == 1;
            json_array_append_new(tensors, json_pack("[s,[i,i]]", name, down ? 256 : width, down ? width : 256));
        }
    }
    return json_pack("{s:s,s:o,s:o}", "name", "wide mixtral", "config", config, "tensors", tensors);
}

/* llama-quantize spares keys and values of models with exactly eight experts (llama_tensor_get_type); the last layer's
 * down projections get more bits. */
static void types_are_llama_quantizes(void **state) {
    (void)state;
    static const struct {
        uint32_t experts;
        const char *form, *name, *type;
    } rows[] = {
        {4, "q4_k_m", "blk.0.attn_v.weight", "Q4_K"},        {4, "q4_k_m", "blk.1.attn_v.weight", "Q6_K"},
        {4, "q4_k_m", "blk.0.ffn_down_exps.weight", "Q4_K"}, {4, "q4_k_m", "blk.1.ffn_down_exps.weight", "Q6_K"},
        {4, "q4_k_m", "blk.1.ffn_up_exps.weight", "Q4_K"},   {4, "q4_k_m", "blk.0.ffn_gate_inp.weight", "F32"},
        {4, "q4_k_m", "blk.0.attn_output.weight", "Q4_K"},   {8, "q4_k_m", "blk.0.attn_v.weight", "Q8_0"},
        {8, "q4_k_m", "blk.0.attn_k.weight", "Q8_0"},        {8, "q4_k_m", "blk.0.attn_q.weight", "Q4_K"},
        {8, "q4_k_m", "blk.0.attn_output.weight", "Q5_K"},   {8, "q5_k_s", "blk.0.attn_output.weight", "Q5_K"},
        {8, "q6_k", "blk.0.attn_k.weight", "Q8_0"},          {8, "f16", "blk.0.attn_k.weight", "F16"}};
    json_t *one = NULL;
    family_model m = {0};
    pare_gguf file = {0};
    char *path = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool other = !i || rows[i].experts != rows[i - 1].experts, again = other || rows[i].form != rows[i - 1].form;
        if (again && path) {
            pare_gguf_close(&file);
            assert_int_equal(unlink(path), 0);
            free(path);
        }
        if (other) {
            if (one) family_close(&m);
            json_decref(one);
            one = rows[i].experts == 8 ? wide_mixtral(8, 1, 32) : wide_mixtral(rows[i].experts, 2, 256);
            m = family_open(one, (family_form){.dtype = PARE_DTYPE_F16});
        }
        if (again) {
            if (export(m.model, m.folder, rows[i].form, &path) != PARE_OK) fail_msg("%s", pare_message());
            file = open_file(path);
        }
        const pare_gguf_tensor *tensor = find_tensor(&file, rows[i].name);
        assert_non_null(tensor);
        if (strcmp(tensor->type->name, rows[i].type) != 0)
            fail_msg("%u experts, %s: %s is %s", rows[i].experts, rows[i].form, rows[i].name, tensor->type->name);
    }
    pare_gguf_close(&file);
    family_close(&m);
    json_decref(one);
    free(path);
}

/* What llama.cpp computes otherwise, and what it has no room for. */
static void others_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *word;
    } rows[] = {{"qwen2_moe every second layer", "experts in all layers"},
                {"qwen3_moe", "shares that add up to 1"},
                {"qwen3_moe normalised, one dense", "experts in all layers"},
                {"olmoe", "keys of its own"},
                {"olmoe normalised, one of four", "do not add up to 1"},
                {"granitemoe plain", "biases"},
                {"phimoe", "sparsemixer"},
                {"deepseek_v2", "mscale"},
                {"deepseek_v2 groups, straight queries", "groups of experts"},
                {"deepseek_v3 halves, yarn", "rope_interleave"},
                {"glm4_moe_lite", "dense layers in front"},
                {"dots1", "keys of its own"},
                {"llama4_text", "chunks of 8192 positions"},
                {"llama4_text two of six, plain", "experts in every so many-th layer"}};
    families all = families_load_from(EXPERTS_GOLDEN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        family_model m = family_open(family_case(&all, rows[i].name), (family_form){0});
        char *path;
        pare_status status = export(m.model, m.folder, "f32", &path);
        if (status != PARE_UNSUPPORTED || !strstr(pare_message(), rows[i].word))
            fail_msg("%s: %s", rows[i].name, status ? pare_message() : "was written");
        assert_int_equal(access(path, F_OK), -1);
        free(path);
        family_close(&m);
    }
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_the_converters), cmocka_unit_test(packed_experts_are_read),
        cmocka_unit_test(halves_of_two_types_are_one), cmocka_unit_test(types_are_llama_quantizes),
        cmocka_unit_test(others_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
