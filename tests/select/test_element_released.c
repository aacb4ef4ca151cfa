/* Masks that Wanda and RIA leave on a small model (tests/oracle/sparse.py, or the released code's): of every matrix
 * where they need no calibration, and of the first layer's queries, keys and values, whose inputs are normalised
 * embeddings. Those by row and by pattern must agree but for scores that differ by rounding alone; those by matrix
 * remove a few weights more there, unless the threshold is inclusive here too. */
#include "golden.h"
#include "importance/salience.h"
#include "model/model.h"
#include "select/element_select.h"

typedef struct released {
    pare_model *model;
    uint8_t *bits; /* 1 = removed, tensor after tensor, little-endian */
    size_t bytes;
    float *norm; /* [d] of the inputs of queries, keys and values of layer 0 */
} released;

static uint8_t *read_all(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*bytes);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static float *floats_of(const pare_tensor *tensor) {
    float *x = malloc(tensor->count * sizeof *x);
    pare_to_float(x, tensor->data, tensor->dtype, tensor->count);
    return x;
}

/* sqrt of the mean over sequences of the sum over tokens of x^2, x = embedding / rms * weight. */
static float *first_norms(const pare_model *model) {
    uint32_t d = model->config.hidden;
    double *sum = calloc(d, sizeof *sum);
    float *norm = malloc(d * sizeof *norm), *embedding = floats_of(model->tensors[pare_tensor_id_embedding()]);
    float *weight = floats_of(model->tensors[pare_tensor_id(0, PARE_ROLE_INPUT_NORM)]);
    json_t *lists = load_json(golden_path(GOLDEN_CALIBRATION)), *list, *id;
    size_t i, j;
    json_array_foreach(lists, i, list) json_array_foreach(list, j, id) {
        const float *row = embedding + (size_t)json_integer_value(id) * d;
        double square = 0.0;
        for (uint32_t c = 0; c < d; c++)
            square += (double)row[c] * (double)row[c];
        double rms = sqrt(square / d + model->config.rms_eps);
        for (uint32_t c = 0; c < d; c++) {
            double x = (double)row[c] / rms * (double)weight[c];
            sum[c] += x * x;
        }
    }
    for (uint32_t c = 0; c < d; c++)
        norm[c] = (float)sqrt(sum[c] / (double)json_array_size(lists));
    json_decref(lists);
    free(sum);
    free(embedding);
    free(weight);
    return norm;
}

static released released_open(const char *name) {
    released r;
    need_golden();
    r.bits = read_all(golden_mask(name), &r.bytes);
    assert_int_equal(pare_model_open(golden_path(GOLDEN_MODEL), &r.model), PARE_OK);
    r.norm = first_norms(r.model);
    return r;
}

static void released_close(released *r) {
    pare_model_close(r->model);
    free(r->bits);
    free(r->norm);
}

/* Bits that differ in one matrix that begins at bit `at`. */
static int64_t differences(const released *r, uint32_t layer, pare_role role, int64_t at, const char *salience,
                           const pare_element_target *target) {
    const pare_tensor *tensor = r->model->tensors[pare_tensor_id(layer, role)];
    pare_salience_matrix matrix = {.weight = tensor->data, .dtype = tensor->dtype, .inputs = r->norm};
    pare_element_mask mask;
    int64_t count = 0;
    pare_tensor_matrix(tensor, &matrix.rows, &matrix.columns);
    float *scores = malloc(tensor->count * sizeof *scores);
    assert_int_equal(pare_element_mask_new(matrix.rows, matrix.columns, &mask), PARE_OK);
    assert_int_equal(pare_salience_scores(pare_salience_find(salience), &matrix, NULL, scores), PARE_OK);
    assert_int_equal(pare_element_select(scores, target, &mask), PARE_OK);
    for (int64_t i = 0; i < (int64_t)tensor->count; i++) {
        bool gone = r->bits[(at + i) / 8] >> ((at + i) % 8) & 1;
        count += gone == pare_element_kept(&mask, i / matrix.columns, i % matrix.columns);
    }
    pare_element_mask_free(&mask);
    free(scores);
    return count;
}

/* all: every matrix; else the first layer's queries, keys and values. */
static void compare(const char *name, const char *salience, pare_element_target target, bool all, int64_t bound) {
    released r = released_open(name);
    int64_t at = 0, differ = 0;
    for (uint32_t layer = 0; layer < r.model->config.layers; layer++)
        for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
            if (all || (layer == 0 && role <= PARE_ROLE_V))
                differ += differences(&r, layer, role, at, salience, &target);
            at += (int64_t)r.model->tensors[pare_tensor_id(layer, role)]->count;
        }
    assert_int_equal(at, (int64_t)r.bytes * 8);
    if (differ > bound) fprintf(stderr, "%s: %lld bits differ\n", name, (long long)differ);
    assert_true(differ <= bound);
    released_close(&r);
}

static const pare_element_target by_row = {.sparsity = 0.5}, two_of_four = {.keep = 2, .of = 4},
                                 by_matrix = {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX},
                                 inclusive = {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX, .inclusive = true},
                                 variant = {.sparsity = 0.5, .compare = PARE_COMPARE_CUMULATIVE};

static void masks_of_wanda(void **state) {
    (void)state;
    compare("wanda_50", "wanda", by_row, false, 0);
    compare("wanda_24", "wanda", two_of_four, false, 0);
    compare("wandavar_50", "wanda", variant, false, 0);
}

static void masks_of_ria(void **state) {
    (void)state;
    compare("ria_po_50", "ria", by_row, false, 0);
    compare("ria_24", "ria", two_of_four, false, 0);
    compare("ria_50", "ria", by_matrix, false, 3);
    compare("ria_50", "ria", inclusive, false, 0);
}

static void masks_without_calibration(void **state) {
    (void)state;
    compare("magnitude_24", "l1", two_of_four, true, 0);
    compare("magnitude_50", "l1", by_matrix, true, 35);
    compare("ri_50", "ri", by_matrix, true, 35);
    compare("magnitude_50", "l1", inclusive, true, 0);
    compare("ri_50", "ri", inclusive, true, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_of_wanda),
        cmocka_unit_test(masks_of_ria),
        cmocka_unit_test(masks_without_calibration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
