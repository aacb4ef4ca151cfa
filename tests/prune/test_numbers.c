/* Models whose numbers, sizes or ids lie at an edge, by every method: what is written is finite and of the right shape,
 * or there is one sentence and nothing. A method meets every twelfth model here; with PARE_ALL_NUMBERS=1 all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/scan.h"
#include "prune/number_models.h"

enum { SHARE = 12 };

static prune_run open_model(const number_model *of) {
    prune_run r = prune_run_open(of->shape);
    if (!of->tensor && !of->ids) return r;
    pare_model_close(r.model);
    if (of->tensor) number_change_file(of, r.model_folder);
    if (of->ids) tiny_write_text(r.folder, "ids.json", of->ids);
    assert_int_equal(pare_model_open(r.model_folder, &r.model), PARE_OK);
    return r;
}

/* All of it finite, and not wider than before. */
static void expect_written(const prune_run *r, const number_model *of, const char *method) {
    pare_model *written;
    pare_scan scan;
    if (pare_model_open(r->output, &written) != PARE_OK ||
        pare_checkpoint_scan(written->checkpoint, NULL, &scan) != PARE_OK)
        fail_msg("%s, %s: %s", of->name, method, pare_message());
    const pare_config *before = &r->model->config, *after = &written->config;
    assert_true(after->layers <= before->layers && after->vocabulary == before->vocabulary);
    assert_int_equal(after->hidden, before->hidden);
    for (uint32_t i = 0; i < after->layers && after->layers == before->layers; i++) {
        assert_true(after->widths[i].heads <= before->widths[i].heads);
        assert_true(after->widths[i].ffn <= before->widths[i].ffn);
    }
    pare_scan_free(&scan);
    pare_model_close(written);
    tiny_remove(r->output);
}

static void expect_refused(const prune_run *r, const number_model *of, const char *method, pare_status status) {
    const char *message = pare_message();
    size_t length = strlen(message);
    if (of->outcome == IS_PRUNED || status == PARE_OUT_OF_MEMORY || (of->said && !strstr(message, of->said)))
        fail_msg("%s, %s: %s", of->name, method, message);
    if (!length || message[length - 1] == '.' || strchr(message, '\n')) fail_msg("no sentence: %s", message);
    char *list = prune_run_list(r->folder);
    if (strcmp(list, "ids.json model ") != 0) fail_msg("%s, %s leaves %s", of->name, method, list);
    free(list);
}

static void try_one(prune_run *r, const number_model *of, const char *method) {
    prune_run_method(r, method);
    pare_status status = prune_run_try(r);
    if (getenv("PARE_ALL_NUMBERS"))
        printf("%s | %s | %s\n", of->name, method, status == PARE_OK ? "pruned" : pare_message());
    if (status != PARE_OK)
        expect_refused(r, of, method, status);
    else if (of->outcome == IS_REFUSED)
        fail_msg("%s, %s: is pruned", of->name, method);
    else
        expect_written(r, of, method);
}

static void every_method(void **state) {
    (void)state;
    bool all = getenv("PARE_ALL_NUMBERS") != NULL;
    for (size_t i = 0; i < NUMBER_MODELS; i++) {
        prune_run r = open_model(&number_models[i]);
        for (size_t method = 0; pare_recipe_name(method); method++) {
            const char *name = pare_recipe_name(method);
            bool of_experts = pare_recipe_find(name)->mode == PARE_MODE_EXPERT; /* which these models have not */
            if (!of_experts && (all || (method + i) % SHARE == 0)) try_one(&r, &number_models[i], name);
        }
        prune_run_close(&r);
    }
    assert_int_equal(NUMBER_MODELS, 60);
}

int main(void) {
    /* Some hundred models are written and synced: in memory, where there is a folder for it. */
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK | X_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_method)};
    return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
