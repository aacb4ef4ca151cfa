/* Sequences that share what requests have in common: by the mask and the positions alone, every prediction must see
 * exactly its request's tokens, and every request must get exactly the sum of its own predictions. */
#include "evaluate/zero_shot_pack.h"
#include "golden.h"
#include "support/random.h"

/* Requests of random documents: a common beginning, then rests of their own, of few different ids. */
typedef struct problem {
    pare_task_requests requests;
    uint32_t ids[4096], first[41];
    pare_task_request list[160];
} problem;

static uint32_t below(pare_random *random, uint32_t bound) {
    return (uint32_t)pare_random_below(random, bound);
}

static void add_document(problem *p, pare_random *random) {
    pare_task_requests *all = &p->requests;
    uint32_t common[12], shared = below(random, 12), choices = 2 + below(random, 3);
    for (uint32_t i = 0; i < shared; i++)
        common[i] = below(random, 3);
    for (uint32_t c = 0; c < choices; c++) {
        pare_task_request request = {.start = all->ids.count};
        for (uint32_t i = 0; i < shared; i++)
            p->ids[all->ids.count++] = common[i];
        for (uint32_t i = 2 + below(random, 6); i--;)
            p->ids[all->ids.count++] = below(random, 3);
        request.count = (uint32_t)(all->ids.count - request.start);
        request.scored = 1 + below(random, request.count - 1);
        p->list[all->count++] = request;
    }
    p->first[++all->documents] = all->count;
}

static void make(problem *p, uint64_t seed) {
    pare_random random = {.seed = seed};
    *p = (problem){0};
    p->requests = (pare_task_requests){.ids = {.ids = p->ids}, .list = p->list, .first = p->first};
    for (int d = 0; d < 40; d++)
        add_document(p, &random);
}

/* A number that depends on all tokens in order and on what is predicted. */
static double digest(double state, uint32_t id) {
    return fmod(state * 31 + id + 1, 1009);
}

/* What stands for a model: from the tokens that the mask lets token `t` see. */
static double predict(const pare_packed_batch *b, int64_t row, int32_t t) {
    double state = 1;
    int32_t position = 0;
    for (int32_t k = 0; k <= t; k++) {
        if (k >= b->shared[row + t] && k < b->start[row + t]) continue;
        assert_int_equal(b->positions[row + k], position++);
        state = digest(state, b->ids[row + k]);
    }
    return digest(state, (uint32_t)b->targets[row + t]);
}

static double expected_sum(const problem *p, const pare_task_request *request) {
    const uint32_t *ids = p->ids + request->start;
    double state = 1, sum = 0;
    for (uint32_t i = 0; i + 1 < request->count; i++) {
        state = digest(state, ids[i]);
        if (i + 1 + request->scored >= request->count) sum += digest(state, ids[i + 1]);
    }
    return -sum;
}

static void fill_nll(pare_packed_batch *batch, uint32_t count) {
    for (int64_t t = 0; t < count * batch->layout.length; t++) {
        int64_t row = t - t % batch->layout.length;
        assert_in_range(batch->shared[t], 0, batch->start[t]);
        assert_in_range(batch->start[t], 0, t - row);
        assert_in_range(batch->positions[t], 0, batch->layout.length - 1);
        batch->nll[t] = batch->targets[t] < 0 ? 0 : predict(batch, row, (int32_t)(t - row));
    }
}

static uint64_t check(const problem *p, uint32_t longest) {
    enum { BATCH = 3 };
    pare_packed_list packed;
    pare_packed_batch batch;
    double likelihoods[160];
    uint32_t covered = 0;
    uint64_t tokens = 0;
    assert_int_equal(pare_packed_list_make(&p->requests, longest, &packed), PARE_OK);
    assert_int_equal(pare_packed_batch_new((size_t)BATCH * packed.list[0].length, &batch), PARE_OK);
    for (uint32_t first = 0; first < packed.count; first += BATCH) {
        uint32_t count = packed.count - first < BATCH ? packed.count - first : BATCH;
        pare_packed_batch_fill(&p->requests, packed.list + first, count, &batch);
        fill_nll(&batch, count);
        pare_packed_batch_sum(&p->requests, packed.list + first, count, &batch, likelihoods);
    }
    for (uint32_t i = 0; i < packed.count; i++) {
        covered += packed.list[i].count;
        tokens += packed.list[i].length;
        assert_true(i == 0 || packed.list[i].length <= packed.list[i - 1].length);
        assert_true(packed.list[i].length <= longest || packed.list[i].count == 1);
    }
    assert_int_equal(covered, p->requests.count);
    assert_int_equal(tokens, packed.tokens);
    for (uint32_t r = 0; r < p->requests.count; r++)
        assert_close("sum", likelihoods[r], expected_sum(p, &p->list[r]), 1e-12);
    pare_packed_batch_free(&batch);
    pare_packed_list_free(&packed);
    return tokens;
}

static void every_request_gets_its_own_sum(void **state) {
    (void)state;
    problem p;
    for (uint64_t seed = 1; seed < 20; seed++) {
        make(&p, seed);
        uint64_t alone = check(&p, 1), some = check(&p, 20), all = check(&p, UINT32_MAX);
        assert_true(all < some && some < alone);
    }
}

/* One-token answers: the question once, its last token once for each. */
static void short_answers_cost_one_token_each(void **state) {
    (void)state;
    uint32_t ids[] = {5, 6, 7, 8, 1, 5, 6, 7, 8, 2}, first[] = {0, 2};
    pare_task_request list[] = {{0, 5, 1}, {5, 5, 1}};
    const pare_task_requests requests = {
        .ids = {.ids = ids, .count = 10}, .list = list, .first = first, .documents = 1, .count = 2};
    pare_packed_list packed;
    pare_packed_batch batch;
    assert_int_equal(pare_packed_list_make(&requests, 100, &packed), PARE_OK);
    assert_true(packed.count == 1 && packed.list[0].length == 5 && packed.list[0].shared == 3);
    assert_int_equal(pare_packed_batch_new(5, &batch), PARE_OK);
    pare_packed_batch_fill(&requests, packed.list, 1, &batch);
    static const uint32_t laid[] = {5, 6, 7, 8, 8};
    static const int32_t positions[] = {0, 1, 2, 3, 3}, start[] = {0, 0, 0, 3, 4}, shared[] = {0, 0, 0, 3, 3},
                         targets[] = {-1, -1, -1, 1, 2};
    assert_memory_equal(batch.ids, laid, sizeof laid);
    assert_memory_equal(batch.positions, positions, sizeof positions);
    assert_memory_equal(batch.start, start, sizeof start);
    assert_memory_equal(batch.shared, shared, sizeof shared);
    assert_memory_equal(batch.targets, targets, sizeof targets);
    pare_packed_batch_free(&batch);
    pare_packed_list_free(&packed);
}

static uint32_t batch_of(const pare_packed *list, uint32_t count, int64_t tokens, int64_t block, int64_t enough,
                         bool streamed) {
    const pare_packed_plan plan = {.tokens = tokens, .block = block, .enough = enough, .streamed = streamed};
    return pare_packed_batch_count(list, count, &plan);
}

static void batches_end_before_much_is_filled_up(void **state) {
    (void)state;
    pare_packed list[100];
    for (uint32_t i = 0; i < 100; i++)
        list[i].length = i < 30 ? 10 : i < 40 ? 9 : i < 97 ? 8 : 1;
    assert_int_equal(batch_of(list, 100, 1000, 10, 10, false), 40);       /* 9 of 10 is close enough, 8 is not */
    assert_int_equal(batch_of(list, 100, 1000, 10, 800, false), 80);      /* not before it is worth a pass */
    assert_int_equal(batch_of(list, 100, 1000, 10, 10, true), 100);       /* each pass reads a disk */
    assert_int_equal(batch_of(list, 100, 250, 10, 10, false), 25);        /* no more than fits */
    assert_int_equal(batch_of(list, 100, 250, 10, 800, true), 25);        /* nor then */
    assert_int_equal(batch_of(list, 100, 1000, 160, 100, false), 32);     /* whole blocks of 16 */
    assert_int_equal(batch_of(list, 100, 250, 160, 100, false), 16);      /* also where more does not fit */
    assert_int_equal(batch_of(list + 60, 37, 1000, 160, 100, false), 37); /* but for the last ones */
    assert_int_equal(batch_of(list, 35, 1000, 160, 100, false), 35);
    assert_int_equal(batch_of(list, 100, 4, 4, 1, false), 1); /* nothing fits: one nevertheless */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_gets_its_own_sum),
        cmocka_unit_test(short_answers_cost_one_token_each),
        cmocka_unit_test(batches_end_before_much_is_filled_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
