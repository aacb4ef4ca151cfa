/* Lists of examples put behind each other. */
#include "support/memory.h"
#include "text/examples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* `count` examples of two ids each, from `id` on; marked: of chats, whose every second id is not learnt. */
static pare_examples make(size_t count, uint32_t id, bool marked) {
    pare_examples e = {.count = count, .shortened = 1, .dropped = 2, .malformed = 3, .formatted = marked};
    assert_int_equal(pare_alloc(&e.ids, 2 * count, sizeof *e.ids, "ids"), PARE_OK);
    assert_int_equal(pare_alloc(&e.list, count, sizeof *e.list, "examples"), PARE_OK);
    if (marked) assert_int_equal(pare_alloc(&e.learnt, 2 * count, 1, "marks"), PARE_OK);
    for (size_t i = 0; i < 2 * count; i++) {
        e.ids[i] = id + (uint32_t)i;
        e.list[i / 2] = (pare_example){.start = i / 2 * 2, .count = 2, .prompt = 1};
        if (marked) e.learnt[i] = i % 2;
    }
    return e;
}

static void examples_follow_each_other(void **state) {
    (void)state;
    for (int marks = 0; marks < 4; marks++) {
        uint64_t before = pare_memory_current();
        pare_examples to = make(3, 10, marks & 1), from = make(2, 50, marks & 2);
        assert_int_equal(pare_examples_append(&to, &from), PARE_OK);
        assert_true(to.count == 5 && to.shortened == 2 && to.dropped == 4 && to.malformed == 6);
        assert_true(to.formatted == (marks != 0) && (to.learnt != NULL) == (marks != 0));
        for (size_t i = 0; i < 5; i++) {
            const pare_example *example = &to.list[i];
            bool marked = i < 3 ? marks & 1 : marks & 2;
            assert_true(example->start == 2 * i && example->count == 2 && example->prompt == 1);
            assert_int_equal(to.ids[example->start], i < 3 ? 10 + 2 * i : 50 + 2 * (i - 3));
            for (uint32_t t = 0; to.learnt && t < 2; t++)
                assert_int_equal(to.learnt[example->start + t], marked ? t : 1);
            assert_true(!pare_example_learns(&to, example, 0) && pare_example_learns(&to, example, 1));
        }
        pare_examples_free(&to);
        pare_examples_free(&from);
        assert_int_equal(pare_memory_current(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples_follow_each_other)};
    return cmocka_run_group_tests_name("examples appended", tests, NULL, NULL);
}
