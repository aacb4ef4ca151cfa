/* Masks by plain means, to compare the quick ones with: every group is sorted by score and index. */
#ifndef PARE_TESTS_ELEMENT_MASKS_H
#define PARE_TESTS_ELEMENT_MASKS_H

#include "golden.h"
#include "select/element_select.h"
#include "support/random.h"

typedef struct ranked {
    float score;
    int64_t index;
} ranked;

static inline int by_score(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* gone[index[i]] = true for the `prune` smallest of n scores. */
static inline void plain_prune(const float *scores, const int64_t *index, int64_t n, int64_t prune, bool *gone) {
    ranked *list = malloc((size_t)(n + 1) * sizeof *list);
    for (int64_t i = 0; i < n; i++)
        list[i] = (ranked){scores[index[i]], index[i]};
    qsort(list, (size_t)n, sizeof *list, by_score);
    for (int64_t i = 0; i < prune; i++)
        gone[list[i].index] = true;
    free(list);
}

/* Every group of `width` neighbouring columns, in `height` rows at a time; of it, share(n) weights go. */
typedef int64_t (*share_fn)(const void *context, int64_t n);

static inline bool *plain_mask(const float *scores, int64_t rows, int64_t columns, int64_t height, int64_t width,
                               share_fn share, const void *context) {
    bool *gone = calloc((size_t)(rows * columns + 1), sizeof *gone);
    int64_t *index = malloc((size_t)(rows * columns + 1) * sizeof *index);
    for (int64_t top = 0; top < rows; top += height)
        for (int64_t left = 0; left < columns; left += width) {
            int64_t n = 0;
            for (int64_t row = top; row < top + height && row < rows; row++)
                for (int64_t column = left; column < left + width && column < columns; column++)
                    index[n++] = row * columns + column;
            plain_prune(scores, index, n, share(context, n), gone);
        }
    free(index);
    return gone;
}

/* floor(n s) with s in hundredths. */
static inline int64_t share_of_hundredths(const void *context, int64_t n) {
    return n * *(const int *)context / 100;
}

typedef struct pattern {
    int64_t keep, of;
} pattern;

static inline int64_t share_of_pattern(const void *context, int64_t n) {
    const pattern *p = context;
    return n - (n * p->keep + p->of - 1) / p->of;
}

static inline void assert_mask(const char *what, const pare_element_mask *mask, const bool *gone) {
    for (int64_t row = 0; row < mask->rows; row++) {
        for (int64_t column = 0; column < mask->columns; column++)
            if (pare_element_kept(mask, row, column) == gone[row * mask->columns + column])
                fail_msg("%s: [%lld, %lld] of %lld x %lld is wrong", what, (long long)row, (long long)column,
                         (long long)mask->rows, (long long)mask->columns);
        for (int64_t column = mask->columns; column < mask->stride * 64; column++)
            assert_false(mask->word[row * mask->stride + column / 64] >> (column % 64) & 1);
    }
}

/* Scores >= 0. levels: how many different ones; 0: as they come. */
static inline float *random_scores(int64_t count, uint32_t levels, uint64_t seed) {
    float *scores = malloc((size_t)(count + 1) * sizeof *scores);
    pare_random random = {.seed = seed};
    for (int64_t i = 0; i < count; i++)
        scores[i] = levels ? (float)pare_random_below(&random, levels) * 0.37f
                           : (float)(pare_random_uniform(&random) * exp(20.0 * pare_random_uniform(&random) - 15.0));
    return scores;
}

#endif
