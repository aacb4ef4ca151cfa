/* LoRAPrune's scores against plain loops over whole matrices in double, for one head per group and for shared ones. */
#include "model/tiny_pass.h"

#include "importance/lora_gradient.h"
#include "support/memory.h"

#include <omp.h>

enum { RANK = 3, LAYER = 1 };

#define SCALE 1.5f

static const tiny_model layouts[] = {
    {.hidden = 16, .heads = 4, .ffn = 24},
    /* wider than a run of rows, and no multiple of it; three query heads for every key head */
    {.hidden = 20, .heads = 6, .kv_heads = 2, .head_size = 26, .ffn = 301, .dtype = PARE_DTYPE_BF16},
};

typedef struct factors {
    tiny_pass pass;
    pare_source source;
    pare_lora_layer layer;
    float *numbers[PARE_MATRIX_ROLES][4];
} factors;

static float *random_numbers(int64_t count, double size, uint64_t seed) {
    float *numbers = malloc((size_t)count * sizeof *numbers + 1);
    uint64_t state = seed;
    for (int64_t i = 0; i < count; i++)
        numbers[i] = (float)(size * tiny_normal(&state));
    return numbers;
}

static void shape_of(const pare_model *model, pare_role role, int64_t *rows, int64_t *columns) {
    pare_tensor_matrix(model->tensors[pare_tensor_id(LAYER, role)], rows, columns);
}

static void open_factors(factors *f, tiny_model tiny) {
    *f = (factors){.pass = tiny_pass_open(tiny, 1, 4, 1)};
    f->source = (pare_source){.model = f->pass.model, .backend = f->pass.backend};
    f->layer = (pare_lora_layer){.source = &f->source, .layer = LAYER, .rank = RANK, .scale = SCALE};
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        float **n = f->numbers[role];
        shape_of(f->pass.model, role, &rows, &columns);
        for (int i = 0; i < 4; i++)
            n[i] = random_numbers(RANK * (i % 2 ? rows : columns), i < 2 ? 0.2 : 0.05,
                                  100 + 10 * (uint64_t)role + (uint64_t)i);
        f->layer.matrix[role] = (pare_lora_matrix){n[0], n[1], n[2], n[3]};
    }
}

static void close_factors(factors *f) {
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        for (int i = 0; i < 4; i++)
            free(f->numbers[role][i]);
    tiny_pass_close(&f->pass);
}

/* |G (W + s B A)| of one element, G from three products. */
static double element(const factors *f, pare_role role, int64_t row, int64_t column) {
    const pare_lora_matrix *m = &f->layer.matrix[role];
    size_t id = pare_tensor_id(LAYER, role);
    int64_t rows, columns;
    float weight[512];
    shape_of(f->pass.model, role, &rows, &columns);
    pare_source_rows(&f->source, id, row, 1, weight);
    double ba = 0.0, first = 0.0, second = 0.0, third = 0.0;
    for (int64_t k = 0; k < RANK; k++) {
        double a = (double)m->a[k * columns + column], da = (double)m->da[k * columns + column];
        double b = (double)m->b[row * RANK + k], db = (double)m->db[row * RANK + k];
        ba += b * a;
        first += db * a;
        second += b * da;
        third += db * da;
    }
    double gradient = f->layer.estimate == PARE_LORA_MAGNITUDE ? 1.0 : first + second - third;
    return fabs(gradient * ((double)weight[column] + (double)SCALE * ba));
}

/* Adds the matrix's share to units[]: sums over whole units, over their norm. */
static void add_plain(const factors *f, pare_role role, uint32_t units, double *out) {
    int64_t rows, columns;
    double *sums = calloc(units, sizeof *sums), squares = 0.0;
    shape_of(f->pass.model, role, &rows, &columns);
    bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
    int64_t width = (by_column ? columns : rows) / units;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            sums[(by_column ? j : i) / width] += element(f, role, i, j);
    for (uint32_t u = 0; u < units; u++)
        squares += sums[u] * sums[u];
    for (uint32_t u = 0; u < units; u++)
        out[u] += sums[u] / (sqrt(squares) + 1e-8);
    free(sums);
}

static void check_units(const char *what, const double *actual, const double *expected, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        assert_close(what, actual[i], expected[i], 2e-6);
}

static void check_layout(tiny_model tiny, pare_lora_estimate estimate) {
    factors f;
    open_factors(&f, tiny);
    f.layer.estimate = estimate;
    const pare_widths *w = &f.pass.model->config.widths[LAYER];
    double heads[8], plain_heads[8] = {0}, *ffn = calloc(w->ffn, sizeof *ffn), *plain = calloc(w->ffn, sizeof *plain);
    for (pare_role role = PARE_ROLE_Q; role <= PARE_ROLE_O; role++)
        add_plain(&f, role, w->kv_heads, plain_heads);
    for (pare_role role = PARE_ROLE_GATE; role <= PARE_ROLE_DOWN; role++)
        add_plain(&f, role, w->ffn, plain);
    assert_int_equal(pare_lora_unit_scores(&f.layer, heads, ffn), PARE_OK);
    check_units("heads", heads, plain_heads, w->kv_heads);
    check_units("channels", ffn, plain, w->ffn);
    free(ffn);
    free(plain);
    close_factors(&f);
}

static void scores_equal_plain_loops(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        check_layout(layouts[i], PARE_LORA_GRADIENT);
        check_layout(layouts[i], PARE_LORA_MAGNITUDE);
    }
}

/* Only query head 4 of 6 has a gradient: its whole group of three is credited, the other group is not. */
static void query_heads_count_for_their_group(void **state) {
    (void)state;
    factors f;
    double heads[2];
    open_factors(&f, layouts[1]);
    int64_t rows, columns;
    for (pare_role role = PARE_ROLE_Q; role <= PARE_ROLE_O; role++) {
        shape_of(f.pass.model, role, &rows, &columns);
        memset(f.numbers[role][1], 0, (size_t)(rows * RANK) * sizeof(float));
        memset(f.numbers[role][3], 0, (size_t)(rows * RANK) * sizeof(float));
    }
    for (int64_t i = 4 * 26 * RANK; i < 5 * 26 * RANK; i++)
        f.numbers[PARE_ROLE_Q][3][i] = 0.1f;
    assert_int_equal(pare_lora_unit_scores(&f.layer, heads, NULL), PARE_OK);
    assert_true(heads[0] == 0.0);
    assert_close("the group of head 4", heads[1], 1.0, 1e-6);
    close_factors(&f);
}

static void the_number_of_threads_changes_no_bit(void **state) {
    (void)state;
    factors f;
    double one[2], several[2], ffn[301], more[301];
    open_factors(&f, layouts[1]);
    omp_set_num_threads(1);
    assert_int_equal(pare_lora_unit_scores(&f.layer, one, ffn), PARE_OK);
    omp_set_num_threads(3);
    assert_int_equal(pare_lora_unit_scores(&f.layer, several, more), PARE_OK);
    assert_memory_equal(one, several, sizeof one);
    assert_memory_equal(ffn, more, sizeof ffn);
    close_factors(&f);
}

static void the_bytes_are_those_that_are_held(void **state) {
    (void)state;
    factors f;
    double heads[2], ffn[301];
    open_factors(&f, layouts[1]);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_lora_unit_scores(&f.layer, heads, ffn), PARE_OK);
    uint64_t held = pare_memory_peak() - before, planned = pare_lora_scores_bytes(f.pass.model, RANK);
    assert_true(pare_memory_current() == before);
    assert_true(held <= planned + 4096 && planned <= held + 4096);
    close_factors(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_equal_plain_loops),
        cmocka_unit_test(query_heads_count_for_their_group),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(the_bytes_are_those_that_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
