/* config.json of a LLaMA-family model: LLaMA 1/2/3.x, Vicuna, TinyLlama, Mistral. Absent and null keys mean what the
 * class of transformers 5 takes then. */
#ifndef PARE_MODEL_CONFIG_H
#define PARE_MODEL_CONFIG_H

#include "checkpoint/checkpoint.h"

#include <jansson.h>

/* Dynamic: plain up to max_position_embeddings, and nothing here is longer. */
typedef enum pare_rope_kind { PARE_ROPE_PLAIN, PARE_ROPE_LINEAR, PARE_ROPE_DYNAMIC, PARE_ROPE_LLAMA3 } pare_rope_kind;

typedef struct pare_rope_config {
    pare_rope_kind kind;
    double theta;
    double factor;                /* linear, dynamic, llama3 */
    double low_frequency_factor;  /* llama3 */
    double high_frequency_factor; /* llama3 */
    double original_positions;    /* llama3: original_max_position_embeddings */
} pare_rope_config;

/* Widths of one layer, as its tensors have them. heads % kv_heads == 0. */
typedef struct pare_widths {
    uint32_t heads, kv_heads, ffn;
} pare_widths;

/* One of the widths, for what is done to each of them alike. */
static inline uint32_t pare_widths_heads(const pare_widths *widths) {
    return widths->heads;
}

static inline uint32_t pare_widths_kv_heads(const pare_widths *widths) {
    return widths->kv_heads;
}

static inline uint32_t pare_widths_ffn(const pare_widths *widths) {
    return widths->ffn;
}

typedef struct pare_config {
    json_t *json; /* the file as read, for what is written back */
    char model_type[32];
    uint32_t layers, hidden, vocabulary, head_size;
    uint32_t stated_positions; /* max_position_embeddings */
    uint32_t window;           /* a Mistral's sliding_window; 0: none */
    uint32_t max_positions;    /* what a sequence may have: no more than either, since attention here has no window */
    double rms_eps;
    bool tied;              /* the LM head is the embedding */
    bool embedding_in_head; /* tied, and stored as lm_head.weight alone */
    pare_rope_config rope;
    int64_t bos, eos;    /* -1: none; the first one of the vocabulary where the file lists several */
    pare_widths *widths; /* [layers] */
} pare_config;

/* "default", "linear", "dynamic", "llama3": as transformers spells it under rope_type. */
const char *pare_rope_name(pare_rope_kind kind);

/* Reads config.json of `folder`. What would make the model compute something else than a plain LLaMA (biases, weights
 * that are quantised, other architectures) is refused in one sentence; so is a file that contradicts itself. The
 * weights are not looked at: widths is NULL until pare_config_fit. */
pare_status pare_config_read(const char *folder, pare_config *out);

/* Takes the real widths per layer from the tensors' shapes. All tensors of a LLaMA must be there with matching shapes;
 * nothing may be missing or left over that would change the result. Clears `tied` where the file has an LM head that is
 * not the embedding, as transformers 5 does.
 *
 * num_attention_heads, num_key_value_heads and intermediate_size are numbers, or, in a model whose layers differ, lists
 * of one number per layer (see config_write.h). Lists must agree with the tensors, and so must numbers where all layers
 * are alike. Where layers differ, numbers are tolerated if head_dim is given: nothing but head_dim is taken then. */
pare_status pare_config_fit(const pare_checkpoint *checkpoint, pare_config *config);

/* "the 64 positions that FOLDER was made for", or what its sliding window allows; freed with free(). */
char *pare_config_positions(const pare_config *config, const char *folder);

void pare_config_free(pare_config *config);

#endif
