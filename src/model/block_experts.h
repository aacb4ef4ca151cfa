/* The experts of a block: tokens are gathered per expert and multiplied in one product each, and an expert's weights
 * are composed when a token of the micro-batch reaches it, and not before. What all tokens reach besides is the block's
 * own FFN, times the sigmoid of its gate where it has one. */
#ifndef PARE_MODEL_BLOCK_EXPERTS_H
#define PARE_MODEL_BLOCK_EXPERTS_H

#include "model/block_beside.h"
#include "model/expert_names.h"

static inline bool pare_block_has_experts(const pare_block *block) {
    return block->widths.experts > 0;
}

/* The FFN that all tokens reach stands beside the experts, behind a gate. */
static inline bool pare_block_gates_shared(const pare_block *block) {
    return pare_block_has_experts(block) && block->config->experts.shared_gated;
}

/* After the FFN's input: which experts the tokens reach, and their shares. */
pare_status pare_block_route(const pare_block *block);

/* out [tokens, d]: what the FFN of all tokens made, times its share; nothing where it has no gate. */
void pare_block_share(const pare_block *block, float *out);

/* out += what the experts make of normed2, times their shares. Shown to the block's observer. */
pare_status pare_block_experts_add(const pare_block *block, float *out);

/* Weights of an expert, and what it makes of normed2's rows of its tokens up to room.activated. */
typedef struct pare_expert_hand {
    uint32_t expert;
    int64_t tokens;
    const int32_t *places; /* [tokens] in routing.share; the token is a place by `chosen` */
    const void *weight[PARE_EXPERT_MATRICES];
    const float *bias[PARE_EXPERT_MATRICES]; /* NULL: there is none */
} pare_expert_hand;

/* False if no token reaches it. */
bool pare_block_expert(const pare_block *block, uint32_t expert, pare_expert_hand *out);
/* With tokens that need not reach it: one place of each, ascending. */
pare_expert_hand pare_block_expert_of(const pare_block *block, uint32_t expert, int64_t tokens, const int32_t *places);
/* room.x <- what its tokens read; the same, and on up to room.activated. */
void pare_block_expert_gather(const pare_block *block, const pare_expert_hand *hand);
pare_status pare_block_expert_activate(const pare_block *block, const pare_expert_hand *hand);
/* y: [tokens, d] what it makes of room.activated. */
pare_status pare_block_expert_make(const pare_block *block, const pare_expert_hand *hand, float *y);

/* The adapter of one of its matrices, over its tokens. */
pare_beside pare_block_expert_beside(const pare_block *block, const pare_expert_hand *hand, pare_expert_part part);

/* y: [count, d] what an expert makes of `count` tokens from `first` on, whether they reach it or not; where shares
 * multiply inputs, with those that the router's logits, which probability still is, would give them. In the room of the
 * experts, so not while one of them works. */
pare_status pare_block_expert_outputs(const pare_block *block, uint32_t expert, int64_t first, int64_t count, float *y);

/* branch: [tokens, d] the gradient of what the FFN makes. dnormed of the activations gets what reaches normed2 through
 * experts and router; their gradients go to the sink. */
pare_status pare_block_experts_backward(const pare_block *block, const pare_block_gradients *gradients,
                                        const float *branch);

/* Of the gate of the expert that all tokens reach. dactivated, activated: of that expert's Down, [tokens, F] or [F,
 * tokens] as the block has them. */
pare_status pare_block_shared_gate_backward(const pare_block *block, const pare_block_gradients *gradients,
                                            const float *dactivated);

/* Where the micro-batches of a tensor of the layer's router or experts add up, float; where the gradients have such
 * sums. And whether somebody wants that gradient. */
float *pare_block_expert_sums(const pare_block *block, const pare_block_gradients *gradients, size_t id);
/* And of what the sink sees of its samples; NULL: of nothing. */
float *pare_block_expert_sample_sums(const pare_block *block, const pare_block_gradients *gradients, size_t id);
bool pare_block_expert_wanted(const pare_block *block, const pare_block_gradients *gradients, size_t id);
/* The sums, after the last micro-batch: to the sink. */
pare_status pare_block_experts_hand_over(const pare_block *block, const pare_block_gradients *gradients);

/* Elements of the gradients of all of a layer's experts. */
uint64_t pare_expert_sums_elements(const pare_config *config);

#endif
