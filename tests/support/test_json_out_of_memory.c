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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
