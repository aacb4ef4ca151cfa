/* One cut for very many scores: a histogram of the upper halves of their bits, then of the lower halves of those that
 * share the cut's upper half. Two passes over memory, whatever the number. Slabs that fit into a cache are brought
 * together there and cut as a row is. */
#include "select/element_select_internal.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <omp.h>
#include <string.h>

enum { HALVES = 1 << 16, STRETCH = 4096, TOGETHER = 256, SMALL = 1 << 20 };

pare_status pare_global_threshold_new(pare_global_threshold *out) {
    *out = (pare_global_threshold){.threads = omp_get_max_threads()};
    return pare_alloc(&out->histogram, (size_t)out->threads * HALVES, sizeof *out->histogram, "histogram of scores");
}

void pare_global_threshold_free(pare_global_threshold *threshold) {
    pare_free(threshold->histogram);
    *threshold = (pare_global_threshold){0};
}

static void count_upper(const float *x, int64_t n, uint64_t *histogram) {
    for (int64_t i = 0; i < n; i++)
        histogram[pare_score_bits(x[i]) >> 16]++;
}

static void count_lower(const float *x, int64_t n, uint32_t upper, uint64_t *histogram) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = pare_score_bits(x[i]);
        if (bits >> 16 == upper) histogram[bits & 0xffffu]++;
    }
}

static void see_region(pare_global_threshold *threshold, const pare_score_region *region) {
    uint32_t upper = threshold->bits >> 16;
#pragma omp parallel for schedule(static) num_threads(threshold->threads) if (region->rows * region->columns > 65536)
    for (int64_t row = 0; row < region->rows; row++) {
        uint64_t *histogram = threshold->histogram + (size_t)omp_get_thread_num() * HALVES;
        const float *x = region->scores + row * region->stride;
        if (threshold->pass == 0)
            count_upper(x, region->columns, histogram);
        else
            count_lower(x, region->columns, upper, histogram);
    }
    if (threshold->pass == 0) threshold->total += region->rows * region->columns;
}

void pare_global_threshold_see(pare_global_threshold *threshold, const float *scores, int64_t n) {
    int64_t rows = n / STRETCH;
    see_region(threshold, &(pare_score_region){scores, rows, STRETCH, STRETCH, 0});
    see_region(threshold, &(pare_score_region){scores + rows * STRETCH, 1, n - rows * STRETCH, 0, 0});
}

/* The half that holds the `prune`th of the counted scores, 0 < prune; *below: those under it. */
static uint32_t find_half(const uint64_t *histogram, int64_t prune, int64_t *below) {
    uint32_t half = 0;
    for (*below = 0; half < HALVES - 1 && *below + (int64_t)histogram[half] < prune; half++)
        *below += (int64_t)histogram[half];
    return half;
}

/* All threads' counts into the first's. */
static void gather(pare_global_threshold *threshold) {
    for (int thread = 1; thread < threshold->threads; thread++)
        for (size_t i = 0; i < HALVES; i++)
            threshold->histogram[i] += threshold->histogram[(size_t)thread * HALVES + i];
}

static int64_t count_unsound(const uint64_t *histogram) {
    uint64_t count = 0;
    for (uint32_t half = PARE_SCORE_BITS_END >> 16; half < HALVES; half++)
        count += histogram[half];
    return (int64_t)count;
}

static pare_status end_upper(pare_global_threshold *threshold, double sparsity) {
    int64_t unsound = count_unsound(threshold->histogram);
    if (unsound)
        return pare_fail(PARE_NUMERIC_ERROR,
                         "%lld of %lld scores are NaN, infinite or negative and cannot be ranked: the weights or the "
                         "calibration's signals hold NaN or infinity",
                         (long long)unsound, (long long)threshold->total);
    threshold->prune = pare_element_count_of(threshold->total, sparsity, threshold->inclusive);
    if (threshold->prune) threshold->bits = find_half(threshold->histogram, threshold->prune, &threshold->below) << 16;
    return PARE_OK;
}

static void end_lower(pare_global_threshold *threshold) {
    int64_t below, rest = threshold->prune - threshold->below;
    if (threshold->prune == 0) return;
    threshold->bits |= find_half(threshold->histogram, rest, &below);
    threshold->ties = rest - below;
}

pare_status pare_global_threshold_pass(pare_global_threshold *threshold, double sparsity) {
    pare_status status = PARE_OK;
    gather(threshold);
    if (threshold->pass == 0)
        status = end_upper(threshold, sparsity);
    else
        end_lower(threshold);
    threshold->pass++;
    memset(threshold->histogram, 0, (size_t)threshold->threads * HALVES * sizeof *threshold->histogram);
    return status;
}

/* n < 2^32 */
PARE_VECTORIZE static int64_t count_equal(const float *x, int64_t n, float value) {
    uint32_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += x[i] == value;
    return count;
}

/* Some rows: ties are counted first, so that each row knows how many of its own go. */
static int64_t write_rows(const pare_score_region *region, int64_t first, int64_t rows, pare_element_cut cut,
                          pare_element_mask *mask) {
    int64_t ties[TOGETHER] = {0}, left = cut.ties;
#pragma omp parallel for schedule(static) if (left > 0 && rows * region->columns > 65536)
    for (int64_t i = 0; i < rows; i++)
        if (left) ties[i] = count_equal(region->scores + (first + i) * region->stride, region->columns, cut.at);
    for (int64_t i = 0; i < rows; i++) {
        ties[i] = ties[i] < left ? ties[i] : left;
        left -= ties[i];
    }
#pragma omp parallel for schedule(static) if (rows * region->columns > 65536)
    for (int64_t i = 0; i < rows; i++)
        pare_element_cut_write(region->scores + (first + i) * region->stride, region->columns,
                               (pare_element_cut){cut.at, ties[i]}, mask->word + (first + i) * mask->stride,
                               region->first);
    return left;
}

/* Returns the ties that are left. */
static int64_t write_region(const pare_score_region *region, pare_element_cut cut, pare_element_mask *mask) {
    for (int64_t row = 0; row < region->rows; row += TOGETHER)
        cut.ties = write_rows(region, row, region->rows - row < TOGETHER ? region->rows - row : TOGETHER, cut, mask);
    return cut.ties;
}

void pare_global_select(pare_global_threshold *threshold, const float *scores, pare_element_mask *mask) {
    const pare_score_region whole = {scores, mask->rows, mask->columns, mask->columns, 0};
    pare_element_cut cut = {pare_float_of_bits(threshold->bits), threshold->ties};
    threshold->ties = write_region(&whole, cut, mask);
}

static pare_status select_region(pare_global_threshold *threshold, const pare_score_region *region,
                                 const pare_element_target *target, pare_element_mask *mask) {
    *threshold = (pare_global_threshold){
        .histogram = threshold->histogram, .threads = threshold->threads, .inclusive = target->inclusive};
    for (int pass = 0; pass < 2; pass++) {
        see_region(threshold, region);
        PARE_TRY(pare_global_threshold_pass(threshold, target->sparsity));
    }
    pare_element_cut cut = {pare_float_of_bits(threshold->bits), threshold->ties};
    write_region(region, target->inclusive ? pare_element_cut_inclusive(cut) : cut, mask);
    return PARE_OK;
}

static pare_score_region slab_of(const float *scores, int64_t first, int64_t slab, const pare_element_mask *mask) {
    int64_t left = mask->columns - first;
    return (pare_score_region){.scores = scores + first,
                               .rows = mask->rows,
                               .columns = left < slab ? left : slab,
                               .stride = mask->columns,
                               .first = first};
}

static pare_status select_large(const float *scores, const pare_element_target *target, int64_t slab,
                                pare_element_mask *mask) {
    pare_global_threshold threshold;
    PARE_TRY(pare_global_threshold_new(&threshold));
    pare_status status = PARE_OK;
    for (int64_t first = 0; first < mask->columns && status == PARE_OK; first += slab) {
        pare_score_region region = slab_of(scores, first, slab, mask);
        status = select_region(&threshold, &region, target, mask);
    }
    pare_global_threshold_free(&threshold);
    return status == PARE_NUMERIC_ERROR ? pare_scores_refuse(scores, mask->rows, mask->columns) : status;
}

/* room: of the slab's size. False if a score is not sound. */
static bool cut_slab(const pare_score_region *region, const pare_element_target *target, float *room,
                     pare_element_cut *cut) {
    int64_t n = region->rows * region->columns;
    for (int64_t row = 0; row < region->rows; row++)
        memcpy(room + row * region->columns, region->scores + row * region->stride,
               (size_t)region->columns * sizeof *room);
    bool sound = pare_scores_are_sound(room, n);
    *cut = pare_element_cut_of(room, n, sound ? pare_element_count_of(n, target->sparsity, target->inclusive) : 0);
    if (target->inclusive) *cut = pare_element_cut_inclusive(*cut);
    return sound;
}

static pare_status select_small(const float *scores, const pare_element_target *target, int64_t slab,
                                pare_element_mask *mask) {
    int64_t slabs = (mask->columns + slab - 1) / slab, size = mask->rows * slab;
    int threads = slabs > 1 ? omp_get_max_threads() : 1;
    bool sound = true;
    float *room = NULL;
    pare_element_cut *cuts = NULL;
    pare_status status;
    PARE_TRY(pare_alloc_uninitialized(&room, (size_t)(threads * size), sizeof *room, "scores of slabs"));
    PARE_TRY_GOTO(status, pare_alloc(&cuts, (size_t)slabs, sizeof *cuts, "thresholds"), done);
#pragma omp parallel for schedule(static) num_threads(threads) reduction(&& : sound)
    for (int64_t i = 0; i < slabs; i++) {
        pare_score_region region = slab_of(scores, i * slab, slab, mask);
        sound = cut_slab(&region, target, room + omp_get_thread_num() * size, &cuts[i]) && sound;
    }
    if (!sound) status = pare_scores_refuse(scores, mask->rows, mask->columns);
    for (int64_t i = 0; i < slabs && sound; i++) {
        pare_score_region region = slab_of(scores, i * slab, slab, mask);
        write_region(&region, cuts[i], mask);
    }
done:
    pare_free(room);
    pare_free(cuts);
    return status;
}

pare_status pare_select_regions(const float *scores, const pare_element_target *target, int64_t slab,
                                pare_element_mask *mask) {
    int64_t width = slab < mask->columns ? slab : mask->columns;
    bool small = mask->rows * width <= SMALL;
    return small ? select_small(scores, target, width, mask) : select_large(scores, target, width, mask);
}
