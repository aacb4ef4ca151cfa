/* How fast a machine computes, and how much of that passes over a model get. */
#ifndef PARE_REPORT_SPEED_H
#define PARE_REPORT_SPEED_H

#include "support/json.h"

#include <stdbool.h>
#include <stdint.h>

/* Medians of one kind of work. */
typedef struct pare_work_speed {
    double seconds, tokens_per_second, gflops;
    double fraction; /* of the machine's rate of matrix products */
} pare_work_speed;

typedef struct pare_speed_results {
    const char *shape; /* of a synthetic model; NULL: it was a real one */
    uint32_t layers;
    uint64_t tokens;
    int threads;
    bool bf16;                   /* what products were computed in */
    double gemm_fp32, gemm_bf16; /* 10^9 operations a second; NaN: the CPU has no such products */
    uint64_t block_bytes, model_bytes;
    pare_work_speed forward, forward_backward, moreau;
    uint64_t moreau_state_bytes;
    bool moreau_state_in_file;
    uint64_t anonymous_bytes;
} pare_speed_results;

/* results: pare_speed_results. */
json_t *pare_report_speed(const void *results);

#endif
