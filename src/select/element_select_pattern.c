/* N:M patterns. Groups lie side by side, each place of a group in an array of its own: then the ranks of many groups
 * are counted in one vector. */
#include "select/element_select_internal.h"
#include "support/vectorize.h"

#include <string.h>

enum { GROUPS = 64, LARGEST = 64 };

/* GROUPS neighbouring groups of `of` columns into GROUPS of bytes, 1 where a weight stays. The count is unrolled where
 * `of` is known. */
static inline __attribute__((always_inline)) void rank_groups(const float *scores, int64_t keep, int64_t of,
                                                              uint8_t *kept) {
    float place[LARGEST][GROUPS];
    for (int64_t group = 0; group < GROUPS; group++)
        for (int64_t i = 0; i < of; i++)
            place[i][group] = scores[group * of + i];
    for (int64_t i = 0; i < of; i++) {
        int32_t rank[GROUPS] = {0};
        for (int64_t j = 0; j < i; j++)
            for (int64_t group = 0; group < GROUPS; group++)
                rank[group] += place[j][group] <= place[i][group];
        for (int64_t j = i + 1; j < of; j++)
            for (int64_t group = 0; group < GROUPS; group++)
                rank[group] += place[j][group] < place[i][group];
        for (int64_t group = 0; group < GROUPS; group++)
            kept[group * of + i] = rank[group] >= of - keep;
    }
}

PARE_VECTORIZE static void rank_of_4(const float *scores, int64_t keep, uint8_t *kept) {
    rank_groups(scores, keep, 4, kept);
}

PARE_VECTORIZE static void rank_of_8(const float *scores, int64_t keep, uint8_t *kept) {
    rank_groups(scores, keep, 8, kept);
}

PARE_VECTORIZE static void rank_of_any(const float *scores, int64_t keep, int64_t of, uint8_t *kept) {
    rank_groups(scores, keep, of, kept);
}

static void rank(const float *scores, int64_t keep, int64_t of, uint8_t *kept) {
    if (of == 4)
        rank_of_4(scores, keep, kept);
    else if (of == 8)
        rank_of_8(scores, keep, kept);
    else
        rank_of_any(scores, keep, of, kept);
}

/* Columns [first, columns) of a row whose groups are short, first a multiple of GROUPS of. */
static int64_t select_short(const float *scores, int64_t first, int64_t columns, int64_t keep, int64_t of,
                            uint64_t *row) {
    uint8_t kept[GROUPS * LARGEST];
    int64_t n = columns - first < GROUPS * of ? columns - first : GROUPS * of;
    if (n == GROUPS * of) {
        rank(scores + first, keep, of, kept);
    } else {
        memset(kept, 0, sizeof kept);
        for (int64_t i = 0; i < n; i += of) {
            int64_t length = n - i < of ? n - i : of;
            pare_element_select_group(scores + first + i, length, 1, length - (length * keep + of - 1) / of, kept + i);
        }
    }
    for (int64_t word = 0; word < (n + 63) / 64; word++)
        row[first / 64 + word] = pare_pack_bytes(kept + 64 * word);
    return first + n;
}

static int64_t select_long(const float *scores, int64_t first, int64_t columns, int64_t keep, int64_t of,
                           uint64_t *row) {
    int64_t n = columns - first < of ? columns - first : of;
    pare_element_cut cut = pare_element_cut_of(scores + first, n, n - (n * keep + of - 1) / of);
    pare_element_cut_write(scores + first, n, cut, row, first);
    return first + n;
}

pare_status pare_select_pattern(const float *scores, int64_t keep, int64_t of, pare_element_mask *mask) {
    int64_t columns = mask->columns;
    bool sound = true;
#pragma omp parallel for schedule(static) reduction(&& : sound) if (mask->rows * columns > 65536)
    for (int64_t row = 0; row < mask->rows; row++) {
        const float *x = scores + row * columns;
        uint64_t *words = mask->word + row * mask->stride;
        sound = pare_scores_are_sound(x, columns) && sound;
        for (int64_t first = 0; first < columns && sound;)
            first = of <= LARGEST ? select_short(x, first, columns, keep, of, words)
                                  : select_long(x, first, columns, keep, of, words);
    }
    return sound ? PARE_OK : pare_scores_refuse(scores, mask->rows, columns);
}
