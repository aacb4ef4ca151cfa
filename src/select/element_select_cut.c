/* From a cut to the bits of a mask; and what no cut can be made of. */
#include "select/element_select_internal.h"
#include "support/vectorize.h"

enum { WORD = 64 };

/* Bit i: x[i] >= at, or x[i] == at. The comparisons go to bytes, which vectorises. */
static inline __attribute__((always_inline)) uint64_t compare(const float *x, int n, float at, bool equal) {
    uint8_t byte[WORD] = {0};
    if (equal)
        for (int i = 0; i < n; i++)
            byte[i] = x[i] == at;
    else
        for (int i = 0; i < n; i++)
            byte[i] = x[i] >= at;
    return pare_pack_bytes(byte);
}

/* n bits to positions [at, at + n) of a row. */
static inline void put(uint64_t *row, int64_t at, uint64_t bits, int n) {
    uint64_t inside = n == WORD ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
    int shift = (int)(at % WORD);
    uint64_t *word = row + at / WORD;
    *word = (*word & ~(inside << shift)) | bits << shift;
    if (shift + n > WORD) word[1] = (word[1] & ~(inside >> (WORD - shift))) | bits >> (WORD - shift);
}

static inline __attribute__((always_inline)) int64_t write_word(const float *scores, int n, pare_element_cut cut,
                                                                uint64_t *row, int64_t first) {
    uint64_t stay = compare(scores, n, cut.at, false);
    uint64_t equal = cut.ties ? compare(scores, n, cut.at, true) : 0;
    for (; cut.ties && equal; cut.ties--) {
        stay &= ~(equal & (0 - equal));
        equal &= equal - 1;
    }
    put(row, first, stay, n);
    return cut.ties;
}

PARE_VECTORIZE int64_t pare_element_cut_write(const float *scores, int64_t n, pare_element_cut cut, uint64_t *row,
                                              int64_t first) {
    int64_t i = 0;
    for (; i + WORD <= n; i += WORD)
        cut.ties = write_word(scores + i, WORD, cut, row, first + i);
    if (i < n) cut.ties = write_word(scores + i, (int)(n - i), cut, row, first + i);
    return cut.ties;
}

PARE_VECTORIZE bool pare_scores_are_sound(const float *scores, int64_t n) {
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = pare_score_bits(scores[i]);
        largest = bits > largest ? bits : largest;
    }
    return largest < PARE_SCORE_BITS_END;
}

pare_status pare_scores_refuse(const float *scores, int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++) {
            float score = scores[row * columns + column];
            if (pare_score_bits(score) >= PARE_SCORE_BITS_END)
                return pare_fail(PARE_NUMERIC_ERROR,
                                 "the score of the weight in row %lld, column %lld is %g, which cannot be ranked: the "
                                 "weights or the calibration's signals hold NaN or infinity",
                                 (long long)row, (long long)column, (double)score);
        }
    return PARE_OK;
}
