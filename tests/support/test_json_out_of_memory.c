/* A document on a machine whose memory ends at any allocation: it comes whole, or one sentence comes in its place. */
#include "failing_memory.h"

#include "support/json.h"

#include <math.h>

static const char whole[] =
    "{\n \"pare\": \"1\",\n \"texts\": [\n  {\n   \"file\": \"caf?\",\n   \"nll\": 1.5\n  },\n  2.5\n"
    " ],\n \"far\": null,\n \"far_reason\": \"too large for a number\",\n \"note\": \"2:4\"\n}\n";

static json_t *make(void) {
    json_t *json = json_object(), *texts = json_array(),
           *notes = pare_json_of({"note", pare_json_format("%d:%d", 2, 4)});
    pare_json_put(json, "pare", pare_json_string("1"));
    pare_json_append(texts, pare_json_of({"file", pare_json_name("caf\xe9")}, {"nll", pare_json_real(1.5)}));
    pare_json_append(texts, pare_json_real(2.5));
    pare_json_put(json, "texts", pare_json_same(texts));
    pare_json_put_measured(json, "far", INFINITY);
    pare_json_update(json, notes);
    json_decref(notes);
    json_decref(texts);
    return json;
}

static pare_status deliver(void *context) {
    (void)context;
    char *text;
    pare_status status = pare_json_text(make(), &text);
    if (status == PARE_OK) assert_string_equal(text, whole);
    if (status != PARE_OK) assert_null(text);
    pare_free(text);
    return status;
}

static void nothing_is_lost(void **state) {
    (void)state;
    enum { MOST = 1000 };
    memory_fail_everywhere(&(memory_run){.run = deliver}, MOST);
}

/* Text that is nearly all names, so that room for one of them is what is lacking. */
static pare_status deliver_names(void *context) {
    char *text, *expected = context;
    json_t *json = json_object();
    for (int i = 0; i < 60; i++) {
        char name[64];
        snprintf(name, sizeof name, "the_name_of_member_number_%03d_of_this_document", i);
        pare_json_put(json, name, json_null());
    }
    pare_status status = pare_json_text(json, &text);
    if (status == PARE_OK && *expected) assert_string_equal(text, expected);
    if (status == PARE_OK && !*expected) strcpy(expected, text);
    pare_free(text);
    return status;
}

static void no_name_is_lost(void **state) {
    (void)state;
    enum { MOST = 1000 };
    static char expected[1 << 14];
    memory_fail_everywhere(&(memory_run){.run = deliver_names, .context = expected}, MOST);
    assert_non_null(strstr(expected, "member_number_059"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost), cmocka_unit_test(no_name_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
