/* LoRAPrune's scores against the oracle's (tests/oracle/units.py), for one head per group and for shared ones. */
#include "importance/counted_model.h"
#include "model/tiny_pass.h"

#include "importance/lora_gradient.h"
#include "support/memory.h"

#include <omp.h>

enum { RANK = 3, LAYER = 1 };

#define SCALE 1.5f

/* Wider than a run of rows, and no multiple of it; three query heads for every key head. */
static const tiny_model wide = {
    .hidden = 20, .heads = 6, .kv_heads = 2, .head_size = 26, .ffn = 301, .dtype = PARE_DTYPE_BF16};

typedef struct factors {
    tiny_pass pass;
    pare_source source;
    pare_lora_layer layer;
    float *numbers[PARE_MATRIX_ROLES][4];
} factors;

/* Streams of the four factors of a matrix: COUNTED_FACTORS + 10 role + place; an eighth of what is counted. */
enum { COUNTED_FACTORS = 4000 };

static float *eighths(uint32_t stream, int64_t count) {
    float *numbers = counted_numbers(stream, (uint64_t)count, false);
    for (int64_t i = 0; i < count; i++)
        numbers[i] /= 8.0f;
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
            n[i] = eighths(COUNTED_FACTORS + 10 * (uint32_t)role + (uint32_t)i, RANK * (i % 2 ? rows : columns));
        f->layer.matrix[role] = (pare_lora_matrix){n[0], n[1], n[2], n[3]};
    }
}

static void close_factors(factors *f) {
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        for (int i = 0; i < 4; i++)
            free(f->numbers[role][i]);
    tiny_pass_close(&f->pass);
}

static void check_units(const char *what, const double *actual, const json_t *expected) {
    assert_int_not_equal(json_array_size(expected), 0);
    for (size_t i = 0; i < json_array_size(expected); i++)
        assert_close(what, actual[i], json_number_value(json_array_get(expected, i)), 2e-6);
}

static void check_case(const tiny_model *tiny, const json_t *entry) {
    static const char *const estimates[] = {"gradient", "magnitude", NULL};
    static const pare_lora_estimate enums[] = {PARE_LORA_GRADIENT, PARE_LORA_MAGNITUDE};
    factors f;
    double heads[8], ffn[301];
    open_factors(&f, *tiny);
    f.layer.estimate = enums[counted_word(entry, "estimate", estimates)];
    assert_int_equal(pare_lora_unit_scores(&f.layer, heads, ffn), PARE_OK);
    check_units("heads", heads, json_object_get(entry, "heads"));
    check_units("channels", ffn, json_object_get(entry, "ffn"));
    close_factors(&f);
}

/* Of bf16 weights, too: the numbers are exact in both. */
static void scores_equal_the_oracle(void **state) {
    (void)state;
    json_t *golden = load_json(UNITS_GOLDEN), *list = json_object_get(golden, "lora"), *entry, *of_layout;
    size_t i, j;
    assert_int_equal(json_array_size(list), 2);
    json_array_foreach(list, i, entry) {
        pare_widths *widths;
        tiny_model tiny = counted_layout(json_object_get(entry, "layout"), &widths);
        tiny.counted = true;
        tiny.dtype = i ? PARE_DTYPE_BF16 : PARE_DTYPE_F32;
        json_array_foreach(json_object_get(entry, "cases"), j, of_layout) check_case(&tiny, of_layout);
        free(widths);
    }
    json_decref(golden);
}

/* Only query head 4 of 6 has a gradient: its whole group of three is credited, the other group is not. */
static void query_heads_count_for_their_group(void **state) {
    (void)state;
    factors f;
    double heads[2];
    open_factors(&f, wide);
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
    open_factors(&f, wide);
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
    open_factors(&f, wide);
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
        cmocka_unit_test(scores_equal_the_oracle),
        cmocka_unit_test(query_heads_count_for_their_group),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(the_bytes_are_those_that_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
