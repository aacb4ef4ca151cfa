/* The merge engine of byte-pair encoding: of all adjacent pairs that have a merge, the one of the lowest rank is
 * joined, the leftmost one among equals, until none is left. */
#ifndef PARE_TOKENIZER_MERGE_H
#define PARE_TOKENIZER_MERGE_H

#include "tokenizer/pair_table.h"

#include <stddef.h>
#include <stdint.h>

/* Working memory of long merges, kept between calls. All zero before the first; free with pare_merge_work_free. */
typedef struct pare_merge_work {
    struct pare_merge_link *links;
    struct pare_merge_candidate *heap;
    size_t room;
} pare_merge_work;

/* Merges symbols[0 .. *count) in place; time n log n in their number. */
pare_status pare_merge_run(const pare_pair_table *pairs, pare_merge_work *work, uint32_t *symbols, size_t *count);
void pare_merge_work_free(pare_merge_work *work);

#endif
