/* A short run of LoRAPrune on a tiny model and random ids. */
#ifndef PARE_TESTS_LORA_RUN_H
#define PARE_TESTS_LORA_RUN_H

#include "prune/prune_run.h"

enum { LORA_RUN_SETTINGS = 12 };

typedef struct lora_run {
    prune_run run;
    pare_setting settings[LORA_RUN_SETTINGS];
} lora_run;

static const tiny_model lora_run_tiny = {.layers = 4,
                                         .hidden = 16,
                                         .heads = 8,
                                         .kv_heads = 4,
                                         .head_size = 4,
                                         .ffn = 22,
                                         .vocabulary = 24,
                                         .positions = 16,
                                         .scale = 0.3};

/* 13 examples in batches of 4: 28 steps of 7 epochs, and a change of the masks every third step. */
static inline lora_run *lora_run_open(tiny_model tiny) {
    static const pare_setting usual[] = {{"train_epochs", "7"}, {"train_batch", "4"},    {"train_rate", "1e-2"},
                                         {"prune_every", "3"},  {"lora_dropout", "0.1"}, {"lora_rank", "3"}};
    lora_run *r = calloc(1, sizeof *r);
    r->run = prune_run_open(tiny);
    prune_run_write_ids(r->run.folder, 13, 12, r->run.model->config.vocabulary);
    r->run.options.method = "loraprune";
    r->run.options.force = true;
    memcpy(r->settings, usual, sizeof usual);
    r->run.options.settings = r->settings;
    r->run.options.setting_count = sizeof usual / sizeof *usual;
    return r;
}

/* The last setting of a key counts. */
static inline void lora_run_set(lora_run *r, const char *key, const char *value) {
    assert_true(r->run.options.setting_count < LORA_RUN_SETTINGS);
    r->settings[r->run.options.setting_count++] = (pare_setting){key, value};
}

static inline void lora_run_close(lora_run *r) {
    prune_run_close(&r->run);
    free(r);
}

#endif
