/* Loss gradients of every tensor of every family equal torch's autograd: with all sequences at once, added up over
 * micro-batches, and where blocks are kept for their backward. Fused tensors are put together from their parts,
 * wherever these lie in them. */
#include "family_gradients.h"

static void check_with(pare_backend *backend, pare_pass_shape shape) {
    families all = families_load();
    size_t i, wrong = 0;
    json_t *one;
    double worst = 0.0;
    shape.sequences = FAMILY_SEQUENCES;
    shape.length = FAMILY_LENGTH;
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){0});
        double loss;
        gradients g = gradients_of(m.model, backend, all.ids, shape, &loss);
        assert_close(family_name(one), loss, family_number(one, "loss"), 1e-6);
        wrong += check_tensors(one, &g, 1e-4, &worst);
        gradients_free(&g);
        family_close(&m);
    }
    print_message("worst gradient %.2g of its norm\n", worst);
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void check(pare_pass_shape shape) {
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    check_with(backend, shape);
}

static void all_sequences_at_once(void **state) {
    (void)state;
    check((pare_pass_shape){.micro_batch = FAMILY_SEQUENCES});
}

static void added_up_over_micro_batches(void **state) {
    (void)state;
    check((pare_pass_shape){.micro_batch = 1});
}

static void with_blocks_kept(void **state) {
    (void)state;
    check((pare_pass_shape){.micro_batch = 1, .keep = PARE_KEPT_ALL});
}

static void by_reference(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    check_with(backend, (pare_pass_shape){.micro_batch = 1});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sequences_at_once),
        cmocka_unit_test(added_up_over_micro_batches),
        cmocka_unit_test(with_blocks_kept),
        cmocka_unit_test(by_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
