/* A perturbed model whose change is not the one that was asked for, is lost when it is stored, or depends on more than
 * its seed. */
#include "surgery/cut_model.h"
#include "surgery/perturb.h"

/* Tensors of more elements than are in flight at a time. */
static const tiny_model wide = {
    .layers = 1, .hidden = 4, .heads = 1, .head_size = 4, .ffn = 70001, .vocabulary = 8, .scale = 0.3};

typedef struct fixture {
    char *folder, *scratch;
    pare_model *model;
} fixture;

static fixture fixture_open(tiny_model tiny) {
    fixture f = {.folder = tiny_model_write(tiny), .scratch = tiny_folder()};
    assert_int_equal(pare_model_open(f.folder, &f.model), PARE_OK);
    return f;
}

static void fixture_close(fixture *f) {
    pare_model_close(f->model);
    assert_int_equal(rmdir(f->scratch), 0); /* nothing is left in it */
    tiny_remove(f->folder);
    free(f->scratch);
    free(f->folder);
}

static float *floats_of(const pare_tensor *tensor) {
    float *values = malloc(tensor->count * sizeof *values);
    pare_to_float(values, tensor->data, tensor->dtype, tensor->count);
    return values;
}

static pare_temporary_model perturb(const fixture *f, pare_perturbation how) {
    pare_temporary_model out;
    if (pare_perturbed_model_new(f->model, &how, f->scratch, NULL, &out) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(out.model->tensor_count, f->model->tensor_count);
    return out;
}

static void weights_are_rounded(void **state) {
    (void)state;
    for (int kind = PARE_PERTURB_BF16; kind <= PARE_PERTURB_FP16; kind++)
        for (int dtype = 0; dtype < 3; dtype++) {
            tiny_model tiny = wide;
            tiny.dtype = (pare_dtype)dtype;
            fixture f = fixture_open(tiny);
            pare_temporary_model out = perturb(&f, (pare_perturbation){.kind = (pare_perturb_kind)kind});
            pare_dtype rounded = kind == PARE_PERTURB_BF16 ? PARE_DTYPE_BF16 : PARE_DTYPE_F16;
            uint64_t changed = 0;
            for (size_t id = 0; id < f.model->tensor_count; id++) {
                float *before = floats_of(f.model->tensors[id]), *after = floats_of(out.model->tensors[id]);
                assert_int_equal(out.model->tensors[id]->dtype, dtype);
                for (uint64_t i = 0; i < f.model->tensors[id]->count; i++) {
                    uint16_t half;
                    float expected;
                    pare_from_float(&half, rounded, &before[i], 1);
                    pare_to_float(&expected, &half, rounded, 1);
                    assert_memory_equal(&after[i], &expected, sizeof expected);
                    changed += fabsf(after[i] - before[i]) > 0.0f;
                }
                free(before);
                free(after);
            }
            assert_true((changed > 0) ==
                        (dtype == PARE_DTYPE_F32 || (dtype == PARE_DTYPE_F16 && rounded == PARE_DTYPE_BF16) ||
                         (dtype == PARE_DTYPE_BF16 && rounded == PARE_DTYPE_F16)));
            pare_temporary_model_free(&out);
            fixture_close(&f);
        }
}

/* Relative changes of a tensor: mean and standard deviation. */
static void relative_change(const pare_tensor *before, const pare_tensor *after, double *mean, double *deviation) {
    float *a = floats_of(before), *b = floats_of(after);
    double sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < before->count; i++) {
        double change = (double)b[i] / (double)a[i] - 1.0;
        sum += change;
        squares += change * change;
    }
    *mean = sum / (double)before->count;
    *deviation = sqrt(squares / (double)before->count);
    free(a);
    free(b);
}

static void noise_is_relative_and_survives(void **state) {
    (void)state;
    static const double epsilon = 1e-3;
    for (int dtype = 0; dtype < 3; dtype++) {
        tiny_model tiny = wide;
        tiny.dtype = (pare_dtype)dtype;
        fixture f = fixture_open(tiny);
        pare_temporary_model out = perturb(&f, (pare_perturbation){PARE_PERTURB_NOISE, epsilon, 5});
        for (int role = PARE_ROLE_GATE; role <= PARE_ROLE_DOWN; role++) {
            size_t id = pare_tensor_id(0, (pare_role)role);
            double mean, deviation, count = (double)f.model->tensors[id]->count;
            assert_int_equal(out.model->tensors[id]->dtype, PARE_DTYPE_F32);
            relative_change(f.model->tensors[id], out.model->tensors[id], &mean, &deviation);
            assert_true(fabs(mean) < 5 * epsilon / sqrt(count));
            assert_true(fabs(deviation / epsilon - 1.0) < 5 / sqrt(count));
        }
        pare_temporary_model_free(&out);
        fixture_close(&f);
    }
}

static void the_seed_decides(void **state) {
    (void)state;
    fixture f = fixture_open(wide);
    pare_temporary_model out[3];
    for (int i = 0; i < 3; i++)
        out[i] = perturb(&f, (pare_perturbation){PARE_PERTURB_NOISE, 0.1, i == 2});
    size_t gate = pare_tensor_id(0, PARE_ROLE_GATE), up = pare_tensor_id(0, PARE_ROLE_UP);
    const pare_tensor *same[2] = {out[0].model->tensors[gate], out[1].model->tensors[gate]};
    assert_memory_equal(same[0]->data, same[1]->data, same[0]->bytes);
    /* Another seed, another tensor: other noise. */
    float *before[2] = {floats_of(f.model->tensors[gate]), floats_of(f.model->tensors[up])};
    float *after[3] = {floats_of(same[0]), floats_of(out[2].model->tensors[gate]),
                       floats_of(out[0].model->tensors[up])};
    uint64_t alike = 0, count = same[0]->count;
    for (uint64_t i = 0; i < count; i++) {
        double z = (double)after[0][i] / (double)before[0][i], seed = (double)after[1][i] / (double)before[0][i];
        double tensor = (double)after[2][i] / (double)before[1][i];
        if (fabs(z - seed) < 1e-4 || fabs(z - tensor) < 1e-4) alike++;
    }
    assert_true(alike < count / 100);
    for (int i = 0; i < 3; i++) {
        free(after[i]);
        pare_temporary_model_free(&out[i]);
    }
    free(before[0]);
    free(before[1]);
    fixture_close(&f);
}

static void what_leaves_the_range_is_refused(void **state) {
    (void)state;
    fixture f = fixture_open((tiny_model){.layers = 1, .dtype = PARE_DTYPE_BF16, .scale = 3e4, .seed = 2});
    pare_temporary_model out;
    pare_perturbation how = {.kind = PARE_PERTURB_FP16};
    assert_int_equal(pare_perturbed_model_new(f.model, &how, f.scratch, NULL, &out), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "model.embed_tokens.weight"));
    assert_non_null(strstr(pare_message(), "fp16"));
    how = (pare_perturbation){.kind = PARE_PERTURB_NOISE, .epsilon = 0.0};
    assert_int_equal(pare_perturbed_model_new(f.model, &how, f.scratch, NULL, &out), PARE_BAD_ARGUMENT);
    how.epsilon = INFINITY;
    assert_int_equal(pare_perturbed_model_new(f.model, &how, f.scratch, NULL, &out), PARE_BAD_ARGUMENT);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_rounded),
        cmocka_unit_test(noise_is_relative_and_survives),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(what_leaves_the_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
