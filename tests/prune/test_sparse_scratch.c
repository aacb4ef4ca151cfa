/* Hidden states that go to a scratch file, for want of memory, give the same bytes. */
#include "prune/sparse_run.h"

/* Where a plan is looked for, the run ends with it. */
typedef struct probe {
    pare_plan plan;
    bool stop;
} probe;

static void note_plan(void *user, const pare_plan *plan) {
    probe *p = user;
    p->plan = *plan;
    if (p->stop) pare_interrupt();
}

/* The largest limit under which hidden states go to a file: then as many sequences pass at a time as in memory. */
static void find_limit(prune_run *r, probe *p) {
    uint64_t low = 1, high = 1 << 26;
    p->stop = true;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        r->runtime.memory_limit = middle;
        bool in_memory = prune_run_try(r) == PARE_INTERRUPTED && p->plan.scratch == 0;
        pare_interrupt_clear();
        if (in_memory)
            high = middle;
        else
            low = middle + 1;
    }
    p->stop = false;
    r->runtime.memory_limit = low - 1;
}

static void scratch_file(void **state) {
    (void)state;
    static const char *const methods[] = {"wanda", "best-sparse"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char roomy[PARE_DIGEST_TEXT], narrow[PARE_DIGEST_TEXT];
        probe p = {0};
        prune_run r = sparse_run_open(sparse_tiny, methods[i], 0.5);
        prune_run_write_ids(r.folder, 1400, 64, r.model->config.vocabulary);
        r.runtime.plan = note_plan;
        r.runtime.progress_user = &p;
        sparse_run_do(&r, roomy);
        pare_plan usual = p.plan;
        r.runtime.scratch = r.folder;
        find_limit(&r, &p);
        sparse_run_do(&r, narrow);
        assert_true(usual.scratch == 0 && p.plan.scratch > 0);
        if (p.plan.micro_batch != usual.micro_batch) fprintf(stderr, "%s\n", methods[i]);
        assert_int_equal(p.plan.micro_batch, usual.micro_batch);
        assert_string_equal(roomy, narrow);
        prune_run_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(scratch_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
