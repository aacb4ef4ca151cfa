/* How many weights go, before any score is known. */
#include "select/element_select.h"

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
