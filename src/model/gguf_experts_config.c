#include "model/config_experts.h"
#include "model/gguf_experts.h"
#include "model/gguf_latent.h"
#include "model/gguf_llama4.h"
#include "model/gguf_model.h"
#include "support/json.h"

enum { EXPERT_LIMIT = 1 << 16, WIDTH_LIMIT = 1 << 24, LAYER_LIMIT = 10000 };

typedef struct reading {
    const pare_gguf *file;
    const pare_gguf_architecture *row;
    const pare_expert_rule *rule;
    json_t *json;
} reading;

static pare_status whole(const reading *r, const char *key, int64_t most, int64_t fallback, int64_t *out) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(r->row, key, name);
    return pare_gguf_whole(r->file, name, 0, most, fallback, out);
}

/* One that must be there, and above 0. */
static pare_status needed(const reading *r, const char *key, int64_t most, int64_t *out) {
    PARE_TRY(whole(r, key, most, -1, out));
    if (*out > 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the metadata entry %s.%s is %s; a model of experts has one above 0",
                     r->file->mapping.path, r->row->name, key, *out ? "missing" : "0");
}

static pare_status unknown(const reading *r, const char *key, double value, const char *expected) {
    return pare_fail(PARE_UNSUPPORTED, "%s: the metadata entry %s.%s is %g; pare knows %s here", r->file->mapping.path,
                     r->row->name, key, value, expected);
}

static pare_status put_counts(const reading *r) {
    int64_t count, chosen, value;
    PARE_TRY(needed(r, "expert_count", EXPERT_LIMIT, &count));
    PARE_TRY(needed(r, "expert_used_count", EXPERT_LIMIT, &chosen));
    if (chosen > count)
        return pare_fail(
            PARE_FORMAT_ERROR,
            "%s: %s.expert_used_count is %lld, but there are only %lld experts by %s.expert_count; correct "
            "the one that is wrong",
            r->file->mapping.path, r->row->name, (long long)chosen, (long long)count, r->row->name);
    pare_json_put(r->json, r->rule->count_key, json_integer(count));
    pare_json_put(r->json, "num_experts_per_tok", json_integer(chosen));
    if (r->rule->width_key) {
        PARE_TRY(needed(r, "expert_feed_forward_length", WIDTH_LIMIT, &value));
        pare_json_put(r->json, r->rule->width_key, json_integer(value));
    }
    const char *shared = pare_gguf_shared_key(r->rule);
    if (shared) {
        PARE_TRY(needed(r, shared, WIDTH_LIMIT, &value));
        const char *key = r->rule->shared_count_key ? r->rule->shared_count_key : r->rule->shared_key;
        pare_json_put(r->json, key, json_integer(value));
    }
    if (!r->rule->first_dense) return PARE_OK;
    PARE_TRY(whole(r, "leading_dense_block_count", LAYER_LIMIT, 0, &value));
    pare_json_put(r->json, "first_k_dense_replace", json_integer(value));
    return PARE_OK;
}

/* A scale of 0 is none. */
static pare_status put_shares(const reading *r) {
    char name[PARE_GGUF_NAME_BYTES];
    double scale;
    bool normalised = !r->row->raw_shares;
    pare_gguf_key_name(r->row, "expert_weights_scale", name);
    PARE_TRY(pare_gguf_real(r->file, name, 0, &scale));
    bool none = !(scale > 0 || scale < 0) || (scale >= 1 && scale <= 1);
    if (!r->rule->scale_key && !none) return unknown(r, "expert_weights_scale", scale, "1");
    if (r->rule->scale_key)
        pare_json_put(r->json, r->rule->scale_key, pare_json_real(none ? 1 : pare_gguf_shortest(scale)));
    pare_gguf_key_name(r->row, "expert_weights_norm", name);
    if (r->rule->scale_key) PARE_TRY(pare_gguf_flag(r->file, name, false, &normalised));
    if (r->rule->fallback.unnormalised && normalised) return unknown(r, "expert_weights_norm", 1, "0");
    if (r->rule->normalised_key) pare_json_put(r->json, r->rule->normalised_key, json_boolean(normalised));
    return PARE_OK;
}

static pare_status put_groups(const reading *r) {
    int64_t groups, chosen;
    PARE_TRY(whole(r, "expert_group_count", PARE_EXPERT_GROUPS, 0, &groups));
    PARE_TRY(whole(r, "expert_group_used_count", PARE_EXPERT_GROUPS, 0, &chosen));
    bool some = groups > 1 && chosen != groups;
    bool known = r->rule->fallback.groups || r->rule->method_key;
    if (!known && some) return unknown(r, "expert_group_count", (double)groups, "1");
    if (!known) return PARE_OK;
    if (r->rule->method_key)
        pare_json_put(r->json, r->rule->method_key, pare_json_string(some ? "group_limited_greedy" : "greedy"));
    pare_json_put(r->json, "n_group", json_integer(some ? groups : 1));
    pare_json_put(r->json, "topk_group", json_integer(some ? chosen : 1));
    return PARE_OK;
}

/* 0 where there is none. */
static int64_t number_of(const pare_gguf *file, const pare_gguf_architecture *row, const char *key) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(row, key, name);
    const pare_gguf_entry *entry = pare_gguf_find(file, name);
    return entry && !entry->array && pare_gguf_is_whole(entry) ? pare_gguf_whole_at(entry, 0) : 0;
}

bool pare_gguf_fits_row(const pare_gguf *file, const pare_gguf_architecture *row) {
    char name[PARE_GGUF_NAME_BYTES];
    int64_t gating = number_of(file, row, "expert_gating_func"), layers = number_of(file, row, "block_count");
    pare_gguf_key_name(row, "expert_count", name);
    const pare_gguf_entry *count = pare_gguf_find(file, name);
    bool none = !count || (!count->array && pare_gguf_is_whole(count) && !pare_gguf_whole_at(count, 0));
    if (row->experts == none) return false;
    if (!pare_gguf_has_latents(row)) return true;
    bool flash = (layers == 47 || layers == 48) && number_of(file, row, "vocab_size") == 154880; /* GLM-4.7-Flash */
    bool sigmoid = gating ? gating == PARE_GGUF_GATING_SIGMOID : flash;
    return row->family->experts.sigmoid == sigmoid;
}

static pare_status check_gating(const reading *r) {
    int64_t gating;
    PARE_TRY(whole(r, "expert_gating_func", EXPERT_LIMIT, 0, &gating));
    int64_t expected = r->rule->sigmoid ? PARE_GGUF_GATING_SIGMOID : PARE_GGUF_GATING_SOFTMAX;
    if (!gating || gating == expected) return PARE_OK;
    return unknown(r, "expert_gating_func", (double)gating, r->rule->sigmoid ? "2, the sigmoid," : "1, the softmax,");
}

pare_status pare_gguf_config_experts(const pare_gguf *file, const pare_gguf_architecture *architecture, json_t *json) {
    reading r = {.file = file, .row = architecture, .rule = &architecture->family->experts, .json = json};
    if (!architecture->experts) return PARE_OK;
    PARE_TRY(put_counts(&r));
    PARE_TRY(check_gating(&r));
    PARE_TRY(put_shares(&r));
    if (architecture->llama4) PARE_TRY(pare_gguf_config_llama4(file, architecture, json));
    return put_groups(&r);
}
