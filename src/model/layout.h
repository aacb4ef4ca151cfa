/* How the tokens of a batch hang together, and what is predicted where: for passes over packed examples, over questions
 * whose answers share what comes before them, and over prompts that are not to be learnt.
 *
 * Every sequence is `length` tokens. Token t of a sequence sees the keys [0, shared[t]) and [start[t], t] of its own
 * sequence, 0 <= shared[t] <= start[t] <= t. So
 *   packed examples:   shared 0, start = the first token of t's example, positions from 0 in each;
 *   answers to one question of P tokens, one behind the other:  shared P and start = the answer's first token within
 *                      the answers, positions from P on in each of them; shared 0, start 0 within the question;
 *   padding behind the last real token: whatever is in range; nothing sees it. */
#ifndef PARE_MODEL_LAYOUT_H
#define PARE_MODEL_LAYOUT_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { PARE_TARGET_OPEN = -2 };

typedef struct pare_layout {
    int64_t length;           /* tokens of each sequence, at most the pass's; 0: the pass's */
    int64_t sequences;        /* of the batches of gradients; 0: the pass's */
    const int32_t *positions; /* [sequences, length] of the rotary embedding, below the pass's length; NULL: 0, 1, .. */
    const int32_t *start;     /* [sequences, length]; NULL: 0 */
    const int32_t *shared;    /* [sequences, length]; NULL: 0 */
    const int32_t *targets;   /* [sequences, length] the id predicted at a token, -1: none; NULL: the next one, and none
                               * at the last token. */
    bool open;                /* targets may be PARE_TARGET_OPEN, too: something is predicted, but only a teacher knows
                               * what (teacher.h) */
    const uint32_t *numbers;  /* [sequences, length] by which a teacher knows each prediction; NULL: it needs none */
    double predictions;       /* what a gradient's sum of losses is divided by; 0: the number of targets */
} pare_layout;

/* Fails unless all of it is in range for batches of so many sequences of layout->length tokens: positions below
 * `positions`, targets below `vocabulary`. */
pare_status pare_layout_check(const pare_layout *layout, int64_t sequences, int64_t positions, int64_t vocabulary);

#endif
