#include "model/config_meta.h"
#include "checkpoint/meta_params.h"
#include "model/config_rope.h"
#include "support/json_build.h"

#include <math.h>
#include <string.h>

/* Vocabulary and tokens of Llama 3, and the theta from which it is one. */
enum { LLAMA3_VOCABULARY = 128256, LLAMA3_BOS = 128000, LLAMA3_EOS = 128001, LLAMA3_THETA = 500000 };

/* Positions that params.json does not say: of LLaMA 1 (whose norms have 1e-6), Llama 2, Code Llama, Llama 3, Llama 3.1
 * and later, Mistral. */
enum {
    LLAMA1_POSITIONS = 2048,
    LLAMA2_POSITIONS = 4096,
    CODE_LLAMA_POSITIONS = 16384,
    LLAMA3_POSITIONS = 8192,
    SCALED_POSITIONS = 131072,
    MISTRAL_POSITIONS = 32768
};

/* Llama 3.2, whose rotary positions are scaled by 32 where all others have 8, has these widths. */
static bool is_llama_3_2(const pare_meta_params *params) {
    return params->width == 2048 || params->width == 3072;
}

typedef struct making {
    const pare_checkpoint *checkpoint;
    const pare_meta_params *params;
    pare_fields fields;
    bool mistral, scaled;
    double eps, theta;
} making;

/* A stated number, or `fallback`. */
static pare_status positions_of(const making *m, uint32_t *out) {
    int64_t fallback = m->mistral                         ? MISTRAL_POSITIONS
                       : m->scaled                        ? SCALED_POSITIONS
                       : m->theta >= (double)LLAMA3_THETA ? LLAMA3_POSITIONS
                       : m->theta > 10000.0               ? CODE_LLAMA_POSITIONS
                       : m->eps < 5e-6                    ? LLAMA1_POSITIONS
                                                          : LLAMA2_POSITIONS;
    const char *key = pare_field(m->fields, "max_position_embeddings") ? "max_position_embeddings" : "max_seq_len";
    bool stated = m->mistral || strcmp(key, "max_seq_len") != 0; /* Llama's is that of a run */
    return pare_field_whole(m->fields, stated ? key : "max_position_embeddings", 1, 1 << 30, fallback, out);
}

static pare_status put_rope(const making *m, json_t *json) {
    double factor;
    pare_json_put(json, "rope_theta", pare_json_real(m->theta));
    if (!m->scaled) return PARE_OK;
    PARE_TRY(pare_field_positive(m->fields, "rope_scaling_factor", 1e6, is_llama_3_2(m->params) ? 32.0 : 8.0, &factor));
    pare_rope_config rope = {.kind = PARE_ROPE_LLAMA3,
                             .factor = factor,
                             .low_frequency_factor = 1,
                             .high_frequency_factor = 4,
                             .original_positions = LLAMA3_POSITIONS};
    pare_json_put(json, "rope_scaling", pare_config_rope_scaling(&rope));
    return PARE_OK;
}

/* -1 or absent: as many as the embedding has rows; anything else must be that. */
static pare_status check_vocabulary(const making *m, const pare_tensor *embedding) {
    const json_t *value = pare_field(m->fields, "vocab_size");
    if (!value || (json_is_integer(value) &&
                   (json_integer_value(value) == -1 || json_integer_value(value) == (json_int_t)embedding->shape[0])))
        return PARE_OK;
    return pare_field_refuse(
        PARE_FORMAT_ERROR, m->fields, "vocab_size",
        "the embedding has another number of rows: a file is missing, or belongs to another model");
}

static void put_sizes(const making *m, const pare_tensor *embedding, const pare_tensor *gate, json_t *json) {
    const pare_meta_params *params = m->params;
    bool llama3 = embedding->shape[0] >= LLAMA3_VOCABULARY && !m->mistral;
    pare_json_put(json, "hidden_size", json_integer(params->width));
    pare_json_put(json, "num_hidden_layers", json_integer(params->layers));
    pare_json_put(json, "num_attention_heads", json_integer(params->heads));
    pare_json_put(json, "num_key_value_heads", json_integer(params->kv_heads));
    pare_json_put(json, "head_dim", json_integer(params->head_size));
    pare_json_put(json, "intermediate_size", json_integer((json_int_t)gate->shape[0]));
    pare_json_put(json, "vocab_size", json_integer((json_int_t)embedding->shape[0]));
    pare_json_put(json, "hidden_act", pare_json_string("silu"));
    pare_json_put(json, "bos_token_id", json_integer(llama3 ? LLAMA3_BOS : 1));
    pare_json_put(json, "eos_token_id", json_integer(llama3 ? LLAMA3_EOS : 2));
    pare_json_put(json, "torch_dtype", pare_json_string(pare_dtype_torch_name(embedding->dtype)));
    pare_json_put(json, "rms_norm_eps", pare_json_real(m->eps));
    /* Whether they are, the tensors say (pare_config_fit). */
    pare_json_put(json, "tie_word_embeddings", json_true());
}

static pare_status find_matrix(const making *m, const char *name, const pare_tensor **out) {
    *out = pare_checkpoint_find(m->checkpoint, name);
    if (*out) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the files have nothing that becomes %s; the model is incomplete",
                     m->params->path, name);
}

static pare_status make(making *m, json_t *json) {
    const pare_tensor *embedding, *gate;
    uint32_t positions, window;
    PARE_TRY(find_matrix(m, "model.embed_tokens.weight", &embedding));
    PARE_TRY(find_matrix(m, "model.layers.0.mlp.gate_proj.weight", &gate));
    PARE_TRY(check_vocabulary(m, embedding));
    PARE_TRY(pare_field_positive(m->fields, "norm_eps", 1, -1, &m->eps));
    PARE_TRY(pare_field_positive(m->fields, "rope_theta", 1e15, 10000.0, &m->theta));
    PARE_TRY(pare_field_flag(m->fields, "use_scaled_rope", &m->scaled));
    PARE_TRY(positions_of(m, &positions));
    pare_json_put(json, "architectures",
                  pare_json_list_of(pare_json_string(m->mistral ? "MistralForCausalLM" : "LlamaForCausalLM")));
    pare_json_put(json, "model_type", pare_json_string(m->mistral ? "mistral" : "llama"));
    put_sizes(m, embedding, gate, json);
    pare_json_put(json, "max_position_embeddings", json_integer(positions));
    PARE_TRY(put_rope(m, json));
    if (!m->mistral) return PARE_OK;
    PARE_TRY(pare_field_whole(m->fields, "sliding_window", 1, 1 << 30, 0, &window));
    pare_json_put(json, "sliding_window", window ? json_integer(window) : json_null());
    return PARE_OK;
}

pare_status pare_config_read_meta(const pare_checkpoint *checkpoint, pare_config *out) {
    const pare_meta_params *params = pare_checkpoint_params(checkpoint);
    making m = {.checkpoint = checkpoint, .params = params, .fields = {.path = params->path, .object = params->json}};
    /* Meta's files leave the width of the FFN to a formula. */
    m.mistral = pare_field(m.fields, "hidden_dim");
    json_t *json = json_object();
    pare_status status = make(&m, json);
    if (status == PARE_OK) status = pare_whole();
    if (status != PARE_OK) {
        json_decref(json);
        return status;
    }
    status = pare_config_read_json(params->path, json, out);
    out->made = status == PARE_OK;
    return status;
}
