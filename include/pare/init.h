/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. What options start as: in C an initialiser, in C++ a value. */
#ifndef PARE_INIT_H
#define PARE_INIT_H

#include "evaluate.h"
#include "prune.h"
#include "recover.h"

#ifndef __cplusplus
#define PARE_RUNTIME_INIT                                                                                              \
    { .size = sizeof(pare_runtime) }
#define PARE_CALIBRATION_OPTIONS_INIT                                                                                  \
    { 0 }
#define PARE_PAGE_OPTIONS_INIT                                                                                         \
    { .size = sizeof(pare_page_options) }
#define PARE_CARD_OPTIONS_INIT                                                                                         \
    { .size = sizeof(pare_card_options) }
#define PARE_PRUNE_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_prune_options), .sigma = -1, .eta = -1 }
#define PARE_ROBUST_OPTIONS_INIT                                                                                       \
    { .size = sizeof(pare_robust_options) }
#define PARE_MAP_OPTIONS_INIT                                                                                          \
    { .size = sizeof(pare_map_options) }
#define PARE_EXPORT_OPTIONS_INIT                                                                                       \
    { .size = sizeof(pare_export_options) }
#define PARE_RECOVER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        .size = sizeof(pare_recover_options), .dropout = -1, .warmup = -1, .decay = -1, .clip = -1,                    \
        .weight_decay = -1, .validation = -1, .ce = -1, .kd = -1, .calib_share = -1                                    \
    }
#define PARE_MERGE_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_merge_options) }
#define PARE_TASKS_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_tasks_options) }
#define PARE_EVALUATE_OPTIONS_INIT                                                                                     \
    { .size = sizeof(pare_evaluate_options) }
#define PARE_IMATRIX_OPTIONS_INIT                                                                                      \
    { .size = sizeof(pare_imatrix_options) }
#define PARE_CLASSIFY_OPTIONS_INIT                                                                                     \
    { .size = sizeof(pare_classify_options) }
#define PARE_GENERATE_OPTIONS_INIT                                                                                     \
    { .size = sizeof(pare_generate_options) }
#define PARE_BENCH_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_bench_options) }
#else
template <class Options> inline Options pare_options_init() {
    Options options = Options();
    options.size = sizeof options;
    return options;
}

template <> inline pare_prune_options pare_options_init<pare_prune_options>() {
    pare_prune_options options = pare_prune_options();
    options.size = sizeof options;
    options.sigma = options.eta = -1;
    return options;
}

template <> inline pare_recover_options pare_options_init<pare_recover_options>() {
    pare_recover_options options = pare_recover_options();
    options.size = sizeof options;
    options.dropout = options.clip = options.weight_decay = options.ce = options.kd = options.calib_share = -1;
    options.warmup = options.decay = options.validation = -1;
    return options;
}

#define PARE_RUNTIME_INIT pare_options_init<pare_runtime>()
#define PARE_CALIBRATION_OPTIONS_INIT pare_calibration_options()
#define PARE_PAGE_OPTIONS_INIT pare_options_init<pare_page_options>()
#define PARE_CARD_OPTIONS_INIT pare_options_init<pare_card_options>()
#define PARE_PRUNE_OPTIONS_INIT pare_options_init<pare_prune_options>()
#define PARE_ROBUST_OPTIONS_INIT pare_options_init<pare_robust_options>()
#define PARE_MAP_OPTIONS_INIT pare_options_init<pare_map_options>()
#define PARE_RECOVER_OPTIONS_INIT pare_options_init<pare_recover_options>()
#define PARE_EXPORT_OPTIONS_INIT pare_options_init<pare_export_options>()
#define PARE_MERGE_OPTIONS_INIT pare_options_init<pare_merge_options>()
#define PARE_TASKS_OPTIONS_INIT pare_options_init<pare_tasks_options>()
#define PARE_EVALUATE_OPTIONS_INIT pare_options_init<pare_evaluate_options>()
#define PARE_IMATRIX_OPTIONS_INIT pare_options_init<pare_imatrix_options>()
#define PARE_CLASSIFY_OPTIONS_INIT pare_options_init<pare_classify_options>()
#define PARE_GENERATE_OPTIONS_INIT pare_options_init<pare_generate_options>()
#define PARE_BENCH_OPTIONS_INIT pare_options_init<pare_bench_options>()
#endif

#endif
