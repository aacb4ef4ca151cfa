/* Low-rank adapters beside the weights of every family, fused ones too, against weights that are displaced by their
 * products: the same loss, and gradients that follow from those of the displaced weights. */
#include "families.h"

enum { RANK = 2 };

static const float scale = 1.5f;

typedef struct fixture {
    const pare_model *model;
    const pare_backend *backend;
    const uint32_t *ids;
    pare_adapter *list;
    float **a, **b, **displacement, **gradient; /* by tensor id; NULL where there is no matrix */
} fixture;

static float *numbers(size_t id, uint32_t stream, size_t count) {
    float *x = counted_numbers((uint32_t)id * 8 + stream, count, false);
    for (size_t i = 0; i < count; i++)
        x[i] /= 8;
    return x;
}

/* scale B A */
static float *product(const float *b, const float *a, int64_t rows, int64_t columns) {
    float *out = calloc((size_t)(rows * columns), sizeof *out);
    for (int64_t i = 0; i < rows * columns; i++)
        for (int64_t r = 0; r < RANK; r++)
            out[i] += scale * b[i / columns * RANK + r] * a[r * columns + i % columns];
    return out;
}

static void fixture_new(fixture *f) {
    size_t count = f->model->tensor_count;
    f->list = calloc(count, sizeof *f->list);
    float ***arrays[] = {&f->a, &f->b, &f->displacement, &f->gradient};
    for (size_t i = 0; i < 4; i++)
        *arrays[i] = calloc(count, sizeof **arrays[i]);
    for (uint32_t layer = 0; layer < f->model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            int64_t rows, columns;
            pare_tensor_matrix(f->model->tensors[id], &rows, &columns);
            if (!rows) continue;
            f->a[id] = numbers(id, 1, (size_t)(RANK * columns));
            f->b[id] = numbers(id, 2, (size_t)(rows * RANK));
            f->displacement[id] = product(f->b[id], f->a[id], rows, columns);
            f->gradient[id] = calloc((size_t)(rows * columns), sizeof(float));
            f->list[id] = (pare_adapter){.rank = RANK,
                                         .a = f->a[id],
                                         .b = f->b[id],
                                         .da = calloc((size_t)(RANK * columns), sizeof(float)),
                                         .db = calloc((size_t)(rows * RANK), sizeof(float))};
        }
}

static void fixture_free(fixture *f) {
    for (size_t id = 0; id < f->model->tensor_count; id++) {
        void *all[] = {f->a[id], f->b[id], f->displacement[id], f->gradient[id], f->list[id].da, f->list[id].db};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
    void *all[] = {f->a, f->b, f->displacement, f->gradient, f->list};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static bool wants(void *context, size_t id) {
    return ((fixture *)context)->gradient[id] != NULL;
}

static pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    (void)samples;
    memcpy(((fixture *)context)->gradient[id] + first * columns, gradient, (size_t)(rows * columns) * sizeof *gradient);
    return PARE_OK;
}

static double run(fixture *f, const pare_source *source, pare_pass_shape shape, const pare_adapters *adapters) {
    pare_gradient_sink sink = {.wants = wants, .rows = take_rows, .context = f};
    pare_pass *pass;
    double loss;
    shape.sequences = FAMILY_SEQUENCES;
    shape.length = FAMILY_LENGTH;
    shape.gradients = true;
    assert_int_equal(pare_pass_new(f->model, f->backend, &shape, &pass), PARE_OK);
    if (adapters) pare_pass_adapt(pass, adapters);
    assert_int_equal(pare_pass_gradient(pass, source, f->ids, adapters ? NULL : &sink, &loss), PARE_OK);
    pare_pass_free(pass);
    return loss;
}

/* dA = scale B^T dW, dB = scale dW A^T; the largest difference relative to the largest element. */
static double adapter_error(const fixture *f, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(f->model->tensors[id], &rows, &columns);
    double worst = 0.0, largest[2] = {0.0, 0.0}, error[2] = {0.0, 0.0};
    for (int64_t r = 0; r < RANK; r++) {
        for (int64_t i = 0; i < columns; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < rows; j++)
                sum += (double)(scale * f->b[id][j * RANK + r]) * (double)f->gradient[id][j * columns + i];
            largest[0] = fmax(largest[0], fabs(sum));
            error[0] = family_worse(error[0], fabs(sum - (double)f->list[id].da[r * columns + i]));
        }
        for (int64_t j = 0; j < rows; j++) {
            double sum = 0.0;
            for (int64_t i = 0; i < columns; i++)
                sum += (double)(scale * f->a[id][r * columns + i]) * (double)f->gradient[id][j * columns + i];
            largest[1] = fmax(largest[1], fabs(sum));
            error[1] = family_worse(error[1], fabs(sum - (double)f->list[id].db[j * RANK + r]));
        }
    }
    for (int i = 0; i < 2; i++)
        worst = family_worse(worst, error[i] / largest[i]);
    return worst;
}

static size_t check_case(const families *all, const json_t *one, const pare_backend *backend, pare_pass_shape shape,
                         double *worst) {
    family_model m = family_open(one, (family_form){0});
    fixture f = {.model = m.model, .backend = backend, .ids = all->ids};
    size_t wrong = 0;
    fixture_new(&f);
    pare_source plain = {.model = m.model, .backend = backend}, displaced = plain;
    displaced.displacement = f.displacement;
    double expected = run(&f, &displaced, (pare_pass_shape){.composed = true}, NULL);
    const pare_adapters adapters = {.list = f.list, .rank = RANK, .scale = scale};
    shape.rank = RANK;
    shape.frozen = true;
    assert_close(family_name(one), run(&f, &plain, shape, &adapters), expected, 2e-6);
    for (size_t id = 0; id < m.model->tensor_count; id++) {
        if (!f.gradient[id]) continue;
        double apart = adapter_error(&f, id);
        if (!(apart <= 2e-4)) {
            wrong++;
            fprintf(stderr, "%s: adapter beside %s is apart by %.2g\n", family_name(one), m.model->tensors[id]->name,
                    apart);
        }
        *worst = family_worse(*worst, apart);
    }
    fixture_free(&f);
    family_close(&m);
    return wrong;
}

static void check(pare_pass_shape shape) {
    families all = families_load();
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    double worst = 0.0;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) wrong += check_case(&all, one, backend, shape, &worst);
    print_message("worst gradient of an adapter is apart by %.2g\n", worst);
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void beside_all_matrices(void **state) {
    (void)state;
    check((pare_pass_shape){0});
}

static void with_blocks_kept(void **state) {
    (void)state;
    check((pare_pass_shape){.micro_batch = 1, .keep = PARE_KEPT_ALL});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_all_matrices),
        cmocka_unit_test(with_blocks_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
