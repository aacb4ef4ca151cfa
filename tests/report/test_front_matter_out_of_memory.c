/* Front matter on a machine whose memory ends at any allocation: all of it is there, or one sentence. */
#include "failing_memory.h"

#include "report/front_matter.h"

static const char card[] = "---\nlicense: mit # ours\ntags: [a, \"b, c\"]\n---\nprose\n";

/* What must fail where a value is not there that the card has. */
static pare_status change(pare_front_matter *matter) {
    PARE_TRY(pare_front_matter_add(matter, "tags", "pare"));
    PARE_TRY(pare_front_matter_put(matter, "base_model", "base_model: org/name\n"));
    char *licence = pare_front_matter_value(matter, "license");
    pare_status status = pare_whole();
    if (status == PARE_OK) assert_string_equal(licence, "mit");
    free(licence);
    return status;
}

static pare_status run(void *context) {
    (void)context;
    pare_front_matter matter;
    const char *body;
    pare_status status = pare_front_matter_read(card, &matter, &body);
    if (status == PARE_OK) status = change(&matter);
    if (status == PARE_OK) {
        assert_int_equal(matter.count, 3);
        assert_string_equal(matter.list[1].text, "tags:\n- a\n- \"b, c\"\n- pare\n");
        assert_string_equal(body, "prose\n");
    }
    pare_front_matter_free(&matter);
    return status;
}

static void nothing_is_lost(void **state) {
    (void)state;
    enum { MOST = 1000 };
    memory_fail_everywhere(&(memory_run){.run = run}, MOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
