#include "select/element_mask.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <string.h>

enum { WORD = 64 };

static size_t words(const pare_element_mask *mask) {
    return (size_t)(mask->rows * mask->stride);
}

pare_status pare_element_mask_new(int64_t rows, int64_t columns, pare_element_mask *out) {
    *out = (pare_element_mask){.rows = rows, .columns = columns, .stride = (columns + WORD - 1) / WORD};
    return pare_alloc(&out->word, words(out), sizeof *out->word, "mask");
}

void pare_element_mask_free(pare_element_mask *mask) {
    pare_free(mask->word);
    *mask = (pare_element_mask){0};
}

void pare_element_mask_copy(const pare_element_mask *from, pare_element_mask *to) {
    memcpy(to->word, from->word, words(from) * sizeof *from->word);
}

/* The bits of word `index` of a row that belong to columns. */
static uint64_t inside(const pare_element_mask *mask, int64_t index) {
    int64_t left = mask->columns - index * WORD;
    return left >= WORD ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
}

void pare_element_mask_fill(pare_element_mask *mask) {
    for (int64_t i = 0; i < mask->rows * mask->stride; i++)
        mask->word[i] = inside(mask, i % mask->stride);
}

int64_t pare_element_mask_kept(const pare_element_mask *mask) {
    int64_t kept = 0;
    for (size_t i = 0; i < words(mask); i++)
        kept += __builtin_popcountll(mask->word[i]);
    return kept;
}

PARE_VECTORIZE static void apply_to_row(const uint64_t *word, int64_t n, float *values) {
    for (int64_t j = 0; j < n; j += PARE_MASK_HALF) {
        uint32_t kept = pare_element_half(word, j);
        int64_t count = n - j < PARE_MASK_HALF ? n - j : PARE_MASK_HALF;
        for (int64_t l = 0; l < count; l++)
            values[j + l] = kept >> l & 1 ? values[j + l] : 0.0f;
    }
}

void pare_element_mask_apply_row(const pare_element_mask *mask, int64_t row, float *values) {
    apply_to_row(mask->word + row * mask->stride, mask->columns, values);
}

void pare_element_mask_apply(const pare_element_mask *mask, float *weights) {
#pragma omp parallel for schedule(static) if (mask->rows * mask->columns > 65536)
    for (int64_t row = 0; row < mask->rows; row++)
        pare_element_mask_apply_row(mask, row, weights + row * mask->columns);
}

bool pare_element_mask_is_pattern(const pare_element_mask *mask, int64_t keep, int64_t of) {
    for (int64_t row = 0; row < mask->rows; row++)
        for (int64_t first = 0; first < mask->columns; first += of) {
            int64_t length = mask->columns - first < of ? mask->columns - first : of, kept = 0;
            for (int64_t i = 0; i < length; i++)
                kept += pare_element_kept(mask, row, first + i);
            if (kept != (length * keep + of - 1) / of) return false;
        }
    return true;
}
