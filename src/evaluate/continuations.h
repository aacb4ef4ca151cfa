/* Whether a model still writes text: pruned ones fall into repetition where perplexity, which is fed with true text,
 * hides it. */
#ifndef PARE_EVALUATE_CONTINUATIONS_H
#define PARE_EVALUATE_CONTINUATIONS_H

#include "evaluate/perplexity.h"
#include "report/continuations.h"

/* Refuses, before any work, a model that reads pictures, or that has no room for a text to grow in. window: tokens of
 * the windows that prompts are the beginnings of. */
pare_status pare_continuations_check(const pare_model *model, uint32_t window);

/* evaluation->continuations texts, or as many as there are windows: text i begins with the first 32 tokens of window i
 * (all of it, where it is shorter) and goes on by up to 64 tokens, fewer where the model's positions end, drawn at
 * temperature 1 by the seed and i. Shares of repeated 4-grams are those of Welleck et al. (arXiv 1908.04319,
 * seq-rep-4), of what was written alone, without the end token. speaker: the model whose files say what ends a text,
 * which has the evaluated one's vocabulary. Holds the keys and values of as many texts as fit the limit. */
pare_status pare_continuations_measure(const pare_evaluation *evaluation, const pare_model *speaker,
                                       pare_continuation_scores *out);

/* seq-rep-4 of ids [count]: 1 - unique 4-grams / 4-grams; count 4 or more. */
double pare_repeated_share(const uint32_t *ids, uint32_t count);

#endif
