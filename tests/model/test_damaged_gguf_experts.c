/* Damaged GGUF files of models with experts: one sentence, never a crash, and never memory by a number that was not
 * checked. */
#include "gguf_models.h"
#include "support/memory.h"

/* Sound files of gguf_experts.json.gz, which are changed in place. */
typedef struct sound {
    families all;
    char *folder, *path;
} sound;

static int begin(void **state) {
    sound *s = calloc(1, sizeof *s);
    s->all = gguf_models_load_from("gguf_experts.json.gz");
    s->folder = tiny_folder();
    s->path = pare_path_join(s->folder, "damaged.gguf");
    *state = s;
    return 0;
}

static int end(void **state) {
    sound *s = *state;
    tiny_remove(s->folder);
    families_free(&s->all);
    free(s->folder);
    free(s->path);
    free(s);
    return 0;
}

static pare_status open_bytes(const sound *s, const gguf_bytes *file) {
    pare_model *model;
    tiny_write_file(s->folder, "damaged.gguf", file->data, file->count);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    pare_status status = pare_model_open(s->path, &model);
    if (status != PARE_OK && (!*pare_message() || strchr(pare_message(), '\n')))
        fail_msg("no sentence: '%s'", pare_message());
    if (status != PARE_OK && !strstr(pare_message(), "damaged.gguf"))
        fail_msg("the file is not named: %s", pare_message());
    pare_model_close(model);
    /* All tables together are smaller than this for a file of some ten KiB. */
    assert_in_range(pare_memory_peak() - before, 0, 8 << 20);
    assert_int_equal(pare_memory_current(), before);
    return status;
}

static unsigned char *find(const gguf_bytes *file, const char *text) {
    unsigned char *at = memmem(file->data, file->count, text, strlen(text));
    if (!at) fail_msg("no %s", text);
    return at;
}

/* A number of the metadata. */
typedef struct damage {
    const char *name, *at;
    size_t behind, bytes;
    uint64_t value;
    const char *word;
} damage;

enum { VALUE = 4 };

static const damage damages[] = {
    {"mixtral", "llama.expert_count", VALUE, 4, 5, "has shape [6, 24, 32] where [5, 24, 32] is expected"},
    {"mixtral", "llama.expert_count", VALUE, 4, 7, "where [7, 24, 32] is expected"},
    {"mixtral", "llama.expert_count", VALUE, 4, 65536, "where [65536, 24, 32] is expected"},
    {"mixtral", "llama.expert_count", VALUE, 4, 65537, "65537, which is not between 0 and 65536"},
    {"mixtral", "llama.expert_count", VALUE, 4, UINT32_MAX, "not between"},
    {"mixtral", "llama.expert_count", VALUE, 4, 0, "gate_proj"},
    {"mixtral", "llama.expert_count", 0, 4, 6, "where a whole number is expected"},
    {"mixtral", "llama.expert_used_count", VALUE, 4, 7, "expert_used_count is 7, but there are only 6 experts"},
    {"mixtral", "llama.expert_used_count", VALUE, 4, 0, "above 0"},
    {"mixtral", "llama.feed_forward_length", VALUE, 4, 25, "where [6, 25, 32] is expected"},
    {"granitemoe", "granitemoe.expert_count", VALUE, 4, 5, "where [5, 24, 32] is expected"},
    {"qwen2_moe", "qwen2moe.expert_feed_forward_length", VALUE, 4, 0, "above 0"},
    {"qwen2_moe", "qwen2moe.expert_feed_forward_length", VALUE, 4, 21, "where [6, 32, 21] is expected"},
    {"qwen2_moe", "qwen2moe.expert_shared_feed_forward_length", VALUE, 4, 29, "shared_expert_intermediate_size"},
    {"qwen2_moe", "qwen2moe.expert_count", VALUE, 4, 0, "expert_count is 0"},
    {"glm4_moe", "glm4moe.expert_gating_func", VALUE, 4, 1, "the sigmoid"},
    {"glm4_moe", "glm4moe.leading_dense_block_count", VALUE, 4, 2, "mlp."},
    {"glm4_moe", "glm4moe.leading_dense_block_count", VALUE, 4, 20000, "not between"},
    {"glm4_moe", "glm4moe.expert_shared_count", VALUE, 4, UINT32_MAX, "not between"},
    {"deepseek_v3", "deepseek2.expert_group_count", VALUE, 4, 5, "n_group"},
    {"deepseek_v3", "deepseek2.expert_group_used_count", VALUE, 4, 60, "topk_group"},
    {"deepseek_v3", "deepseek2.expert_gating_func", VALUE, 4, 3, "1, the softmax"},
    {"deepseek_v3", "deepseek2.expert_weights_scale", VALUE, 4, 0xff800000, "not finite"},
    {"deepseek_v3", "deepseek2.expert_weights_scale", VALUE, 4, 0xbf800000, "routed_scaling_factor"},
    {"deepseek_v3", "deepseek2.attention.kv_lora_rank", VALUE, 4, 17, "where [4, 17, 10] is expected"},
    {"deepseek_v3", "deepseek2.attention.kv_lora_rank", VALUE, 4, 0, "not between"},
    {"deepseek_v3", "deepseek2.attention.key_length_mla", VALUE, 4, 6, "which leaves none"},
    {"deepseek_v3", "deepseek2.attention.key_length_mla", VALUE, 4, 18, "where [4, 16, 12] is expected"},
    {"deepseek_v3", "deepseek2.attention.value_length_mla", VALUE, 4, 9, "where [4, 9, 16] is expected"},
};

/* What is called otherwise, in as many letters. */
static const struct {
    const char *name, *from, *to, *word;
} renamed[] = {
    {"mixtral", "llama.expert_used_count", "llama.expert_used_counu", "missing"},
    {"mixtral", "blk.1.ffn_up_exps.weight", "blk.1.ffn_up_expt.weight",
     "no tensor model.layers.1.block_sparse_moe.experts.0.w3.weight"},
    {"mixtral", "blk.1.ffn_gate_inp.weight", "blk.1.ffn_gate_inq.weight",
     "no tensor model.layers.1.block_sparse_moe.gate.weight"},
    {"mixtral", "blk.1.ffn_gate_exps.weight", "blk.1.ffn_gate.0003.weight", "before April 2024"},
    {"granitemoe", "blk.0.ffn_up_exps.weight", "blk.0.ffn_uq_exps.weight",
     "no tensor blk.0.ffn_up_exps.weight, which belongs to"},
    {"granitemoe", "blk.0.ffn_gate_exps.weight", "blk.0.ffn_gatf_exps.weight",
     "no tensor blk.0.ffn_gate_exps.weight, which belongs to"},
    {"glm4_moe", "blk.1.exp_probs_b.bias", "blk.1.exp_probs_c.bias", "e_score_correction_bias"},
    {"deepseek_v3", "deepseek2.attention.key_length_mla", "deepseek2.attention.key_length_mlb", "before April 2025"},
    {"deepseek_v3", "blk.0.attn_v_b.weight", "blk.0.attn_v_c.weight",
     "no tensor blk.0.attn_v_b.weight, which belongs to"},
    {"deepseek_v3", "blk.0.attn_k_b.weight", "blk.0.attn_l_b.weight",
     "no tensor blk.0.attn_k_b.weight, which belongs to"},
    {"deepseek_v3", "blk.0.attn_q_b.weight", "blk.0.attn_q_c.weight", "q_b_proj"},
    {"deepseek_v2 one mscale", "deepseek2.rope.scaling.yarn_log_multiplier",
     "deepseek2.rope.scaling.yarn_log_multiplies", "yarn_log_multiplier"},
};

static void named_damages_are_named(void **state) {
    const sound *s = *state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const damage *d = &damages[i];
        gguf_bytes file = gguf_model_bytes(family_case(&s->all, d->name));
        memcpy(find(&file, d->at) + strlen(d->at) + d->behind, &d->value, d->bytes);
        pare_status status = open_bytes(s, &file);
        bool named = status != PARE_OK && strstr(pare_message(), d->word);
        if (!named) fprintf(stderr, "%s (%s): %s\n", d->at, d->word, status == PARE_OK ? "it opens" : pare_message());
        wrong += !named;
        free(file.data);
    }
    assert_int_equal(wrong, 0);
}

static void missing_ones_are_named(void **state) {
    const sound *s = *state;
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        gguf_bytes file = gguf_model_bytes(family_case(&s->all, renamed[i].name));
        memcpy(find(&file, renamed[i].from), renamed[i].to, strlen(renamed[i].to));
        pare_status status = open_bytes(s, &file);
        if (status == PARE_OK || !strstr(pare_message(), renamed[i].word))
            fail_msg("%s: %d, '%s'", renamed[i].to, status, status == PARE_OK ? "" : pare_message());
        free(file.data);
    }
}

/* Behind the name stand the number of axes and their sizes, the innermost first. */
static void turned_experts_are_refused(void **state) {
    static const char *const names[][2] = {{"mixtral", "blk.0.ffn_up_exps.weight"},
                                           {"granitemoe", "blk.1.ffn_gate_exps.weight"},
                                           {"granitemoe", "blk.1.ffn_up_exps.weight"},
                                           {"deepseek_v3", "blk.2.attn_k_b.weight"},
                                           {"deepseek_v3", "blk.2.attn_v_b.weight"}};
    const sound *s = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gguf_bytes file = gguf_model_bytes(family_case(&s->all, names[i][0]));
        unsigned char *sizes = find(&file, names[i][1]) + strlen(names[i][1]) + 4, kept[8];
        memcpy(kept, sizes, sizeof kept);
        memmove(sizes, sizes + 8, sizeof kept);
        memcpy(sizes + 8, kept, sizeof kept);
        pare_status status = open_bytes(s, &file);
        if (status == PARE_OK || !strstr(pare_message(), "has shape") || !strstr(pare_message(), names[i][1]))
            fail_msg("%s: %d, '%s'", names[i][1], status, status == PARE_OK ? "" : pare_message());
        free(file.data);
    }
}

/* Fields are overwritten with extremes: whatever becomes of it, it is a model or a sentence. */
static void every_field_may_be_anything(void **state) {
    static const char *const names[] = {"mixtral", "granitemoe", "deepseek_v3"};
    static const uint64_t extremes[] = {UINT64_MAX, INT64_MAX, UINT64_C(1) << 32, UINT64_C(1) << 60, 0, 0xfffffff0, 1};
    const sound *s = *state;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const json_t *one = family_case(&s->all, names[n]);
        gguf_bytes file = gguf_model_bytes(one), front = gguf_base64(json_string_value(json_object_get(one, "front")));
        size_t refused = 0, tried = 0;
        for (size_t at = 4; at + 8 <= front.count; at += 28) {
            unsigned char kept[8];
            uint64_t value = extremes[at / 4 % (sizeof extremes / sizeof *extremes)];
            memcpy(kept, file.data + at, sizeof kept);
            memcpy(file.data + at, &value, at % 3 ? 4 : 8);
            refused += open_bytes(s, &file) != PARE_OK;
            memcpy(file.data + at, kept, sizeof kept);
            tried++;
        }
        assert_in_range(tried, 50, 1000);
        assert_true(refused > tried / 2);
        if (open_bytes(s, &file) != PARE_OK) fail_msg("%s: %s", names[n], pare_message());
        free(front.data);
        free(file.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(named_damages_are_named, begin, end),
        cmocka_unit_test_setup_teardown(missing_ones_are_named, begin, end),
        cmocka_unit_test_setup_teardown(turned_experts_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(every_field_may_be_anything, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
