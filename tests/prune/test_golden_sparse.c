/* Methods without gradients: every mask equals the expected one bit for bit, and the perplexity follows. Where released
 * code compares whole matrices or slabs, its threshold takes one weight more than asked and all that tie: so do the
 * oracle and the run here (--threshold released). RIA's reallocated and assigned masks are not here: theirs is another
 * permutation. */
#include "prune/golden_sparse.h"

static const sparse_entry entries[] = {
    {"magnitude_50", "magnitude", .released = true},
    {"magnitude_24", "magnitude", .pattern = true},
    {"wanda_50", "wanda", .pattern = false},
    {"wanda_24", "wanda", .pattern = true},
    {"wandavar_50", "wanda-variant", .pattern = false},
    {"sparsegpt_50", "sparsegpt", .released = true},
    {"sparsegpt_24", "sparsegpt", .pattern = true},
    {"ria_50", "ria", .released = true},
    {"ria_po_50", "ria", .key = "compare", .value = "row"},
    {"ria_24", "ria", .pattern = true},
    {"ri_50", "ri", .released = true},
    {"ria_recon_50", "ria", .released = true, .key = "compensate", .value = "obs"},
};

static void masks_and_perplexities(void **state) {
    need_golden();
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        golden_sparse_check(*state, &entries[i]);
}

/* Without parity, exactly what is asked goes: one weight less in each matrix, as none tie. */
static void exact_thresholds(void **state) {
    need_golden();
    const golden_sparse *g = *state;
    static const sparse_entry exact[] = {
        {"magnitude_50", "magnitude", .released = false},
        {"ri_50", "ri", .released = false},
    };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        json_t *report = golden_sparse_prune(g, &exact[i], NULL), *sparse = json_object_get(report, "sparsity");
        assert_int_equal(json_integer_value(json_object_get(sparse, "weights")), 226560);
        assert_int_equal(json_integer_value(json_object_get(sparse, "removed")), 113280);
        assert_int_equal(golden_sparse_differences(g, &exact[i]), 35);
        json_decref(report);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(masks_and_perplexities), cmocka_unit_test(exact_thresholds)};
    return cmocka_run_group_tests(tests, golden_sparse_set_up, golden_sparse_tear_down);
}
