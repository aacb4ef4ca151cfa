/* Splitting and merging heads, with and without the rotary embedding, into caches with an offset. */
#include "backend/compare.h"

static const int64_t shapes[][7] = {
    /* batch, tokens, groups, shared, head, capacity, offset */
    {1, 1, 1, 1, 2, 1, 0},  {2, 5, 3, 1, 8, 5, 0},       {1, 7, 2, 3, 16, 7, 0},
    {2, 3, 2, 8, 80, 9, 4}, {1, 1, 4, 1, 128, 300, 255}, {3, 130, 2, 2, 16, 140, 10},
};

static pare_heads shape_of(const int64_t x[7]) {
    return (pare_heads){
        .batch = x[0], .tokens = x[1], .groups = x[2], .shared = x[3], .head = x[4], .capacity = x[5], .offset = x[6]};
}

static float *rotation_new(const pare_heads *s) {
    int64_t positions = s->offset + s->tokens, half = s->head / 2;
    float *rotation = floats(positions * s->head);
    for (int64_t p = 0; p < positions; p++)
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)p * pow(10000.0, -(double)i / (double)half);
            rotation[p * s->head + i] = (float)cos(angle);
            rotation[p * s->head + half + i] = (float)sin(angle);
        }
    return rotation;
}

/* One element is at most two products and a sum in fp32, of inputs below 6, then rounded to an operand. */
static void check_element(const backends *b, float actual, float expected, int64_t index) {
    check_near((double)actual, (double)expected, 3.0 * UNIT_FP32 * 12.0 + b->unit * fabs((double)expected), "head",
               index);
}

static void check_split(const backends *b, const pare_heads *s, const float *rotation) {
    int64_t width = s->groups * s->shared * s->head, size = s->batch * s->tokens * width;
    int64_t slots = s->batch * s->capacity * width;
    float *in = random_floats(size, 1, 1.0f, PARE_DTYPE_F32), *untouched = filled(slots, 77.0f);
    float *expected = filled(slots, 77.0f);
    void *out = operand_of(b->tested, untouched, slots);
    b->tested->operations->split_heads(b->tested, s, in, rotation, out);
    b->reference->operations->split_heads(b->reference, s, in, rotation, expected);
    float *actual = floats_of(b->tested, out, slots);
    for (int64_t i = 0; i < slots; i++)
        check_element(b, actual[i], expected[i], i);
    RELEASE(in, untouched, expected, out, actual);
}

static void check_merge(const backends *b, const pare_heads *s, const float *rotation) {
    int64_t width = s->groups * s->shared * s->head, size = s->batch * s->tokens * width;
    float *in = random_floats(s->batch * s->capacity * width, 2, 1.0f, PARE_DTYPE_F32), *expected = floats(size);
    void *out = buffer(size, pare_operand_size(b->tested));
    b->tested->operations->merge_heads(b->tested, s, in, rotation, out);
    b->reference->operations->merge_heads(b->reference, s, in, rotation, expected);
    float *actual = floats_of(b->tested, out, size);
    for (int64_t i = 0; i < size; i++)
        check_element(b, actual[i], expected[i], i);
    RELEASE(in, expected, out, actual);
}

static void every_shape(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(shapes); i++) {
        const pare_heads s = shape_of(shapes[i]);
        float *rotation = rotation_new(&s);
        check_split(b, &s, NULL);
        check_split(b, &s, rotation);
        check_merge(b, &s, NULL);
        check_merge(b, &s, rotation);
        free(rotation);
    }
}

/* The reference's own layout, by hand: token 1 of 2, key/value head 1 of 2, query head 2 of 3, and a quarter turn. */
static void known_places(void **state) {
    const backends *b = backends_of(state);
    const pare_heads s = {.batch = 1, .tokens = 2, .groups = 2, .shared = 3, .head = 2, .capacity = 4, .offset = 1};
    float in[24], out[48] = {0}, back[24] = {0};
    for (int i = 0; i < 24; i++)
        in[i] = (float)i;
    const float quarter_turns[] = {1, 0, 1, 0, 0, 1, 0, 1}; /* positions 0 and 1 stay, 2 and 3 turn by 90 degrees */
    b->reference->operations->split_heads(b->reference, &s, in, quarter_turns, out);
    int from = (1 * 6 + 1 * 3 + 2) * 2, to = ((1 * 4 + 1 + 1) * 3 + 2) * 2;
    assert_true(out[to] == -in[from + 1] && out[to + 1] == in[from]);
    b->reference->operations->merge_heads(b->reference, &s, out, quarter_turns, back);
    assert_memory_equal(in, back, sizeof in);
}

/* Tokens turn by positions of their own, from the last to the first; where they lie does not change. */
static void own_positions(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(shapes); i++) {
        pare_heads s = shape_of(shapes[i]);
        float *rotation = rotation_new(&s);
        int32_t *positions = buffer(s.batch * s.tokens, sizeof *positions);
        for (int64_t t = 0; t < s.batch * s.tokens; t++)
            positions[t] = (int32_t)((s.batch * s.tokens - t) % (s.offset + s.tokens));
        s.positions = positions;
        check_split(b, &s, rotation);
        check_merge(b, &s, rotation);
        RELEASE(rotation, positions);
    }
    const pare_heads two = {.batch = 2,
                            .tokens = 1,
                            .groups = 1,
                            .shared = 1,
                            .head = 2,
                            .capacity = 1,
                            .positions = (const int32_t[]){1, 0}};
    const float in[] = {1, 2, 3, 4}, quarter_turns[] = {1, 0, 0, 1}, expected[] = {-2, 1, 3, 4};
    float out[4];
    b->reference->operations->split_heads(b->reference, &two, in, quarter_turns, out);
    assert_memory_equal(out, expected, sizeof out);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_shape), WITH_BF16(every_shape), WITH_FP32(known_places),
                                       WITH_FP32(own_positions), WITH_BF16(own_positions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
