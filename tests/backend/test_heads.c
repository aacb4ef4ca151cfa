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

/* Which dimensions turn, and in which pairs. */
static const struct {
    int64_t part, of; /* of the head */
    bool interleaved;
} turns[] = {{0, 1, false}, {1, 2, false}, {1, 4, false}, {0, 1, true}, {1, 2, true}, {3, 4, true}};

/* `turn` of turns; false where no even number of dimensions is that part of the head. */
static bool turn_by(pare_heads *s, int64_t turn) {
    s->rotated = s->head * turns[turn].part / turns[turn].of / 2 * 2;
    s->interleaved = turns[turn].interleaved;
    return turns[turn].part == 0 || s->rotated > 0;
}

static float *rotation_new(const pare_heads *s) {
    int64_t positions = s->offset + s->tokens, rotated = s->rotated ? s->rotated : s->head, half = rotated / 2;
    float *rotation = floats(positions * rotated);
    for (int64_t p = 0; p < positions; p++)
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)p * pow(10000.0, -(double)i / (double)half);
            rotation[p * rotated + i] = (float)cos(angle);
            rotation[p * rotated + half + i] = (float)sin(angle);
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

/* In place, and there and back again. */
static void check_rotate(const backends *b, const pare_heads *s, const float *rotation) {
    int64_t size = s->batch * s->tokens * s->groups * s->shared * s->head;
    float *in = random_floats(size, 3, 1.0f, PARE_DTYPE_F32), *actual = floats(size), *expected = floats(size);
    for (int back = 0; back < 2; back++) {
        memcpy(actual, in, (size_t)size * sizeof *in), memcpy(expected, in, (size_t)size * sizeof *in);
        b->tested->operations->rotate(b->tested, s, actual, rotation, back);
        b->reference->operations->rotate(b->reference, s, expected, rotation, back);
        for (int64_t i = 0; i < size; i++)
            check_element(b, actual[i], expected[i], i);
        b->tested->operations->rotate(b->tested, s, actual, rotation, !back);
        for (int64_t i = 0; i < size; i++)
            check_near((double)actual[i], (double)in[i], 1e-5, "there and back", i);
    }
    RELEASE(in, actual, expected);
}

static void every_shape(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(shapes) * LENGTH(turns); i++) {
        pare_heads s = shape_of(shapes[i / LENGTH(turns)]);
        if (!turn_by(&s, i % LENGTH(turns))) continue;
        float *rotation = rotation_new(&s);
        check_split(b, &s, NULL);
        check_split(b, &s, rotation);
        check_merge(b, &s, NULL);
        check_merge(b, &s, rotation);
        check_rotate(b, &s, rotation);
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

/* One head of six at a quarter turn for the first angle and none for the second: which pairs turn, and what stays. */
static void known_pairs(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    const float in[] = {1, 2, 3, 4, 5, 6}, angles[] = {0, 1, 1, 0}, whole[] = {0, 1, 1, 1, 0, 0};
    const struct {
        int64_t rotated;
        bool interleaved;
        float out[6];
    } known[] = {{4, false, {-3, 2, 1, 4, 5, 6}},
                 {4, true, {-2, 1, 3, 4, 5, 6}},
                 {0, false, {-4, 2, 3, 1, 5, 6}},
                 {0, true, {-2, 1, 3, 4, 5, 6}},
                 {6, true, {-2, 1, 3, 4, 5, 6}}};
    for (int64_t i = 0; i < LENGTH(known); i++) {
        const pare_heads s = {.batch = 1,
                              .tokens = 1,
                              .groups = 1,
                              .shared = 1,
                              .head = 6,
                              .capacity = 1,
                              .rotated = known[i].rotated,
                              .interleaved = known[i].interleaved};
        const float *rotation = known[i].rotated == 4 ? angles : whole;
        float out[6], back[6];
        memcpy(back, in, sizeof in);
        r->operations->split_heads(r, &s, in, rotation, out);
        r->operations->rotate(r, &s, back, rotation, false);
        for (int j = 0; j < 6; j++)
            assert_true(out[j] == known[i].out[j] && back[j] == out[j]);
        r->operations->merge_heads(r, &s, out, rotation, back);
        for (int j = 0; j < 6; j++)
            assert_true(back[j] == in[j]);
    }
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
        check_rotate(b, &s, rotation);
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
    const struct CMUnitTest tests[] = {WITH_FP32(every_shape), WITH_BF16(every_shape),   WITH_FP32(known_places),
                                       WITH_FP32(known_pairs), WITH_FP32(own_positions), WITH_BF16(own_positions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
