/* Text that is printed into memory comes whole or not at all, wherever memory ends. */
#include "failing_memory.h"

#include "support/file.h"
#include "support/text_stream.h"

enum { LINES = 3000 };

static pare_status print(void *context) {
    char *text;
    size_t bytes;
    (void)context;
    FILE *out = pare_text_stream(&text, &bytes);
    for (int i = 0; out && i < LINES; i++)
        fprintf(out, "line %04d\n", i);
    bool whole = out && fclose(out) == 0;
    if (!whole) {
        assert_null(text);
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the text");
    }
    assert_int_equal(bytes, 10 * LINES);
    assert_int_equal(strlen(text), bytes);
    assert_memory_equal(text + bytes - 10, "line 2999\n", 10);
    free(text);
    return PARE_OK;
}

static void text_comes_whole(void **state) {
    (void)state;
    enum { MOST = 1000 };
    memory_fail_everywhere(&(memory_run){.run = print}, MOST);
}

/* Empty, and told how far it is. */
static void positions(void **state) {
    (void)state;
    char *text;
    size_t bytes;
    FILE *out = pare_text_stream(&text, &bytes);
    assert_int_equal(ftell(out), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "");
    free(text);
    out = pare_text_stream(&text, &bytes);
    fputs("12345", out);
    assert_int_equal(ftell(out), 5);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "12345");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_comes_whole), cmocka_unit_test(positions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
