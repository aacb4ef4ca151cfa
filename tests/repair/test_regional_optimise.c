/* Regional optimisation: the error that pruning leaves in a block's output falls, the steps are RMSprop's, the draws
 * and the result are a function of the seed. */
#include "model/block_linear.h"
#include "model/tiny_pass.h"
#include "model/walk.h"
#include "repair/regional_optimise.h"
#include "support/memory.h"

enum { SEQUENCES = 6, LENGTH = 12, HIDDEN = 16, LAYER = 1, ROUNDS = 6, MOST = 512 };

typedef struct problem {
    tiny_pass t;
    pare_source source;
    pare_walk walk;
    pare_block block;
    pare_regional_room room;
    float x[SEQUENCES * LENGTH * HIDDEN];
    float dense[PARE_MATRIX_ROLES][MOST], weights[PARE_MATRIX_ROLES][MOST];
    float *given[PARE_MATRIX_ROLES];
    pare_element_mask masks[PARE_MATRIX_ROLES];
    int64_t drawn[ROUNDS][SEQUENCES];
    int pruned, samples;
} problem;

static pare_status load(void *context, int64_t sequence, float *x) {
    const problem *p = context;
    memcpy(x, p->x + sequence * LENGTH * HIDDEN, LENGTH * HIDDEN * sizeof *x);
    return PARE_OK;
}

/* 2:4 by magnitude: of every four neighbours the two largest stay. */
static void keep_largest(const float *weights, pare_element_mask *mask) {
    for (int64_t row = 0; row < mask->rows; row++)
        for (int64_t j = 0; j < mask->columns; j++) {
            const float *group = weights + row * mask->columns + j / 4 * 4;
            int larger = 0;
            for (int i = 0; i < 4; i++)
                larger +=
                    fabsf(group[i]) > fabsf(group[j % 4]) || (fabsf(group[i]) == fabsf(group[j % 4]) && i < j % 4);
            pare_element_keep(mask, row, j, larger < 2);
        }
}

static pare_status prune(void *context, const pare_regional_round *round, float *const weights[PARE_MATRIX_ROLES],
                         pare_element_mask masks[PARE_MATRIX_ROLES]) {
    problem *p = context;
    assert_int_equal(round->round, p->pruned);
    memcpy(p->drawn[p->pruned++], round->drawn, (size_t)p->samples * sizeof *round->drawn);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (weights[role]) keep_largest(weights[role], &masks[role]);
    return PARE_OK;
}

static void problem_open(problem *p, int threads) {
    p->t = tiny_pass_open((tiny_model){.layers = 2, .scale = 0.3}, 1, LENGTH, threads);
    p->source = (pare_source){.model = p->t.model, .backend = p->t.backend};
    assert_int_equal(pare_walk_new(&p->source, LENGTH, 1, &p->walk), PARE_OK);
    p->block = pare_walk_block(&p->walk, LAYER);
    assert_int_equal(pare_regional_room_new(p->t.model, p->t.backend, LENGTH, &p->room), PARE_OK);
    pare_normal_fill(p->x, 8, 0, 0, 0, sizeof p->x / sizeof *p->x);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        pare_linear_shape(&p->block, (pare_role)role, &rows, &columns);
        assert_true(rows * columns <= MOST);
        pare_source_rows(&p->source, pare_tensor_id(LAYER, (pare_role)role), 0, rows, p->dense[role]);
        assert_int_equal(pare_element_mask_new(rows, columns, &p->masks[role]), PARE_OK);
    }
}

static void problem_close(problem *p) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_element_mask_free(&p->masks[role]);
    pare_regional_room_free(&p->room);
    pare_walk_free(&p->walk);
    tiny_pass_close(&p->t);
}

static pare_regional_optimise request_of(problem *p, pare_regional_inputs *inputs) {
    *inputs = (pare_regional_inputs){.sequences = SEQUENCES, .length = LENGTH, .load = load, .context = p};
    return (pare_regional_optimise){.dense = &p->block,
                                    .inputs = inputs,
                                    .room = &p->room,
                                    .rounds = ROUNDS,
                                    .samples = 4,
                                    .rate = 1e-3,
                                    .decay = 0.99,
                                    .epsilon = 1e-8,
                                    .seed = 7,
                                    .prune = prune,
                                    .context = p};
}

static pare_status optimise(problem *p, const pare_regional_optimise *request, double *errors) {
    memcpy(p->weights, p->dense, sizeof p->dense);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        p->given[role] = p->weights[role];
    p->pruned = 0;
    p->samples = (int)request->samples;
    return pare_regional_optimise_run(request, p->given, p->masks, errors);
}

/* ||f - f0||^2 over all sequences, f with `weights` pruned as the callback does. */
static double whole_error(problem *p, float weights[PARE_MATRIX_ROLES][MOST]) {
    static float pruned[PARE_MATRIX_ROLES][MOST], x[LENGTH * HIDDEN], f[LENGTH * HIDDEN], f0[LENGTH * HIDDEN];
    pare_block block = pare_regional_block(&p->block, &p->room), other = block;
    double sum = 0.0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        memcpy(pruned[role], weights[role], sizeof pruned[role]);
        keep_largest(pruned[role], &p->masks[role]);
        pare_element_mask_apply(&p->masks[role], pruned[role]);
        other.weights.matrix[role] = pruned[role];
    }
    for (int64_t n = 0; n < SEQUENCES; n++) {
        load(p, n, x);
        assert_int_equal(pare_block_forward(&block, x, f0), PARE_OK);
        assert_int_equal(pare_block_forward(&other, x, f), PARE_OK);
        for (int i = 0; i < LENGTH * HIDDEN; i++)
            sum += ((double)f[i] - (double)f0[i]) * ((double)f[i] - (double)f0[i]);
    }
    return sum;
}

static void the_error_falls(void **state) {
    (void)state;
    static problem p;
    pare_regional_inputs inputs;
    double errors[ROUNDS];
    problem_open(&p, 1);
    for (int revive = 0; revive < 2; revive++) {
        pare_regional_optimise request = request_of(&p, &inputs);
        request.revive = revive;
        double before = whole_error(&p, p.dense);
        uint64_t held = pare_memory_current();
        pare_memory_peak_reset();
        assert_int_equal(optimise(&p, &request, errors), PARE_OK);
        assert_int_equal(pare_memory_current(), held);
        /* Attention's workspace is counted in the room; small change: the order and what allocations are rounded to. */
        uint64_t attention = pare_attention_workspace_bytes(p.t.backend, &p.t.model->config, 1, LENGTH, true);
        uint64_t planned = pare_regional_optimise_bytes(p.t.model, p.t.backend, LENGTH);
        assert_true(pare_memory_peak() - held <= planned + attention + 1024);
        assert_true(pare_memory_peak() - held >= planned);
        double after = whole_error(&p, p.weights);
        print_message("error %.4g -> %.4g; rounds %.4g .. %.4g\n", before, after, errors[0], errors[ROUNDS - 1]);
        assert_int_equal(p.pruned, ROUNDS);
        assert_true(after < 0.8 * before);
        assert_true(errors[ROUNDS - 1] < 0.9 * errors[0]);
    }
    problem_close(&p);
}

static void draws_do_not_repeat(void **state) {
    (void)state;
    static problem p;
    pare_regional_inputs inputs;
    int differ = 0;
    problem_open(&p, 1);
    pare_regional_optimise request = request_of(&p, &inputs);
    assert_int_equal(optimise(&p, &request, NULL), PARE_OK);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned seen = 0;
        for (int i = 0; i < p.samples; i++) {
            assert_in_range(p.drawn[round][i], 0, SEQUENCES - 1);
            assert_false(seen >> p.drawn[round][i] & 1);
            seen |= 1u << p.drawn[round][i];
        }
        differ += memcmp(p.drawn[round], p.drawn[0], (size_t)p.samples * sizeof **p.drawn) != 0;
    }
    assert_true(differ >= ROUNDS / 2);
    problem_close(&p);
}

static void runs_are_equal(void **state) {
    (void)state;
    static problem p, q;
    pare_regional_inputs inputs;
    problem_open(&p, 1);
    problem_open(&q, 2);
    pare_regional_optimise request = request_of(&p, &inputs);
    assert_int_equal(optimise(&p, &request, NULL), PARE_OK);
    request = request_of(&q, &inputs);
    assert_int_equal(optimise(&q, &request, NULL), PARE_OK);
    assert_memory_equal(p.weights, q.weights, sizeof p.weights);
    assert_memory_equal(p.drawn, q.drawn, sizeof p.drawn);
    request.seed++;
    assert_int_equal(optimise(&q, &request, NULL), PARE_OK);
    assert_true(memcmp(p.weights, q.weights, sizeof p.weights) != 0);
    problem_close(&p);
    problem_close(&q);
}

/* RMSprop's first step, v being 0 before it: rate g / (sqrt(1 - decay) |g| + epsilon), so every weight,
 * pruned ones too, moves by rate / sqrt(1 - decay). */
static void the_first_step_is_known(void **state) {
    (void)state;
    static problem p;
    pare_regional_inputs inputs;
    problem_open(&p, 1);
    pare_regional_optimise request = request_of(&p, &inputs);
    request.rounds = 1;
    request.samples = 1;
    request.rate = 1e-2;
    request.decay = 0.75;
    request.revive = true;
    assert_int_equal(optimise(&p, &request, NULL), PARE_OK);
    int moved = 0, count = 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        for (int64_t i = 0; i < p.masks[role].rows * p.masks[role].columns; i++) {
            moved += fabs(fabs((double)p.weights[role][i] - (double)p.dense[role][i]) - 2e-2) < 1e-5;
            count++;
        }
    assert_int_equal(moved, count);
    problem_close(&p);
}

/* Roles without weights stay dense; without pruning there is no error and nothing moves. */
static pare_status keep_all(void *context, const pare_regional_round *round, float *const weights[PARE_MATRIX_ROLES],
                            pare_element_mask masks[PARE_MATRIX_ROLES]) {
    (void)context, (void)round;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (weights[role]) pare_element_mask_fill(&masks[role]);
    return PARE_OK;
}

static void nothing_moves_without_an_error(void **state) {
    (void)state;
    static problem p;
    pare_regional_inputs inputs;
    double errors[ROUNDS];
    problem_open(&p, 1);
    pare_regional_optimise request = request_of(&p, &inputs);
    request.prune = keep_all;
    assert_int_equal(optimise(&p, &request, errors), PARE_OK);
    assert_memory_equal(p.weights, p.dense, sizeof p.dense);
    assert_true(errors[0] == 0.0 && errors[ROUNDS - 1] == 0.0);
    request.prune = prune;
    memcpy(p.weights, p.dense, sizeof p.dense);
    p.pruned = 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        p.given[role] = role == PARE_ROLE_UP ? p.weights[role] : NULL;
    assert_int_equal(pare_regional_optimise_run(&request, p.given, p.masks, errors), PARE_OK);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        assert_int_equal(memcmp(p.weights[role], p.dense[role], sizeof p.dense[role]) != 0, role == PARE_ROLE_UP);
    problem_close(&p);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    static problem p;
    pare_regional_inputs inputs;
    problem_open(&p, 1);
    pare_regional_optimise request = request_of(&p, &inputs);
    request.samples = SEQUENCES + 1;
    assert_int_equal(optimise(&p, &request, NULL), PARE_BAD_ARGUMENT);
    request.samples = 0;
    assert_int_equal(optimise(&p, &request, NULL), PARE_BAD_ARGUMENT);
    request.samples = SEQUENCES;
    p.x[LENGTH * HIDDEN * 2 + 3] = INFINITY;
    assert_int_equal(optimise(&p, &request, NULL), PARE_NUMERIC_ERROR);
    problem_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_error_falls),      cmocka_unit_test(draws_do_not_repeat),
        cmocka_unit_test(runs_are_equal),       cmocka_unit_test(the_first_step_is_known),
        cmocka_unit_test(bad_input_is_refused), cmocka_unit_test(nothing_moves_without_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
