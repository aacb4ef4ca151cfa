/* Orders of channels, and what they gain. */
#ifndef PARE_REPORT_PERMUTATION_H
#define PARE_REPORT_PERMUTATION_H

#include "support/json.h"
#include "surgery/permuted_model.h"

typedef enum pare_channel_kind {
    PARE_CHANNEL_HIDDEN,
    PARE_CHANNEL_FFN,
    PARE_CHANNEL_VALUE,
    PARE_CHANNEL_KINDS
} pare_channel_kind;

/* Of the matrices that read one kind of channels. Sums of scores, each divided by its matrix's mean. */
typedef struct pare_permutation_gain {
    uint32_t matrices, permuted;
    double total, before, after; /* of all weights; of those that the pattern keeps */
} pare_permutation_gain;

typedef struct pare_permutation_results {
    const char *how, *scores;          /* the search, and what it looked at */
    const pare_permutation_gain *gain; /* [PARE_CHANNEL_KINDS] */
    int64_t rows, rows_seen;           /* of the hidden order */
    const json_t *left_alone;          /* sentences; borrowed */
} pare_permutation_results;

json_t *pare_report_permutation(const pare_permutation_results *results);
/* Where every channel of the permuted model stood: {"hidden", "layers": [{"ffn", "value"}]}, null where it stayed. */
json_t *pare_report_orders(const pare_model *model, const pare_orders *orders);

#endif
