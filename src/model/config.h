/* config.json of a model, read by the row of its family (family.h). Absent and null keys mean what the class of
 * transformers 5 takes then. */
#ifndef PARE_MODEL_CONFIG_H
#define PARE_MODEL_CONFIG_H

#include "checkpoint/checkpoint.h"
#include "model/architecture.h"
#include "model/rope.h"

#include <jansson.h>

/* Widths of one layer, as its tensors have them. heads % kv_heads == 0; both are 0 without attention, ffn without an
 * FFN. A layer with experts has as ffn the width of the one that all tokens reach; 0: there is none. */
typedef struct pare_widths {
    uint32_t heads, kv_heads, ffn;
    uint32_t experts;    /* that its router tells apart; 0: the FFN is one for all tokens */
    uint32_t expert_ffn; /* FFN channels of each of them */
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

static inline uint32_t pare_widths_experts(const pare_widths *widths) {
    return widths->experts;
}

/* True if the half that the role belongs to is not there; of an FFN, the part that all tokens reach. */
static inline bool pare_widths_lack(const pare_widths *widths, pare_role role) {
    return pare_role_in(role, PARE_PART_ATTENTION) ? !widths->heads : !widths->ffn;
}

/* True for the norm in front of such a half, unless the FFN reads it, too. */
static inline bool pare_widths_lack_norm(const pare_architecture *a, const pare_widths *widths, pare_role role) {
    pare_role of = pare_roles[role].of;
    if (of == PARE_ROLE_POST_NORM && widths->experts) return false;
    bool read = of == PARE_ROLE_INPUT_NORM && a->shared_norm && widths->ffn;
    return (of == PARE_ROLE_INPUT_NORM || of == PARE_ROLE_POST_NORM) && !read && pare_widths_lack(widths, role);
}

typedef struct pare_family pare_family;

/* How one layer differs from others. */
typedef struct pare_layer_plan {
    uint32_t window; /* tokens that a token sees, itself included; 0: all */
    int rotation;    /* which of the config's ropes; -1: none */
    bool routed;     /* it has experts */
} pare_layer_plan;

/* The experts of the layers that have some: FFNs with a gate, of which each token reaches those that its router likes
 * best. Their outputs are added up by shares, which follow from the router's logits (routing.h). */
typedef struct pare_experts {
    uint32_t count;     /* as the file has it; 0: the model has none */
    uint32_t chosen;    /* by each token */
    uint32_t width;     /* FFN channels of each */
    uint32_t shared;    /* of one more, that all tokens reach; 0: there is none */
    bool shared_gated;  /* through a gate of its own */
    bool biased;        /* router, gate, up and down have biases */
    bool normalised;    /* the shares of those chosen add up to `scale` */
    bool sigmoid;       /* shares are sigmoids of the logits, not their softmax */
    bool shares_inputs; /* shares multiply what experts read, not what they make */
    bool corrected;     /* a number for each expert is added to what it is chosen by, and not to its share */
    double jitter;      /* above 0: sparsemixer (routing.h), which chooses 2 */
    double scale;       /* of the shares; 1: none */
    uint32_t groups, groups_chosen; /* at most PARE_EXPERT_GROUPS: a token chooses in those groups of experts, which
                                       follow one another, that it likes best: 1 of 1, in all of them */
    bool groups_by_two;             /* liked by their two best experts together, not by the best one */
} pare_experts;

/* Attention over latents (block_latent.h). */
typedef struct pare_latent {
    uint32_t queries;               /* rank of the queries' latent; 0: they are made of the hidden state */
    uint32_t keys;                  /* rank of that of keys and values; 0: the model has no latents */
    uint32_t rotated, plain, value; /* of each head: dimensions of queries and keys that are turned, and that are not;
                                       of its values, no more than both */
} pare_latent;

enum { PARE_EXPERT_GROUPS = 64 };

enum { PARE_ROPES = 2, PARE_ROOT_BYTES = 48 };

/* Pictures that a model reads: patches in row-major order behind `prefix` tokens of the model's own. */
typedef struct pare_vision {
    uint32_t channels; /* 0: the model reads text */
    uint32_t height, width, patch_height, patch_width;
    uint32_t prefix;
} pare_vision;

typedef struct pare_config {
    json_t *json;     /* the file as read, for what is written back */
    bool made;        /* json is in no file of the model's folder */
    bool remote_code; /* its file named a modeling file of ours (config_remote.h), and json is as it is without one */
    json_t *text;     /* the part of it that describes the language model: json itself, or its text_config; borrowed */
    const pare_family *family;
    pare_architecture architecture;
    char model_type[32];
    char root[PARE_ROOT_BYTES];      /* what the names of the model's tensors begin with: "model." */
    char head_root[PARE_ROOT_BYTES]; /* and the head's: "" */
    uint32_t layers, hidden, head_size;
    uint32_t vocabulary;      /* of what the head tells apart: tokens, or a picture's classes */
    uint32_t kv_heads;        /* that a fused tensor holds, where the family knows better than the file; 0: the file */
    uint32_t embedding_width; /* of a token before project_in; the hidden size where there is none */
    uint32_t head_width;      /* of what the head reads */
    pare_vision vision;
    uint32_t stated_positions;         /* max_position_embeddings */
    uint32_t max_positions;            /* what a sequence may have */
    double rms_eps;                    /* of the norms, whatever their kind */
    bool tied;                         /* the LM head is the embedding */
    bool embedding_in_head;            /* tied, and stored as the head alone */
    pare_rope_config rope[PARE_ROPES]; /* of most layers, and of those with a window where these have their own */
    int64_t bos, eos;                  /* -1: none; the first one of the vocabulary where the file lists several */
    pare_latent latent;
    pare_experts experts;
    pare_layer_plan *plan; /* [layers] */
    pare_widths *widths;   /* [layers] */
} pare_config;

static inline bool pare_reads_pictures(const pare_config *config) {
    return config->vision.channels > 0;
}

/* Sizes of the model that is left of another one. */
typedef struct pare_config_sizes {
    uint32_t hidden, layers;
    const pare_widths *widths; /* [layers] */
    const bool *dropped;       /* [layers of the original] those that are gone; NULL: none */
} pare_config_sizes;

/* "default", "linear", "dynamic", "llama3", "yarn", "longrope": as transformers spells it under rope_type. */
const char *pare_rope_name(pare_rope_kind kind);

/* Reads config.json of `folder`. What would make the model compute something that the family's row does not know
 * (weights that are quantised, other architectures, switches that pare has not) is refused in one sentence; so is a
 * file that contradicts itself. The weights are not looked at: widths is NULL until pare_config_fit. */
pare_status pare_config_read(const char *folder, pare_config *out);

/* The same of a document that is read already, whose reference it takes; `path` is how messages call it. */
pare_status pare_config_read_json(const char *path, json_t *json, pare_config *out);

/* Takes the real widths per layer from the tensors' shapes. All tensors of the family must be there with matching
 * shapes; nothing may be missing or left over that would change the result. Clears `tied` where the file has an LM head
 * that is not the embedding, as transformers 5 does.
 *
 * num_attention_heads, num_key_value_heads and intermediate_size are numbers, or, in a model whose layers differ, lists
 * of one number per layer (see config_write.h). Lists must agree with the tensors, and so must numbers where all layers
 * are alike. Where layers differ, numbers are tolerated if head_dim is given: nothing but head_dim is taken then. */
pare_status pare_config_fit(const pare_checkpoint *checkpoint, pare_config *config);

/* "the 64 positions that FOLDER was made for"; freed with free(). */
char *pare_config_positions(const pare_config *config, const char *folder);

/* Rows and columns of a role's tensor in a layer of these widths, as a matrix; a vector is one row. 0 x 0 where the
 * architecture has no such tensor. */
void pare_config_role_shape(const pare_config *config, const pare_widths *widths, pare_role role, int64_t *rows,
                            int64_t *columns);
/* What the columns of a role's tensor run over: as its row says, but for what reads latents, and norms of all heads
 * together, or with weights for each. */
pare_span pare_config_columns(const pare_config *config, pare_role role);
/* A norm of queries or keys with weights for every head. */
bool pare_role_is_owned_by_heads(const pare_config *config, pare_role role);
/* Length of an axis in such a layer, in rows or columns. */
int64_t pare_config_span(const pare_config *config, const pare_widths *widths, pare_span kind);

/* Elements of all vectors of a layer, in the widest layer. */
uint64_t pare_config_vector_elements(const pare_config *config);

void pare_config_free(pare_config *config);

#endif
