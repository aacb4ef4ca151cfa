/* Ways of walking over the blocks agree where they must: dense propagation changes nothing in the first block, stages
 * nothing in the matrices that read its first norm; without data no way of walking changes anything. */
#include "prune/sparse_run.h"

/* For each tensor, whether its bytes are the same. freed with free(). */
static bool *compare(const prune_run *r, pare_setting setting) {
    prune_run_do(r);
    pare_model *plain = sparse_run_model(r->output);
    prune_run other = *r;
    other.output = pare_path_join(r->folder, "other");
    other.options.output = other.output;
    other.options.settings = &setting;
    other.options.setting_count = 1;
    prune_run_do(&other);
    pare_model *changed = sparse_run_model(other.output);
    bool *same = calloc(plain->tensor_count, sizeof *same);
    for (size_t id = 0; id < plain->tensor_count; id++)
        same[id] = memcmp(plain->tensors[id]->data, changed->tensors[id]->data,
                          plain->tensors[id]->count * pare_dtype_size(plain->tensors[id]->dtype)) == 0;
    pare_model_close(plain);
    pare_model_close(changed);
    tiny_remove(other.output);
    free(other.output);
    return same;
}

static const char *const read_inputs[] = {"wanda", "sparsegpt", "ria", "symwanda", "dsnot", "sparseswaps", "admm"};
enum { READ_INPUTS = sizeof read_inputs / sizeof *read_inputs };

static void dense_propagation(void **state) {
    (void)state;
    for (size_t i = 0; i < READ_INPUTS; i++) {
        prune_run r = sparse_run_open(sparse_tiny, read_inputs[i], 0.5);
        bool *same = compare(&r, (pare_setting){"dense_propagation", "yes"}), differs = false;
        for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
            assert_true(same[pare_tensor_id(0, role)]);
            differs = differs || !same[pare_tensor_id(1, role)];
        }
        assert_true(differs);
        free(same);
        prune_run_close(&r);
    }
}

static void stages(void **state) {
    (void)state;
    for (size_t i = 0; i < READ_INPUTS; i++) {
        prune_run r = sparse_run_open(sparse_tiny, read_inputs[i], 0.5);
        bool *same = compare(&r, (pare_setting){"true_sequential", "yes"}), differs = false;
        for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
            if (role <= PARE_ROLE_V) assert_true(same[pare_tensor_id(0, role)]);
            differs = differs || !same[pare_tensor_id(0, role)];
        }
        assert_true(differs);
        free(same);
        prune_run_close(&r);
    }
}

static void without_data(void **state) {
    (void)state;
    static const char *const methods[] = {"magnitude", "ri", "symmetric"};
    static const pare_setting ways[] = {{"true_sequential", "yes"}, {"dense_propagation", "yes"}};
    for (size_t i = 0; i < 3; i++)
        for (size_t way = 0; way < 2; way++) {
            prune_run r = sparse_run_open(sparse_tiny, methods[i], 0.5);
            bool *same = compare(&r, ways[way]);
            for (size_t id = 0; id < r.model->tensor_count; id++)
                assert_true(same[id]);
            free(same);
            prune_run_close(&r);
        }
}

/* Errors of layers are reported without a change of what is written. */
static void measured_errors(void **state) {
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        prune_run r = sparse_run_open(sparse_tiny, read_inputs[i], 0.5);
        bool *same = compare(&r, (pare_setting){"measure_errors", "yes"});
        for (size_t id = 0; id < r.model->tensor_count; id++)
            assert_true(same[id]);
        free(same);
        prune_run_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_propagation),
        cmocka_unit_test(stages),
        cmocka_unit_test(without_data),
        cmocka_unit_test(measured_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
