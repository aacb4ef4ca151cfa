/* Fisher matrices of the outputs of linear layers against those by hand, in groups, by choice, and as stages read them.
 */
#include "calibrate/linear_fisher_internal.h"
#include "calibrate/output_fisher.h"
#include "calibrate/shrinkage.h"
#include "fisher_reference.h"
#include "support/memory.h"

/* Of fp32 gradients, solved from sums over tokens that are far from orthogonal. */
static const double by_hand = 1e-5;
/* Gradients and sums of at most 1280 fp32 products in another order: by the worst case 1280 * 2^-24 = 8e-5, by the root
 * of the count 2e-6. */
static const double rounding = 3e-6;

static tiny_pass open_tiny(int64_t sequences, int64_t length) {
    return tiny_pass_open((tiny_model){.layers = LAYERS, .heads = 4, .kv_heads = 2, .scale = 0.4}, sequences, length,
                          1);
}

/* No id twice in a sequence. */
static void make_distinct(tiny_pass *t) {
    for (int64_t i = 0; i < t->sequences * LENGTH; i++)
        for (int64_t j = i / LENGTH * LENGTH; j < i; j++)
            if (t->ids[j] == t->ids[i]) {
                t->ids[i] = (t->ids[i] + 1) % t->model->config.vocabulary;
                j = i / LENGTH * LENGTH - 1;
            }
}

static pare_fisher_request request_of(const tiny_pass *t, const pare_source *source) {
    return (pare_fisher_request){.source = source, .ids = t->ids, .sequences = t->sequences, .length = t->length};
}

static bool everything[128];

static pare_linear_fisher run(const pare_fisher_request *request, const bool *wanted, int64_t widest) {
    pare_fisher_choice choice = {.wanted = wanted, .widest = widest};
    pare_linear_fisher out;
    assert_int_equal(pare_linear_fisher_run(request, &choice, &out), PARE_OK);
    return out;
}

/* Every element within `bound` of the root of the product of its diagonal elements, at least 1e-3 of the largest. */
static void compare(const float *full, const double *expected, int64_t rows, double bound) {
    double largest = 0.0;
    for (int64_t i = 0; i < rows; i++)
        largest = fmax(largest, expected[i * rows + i]);
    assert_true(largest > 0.0);
    for (int64_t i = 0; i < rows * rows; i++) {
        double size = sqrt(expected[i / rows * (rows + 1)] * expected[i % rows * (rows + 1)]);
        assert_true(fabs((double)full[i] - expected[i]) <= bound * fmax(size, 1e-3 * largest));
    }
}

static void diagonal_agrees(const pare_linear_fisher *f, size_t id, int64_t rows, double bound) {
    for (int64_t i = 0; i < rows; i++) {
        double whole = (double)f->full[id][i * rows + i];
        assert_true(fabs((double)f->diagonal[id][i] - whole) <= bound * whole);
    }
}

/* 4 sequences at a time are 20 tokens, all by token; 16 are 80, by feature between gate, up and down; 48 are taken in
 * two groups. */
static void gradients_by_hand(void **state) {
    (void)state;
    static const int64_t counts[] = {4, 16, MOST};
    for (int i = 0; i < 3; i++) {
        tiny_pass t = open_tiny(counts[i], LENGTH);
        make_distinct(&t);
        pare_source source = {.model = t.model, .backend = t.backend};
        pare_fisher_request request = request_of(&t, &source);
        int64_t group, columns;
        pare_pass_memory memory;
        const pare_fisher_choice choice = {.wanted = everything, .widest = INT64_MAX};
        assert_int_equal(pare_linear_fisher_group(&request, &choice, &group, &memory), PARE_OK);
        assert_int_equal(group, counts[i] == MOST ? MOST / 2 : counts[i]);
        reference expected = make_reference(&t, &source);
        pare_linear_fisher f = run(&request, everything, INT64_MAX);
        for (uint32_t layer = 0; layer < LAYERS; layer++)
            for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
                size_t id = pare_tensor_id(layer, (pare_role)role);
                int64_t rows = rows_of(&t, layer, role, &columns);
                compare(f.full[id], expected.sum[layer][role], rows, by_hand);
                diagonal_agrees(&f, id, rows, rounding);
            }
        pare_linear_fisher_free(&f);
        reference_free(&expected);
        tiny_pass_close(&t);
    }
}

/* A limit makes the groups smaller; the loss and the matrices stay. All 1280 tokens at once are more than one product
 * takes; a sequence of 40 goes by token. */
static void groups_agree(void **state) {
    (void)state;
    tiny_pass t = open_tiny(32, 40);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_fisher_request request = request_of(&t, &source);
    pare_linear_fisher whole = run(&request, everything, INT64_MAX);
    pare_pass_shape shape = {.sequences = 2, .length = 40, .gradients = true, .micro_batch = 1};
    pare_pass_memory memory;
    const pare_fisher_choice choice = {.wanted = everything, .widest = INT64_MAX};
    int64_t group, columns;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    request.limit = memory.weights + memory.activations + memory.gradients;
    request.limit += pare_fisher_rooms_bytes(t.model, &choice);
    assert_int_equal(pare_linear_fisher_group(&request, &choice, &group, &memory), PARE_OK);
    assert_int_equal(group, 2);
    assert_int_equal(memory.micro_batch, 1);
    pare_linear_fisher parts = run(&request, everything, INT64_MAX);
    assert_true(fabs(parts.loss - whole.loss) < 1e-6);
    for (size_t i = 0; i < (size_t)LAYERS * PARE_MATRIX_ROLES; i++) {
        uint32_t layer = (uint32_t)(i / PARE_MATRIX_ROLES);
        size_t id = pare_tensor_id(layer, (pare_role)(i % PARE_MATRIX_ROLES));
        int64_t rows = rows_of(&t, layer, (int)(i % PARE_MATRIX_ROLES), &columns);
        double *expected = malloc((size_t)(rows * rows) * sizeof *expected);
        for (int64_t j = 0; j < rows * rows; j++)
            expected[j] = (double)whole.full[id][j];
        compare(parts.full[id], expected, rows, rounding);
        diagonal_agrees(&whole, id, rows, rounding);
        free(expected);
    }
    pare_linear_fisher_free(&whole);
    pare_linear_fisher_free(&parts);
    tiny_pass_close(&t);
}

/* What is asked for is there, bit for bit as in a run for everything; nothing else is. gate and up have 24 rows. */
static void choices(void **state) {
    (void)state;
    tiny_pass t = open_tiny(16, LENGTH);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_fisher_request request = request_of(&t, &source);
    bool some[128] = {false};
    int64_t columns;
    for (int role = 0; role < PARE_LAYER_ROLES; role++)
        some[pare_tensor_id(1, (pare_role)role)] = role != PARE_ROLE_K;
    some[pare_tensor_id_embedding()] = true;
    pare_linear_fisher all = run(&request, everything, INT64_MAX), f = run(&request, some, TOO_WIDE);
    request.scratch = t.folder;
    pare_linear_fisher filed = run(&request, some, TOO_WIDE);
    assert_true(filed.memory.in_file);
    assert_int_equal(filed.memory.bytes,
                     pare_linear_fisher_bytes(t.model, &(pare_fisher_choice){.wanted = some, .widest = TOO_WIDE}));
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        bool matrix = pare_tensor_id_split(t.model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
        assert_int_equal(all.full[id] != NULL, matrix);
        assert_int_equal(f.diagonal[id] != NULL, matrix && some[id]);
        if (!f.diagonal[id]) continue;
        size_t rows = (size_t)rows_of(&t, layer, (int)role, &columns);
        assert_int_equal(f.full[id] != NULL, rows <= TOO_WIDE);
        assert_memory_equal(f.diagonal[id], all.diagonal[id], rows * sizeof(float));
        assert_memory_equal(filed.diagonal[id], all.diagonal[id], rows * sizeof(float));
        if (!f.full[id]) continue;
        assert_memory_equal(f.full[id], all.full[id], rows * rows * sizeof(float));
        assert_memory_equal(filed.full[id], all.full[id], rows * rows * sizeof(float));
    }
    pare_linear_fisher_free(&all);
    pare_linear_fisher_free(&f);
    pare_linear_fisher_free(&filed);
    tiny_pass_close(&t);
}

/* Heads apart: what the whole matrices have within each head, whatever the widest may be; the others as they were. */
static void heads_apart(void **state) {
    (void)state;
    static const int64_t counts[] = {4, 16}; /* by token, and by feature between gate, up and down */
    for (int c = 0; c < 2; c++) {
        tiny_pass t = open_tiny(counts[c], LENGTH);
        pare_source source = {.model = t.model, .backend = t.backend};
        pare_fisher_request request = request_of(&t, &source);
        pare_fisher_choice choice = {.wanted = everything, .widest = 1, .by_head = true};
        int64_t head = (int64_t)t.model->config.head_size, columns;
        pare_linear_fisher all = run(&request, everything, INT64_MAX), f;
        assert_int_equal(pare_linear_fisher_run(&request, &choice, &f), PARE_OK);
        assert_int_equal(f.memory.bytes, pare_linear_fisher_bytes(t.model, &choice));
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(1, (pare_role)role);
            int64_t rows = rows_of(&t, 1, role, &columns);
            assert_int_equal(f.full[id] != NULL, role < PARE_ROLE_O);
            if (!f.full[id]) continue;
            assert_int_equal(f.block[id], head);
            for (int64_t i = 0; i < rows; i += head) {
                double expected[64 * 64];
                for (int64_t j = 0; j < head * head; j++)
                    expected[j] = (double)all.full[id][(i + j / head) * rows + i + j % head];
                compare(f.full[id] + i * head, expected, head, rounding);
            }
        }
        pare_linear_fisher_free(&f);
        pare_linear_fisher_free(&all);
        tiny_pass_close(&t);
    }
}

/* |F|^2 of a matrix of each sequence by itself, added up. */
static double spread_by_hand(const tiny_pass *t, const pare_fisher_request *request, size_t id, int64_t rows) {
    double sum = 0.0;
    for (int64_t s = 0; s < t->sequences; s++) {
        pare_fisher_request one = *request;
        one.ids += s * t->length;
        one.sequences = 1;
        pare_linear_fisher f = run(&one, everything, INT64_MAX);
        for (int64_t i = 0; i < rows * rows; i++)
            sum += (double)f.full[id][i] * (double)f.full[id][i];
        pare_linear_fisher_free(&f);
    }
    return sum;
}

/* O's and down's are the matrices of the two stages, mixed with their mean diagonal by how far 16 sequences differ. */
static void stages(void **state) {
    (void)state;
    static const pare_role role_of[] = {PARE_ROLE_O, PARE_ROLE_DOWN};
    tiny_pass t = open_tiny(16, LENGTH);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_fisher_request request = request_of(&t, &source);
    int64_t hidden = t.model->config.hidden;
    pare_linear_fisher all = run(&request, everything, INT64_MAX);
    pare_output_fisher of_stages;
    assert_null(all.spread);
    assert_int_equal(pare_output_fisher_run(&request, &of_stages), PARE_OK);
    assert_true(of_stages.loss == all.loss);
    assert_int_equal(of_stages.memory.bytes, pare_output_fisher_bytes(t.model));
    for (uint32_t i = 0; i < LAYERS * 2; i++) {
        size_t id = pare_tensor_id(i / 2, role_of[i % 2]);
        double expected = pare_metric_shrink(all.full[id], hidden, 16, spread_by_hand(&t, &request, id, hidden));
        double share = of_stages.shrunk[i / 2][i % 2], largest = 0.0;
        assert_true(share > 0.0 && share < 1.0);
        assert_true(fabs(share - expected) < 1e-4);
        for (int64_t j = 0; j < hidden; j++)
            largest = fmax(largest, (double)all.full[id][j * (hidden + 1)]);
        for (int64_t j = 0; j < hidden * hidden; j++)
            assert_true(fabs((double)of_stages.metric[i / 2][i % 2][j] - (double)all.full[id][j]) < 1e-4 * largest);
    }
    pare_output_fisher_free(&of_stages);
    pare_linear_fisher_free(&all);
    tiny_pass_close(&t);
}

/* What is announced is what is taken, but for the pointers of each tensor. */
static void memory_is_announced(void **state) {
    (void)state;
    tiny_pass t = open_tiny(16, 40);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_fisher_request request = request_of(&t, &source);
    pare_fisher_choice choice = {.wanted = everything, .widest = INT64_MAX};
    pare_pass_memory pass;
    int64_t group;
    assert_int_equal(pare_linear_fisher_group(&request, &choice, &group, &pass), PARE_OK);
    uint64_t announced = pass.weights + pass.activations + pass.gradients + pare_linear_fisher_bytes(t.model, &choice) +
                         pare_linear_fisher_room_bytes(t.model, t.backend, &choice);
    pare_memory_peak_reset();
    uint64_t before = pare_memory_current();
    pare_linear_fisher f = run(&request, everything, INT64_MAX);
    uint64_t taken = pare_memory_peak() - before;
    assert_true(taken <= announced + announced / 50);
    assert_true(taken >= announced / 10 * 9);
    pare_linear_fisher_free(&f);
    assert_true(pare_memory_current() == before);
    tiny_pass_close(&t);
}

/* With bf16 operands the two sums differ by the rounding of factors to 8 bits, 2^-9 each at most. */
static void bfloat16(void **state) {
    (void)state;
    tiny_pass t = open_tiny(16, LENGTH);
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_BF16, 1, &backend), PARE_OK);
    pare_source plain = {.model = t.model, .backend = t.backend}, source = {.model = t.model, .backend = backend};
    pare_fisher_request request = request_of(&t, &source), exact = request_of(&t, &plain);
    pare_linear_fisher f = run(&request, everything, INT64_MAX), expected = run(&exact, everything, INT64_MAX);
    for (uint32_t layer = 0; layer < LAYERS; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            int64_t columns, rows = rows_of(&t, layer, role, &columns);
            double trace = 0.0, wanted = 0.0;
            diagonal_agrees(&f, id, rows, 0x1p-8);
            for (int64_t i = 0; i < rows; i++) {
                trace += (double)f.diagonal[id][i];
                wanted += (double)expected.diagonal[id][i];
            }
            assert_true(fabs(trace - wanted) < 0.05 * wanted);
        }
    pare_linear_fisher_free(&f);
    pare_linear_fisher_free(&expected);
    pare_backend_close(backend);
    tiny_pass_close(&t);
}

static void nothing_to_predict(void **state) {
    (void)state;
    tiny_pass t = open_tiny(1, LENGTH);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_fisher_request request = request_of(&t, &source);
    pare_fisher_choice choice = {.wanted = everything, .widest = 0};
    pare_linear_fisher f;
    request.length = 1;
    assert_int_equal(pare_linear_fisher_run(&request, &choice, &f), PARE_BAD_ARGUMENT);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_by_hand),
        cmocka_unit_test(groups_agree),
        cmocka_unit_test(choices),
        cmocka_unit_test(heads_apart),
        cmocka_unit_test(stages),
        cmocka_unit_test(memory_is_announced),
        cmocka_unit_test(bfloat16),
        cmocka_unit_test(nothing_to_predict),
    };
    memset(everything, true, sizeof everything);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
