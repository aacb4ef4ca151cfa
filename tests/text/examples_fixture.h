/* Examples of a file that a test writes, spelled out: ^ for BOS, $ for EOS, [ ] around what is learnt. */
#ifndef PARE_TESTS_TEXT_EXAMPLES_FIXTURE_H
#define PARE_TESTS_TEXT_EXAMPLES_FIXTURE_H

#include "byte_fixture.h"
#include "text/examples.h"

static inline pare_status read_examples(const char *name, const char *data, size_t bytes, pare_examples_request request,
                                        pare_examples *out) {
    pare_tokenizer *tokenizer = make_tokenizer(true);
    char *path = write_file(name, data, bytes);
    request.path = path;
    pare_status status = pare_examples_read(tokenizer, &request, out);
    pare_tokenizer_close(tokenizer);
    remove_file(path);
    return status;
}

static inline pare_examples examples_of(const char *name, const char *data, pare_examples_request request) {
    pare_examples examples;
    if (!request.cutoff) request.cutoff = 1000;
    assert_ok(read_examples(name, data, strlen(data), request, &examples));
    return examples;
}

static inline void assert_example(const pare_examples *examples, size_t index, const char *expected) {
    char text[4096];
    size_t bytes = 0;
    assert_true(index < examples->count);
    const pare_example *example = examples->list + index;
    bool inside = false;
    assert_true(example->count < 1000);
    for (uint32_t t = 0; t < example->count; t++) {
        uint32_t id = examples->ids[example->start + t];
        bool learnt = pare_example_learns(examples, example, t);
        if (learnt != inside) text[bytes++] = learnt ? '[' : ']';
        inside = learnt;
        text[bytes++] = id == 256 ? '^' : id == 257 ? '$' : (char)id;
    }
    if (inside) text[bytes++] = ']';
    text[bytes] = 0;
    assert_string_equal(text, expected);
}

#endif
