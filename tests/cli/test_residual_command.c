/* --residual-rank: what single weights have lost, as an adapter beside the model. */
#include "cli/training_rows.h"

#include <math.h>

#define PRUNE(rank, ...)                                                                                               \
    EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--force", "--method", "wanda", "--residual-rank",      \
                   rank, "--calib", place->text, "--length", "32", "--samples", "8", "--text", place->text,            \
                   "--window", "32", "--max-windows", "8", "--compute", "fp32", "--threads", "1", "--quiet",           \
                   __VA_ARGS__)

static double evaluated(const workplace *place, const char *adapter) {
    program_result result =
        EXPECT_SUCCESS("eval", place->output, "--adapter", adapter, "--text", place->text, "--max-windows", "8",
                       "--window", "32", "--compute", "fp32", "--threads", "1", "--json", "--quiet");
    json_t *report = json_loads(result.out, 0, NULL);
    double perplexity = at(report, "texts.0.perplexity");
    json_decref(report);
    program_result_free(&result);
    return perplexity;
}

/* Half of the weights, and two of four: the adapter makes up for some of it, and is on the disk what was measured. */
static void the_adapter_makes_up_for_some(void **state) {
    workplace *place = *state;
    static const char *const targets[][2] = {{"--sparsity", "0.5"}, {"--pattern", "2:4"}};
    char *adapter = pare_path_join(place->output, "residual-adapter");
    workplace_write_text(place);
    for (size_t i = 0; i < 2; i++) {
        program_result result = PRUNE("8", targets[i][0], targets[i][1], "--json");
        json_t *report = json_loads(result.out, 0, NULL);
        double pruned = at(report, "texts.0.after.perplexity"), adapted = at(report, "texts.0.adapted.perplexity");
        assert_true(adapted < pruned && adapted > at(report, "texts.0.before.perplexity"));
        assert_true(at(report, "texts.0.adapted.kl") < at(report, "texts.0.after.kl"));
        assert_true(at(report, "sparsity.residual.error_after") < 0.9 * at(report, "sparsity.residual.error_before"));
        assert_int_equal((int)at(report, "sparsity.residual.rank"), 8);
        double beside = evaluated(place, adapter);
        assert_true(fabs(beside - adapted) < 1e-4 * adapted);
        json_decref(report);
        program_result_free(&result);
    }
    free(adapter);
}

/* With as much rank as matrices have next to nothing is lost: so few sentences leave directions that none of them
 * shows, which rounding hides. */
static void full_rank_is_the_dense_model(void **state) {
    workplace *place = *state;
    workplace_write_text(place);
    program_result result = PRUNE("128", "--sparsity", "0.6", "--json");
    json_t *report = json_loads(result.out, 0, NULL);
    double dense = at(report, "texts.0.before.perplexity");
    assert_true(at(report, "texts.0.after.perplexity") > 1.1 * dense);
    assert_true(fabs(at(report, "texts.0.adapted.perplexity") - dense) < 1e-2 * dense);
    assert_true(at(report, "texts.0.adapted.kl") < 0.1 * at(report, "texts.0.after.kl"));
    json_decref(report);
    program_result_free(&result);
    result = PRUNE("4", "--sparsity", "0.5");
    assert_non_null(strstr(result.out, "with the residual adapter"));
    assert_non_null(strstr(result.out, "residual adapter of rank 4"));
    program_result_free(&result);
    result = PRUNE("0", "--sparsity", "0.5");
    assert_null(strstr(result.out, "residual"));
    program_result_free(&result);
}

static void refused(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place);
#define REFUSED(part, ...)                                                                                             \
    EXPECT_NOTHING_LEFT(place, 2, part, "prune", place->model, "-o", place->output, "--quiet", __VA_ARGS__)
    REFUSED("residual", "--ratio", "0.25", "--residual-rank", "8");
    REFUSED("--recover trains these", "--sparsity", "0.5", "--method", "magnitude", "--residual-rank", "8", "--recover",
            rows);
    REFUSED("--reconstruct trains these", "--sparsity", "0.5", "--residual-rank", "8", "--reconstruct", "2");
    REFUSED("must be", "--sparsity", "0.5", "--residual-rank", "-1");
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(the_adapter_makes_up_for_some),
        IN_A_WORKPLACE(full_rank_is_the_dense_model),
        IN_A_WORKPLACE(refused),
    };
    return cmocka_run_group_tests_name("--residual-rank", tests, NULL, NULL);
}
