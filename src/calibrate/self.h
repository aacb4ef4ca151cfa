/* Text that the model writes itself: calibration and evaluation without any data. */
#ifndef PARE_CALIBRATE_SELF_H
#define PARE_CALIBRATE_SELF_H

#include "model/adapter.h"
#include "model/source.h"
#include "support/work.h"
#include "text/corpus.h"

typedef struct pare_self_request {
    uint32_t sequences;
    uint32_t lead;   /* tokens that are written first and thrown away; 0: sequences begin with BOS */
    uint32_t length; /* kept, 1 or more; lead + length at most the model's max_positions */
    uint64_t seed;
    const pare_adapters *adapters; /* that write with the model, or NULL */
} pare_self_request;

/* Samples sequences from the full distribution at temperature 1. Each begins with BOS (a random token if the model has
 * none); after an end token BOS follows again, so that every sequence has `length` ids. Sequence i is drawn by the
 * model, the seed and i alone, whatever the number of sequences and threads; but where a model of 32M parameters and
 * more is written by more threads than there are groups of 16 sequences, or with little memory, threads share products,
 * whose rounding is theirs. Ranks (support/peer.h) write groups of sequences in turns, the same as one process.
 * Progress is reported from the calling thread. Free with pare_windows_free. */
pare_status pare_self_sample(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                             const pare_self_request *request, pare_windows *out);
/* Of so many, the sequences that are written at a time, with memory enough. */
int64_t pare_self_rows(uint32_t sequences);
/* What that has to do. */
pare_work pare_self_work(const pare_model *model, const pare_self_request *request);

#endif
