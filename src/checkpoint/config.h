/* config.json of a LLaMA-family model: LLaMA 1/2/3.x, Vicuna, TinyLlama, Mistral without a sliding window in use. */
#ifndef PARE_CHECKPOINT_CONFIG_H
#define PARE_CHECKPOINT_CONFIG_H

#include "checkpoint/checkpoint.h"

#include <jansson.h>

typedef enum pare_rope_kind { PARE_ROPE_PLAIN, PARE_ROPE_LINEAR, PARE_ROPE_LLAMA3 } pare_rope_kind;

typedef struct pare_rope_config {
    pare_rope_kind kind;
    double theta;
    double factor;                /* linear, llama3 */
    double low_frequency_factor;  /* llama3 */
    double high_frequency_factor; /* llama3 */
    double original_positions;    /* llama3: original_max_position_embeddings */
} pare_rope_config;

/* Widths of one layer, as its tensors have them. heads % kv_heads == 0. */
typedef struct pare_widths {
    uint32_t heads, kv_heads, ffn;
} pare_widths;

typedef struct pare_config {
    json_t *json; /* the file as read, for what is written back */
    char model_type[32];
    uint32_t layers, hidden, vocabulary, head_size, max_positions;
    double rms_eps;
    bool tied; /* the LM head is the embedding */
    pare_rope_config rope;
    int64_t bos, eos;    /* -1: none; the first one where the file lists several */
    pare_widths *widths; /* [layers] */
} pare_config;

/* Reads config.json of the checkpoint's directory and takes the real widths per layer from the tensors' shapes. All
 * tensors of a LLaMA must be there with matching shapes; nothing may be missing or left over that would change the
 * result (biases, a sliding window in use, other architectures): each is refused in one sentence.
 *
 * num_attention_heads, num_key_value_heads and intermediate_size are numbers, or, in a model whose layers differ, lists
 * of one number per layer (see config_write.h). Lists must agree with the tensors. A number that does not is tolerated
 * if head_dim is given, since nothing but head_dim is taken from it then. */
pare_status pare_config_read(const pare_checkpoint *checkpoint, pare_config *out);
void pare_config_free(pare_config *config);

#endif
