/* Families of models: one row of data each (families/), and all that pare knows of a family is in its row. */
#ifndef PARE_MODEL_FAMILY_H
#define PARE_MODEL_FAMILY_H

#include "model/config.h"
#include "model/config_fields.h"

#include <stddef.h>

/* Keys of config.json that families spell in their own ways. */
typedef enum pare_config_key {
    PARE_CONFIG_KEY_HIDDEN,
    PARE_CONFIG_KEY_LAYERS,
    PARE_CONFIG_KEY_HEADS,
    PARE_CONFIG_KEY_KV_HEADS, /* "": none, every head has its own */
    PARE_CONFIG_KEY_HEAD_DIM,
    PARE_CONFIG_KEY_FFN,
    PARE_CONFIG_KEY_POSITIONS, /* "": none */
    PARE_CONFIG_KEY_EPS,
    PARE_CONFIG_KEY_ACTIVATION,
    PARE_CONFIG_KEYS
} pare_config_key;

/* One tensor that holds several matrices. */
typedef enum pare_fusion {
    PARE_FUSION_ROWS,  /* the parts' rows, one part behind the other */
    PARE_FUSION_GROUPS /* per key/value head: the rows of its query heads, of the key head, of the value head */
} pare_fusion;

typedef struct pare_fused {
    const char *name; /* NULL: no such tensor */
    pare_fusion how;
    int count;
    pare_role parts[3];
} pare_fused;

enum { PARE_FUSED = 2 };

/* Switches that a file may set. */
typedef enum pare_option_kind {
    PARE_OPTION_ROLES,   /* flag: these roles have tensors */
    PARE_OPTION_NORMED,  /* flag: queries and keys have the row's norms, with these roles */
    PARE_OPTION_FLAG,    /* flag of the architecture, at `field` */
    PARE_OPTION_NOT,     /* the same, turned round */
    PARE_OPTION_ALIBI,   /* flag: positions are ALiBi's, with the row's slopes */
    PARE_OPTION_NUMBER,  /* number of the architecture (double, at `field`); 0 and null: none */
    PARE_OPTION_INVERSE, /* 1 / number */
    PARE_OPTION_ROOT,    /* number^-1/2 */
    PARE_OPTION_REFUSED  /* flag or number that pare has no switch for: refused unless false, 0 or null */
} pare_option_kind;

typedef struct pare_option {
    const char *key; /* "attn_config.clip_qkv": of an object in the file */
    pare_option_kind kind;
    double fallback; /* what holds where the key is absent */
    uint32_t roles;
    size_t field;
} pare_option;

enum { PARE_OPTIONS = 12 };

/* Which layers have a window. */
typedef enum pare_window_rule {
    PARE_WINDOW_NONE,    /* sliding_window means nothing to the class */
    PARE_WINDOW_ALL,     /* every layer */
    PARE_WINDOW_TYPES,   /* by layer_types; where these are absent, all but every `period`-th (0: all) */
    PARE_WINDOW_CHUNKS,  /* chunks (backend.h) by layer_types; where these are absent, layers that rotate */
    PARE_WINDOW_FLAGGED, /* by layer_types if use_sliding_window; absent: from max_window_layers on */
    PARE_WINDOW_LATE     /* the same without a flag */
} pare_window_rule;

typedef struct pare_layer_rule {
    pare_window_rule window;
    const char *window_key;   /* NULL: sliding_window */
    uint32_t first_window;    /* max_window_layers where the key is absent */
    uint32_t window_fallback; /* where the key is absent; 0: none */
    uint32_t period;
    const char *period_key;    /* a number in the file in its place */
    bool rotates_windows_only; /* layers that see all tokens have no rotation, where there are windows */
    const char *no_rope_key;   /* list of flags: 0, no rotation */
    uint32_t no_rope_period;   /* where that list is absent: every so many-th has none */
    bool empty_is_usual;       /* or where it is empty */
} pare_layer_rule;

/* RoPE where the file is silent. */
typedef struct pare_rope_rule {
    double theta;                 /* 0: 10000 */
    double share;                 /* partial_rotary_factor; 0: 1, and a file that asks for less is refused */
    const char *theta_key;        /* beside rope_theta */
    const char *share_key;        /* beside partial_rotary_factor */
    const char *dimensions_key;   /* a number of dimensions in place of a share */
    const char *window_theta_key; /* layers with a window: plain RoPE of this theta */
    double window_theta;
    bool window_plain; /* layers with a window: the same theta, without scaling */
} pare_rope_rule;

/* Where layers have experts (config.h). */
typedef struct pare_expert_rule {
    const char *router;   /* [experts, d], behind the layer's number: "mlp.gate"; NULL: the family has none */
    const char *each;     /* what stands before an expert's number: "mlp.experts." */
    const char *parts[3]; /* and behind it, for gate, up and down: ".gate_proj" */
    const char *fused[2]; /* those of all experts in one tensor: [experts, 2 width, d], gate above up, and [experts, d,
                             width]. NULL: one tensor each */
    bool bare;            /* these have no suffix */
    const char *module;   /* of transformers, whose parameters they are in memory; NULL: "mlp.experts" */
    bool interleaved;     /* rows of gate and up alternate in the first of them */
    bool turned;          /* they are [experts, d, 2 width] and [experts, width, d] */
    bool biased;        /* router and experts have biases: ".bias" of the router, and the tensors' names with "_bias" */
    bool shares_inputs; /* shares multiply what experts read */
    bool crossed;       /* PEFT takes inputs of their parameters for outputs: no adapter of its form holds theirs */
    const char *shared; /* before the names of gate, up and down of what all tokens reach: "mlp.shared_expert." */
    const char *shared_gate; /* NULL: it has none */
    const char *correction;  /* [experts], with suffix: "mlp.gate.e_score_correction_bias"; NULL: there is none */
    const char *count_key, *width_key;
    const char *shared_key;       /* the width of what all tokens reach, or */
    const char *shared_count_key; /* how many times as wide as an expert it is */
    bool shared_alike;            /* it is as wide as an expert */
    const char *normalised_key;   /* NULL: shares always add up to 1 */
    bool first_dense;       /* first_k_dense_replace layers come first that have none; else as many as the class has */
    const char *types_key;  /* a list by layer, "dense" or "sparse", which says all where it is there; NULL: none */
    const char *layers_key; /* a list of the layers that have experts; NULL: none */
    const char *interval_key; /* where that is absent, every so many-th has */
    bool sparse_step;   /* decoder_sparse_step and mlp_only_layers say which layers have some; else all but the first */
    bool sigmoid;       /* in place of the softmax */
    bool groups_by_two; /* n_group and topk_group divide the experts into groups, liked by two experts each */
    const char *scale_key;
    const char *method_key; /* n_group and topk_group mean something where it says group_limited_greedy, not greedy */
    const char *jitter_key; /* sparsemixer's; NULL: routers are none */
    struct {
        uint32_t count, chosen, width, shared; /* shared: as its key counts */
        uint32_t first_dense, groups, groups_chosen;
        double scale, jitter;
        bool normalised;
        bool unnormalised; /* shares never add up to the same */
    } fallback;
} pare_expert_rule;

/* Attention over latents (block_latent.h). */
typedef struct pare_latent_rule {
    const char *query_down; /* behind the layer's number, without suffix: "self_attn.q_a_proj" */
    const char *straight;   /* the queries' matrix where they have no latent */
    pare_latent usual;      /* where the file is silent; keys 0: the family has none */
} pare_latent_rule;

/* What a class asks of the number of heads. */
typedef enum pare_heads_rule {
    PARE_HEADS_FREE,   /* nothing: head_dim is stated */
    PARE_HEADS_DIVIDE, /* that it divides the hidden size */
    PARE_HEADS_TIED    /* that heads times their size are the hidden size */
} pare_heads_rule;

/* A family whose class computes the same from other tensors, under a condition. What must be done to the weights
 * follows from the two rows (surgery/convert.h). */
typedef struct pare_other {
    const pare_family *family;                /* NULL: none */
    bool (*holds)(const pare_config *config); /* NULL: always */
} pare_other;

enum { PARE_OTHERS = 2 };

struct pare_family {
    const char *types[4];   /* model_type; the first one is written */
    const char *class_name; /* of transformers */
    const char *title;      /* for people: "Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen" */
    const char *roots[4];   /* what tensors' names may begin with: "model."; NULL: "model." */
    const char *carried[2]; /* names of a wrapper's other parts: what they begin with, and what all versions look for */
    bool whole_inside;      /* a wrapper has the class itself, with its head, where others have the model in it */
    const char *layer;      /* behind the root; NULL: "layers." */
    const char *ends[PARE_ENDS];       /* behind the root (the head: behind head_root), with suffix; NULL: LLaMA's */
    uint32_t bare_ends;                /* bits of ends whose names have no suffix */
    const char *roles[PARE_ALL_ROLES]; /* behind the layer's number, without suffix; NULL: LLaMA's */
    pare_fused fused[PARE_FUSED];
    const pare_family *in_memory;       /* names of modules where files have others; NULL: the same */
    bool norms_by_head;                 /* norms of queries and keys are stored head by head: "NAME.3.weight" */
    bool mxfp4;                         /* quantization_config may say so: tensors are packed (checkpoint/mxfp4.h) */
    bool transposed;                    /* matrices are stored [in, out] (GPT-2's Conv1D) */
    const char *keys[PARE_CONFIG_KEYS]; /* NULL: LLaMA's */
    struct {
        uint32_t head_dim; /* 0: hidden size by heads */
        uint32_t kv_heads; /* 0: as many as heads */
        uint32_t ffn;      /* times the hidden size; 0: the file must say, or the tensors do */
        uint32_t positions;
        double eps;
        pare_activation activation;
        bool tied;
    } fallback;
    bool fixed_activation; /* whatever the file says */
    double fixed_eps;      /* 0: the file says */
    pare_architecture architecture;
    pare_option options[PARE_OPTIONS];
    pare_layer_rule layers;
    pare_rope_rule rope;
    pare_expert_rule experts;
    pare_latent_rule latent;
    /* What no field says; NULL: nothing. After everything else was read. */
    pare_status (*read)(pare_fields fields, pare_config *config);

    /* How a smaller one is written. */
    pare_heads_rule heads;
    bool derives_head_norm; /* norms of queries and keys are as long as the hidden size by the number of heads */
    bool fixed_ffn;         /* the class multiplies the hidden size by itself */
    bool prefers_other;     /* where heads times their size are not the hidden size: other engines want it */
    pare_other others[PARE_OTHERS];
    /* What no rule says of other sizes; NULL: nothing. */
    void (*write_sizes)(const pare_config *original, const pare_config_sizes *sizes, json_t *json);
    /* What no rule says of lists by layer when layers go; NULL: nothing. */
    void (*write_layers)(const pare_config *original, const pare_config_sizes *sizes, json_t *json);
};

/* The first other family that holds what the model computes; NULL: none. */
const pare_family *pare_family_other(const pare_config *config);

/* The rows (families/). */
#define PARE_FAMILIES(ROW)                                                                                             \
    ROW(llama)                                                                                                         \
    ROW(mistral)                                                                                                       \
    ROW(ministral)                                                                                                     \
    ROW(ministral3)                                                                                                    \
    ROW(qwen2)                                                                                                         \
    ROW(qwen3)                                                                                                         \
    ROW(gemma)                                                                                                         \
    ROW(gemma2)                                                                                                        \
    ROW(gemma3)                                                                                                        \
    ROW(phi3)                                                                                                          \
    ROW(phi)                                                                                                           \
    ROW(olmo)                                                                                                          \
    ROW(olmo2)                                                                                                         \
    ROW(olmo3)                                                                                                         \
    ROW(smollm3)                                                                                                       \
    ROW(granite)                                                                                                       \
    ROW(internlm3)                                                                                                     \
    ROW(glm)                                                                                                           \
    ROW(glm4)                                                                                                          \
    ROW(cohere)                                                                                                        \
    ROW(cohere2)                                                                                                       \
    ROW(stablelm)                                                                                                      \
    ROW(starcoder2)                                                                                                    \
    ROW(seed_oss) ROW(exaone4) ROW(helium) ROW(ernie4_5) ROW(hunyuan) ROW(nemotron) ROW(arcee) ROW(gpt2) ROW(gpt_neo)  \
        ROW(gptj) ROW(gpt_neox) ROW(opt) ROW(bloom) ROW(mpt) ROW(falcon) ROW(falcon_two_norms) ROW(mixtral)            \
            ROW(qwen2_moe) ROW(qwen3_moe) ROW(olmoe) ROW(granitemoe) ROW(glm4_moe) ROW(dots1) ROW(phimoe)              \
                ROW(deepseek_v2) ROW(deepseek_v3) ROW(glm4_moe_lite) ROW(gpt_oss) ROW(llama4) ROW(vit) ROW(deit)
#define PARE_FAMILY_DECLARE(name) extern const pare_family pare_family_##name;
PARE_FAMILIES(PARE_FAMILY_DECLARE)
#undef PARE_FAMILY_DECLARE

/* NULL if no row has this model_type. */
const pare_family *pare_family_find(const char *model_type);
/* All rows, in the order in which people should read them; NULL behind the last. */
const pare_family *pare_family_at(size_t index);

/* The key as the family spells it. */
const char *pare_family_key(const pare_family *family, pare_config_key key);
/* The name of a role's tensor without suffix, behind the layer's number. A bias has its matrix's. */
const char *pare_family_role(const pare_family *family, pare_role role);
const char *pare_family_end(const pare_family *family, pare_end end);

/* Bits of roles, for rows. */
#define PARE_ROLES_ATTENTION_BIAS                                                                                      \
    (UINT32_C(1) << PARE_ROLE_Q_BIAS | UINT32_C(1) << PARE_ROLE_K_BIAS | UINT32_C(1) << PARE_ROLE_V_BIAS)
#define PARE_ROLES_O_BIAS (UINT32_C(1) << PARE_ROLE_O_BIAS)
#define PARE_ROLES_QKVO_BIAS (PARE_ROLES_ATTENTION_BIAS | PARE_ROLES_O_BIAS)
#define PARE_ROLES_UP_DOWN_BIAS (UINT32_C(1) << PARE_ROLE_UP_BIAS | UINT32_C(1) << PARE_ROLE_DOWN_BIAS)
#define PARE_ROLES_FFN_BIAS (PARE_ROLES_UP_DOWN_BIAS | UINT32_C(1) << PARE_ROLE_GATE_BIAS)
#define PARE_ROLES_MATRICES ((UINT32_C(1) << PARE_MATRIX_ROLES) - 1)
#define PARE_ROLES_NORMS (UINT32_C(1) << PARE_ROLE_INPUT_NORM | UINT32_C(1) << PARE_ROLE_POST_NORM)
#define PARE_ROLES_NORM_BIASES (UINT32_C(1) << PARE_ROLE_INPUT_NORM_BIAS | UINT32_C(1) << PARE_ROLE_POST_NORM_BIAS)
#define PARE_ROLES_OUT_NORMS (UINT32_C(1) << PARE_ROLE_ATTENTION_OUT_NORM | UINT32_C(1) << PARE_ROLE_FFN_OUT_NORM)
#define PARE_ROLES_OUT_NORM_BIASES                                                                                     \
    (UINT32_C(1) << PARE_ROLE_ATTENTION_OUT_NORM_BIAS | UINT32_C(1) << PARE_ROLE_FFN_OUT_NORM_BIAS)
#define PARE_ROLES_HEAD_NORMS (UINT32_C(1) << PARE_ROLE_Q_NORM | UINT32_C(1) << PARE_ROLE_K_NORM)
#define PARE_ROLES_HEAD_NORM_BIASES (UINT32_C(1) << PARE_ROLE_Q_NORM_BIAS | UINT32_C(1) << PARE_ROLE_K_NORM_BIAS)
#define PARE_ROLES_SINKS (UINT32_C(1) << PARE_ROLE_SINKS)
#define PARE_ROLES_GATE (UINT32_C(1) << PARE_ROLE_GATE)
/* A LLaMA's, and those of a block without a gate. */
#define PARE_ROLES_LLAMA (PARE_ROLES_MATRICES | PARE_ROLES_NORMS)
#define PARE_ROLES_UNGATED (PARE_ROLES_LLAMA & ~PARE_ROLES_GATE)

#define PARE_ENDS_LLAMA                                                                                                \
    (UINT32_C(1) << PARE_END_EMBEDDING | UINT32_C(1) << PARE_END_FINAL_NORM | UINT32_C(1) << PARE_END_HEAD)
#define PARE_ENDS_FINAL_BIAS (UINT32_C(1) << PARE_END_FINAL_NORM_BIAS)
#define PARE_ENDS_POSITIONS (UINT32_C(1) << PARE_END_POSITIONS)

/* What stands before the blocks of a model that reads pictures. */
#define PARE_ENDS_PICTURES                                                                                             \
    (UINT32_C(1) << PARE_END_PROJECT_IN | UINT32_C(1) << PARE_END_PROJECT_IN_BIAS |                                    \
     UINT32_C(1) << PARE_END_CLASS_TOKEN | PARE_ENDS_POSITIONS)

#define PARE_ENDS_CLASSIFIER                                                                                           \
    (UINT32_C(1) << PARE_END_FINAL_NORM | UINT32_C(1) << PARE_END_FINAL_NORM_BIAS | UINT32_C(1) << PARE_END_HEAD |     \
     UINT32_C(1) << PARE_END_HEAD_BIAS)

static inline bool pare_family_reads_pictures(const pare_family *family) {
    return pare_has_end(&family->architecture, PARE_END_CLASS_TOKEN);
}

#define PARE_FIELD(name) offsetof(pare_architecture, name)

#endif
