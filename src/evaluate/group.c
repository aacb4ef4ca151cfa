#include "evaluate/group.h"
#include "support/progress.h"

/* Beyond this many tokens the weights cost little against the products, and fewer in one block stay in the cache. */
enum { GROUP_TOKENS = 16384, BLOCK_TOKENS = 2048 };

static int64_t sequences_of(int64_t tokens, uint32_t length, int64_t most) {
    int64_t sequences = tokens / length;
    return sequences < 1 ? 1 : sequences > most ? most : sequences;
}

pare_status pare_group_shape(const pare_model *model, const pare_backend *backend, const pare_windows *windows,
                             bool composed, int64_t rank, uint64_t limit, pare_pass_shape *out) {
    pare_pass_memory memory;
    *out = (pare_pass_shape){.sequences = sequences_of(GROUP_TOKENS, windows->length, windows->count),
                             .length = windows->length,
                             .composed = composed,
                             .rank = rank,
                             .limit = limit};
    for (;; out->sequences = (out->sequences + 1) / 2) {
        out->micro_batch = sequences_of(BLOCK_TOKENS, windows->length, out->sequences);
        pare_status status = pare_pass_measure(model, backend, out, &memory);
        if (status == PARE_OUT_OF_MEMORY) {
            out->micro_batch = 1;
            status = pare_pass_measure(model, backend, out, &memory);
        }
        if (status != PARE_OUT_OF_MEMORY) return status;
        if (out->sequences <= 1) break;
    }
    return pare_fail(PARE_OUT_OF_MEMORY,
                     "one window of %u tokens does not fit the %.1f MiB that are left for it; raise --memory or lower "
                     "--window",
                     windows->length, (double)limit / 1048576.0);
}

pare_status pare_group_step(void *context, uint64_t done, uint64_t total) {
    pare_group_progress *progress = context;
    (void)total;
    return pare_progress_report(progress->runtime, progress->stage, progress->before + done, progress->total);
}
