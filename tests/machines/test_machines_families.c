/* pare prune under mpirun, of models with experts, latents and projections beside their blocks: the model of one
 * process, to the last byte. */
#include "family_ranks.h"

#define CHANNELS "--attention-layers", "none", "--ratio", "0.3"
static void test_gradients(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "deepseek_v2", true, "3", "172", "taylor", CHANNELS);
}

/* Of embeddings, positions, norms, projections and heads, too; with two shards the last of three ranks sees no token.
 */
static void test_ends(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "opt narrow embedding", false, "3", "86", "moreau", "--steps", "2", CHANNELS);
    SAME(*state, "phi", false, "2", "172", "moreau", "--steps", "2", CHANNELS);
}

static void test_repairs(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "qwen2_moe", true, "2", "172", "best", CHANNELS);
    SAME(*state, "mixtral", true, "3", "172", "reap", "--ratio", "0.5", "--compensate", "ls", "--router", "fit");
}

/* With two shards the last of three ranks sees no token. */
static void test_compared(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "deepseek_v3", true, "3", "86", "expert-obs", "--ratio", "0.5", "--experts", "merge");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients), cmocka_unit_test(test_ends),
                                       cmocka_unit_test(test_repairs), cmocka_unit_test(test_compared)};
    return cmocka_run_group_tests(tests, set_up_families, tear_down_families);
}
