/* A pass for what the loss feels of outputs, stopped and taken up again. */
#include "calibrate/output_fisher.h"
#include "model/tiny_pass.h"
#include "support/file.h"
#include "support/memory.h"

typedef struct watch {
    bool through;          /* it is not stopped */
    uint64_t first, total; /* report, and of how many */
} watch;

static void stop_late(void *user, const char *stage, uint64_t done, uint64_t total) {
    watch *w = user;
    (void)stage;
    if (!w->total) *w = (watch){w->through, done, total};
    if (!w->through && done * 3 > total * 2) pare_interrupt();
}

/* Stopped after two thirds, and taken up from the last whole group: the same bits, and only the rest is run. */
static void groups_are_taken_up(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open((tiny_model){.layers = 2, .heads = 4, .kv_heads = 2, .scale = 0.4}, 64, 5, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_fisher_request request = {.source = &source, .ids = t.ids, .sequences = t.sequences, .length = t.length};
    pare_linear_fisher whole, stopped;
    char *folder = tiny_folder(), *path = pare_path_join(folder, "felt");
    watch w = {0};
    pare_runtime runtime = {.progress = stop_late, .progress_user = &w};
    bool wanted[256];
    memset(wanted, 1, sizeof wanted);
    pare_fisher_choice choice = {.wanted = wanted, .widest = INT64_MAX};
    assert_int_equal(pare_linear_fisher_run(&request, &choice, &whole), PARE_OK);
    request.runtime = &runtime;
    request.state = path;
    request.key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_int_equal(pare_linear_fisher_run(&request, &choice, &stopped), PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_true(pare_file_exists(path));
    w = (watch){.through = true};
    assert_int_equal(pare_linear_fisher_run(&request, &choice, &stopped), PARE_OK);
    assert_true(w.first * 2 > w.total);
    assert_true(stopped.loss == whole.loss);
    assert_memory_equal(stopped.memory.data, whole.memory.data, whole.memory.bytes);
    request.key = "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    pare_linear_fisher refused;
    assert_int_equal(pare_linear_fisher_run(&request, &choice, &refused), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "other options"));
    pare_linear_fisher_free(&whole);
    pare_linear_fisher_free(&stopped);
    tiny_remove(folder);
    free(folder);
    free(path);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(groups_are_taken_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
