/* Matrices of every way of storing them, by the names that people see: their numbers are those that the file was made
 * of, element by element. */
#include "checkpoint/view.h"
#include "model/families.h"
#include "report/matrix_name.h"

static pare_matrix_source open_case(const families *all, const char *name, char **folder) {
    pare_matrix_source source;
    *folder = family_write(family_case(all, name), (family_form){0});
    assert_int_equal(pare_matrix_source_open(*folder, &source), PARE_OK);
    return source;
}

static void close_case(pare_matrix_source *source, char *folder) {
    pare_matrix_source_close(source);
    tiny_remove(folder);
    free(folder);
}

/* Where element (row, column) lies in the stored tensor. */
typedef uint32_t (*stored_index)(int64_t row, int64_t column);

static void expect(const pare_matrix_source *source, const char *name, int64_t rows, int64_t columns,
                   const char *stored, stored_index at) {
    pare_named_matrix matrix;
    if (pare_matrix_find(source, name, &matrix) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    assert_int_equal(matrix.rows, rows);
    assert_int_equal(matrix.columns, columns);
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    pare_tensor_values(matrix.tensor, 0, (size_t)(rows * columns), values);
    for (int64_t i = 0; i < rows * columns; i++)
        if (values[i] != family_weight(stored, 2, at(i / columns, i % columns)))
            fail_msg("%s differs in row %d, column %d", name, (int)(i / columns), (int)(i % columns));
    free(values);
}

static uint32_t plain_32(int64_t row, int64_t column) {
    return (uint32_t)(row * 32 + column);
}

static uint32_t plain_40(int64_t row, int64_t column) {
    return (uint32_t)(row * 40 + column);
}

/* Rows of k: behind those of q, 4 heads of 8. */
static uint32_t second_of_three(int64_t row, int64_t column) {
    return plain_32(32 + row, column);
}

/* [in, out] of 96 outputs, q, k and v behind each other. */
static uint32_t transposed_key(int64_t row, int64_t column) {
    return (uint32_t)(column * 96 + 32 + row);
}

static uint32_t transposed_down(int64_t row, int64_t column) {
    return (uint32_t)(column * 32 + row);
}

/* 6 heads of 4 dimensions: q, k, v of each. */
static uint32_t grouped_value(int64_t row, int64_t column) {
    return (uint32_t)((row / 4 * 12 + 8 + row % 4) * 24 + column);
}

static uint32_t plain_24(int64_t row, int64_t column) {
    return (uint32_t)(row * 24 + column);
}

static void fused_matrices_by_their_parts(void **state) {
    (void)state;
    families all = families_load();
    char *folder;
    pare_matrix_source source = open_case(&all, "phi3", &folder);
    const char *fused = "model.layers.1.self_attn.qkv_proj.weight";
    expect(&source, "layers.1.self_attn.k_proj", 16, 32, fused, second_of_three);
    expect(&source, "model.layers.1.self_attn.q_proj.weight", 32, 32, fused, plain_32);
    expect(&source, "layers.1.self_attn.qkv_proj", 64, 32, fused, plain_32);
    expect(&source, "layers.1.mlp.down_proj.weight", 32, 40, "model.layers.1.mlp.down_proj.weight", plain_40);
    close_case(&source, folder);
    source = open_case(&all, "bloom", &folder);
    fused = "transformer.h.0.self_attention.query_key_value.weight";
    expect(&source, "layers.0.self_attn.v_proj", 24, 24, fused, grouped_value);
    expect(&source, "h.0.self_attention.query_key_value", 72, 24, fused, plain_24);
    close_case(&source, folder);
    families_free(&all);
}

/* Whatever name is used, rows are outputs; the fused one has no role and stays as it is stored. */
static void transposed_matrices(void **state) {
    (void)state;
    families all = families_load();
    char *folder;
    pare_matrix_source source = open_case(&all, "gpt2", &folder);
    const char *down = "transformer.h.0.mlp.c_proj.weight", *fused = "transformer.h.0.attn.c_attn.weight";
    expect(&source, "layers.0.mlp.down_proj", 32, 128, down, transposed_down);
    expect(&source, down, 32, 128, down, transposed_down);
    expect(&source, "h.0.mlp.c_proj", 32, 128, down, transposed_down);
    expect(&source, "layers.0.self_attn.k_proj", 32, 32, fused, transposed_key);
    close_case(&source, folder);
    families_free(&all);
}

static void expect_refusal(const pare_matrix_source *source, const char *name, const char *part) {
    pare_named_matrix matrix;
    assert_int_equal(pare_matrix_find(source, name, &matrix), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), part)) fail_msg("no '%s' in: %s", part, pare_message());
}

static void names_that_fail(void **state) {
    (void)state;
    families all = families_load();
    char *folder;
    pare_matrix_source source = open_case(&all, "gpt2", &folder);
    expect_refusal(&source, "h.0.mlp.c_porj", "did you mean 'h.0.mlp.c_proj'?");
    expect_refusal(&source, "layers.0.mlp.gate_proj", "did you mean"); /* GPT-2 has none */
    expect_refusal(&source, "c_fc", "give more of its name");
    expect_refusal(&source, "transformer.ln_f", "is a vector of 32 numbers");
    expect_refusal(&source, "zzz", "lists what there is");
    expect_refusal(&source, "", "lists what there is");
    close_case(&source, folder);
    families_free(&all);
}

/* A model that pare does not know, of tensors of four dimensions: its stored names, rows by everything else. */
static void other_models(void **state) {
    (void)state;
    static const char header[] = "{\"patch.weight\":{\"dtype\":\"F32\",\"shape\":[2,1,2,2],\"data_offsets\":[0,32]},"
                                 "\"places\":{\"dtype\":\"F32\",\"shape\":[1,4,3],\"data_offsets\":[32,80]}}";
    float values[20] = {1, 2, 3, 4, 5, 6, 7, 8};
    char *folder = tiny_folder();
    tiny_write_text(folder, "config.json", "{\"model_type\": \"other\"}");
    tiny_write_safetensors(folder, "model.safetensors", header, values, sizeof values);
    pare_matrix_source source;
    pare_named_matrix matrix;
    assert_int_equal(pare_matrix_source_open(folder, &source), PARE_OK);
    assert_null(source.model);
    assert_int_equal(pare_matrix_find(&source, "patch", &matrix), PARE_OK);
    assert_int_equal(matrix.rows, 2);
    assert_int_equal(matrix.columns, 4);
    assert_int_equal(pare_matrix_find(&source, "places", &matrix), PARE_OK);
    assert_int_equal(matrix.rows, 4);
    assert_int_equal(matrix.columns, 3);
    close_case(&source, folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_matrices_by_their_parts),
        cmocka_unit_test(transposed_matrices),
        cmocka_unit_test(names_that_fail),
        cmocka_unit_test(other_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
