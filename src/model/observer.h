/* Who looks at the inputs of the linear layers while a block computes. */
#ifndef PARE_MODEL_OBSERVER_H
#define PARE_MODEL_OBSERVER_H

#include "model/model.h"

/* The input that a role's matrix reads, and its width in a layer. */
pare_input_kind pare_input_of(pare_role role);
int64_t pare_input_width(const pare_model *model, uint32_t layer, pare_input_kind kind);

struct pare_block;

/* One expert's tokens of a micro-batch, gone after the call. */
typedef struct pare_expert_seen {
    uint32_t layer, expert;
    int64_t tokens;
    const int32_t *places; /* [tokens] of the tokens' shares in `share`, which are of all experts */
    const float *share;
    bool in_x;                 /* these are in x, and so in all that follows */
    const void *x, *activated; /* operands: what gate and up read [tokens, d], what Down reads [tokens, width] */
    const float *y;            /* [tokens, d] what it makes, without its share, but where that is in x */
} pare_expert_seen;

typedef struct pare_observer {
    bool (*wants)(void *context, uint32_t layer, pare_input_kind kind);
    /* x: operands of one micro-batch, gone after the call; by_feature: [width, tokens], else [tokens, width]. */
    pare_status (*see)(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature);
    pare_status (*see_expert)(void *context, const pare_expert_seen *seen); /* that some token reaches; or NULL */
    /* Before the tokens choose: routing.probability of the block's experts is the router's logits, normed2 what experts
     * read; it may ask what experts make of tokens (block_experts.h); or NULL. */
    pare_status (*see_logits)(void *context, const struct pare_block *block);
    void *context;
} pare_observer;

#endif
