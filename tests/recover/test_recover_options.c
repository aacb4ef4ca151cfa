/* What a recovery's options ask for: the preset's values where nothing was said, in a struct that was zeroed as in one
 * that began with its INIT, and zero itself where zero was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model.h"
#include "options/resolve.h"
#include "recover/recovery_fit.h"
#include "tiny_model.h"

typedef struct recovery {
    char *folder, *data;
    pare_model *model;
} recovery;

static recovery recovery_open(void) {
    recovery r = {.folder = tiny_model_write((tiny_model){0})};
    tiny_write_text(r.folder, "rows.json", "[]");
    r.data = pare_path_join(r.folder, "rows.json");
    assert_int_equal(pare_model_open(r.folder, &r.model), PARE_OK);
    return r;
}

static void recovery_close(recovery *r) {
    pare_model_close(r->model);
    tiny_remove(r->folder);
    free(r->folder);
    free(r->data);
}

/* As pare_recover has them for 1000 examples and 1000 steps. */
static pare_recovery settle(const recovery *r, pare_recover_options options) {
    pare_recovery s;
    options.data = r->data;
    options.steps = 1000;
    assert_int_equal(pare_recovery_resolve(&options, &s), PARE_OK);
    assert_int_equal(pare_recovery_check(r->model, &s), PARE_OK);
    pare_recovery_hold_out(1000, &s);
    assert_int_equal(pare_recovery_schedule(1000, &s), PARE_OK);
    return s;
}

/* LLM-Pruner's and MoreauPruner's published runs, and no more than a tenth held out. */
static void expect_published(pare_recovery s) {
    assert_true(s.lora.dropout == 0.05 && s.clip == 1.0 && s.weight_decay == 0.0);
    assert_int_equal(s.validation, 100);
    assert_int_equal(s.warmup, 100);
    assert_int_equal(s.decay, 900);
    assert_true(s.rate == 1e-4 && s.epochs == 2 && s.lora.rank == 8 && s.lora.alpha == 16 && s.beta1 == 0.9);
}

static void nothing_said_is_the_preset(void **state) {
    (void)state;
    recovery r = recovery_open();
    expect_published(settle(&r, (pare_recover_options){0}));
    expect_published(settle(&r, (pare_recover_options)PARE_RECOVER_OPTIONS_INIT));
    pare_recover_options negative = {
        .dropout = -1, .warmup = -1, .decay = -1, .clip = -1, .weight_decay = -1, .validation = -1};
    expect_published(settle(&r, negative));
    recovery_close(&r);
}

static void zero_said_is_zero(void **state) {
    (void)state;
    recovery r = recovery_open();
    pare_recover_options options = PARE_RECOVER_OPTIONS_INIT;
    options.dropout = options.clip = 0;
    options.validation = options.warmup = options.decay = 0;
    pare_recovery s = settle(&r, options);
    assert_true(s.lora.dropout == 0.0 && s.clip == 0.0);
    assert_int_equal(s.validation, 0);
    assert_int_equal(s.warmup, 0);
    assert_int_equal(s.decay, 0);
    recovery_close(&r);
}

static void refused(const recovery *r, pare_recover_options options, const char *part) {
    pare_recovery s;
    options.data = r->data;
    assert_int_equal(pare_recovery_resolve(&options, &s), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), part)) fprintf(stderr, "\"%s\" lacks \"%s\"\n", pare_message(), part);
    assert_non_null(strstr(pare_message(), part));
}

static void nonsense_is_not_taken_for_the_preset(void **state) {
    (void)state;
    recovery r = recovery_open();
    refused(&r, (pare_recover_options){.rate = -1e-4}, "--rate -0.0001");
    refused(&r, (pare_recover_options){.rate = NAN}, "--rate nan");
    refused(&r, (pare_recover_options){.epochs = -2}, "--epochs -2");
    refused(&r, (pare_recover_options){.alpha = -16}, "--alpha -16");
    refused(&r, (pare_recover_options){.beta1 = -0.5}, "--beta1 -0.5");
    refused(&r, (pare_recover_options){.dropout = NAN}, "--dropout nan");
    refused(&r, (pare_recover_options){.clip = NAN}, "--clip nan");
    refused(&r, (pare_recover_options){.size = 8}, "pare_recover_options of 8 bytes");
    recovery_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_the_preset),
        cmocka_unit_test(zero_said_is_zero),
        cmocka_unit_test(nonsense_is_not_taken_for_the_preset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
