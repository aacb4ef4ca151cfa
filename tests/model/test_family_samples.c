/* Gradients of single sequences, as their squares and absolutes add up, and what linear layers' outputs get, in every
 * family, biases, experts and latents included: against passes over one sequence at a time, and against the gradients of biases. */
#include "families.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"

typedef struct fixture {
    const pare_model *model;
    const pare_backend *backend;
    const uint32_t *ids;
    float **weights, **samples; /* by tensor id, as they come */
    double **outputs;           /* by tensor id of a matrix: sums over tokens of its outputs' gradients */
} fixture;

static void fixture_new(fixture *f) {
    size_t count = f->model->tensor_count;
    f->weights = calloc(count, sizeof *f->weights);
    f->samples = calloc(count, sizeof *f->samples);
    f->outputs = calloc(count, sizeof *f->outputs);
    for (size_t id = 0; id < count; id++) {
        f->weights[id] = calloc(f->model->tensors[id]->count + 1, sizeof(float));
        f->samples[id] = calloc(f->model->tensors[id]->count + 1, sizeof(float));
        /* A Down without columns puts out, too. */
        f->outputs[id] = calloc((size_t)f->model->tensors[id]->count + f->model->config.hidden, sizeof(double));
    }
}

static void fixture_free(fixture *f) {
    for (size_t id = 0; id < f->model->tensor_count; id++) {
        free(f->weights[id]);
        free(f->samples[id]);
        free(f->outputs[id]);
    }
    free(f->weights);
    free(f->samples);
    free(f->outputs);
}

static bool wants_all(void *context, size_t id) {
    return ((fixture *)context)->model->tensors[id]->count > 0;
}

static pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    fixture *f = context;
    size_t at = (size_t)(first * columns), bytes = (size_t)(rows * columns) * sizeof *gradient;
    memcpy(f->weights[id] + at, gradient, bytes);
    if (samples) memcpy(f->samples[id] + at, samples, bytes);
    return PARE_OK;
}

static pare_status add_outputs(void *context, uint32_t layer, pare_role role, const pare_linear_output *o) {
    fixture *f = context;
    double *sums = f->outputs[pare_tensor_id(layer, role)];
    float *values = malloc((size_t)(o->tokens * o->width) * sizeof *values);
    pare_to_float(values, o->gradient, f->backend->operand, (size_t)(o->tokens * o->width));
    for (int64_t t = 0; t < o->tokens; t++)
        for (int64_t j = 0; j < o->width; j++)
            sums[j] += (double)(o->by_feature ? values[j * o->tokens + t] : values[t * o->width + j]);
    free(values);
    return PARE_OK;
}

static void run(fixture *f, const uint32_t *ids, pare_pass_shape shape, pare_gradient_sink sink) {
    pare_source source = {.model = f->model, .backend = f->backend};
    pare_pass *pass;
    double loss;
    shape.length = FAMILY_LENGTH;
    shape.gradients = true;
    sink.wants = wants_all;
    sink.rows = take_rows;
    sink.context = f;
    assert_int_equal(pare_pass_new(f->model, f->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
}

typedef size_t (*comparison)(const json_t *one, fixture *f);

/* The same of gradients g_j of single sequences. */
static float expected_sample(const fixture *alone, size_t id, size_t i, pare_sample_gradients what) {
    double sum = 0.0;
    for (int j = 0; j < FAMILY_SEQUENCES; j++) {
        double g = (double)alone[j].weights[id][i];
        sum += what == PARE_SAMPLES_SQUARES ? g * g : fabs(g);
    }
    return (float)(sum / (int)FAMILY_SEQUENCES);
}

/* Matrices and their biases, of experts, routers and latents, too; norms have none. */
static bool has_samples(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (pare_tensor_is_absent(model->tensors[id])) return false;
    if (pare_tensor_id_split_expert(model, id, &place)) return place.what != PARE_EXPERT_CORRECTION;
    if (pare_tensor_id_split(model, id, &layer, &role)) return pare_role_is_matrix(pare_roles[role].of);
    return pare_tensor_id_split_latent(model, id, &layer);
}

static size_t compare_samples(const json_t *one, fixture *f, pare_sample_gradients what, int64_t micro_batch) {
    fixture alone[FAMILY_SEQUENCES];
    size_t wrong = 0;
    for (int j = 0; j < FAMILY_SEQUENCES; j++) {
        alone[j] = *f;
        fixture_new(&alone[j]);
        run(&alone[j], f->ids + j * FAMILY_LENGTH, (pare_pass_shape){.sequences = 1}, (pare_gradient_sink){0});
    }
    run(f, f->ids, (pare_pass_shape){.sequences = FAMILY_SEQUENCES, .samples = true, .micro_batch = micro_batch},
        (pare_gradient_sink){.samples = what});
    for (size_t id = 0; id < f->model->tensor_count; id++) {
        size_t count = f->model->tensors[id]->count;
        if (!has_samples(f->model, id)) continue;
        /* Keys' biases may have no gradient: what is left of them is rounding, squared 1e-16 of others' size. */
        double worst = 0.0, largest = what == PARE_SAMPLES_SQUARES ? 1e-9 : 1e-4;
        for (size_t i = 0; i < count; i++) {
            float wanted = expected_sample(alone, id, i, what);
            largest = fmax(largest, (double)wanted);
            worst = family_worse(worst, fabs((double)f->samples[id][i] - (double)wanted));
        }
        if (worst <= 1e-4 * largest) continue;
        wrong++;
        fprintf(stderr, "%s: samples of %s differ by %.2g of the largest\n", family_name(one),
                f->model->tensors[id]->name, worst / largest);
    }
    for (int j = 0; j < FAMILY_SEQUENCES; j++)
        fixture_free(&alone[j]);
    return wrong;
}

static size_t squares(const json_t *one, fixture *f) {
    return compare_samples(one, f, PARE_SAMPLES_SQUARES, FAMILY_SEQUENCES);
}

static size_t absolutes(const json_t *one, fixture *f) {
    return compare_samples(one, f, PARE_SAMPLES_ABSOLUTES, 1);
}

/* A bias's gradient is the sum of its layer's outputs' ones over all tokens. */
static size_t compare_outputs(const json_t *one, fixture *f) {
    const pare_config *config = &f->model->config;
    size_t wrong = 0;
    run(f, f->ids, (pare_pass_shape){.sequences = FAMILY_SEQUENCES, .micro_batch = 1},
        (pare_gradient_sink){.linear_gradient = add_outputs});
    for (uint32_t layer = 0; layer < config->layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            if (!pare_has_role(&config->architecture, pare_roles[role].bias)) continue;
            size_t matrix = pare_tensor_id(layer, (pare_role)role);
            size_t bias = pare_tensor_id_in(config, layer, pare_roles[role].bias);
            double worst = 0.0, largest = 1e-4;
            for (size_t i = 0; i < f->model->tensors[bias]->count; i++) {
                worst = family_worse(worst, fabs(f->outputs[matrix][i] - (double)f->weights[bias][i]));
                largest = fmax(largest, fabs((double)f->weights[bias][i]));
            }
            if (worst <= 1e-4 * largest) continue;
            wrong++;
            fprintf(stderr, "%s: outputs of %s differ by %.2g of the largest\n", family_name(one),
                    f->model->tensors[matrix]->name, worst / largest);
        }
    return wrong;
}

static void check(comparison compare) {
    families all = families_load();
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){0});
        fixture f = {.model = m.model, .backend = backend, .ids = all.ids};
        fixture_new(&f);
        wrong += compare(one, &f);
        fixture_free(&f);
        family_close(&m);
    }
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void squares_of_sequences(void **state) {
    (void)state;
    check(squares);
}

static void absolutes_of_sequences(void **state) {
    (void)state;
    check(absolutes);
}

static void outputs_of_linear_layers(void **state) {
    (void)state;
    check(compare_outputs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squares_of_sequences),
        cmocka_unit_test(absolutes_of_sequences),
        cmocka_unit_test(outputs_of_linear_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
