/* GBLM-Pruner's masks: the oracle's bit for bit. The released code keeps the norms of the samples' gradients in fp16
 * (those of l1 even while it adds them up), which is off by up to 5e-4 where ours is exact to 1e-6: of weights whose
 * scores lie that close together others may go. At most one in 2000 of all bits may differ; `differing` says how many
 * for each, a little above what does. Perplexities follow the masks and are not compared then. */
#include "prune/golden_sparse.h"

static const sparse_entry entries[] = {
    {"gblm_l1_50", "gblm", .differing = 110},
    {"gblm_l2_50", "gblm-l2", .differing = 60},
    {"gblm_l2_24", "gblm-l2", .pattern = true, .differing = 110},
    {"gradient_l2_50", "gblm-gradient", .differing = 40},
};

static void masks(void **state) {
    need_golden();
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        golden_sparse_check(*state, &entries[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(masks)};
    return cmocka_run_group_tests(tests, golden_sparse_set_up, golden_sparse_tear_down);
}
