/* Gradients of the norm of one block's output against differences of that norm, element by element. */
#include "calibrate/regional.h"
#include "model/block_linear.h"
#include "model/tiny_pass.h"
#include "model/walk.h"
#include "support/memory.h"

enum { SEQUENCES = 3, LAYER = 1, HIDDEN = 16, MOST = 80 };

typedef struct region {
    tiny_pass t;
    pare_walk walk;
    pare_source source;
    float *displacement[32];
    float x[SEQUENCES * MOST * HIDDEN];
    int64_t length, zero_from; /* sequences from here on are all zeros */
} region;

static pare_status load(void *context, int64_t sequence, float *x) {
    const region *r = context;
    size_t values = (size_t)r->length * HIDDEN;
    if (sequence >= r->zero_from)
        memset(x, 0, values * sizeof *x);
    else
        memcpy(x, r->x + (size_t)sequence * values, values * sizeof *x);
    return PARE_OK;
}

static void region_open(region *r, int64_t length, int threads) {
    *r = (region){.length = length, .zero_from = SEQUENCES};
    r->t = tiny_pass_open((tiny_model){.layers = 2, .kv_heads = 2, .scale = 0.4, .positions = 128}, SEQUENCES, length,
                          threads);
    r->source = (pare_source){.model = r->t.model, .backend = r->t.backend, .displacement = r->displacement};
    assert_true(r->t.model->tensor_count <= 32);
    assert_int_equal(pare_walk_new(&r->source, length, 1, &r->walk), PARE_OK);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) /* room for displaced weights */
        if (!r->walk.matrices[role])
            assert_int_equal(pare_alloc(&r->walk.matrices[role], 1024, sizeof(float), "weights"), PARE_OK);
    pare_normal_fill(r->x, 5, 0, 0, 0, sizeof r->x / sizeof *r->x);
}

static void region_close(region *r) {
    pare_walk_free(&r->walk);
    tiny_pass_close(&r->t);
}

static void gradients(region *r, int64_t sequences, float *out[PARE_MATRIX_ROLES]) {
    pare_regional_room room;
    pare_regional_inputs inputs = {.sequences = sequences, .length = r->length, .load = load, .context = r};
    pare_block block = pare_walk_block(&r->walk, LAYER);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        pare_linear_shape(&block, (pare_role)role, &rows, &columns);
        if (!out[role]) out[role] = malloc((size_t)(rows * columns) * sizeof(float));
    }
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_regional_room_new(r->t.model, r->t.backend, r->length, &room), PARE_OK);
    assert_true(pare_memory_current() - before <= pare_regional_room_bytes(r->t.model, r->t.backend, r->length) + 2048);
    assert_int_equal(pare_regional_gradient(&block, &inputs, &room, out), PARE_OK);
    pare_regional_room_free(&room);
}

static void free_all(float *of[PARE_MATRIX_ROLES]) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        free(of[role]);
}

static double norm_at(region *r, size_t id, size_t element, double step, int64_t sequence) {
    static float out[MOST * HIDDEN];
    r->displacement[id][element] = (float)step;
    pare_block block = pare_walk_block(&r->walk, LAYER);
    double sum = 0.0;
    block.batch = 1;
    assert_int_equal(pare_block_forward(&block, r->x + sequence * r->length * HIDDEN, out), PARE_OK);
    for (int64_t i = 0; i < r->length * HIDDEN; i++)
        sum += (double)out[i] * (double)out[i];
    r->displacement[id][element] = 0.0f;
    return sqrt(sum);
}

/* Central differences at h and h / 2, extrapolated. */
static double slope(region *r, size_t id, size_t element, int64_t sequence) {
    const double h = 0.04;
    double wide = norm_at(r, id, element, h, sequence) - norm_at(r, id, element, -h, sequence);
    double narrow = norm_at(r, id, element, h / 2, sequence) - norm_at(r, id, element, -h / 2, sequence);
    return (4.0 * narrow / h - wide / (2.0 * h)) / 3.0;
}

/* The norm, about 20, is good to 1e-7 of itself and better, since its terms' errors average out, so that differences
 * at 0.04 are good to some 1e-4; the largest gradients are 4 to 25. */
static void check_differences(int64_t length) {
    static region r;
    float *g[PARE_MATRIX_ROLES] = {0};
    region_open(&r, length, 1);
    gradients(&r, SEQUENCES, g);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(LAYER, (pare_role)role), count = r.t.model->tensors[id]->count;
        double largest = 0.0, worst = 0.0;
        r.displacement[id] = calloc(count, sizeof(float));
        for (size_t i = 0; i < count; i++)
            largest = fmax(largest, (double)g[role][i]);
        for (size_t i = (size_t)role; i < count; i += 11) {
            double squares = 0.0;
            for (int64_t n = 0; n < SEQUENCES; n++) {
                double s = slope(&r, id, i, n);
                squares += s * s / (double)SEQUENCES;
            }
            worst = fmax(worst, fabs(sqrt(squares) - (double)g[role][i]));
        }
        free(r.displacement[id]);
        r.displacement[id] = NULL;
        print_message("role %d: largest %.3g, differences off by %.2g\n", role, largest, worst);
        assert_true(largest > 1.0 && worst < 2e-4 * largest);
    }
    free_all(g);
    region_close(&r);
}

static void gradients_are_slopes(void **state) {
    (void)state;
    check_differences(9);
    check_differences(MOST); /* many tokens: activations between the FFN's matrices by feature */
}

/* All-zero inputs give all-zero outputs; the norm has no slope there. */
static void a_zero_output_counts_as_zero(void **state) {
    (void)state;
    static region r;
    float *all[PARE_MATRIX_ROLES] = {0}, *one[PARE_MATRIX_ROLES] = {0};
    region_open(&r, 9, 1);
    gradients(&r, 1, one);
    r.zero_from = 1;
    gradients(&r, 2, all);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        for (size_t i = 0; i < r.t.model->tensors[pare_tensor_id(LAYER, (pare_role)role)]->count; i++)
            assert_true(fabs((double)all[role][i] - sqrt(0.5) * (double)one[role][i]) <= 1e-6 * (double)one[role][i]);
    r.zero_from = 0;
    gradients(&r, 2, all);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        assert_true(all[role][0] == 0.0f && all[role][5] == 0.0f);
    free_all(all);
    free_all(one);
    region_close(&r);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    static region r;
    static float wanted[1024];
    float *g[PARE_MATRIX_ROLES] = {[PARE_ROLE_O] = wanted};
    pare_regional_room room;
    region_open(&r, 9, 1);
    pare_block block = pare_walk_block(&r.walk, LAYER);
    pare_regional_inputs inputs = {.sequences = 2, .length = 9, .load = load, .context = &r};
    assert_int_equal(pare_regional_room_new(r.t.model, r.t.backend, 9, &room), PARE_OK);
    assert_int_equal(pare_regional_gradient(&block, &inputs, &room, g), PARE_OK);
    assert_true(wanted[0] > 0.0f);
    r.x[9 * HIDDEN] = NAN;
    assert_int_equal(pare_regional_gradient(&block, &inputs, &room, g), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "block 1 "));
    inputs.length = 8;
    assert_int_equal(pare_regional_gradient(&block, &inputs, &room, g), PARE_BAD_ARGUMENT);
    pare_regional_room_free(&room);
    region_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_slopes),
                                       cmocka_unit_test(a_zero_output_counts_as_zero),
                                       cmocka_unit_test(bad_input_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
