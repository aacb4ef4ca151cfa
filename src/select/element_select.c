#include "select/element_select_internal.h"

#include <math.h>

/* n s carries the rounding of s and of the product, each half a unit in the last place; this is well above both. */
static const double rounding = 0x1p-46;

int64_t pare_element_count(int64_t n, double sparsity) {
    double exact = (double)n * sparsity, nearest = nearbyint(exact);
    int64_t count = (int64_t)(fabs(exact - nearest) <= rounding * exact ? nearest : floor(exact));
    return count < 0 ? 0 : count > n ? n : count;
}

static int64_t kept_of(int64_t length, int64_t keep, int64_t of) {
    return (length * keep + of - 1) / of;
}

static int64_t pattern_count(int64_t columns, int64_t keep, int64_t of) {
    return columns - (columns / of * keep + kept_of(columns % of, keep, of));
}

int64_t pare_element_target_count(const pare_element_target *target, int64_t rows, int64_t columns) {
    if (target->of) return rows * pattern_count(columns, target->keep, target->of);
    if (target->compare == PARE_COMPARE_ROW) return rows * pare_element_count(columns, target->sparsity);
    if (target->compare != PARE_COMPARE_SLAB) return pare_element_count(rows * columns, target->sparsity);
    int64_t slab = target->slab < columns ? target->slab : columns;
    return (slab ? columns / slab : 0) * pare_element_count(rows * slab, target->sparsity) +
           (slab ? pare_element_count(rows * (columns % slab), target->sparsity) : 0);
}

static pare_status check(const pare_element_target *target) {
    if (target->of < 0 || (target->of > 0 && (target->keep < 0 || target->keep > target->of)))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the pattern %lld:%lld makes no sense: it keeps the first number of every second number of "
                         "neighbouring weights, as 2:4 does",
                         (long long)target->keep, (long long)target->of);
    if (target->of) return PARE_OK;
    if (!(target->sparsity >= 0.0 && target->sparsity <= 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "a sparsity of %g is not a share: give one from 0 to 1", target->sparsity);
    if (target->compare == PARE_COMPARE_SLAB && target->slab <= 0)
        return pare_fail(PARE_BAD_ARGUMENT, "a slab of %lld columns has none: give at least 1",
                         (long long)target->slab);
    if (target->compare == PARE_COMPARE_GLOBAL)
        return pare_fail(PARE_BAD_ARGUMENT, "one threshold for all matrices cannot be found from one of them: show "
                                            "all to a global threshold first");
    return PARE_OK;
}

pare_status pare_element_select(const float *scores, const pare_element_target *target, pare_element_mask *mask) {
    PARE_TRY(check(target));
    if (mask->rows == 0 || mask->columns == 0) return PARE_OK;
    if (target->of) return pare_select_pattern(scores, target->keep, target->of, mask);
    switch (target->compare) {
    case PARE_COMPARE_ROW:
        return pare_select_rows(scores, target->sparsity, mask);
    case PARE_COMPARE_SLAB:
        return pare_select_regions(scores, target, target->slab, mask);
    case PARE_COMPARE_CUMULATIVE:
        return pare_select_cumulative(scores, target->sparsity, mask);
    default:
        return pare_select_regions(scores, target, mask->columns, mask);
    }
}
