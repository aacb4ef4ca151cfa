/* Architectures of GGUF files: which family of models they hold, and by which names. What a row does not say holds for
 * all of them, and is asked of the family. */
#ifndef PARE_MODEL_GGUF_ARCHITECTURE_H
#define PARE_MODEL_GGUF_ARCHITECTURE_H

#include "checkpoint/gguf.h"
#include "model/family.h"

enum { PARE_GGUF_NAME_BYTES = 160, PARE_GGUF_KEYS = 8 };

/* A key of the metadata behind "ARCHITECTURE.", and the key of config.json that says the same. */
typedef struct pare_gguf_key {
    const char *gguf, *config;
    bool whole; /* written as a whole number; else as fp32, or as a flag where the family has one */
} pare_gguf_key;

typedef struct pare_gguf_architecture {
    const char *name; /* general.architecture */
    const pare_family *family;
    bool paired;     /* the rows of a head of Q and K are stored in pairs, one of its first half, one of its second */
    bool biases;     /* matrices may have biases that the family does not always have */
    bool tied_heads; /* llama.cpp wants heads that make up the hidden size together */
    bool own_head;   /* and a head that is not the embedding */
    bool own_keys;   /* and every head with keys of its own */
    bool experts;    /* layers have experts (gguf_experts.h) */
    bool llama4;     /* what llama.cpp knows of Llama 4 without being told (gguf_llama4.h) */
    bool raw_shares; /* whose shares are those of the softmax over all; else they add up to 1, or the file says */
    uint32_t window_period; /* every so many-th layer has no window; 0: as the file says */
    bool layered;           /* sizes may be lists of one number for each layer */
    bool pre_scaled;  /* Gemma: attention is scaled by the width of heads, in the largest model by hidden / heads */
    uint32_t largest; /* layers of that one */
    const pare_family *also; /* another family that it holds, and whose models are read as the first one's; or NULL */
    const char *roles[PARE_ALL_ROLES];  /* behind "blk.N."; NULL: the usual name; "": part of another role's tensor */
    pare_gguf_key keys[PARE_GGUF_KEYS]; /* beside those of all */
} pare_gguf_architecture;

/* True if models of the family are held without becoming others. */
static inline bool pare_gguf_is_own(const pare_gguf_architecture *row, const pare_family *family) {
    return row->family == family || (row->also && row->also == family);
}

/* NULL behind the last. */
const pare_gguf_architecture *pare_gguf_architecture_at(size_t index);

/* Sizes: keys behind "ARCHITECTURE.", and those of config.json. */
typedef struct pare_gguf_size {
    const char *gguf;
    pare_config_key key;
} pare_gguf_size;

extern const pare_gguf_size pare_gguf_sizes[];
extern const size_t pare_gguf_size_count;

/* "ARCHITECTURE.KEY". */
void pare_gguf_key_name(const pare_gguf_architecture *architecture, const char *key, char name[PARE_GGUF_NAME_BYTES]);

/* A layer, as far as the names of its tensors go. */
typedef struct pare_gguf_layer {
    uint32_t number;
    bool routed;   /* its FFN is what all tokens reach beside its experts */
    bool straight; /* its queries have no latent, where those of others have one */
} pare_gguf_layer;

pare_gguf_layer pare_gguf_layer_of(const pare_config *config, uint32_t layer);

/* The names of a role's tensor, "blk.3.attn_q.weight", and of one outside the layers, "output_norm.weight". False if
 * the architecture has none of its own for it. */
bool pare_gguf_role_name(const pare_gguf_architecture *architecture, pare_gguf_layer layer, pare_role role,
                         char name[PARE_GGUF_NAME_BYTES]);
bool pare_gguf_end_name(pare_end end, char name[PARE_GGUF_NAME_BYTES]);

#endif
