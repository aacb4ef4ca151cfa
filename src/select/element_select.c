#include "select/element_select_internal.h"

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

/* A score is read and moved a few times until the cut is found; so many bytes of memory take as long. */
pare_work pare_element_select_work(int64_t rows, int64_t columns) {
    enum { BYTES_PER_SCORE = 50 };
    pare_work work = {{0}};
    work.amount[PARE_WORK_BYTES] = (double)rows * (double)columns * BYTES_PER_SCORE;
    return work;
}
