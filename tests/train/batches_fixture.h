/* Examples whose tokens say where they come from: token t of example i is 1000 i + t + 1. */
#ifndef PARE_TESTS_TRAIN_BATCHES_FIXTURE_H
#define PARE_TESTS_TRAIN_BATCHES_FIXTURE_H

#include "support/status.h"
#include "train/batches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if ((expression) != PARE_OK) fail_msg("%s: %s", #expression, pare_message());                                  \
    } while (0)

/* `count` examples of 3 to `longest` tokens, a third of them prompt. */
static inline pare_examples make_examples(size_t count, uint32_t longest) {
    pare_examples e = {.ids = malloc(count * longest * sizeof *e.ids), .list = malloc(count * sizeof *e.list)};
    assert_non_null(e.ids);
    assert_non_null(e.list);
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = 3 + (uint32_t)(i * 7919 % (longest - 2));
        e.list[e.count++] = (pare_example){start, length, length / 3};
        for (uint32_t t = 0; t < length; t++)
            e.ids[start++] = (uint32_t)(1000 * i) + t + 1;
    }
    return e;
}

static inline void free_examples(pare_examples *examples) {
    free(examples->ids);
    free(examples->list);
}

static inline pare_batches *make_batches(const pare_examples *examples, pare_batches_options options) {
    pare_batches *batches;
    assert_ok(pare_batches_new(examples, &options, &batches));
    return batches;
}

static inline int32_t expected_target(const pare_examples *examples, size_t index, uint32_t t) {
    const pare_example *example = examples->list + index;
    bool predicts = t + 1 < example->count && pare_example_learns(examples, example, t + 1);
    return predicts ? (int32_t)examples->ids[example->start + t + 1] : -1;
}

/* Checks one sequence token by token against the examples that its ids name; seen[i] counts example i. */
static inline void check_sequence(const pare_examples *examples, const pare_batch *batch, int64_t sequence,
                                  uint32_t *seen) {
    const pare_layout *layout = &batch->layout;
    int64_t at = sequence * layout->length, filled = 0;
    while (filled < batch->lengths[sequence]) {
        size_t index = batch->ids[at + filled] / 1000;
        assert_true(index < examples->count);
        const pare_example *example = examples->list + index;
        assert_true(filled + example->count <= layout->length);
        for (uint32_t t = 0; t < example->count; t++) {
            int64_t k = at + filled + t;
            assert_int_equal(batch->ids[k], examples->ids[example->start + t]);
            assert_int_equal(layout->targets[k], expected_target(examples, index, t));
            assert_int_equal(layout->positions ? layout->positions[k] : filled + t, t);
            assert_int_equal(layout->start ? layout->start[k] : 0, filled);
        }
        filled += example->count;
        seen[index]++;
    }
    assert_int_equal(filled, batch->lengths[sequence]);
    for (int64_t t = filled; t < layout->length; t++) {
        assert_int_equal(batch->ids[at + t], 0);
        assert_int_equal(layout->targets[at + t], -1);
        if (layout->start) assert_in_range(layout->start[at + t], 0, t);
        if (layout->positions) assert_in_range(layout->positions[at + t], 0, layout->length - 1);
    }
}

/* Checks a batch whole, its counts and its length under the limit `most`. */
static inline void check_batch(const pare_examples *examples, const pare_batch *batch, int64_t most, uint32_t *seen) {
    uint64_t tokens = 0, predictions = 0;
    int64_t longest = batch->lengths[0], rounded = (longest + 7) / 8 * 8;
    assert_true(batch->sequences > 0);
    assert_int_equal(batch->layout.length, rounded < most ? rounded : most);
    assert_null(batch->layout.shared);
    for (int64_t s = 0; s < batch->sequences; s++) {
        check_sequence(examples, batch, s, seen);
        tokens += (uint64_t)batch->lengths[s];
        if (s) assert_true(batch->lengths[s] <= batch->lengths[s - 1]);
    }
    for (int64_t k = 0; k < batch->sequences * batch->layout.length; k++)
        predictions += batch->layout.targets[k] >= 0;
    assert_int_equal(batch->tokens, tokens);
    assert_int_equal(batch->predictions, predictions);
}

#endif
