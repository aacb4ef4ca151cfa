/* Rotary positions of config.json: which of its places holds, as in transformers 5 (modeling_rope_utils.py,
 * convert_rope_params_to_dict), and that what is written says the same to transformers 4 and 5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/config_rope.h"
#include "model/family.h"
#include "tiny_model.h"

enum { POSITIONS = 512 };

#define LOW_HIGH "\"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4"

typedef struct reading {
    const char *config;
    pare_rope_kind kind;
    double theta, factor, original;
} reading;

static const reading readings[] = {
    {"{}", PARE_ROPE_PLAIN, 10000, 0, 0},
    {"{\"rope_theta\": 5e5}", PARE_ROPE_PLAIN, 5e5, 0, 0},
    {"{\"rope_theta\": 5e5, \"rope_parameters\": {\"rope_type\": \"default\"}}", PARE_ROPE_PLAIN, 5e5, 0, 0},
    {"{\"rope_theta\": 2e4, \"rope_parameters\": {\"rope_theta\": 1e4}}", PARE_ROPE_PLAIN, 1e4, 0, 0},
    {"{\"rope_parameters\": null, \"rope_scaling\": null}", PARE_ROPE_PLAIN, 1e4, 0, 0},
    {"{\"rope_scaling\": {\"type\": \"default\", \"rope_type\": \"linear\", \"factor\": 2}}", PARE_ROPE_LINEAR, 1e4, 2,
     0},
    {"{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2},"
     "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 1e4}}",
     PARE_ROPE_LINEAR, 1e4, 2, 0},
    {"{\"rope_theta\": 2e4, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4},"
     "\"rope_parameters\": {\"rope_type\": \"default\"}}",
     PARE_ROPE_LINEAR, 2e4, 4, 0},
    {"{\"rope_scaling\": {}, \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 3, \"rope_theta\": 7}}",
     PARE_ROPE_LINEAR, 7, 3, 0},
    {"{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}}", PARE_ROPE_DYNAMIC, 1e4, 2, 0},
    {"{\"rope_scaling\": {\"rope_type\": \"llama3\", " LOW_HIGH ", \"original_max_position_embeddings\": 64}}",
     PARE_ROPE_LLAMA3, 1e4, 8, 64},
    {"{\"original_max_position_embeddings\": 32, \"rope_scaling\": {\"rope_type\": \"llama3\", " LOW_HIGH
     ", \"original_max_position_embeddings\": 64}}",
     PARE_ROPE_LLAMA3, 1e4, 8, 32},
    {"{\"rope_parameters\": {\"rope_type\": \"llama3\", " LOW_HIGH "}}", PARE_ROPE_LLAMA3, 1e4, 8, POSITIONS},
    {"{\"partial_rotary_factor\": 0.25}", PARE_ROPE_PLAIN, 1e4, 0, 0},
    {"{\"rope_parameters\": {\"rope_type\": \"default\", \"partial_rotary_factor\": 0.25}}", PARE_ROPE_PLAIN, 1e4, 0,
     0},
};

static json_t *parse(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static pare_config llama(void) {
    return (pare_config){.family = &pare_family_llama, .head_size = 16, .stated_positions = POSITIONS};
}

static void expect(const json_t *json, const reading *r) {
    pare_config config = llama();
    pare_fields fields = {.path = "config.json", .object = json};
    if (pare_config_read_rope(fields, &config) != PARE_OK) fail_msg("%s: %s", r->config, pare_message());
    pare_rope_config rope = config.rope[0];
    if (rope.kind != r->kind || rope.theta != r->theta || rope.factor != r->factor ||
        rope.original_positions != r->original)
        fail_msg("%s: read as %s, theta %g, factor %g, original %g", r->config, pare_rope_name(rope.kind), rope.theta,
                 rope.factor, rope.original_positions);
    pare_config_free(&config);
}

static void reads_what_transformers_reads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        json_t *json = parse(readings[i].config);
        expect(json, &readings[i]);
        json_decref(json);
    }
}

/* The older places alone, and the newer one alone, each say what was read. */
static void writes_it_for_both(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        json_t *json = parse(readings[i].config);
        pare_config config = llama();
        assert_int_equal(pare_config_read_rope((pare_fields){.path = "config.json", .object = json}, &config), PARE_OK);
        pare_config_write_rope(&config.rope[0], json);
        assert_null(json_object_get(json, "partial_rotary_factor"));
        expect(json, &readings[i]);
        json_t *older = json_deep_copy(json), *newer = json_deep_copy(json);
        json_object_del(older, "rope_parameters");
        json_object_del(newer, "rope_scaling");
        json_object_del(newer, "rope_theta");
        reading kept = readings[i];
        if (kept.kind == PARE_ROPE_PLAIN) kept.factor = 0;
        expect(older, &kept);
        expect(newer, &kept);
        /* transformers 4 looks for theta nowhere else. */
        assert_true(json_real_value(json_object_get(older, "rope_theta")) == kept.theta);
        json_decref(older);
        json_decref(newer);
        json_decref(json);
    }
}

static void contradictions_are_refused(void **state) {
    (void)state;
    static const char *const configs[][2] = {
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"rope_parameters\": {\"rope_theta\": 5e5}}",
         "by the first one theta is 10000, by the second 500000"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2, \"rope_theta\": 3}, \"rope_theta\": 5,"
         "\"rope_parameters\": {\"rope_theta\": 5}}",
         "theta is 3"},
        {"{\"rope_scaling\": {\"type\": \"default\"}, \"rope_parameters\": {\"partial_rotary_factor\": 0.5}}",
         "1 of each head is rotated, by the second 0.5"},
        {"{\"partial_rotary_factor\": 0.5, \"rope_scaling\": {\"rope_type\": \"llama3\", " LOW_HIGH "}}",
         "partial_rotary_factor"},
        {"{\"rope_scaling\": {\"rope_type\": \"dynamic\"}}", "factor"},
        {"{\"rope_scaling\": [], \"rope_parameters\": {}}", "rope_scaling"},
        {"{\"rope_scaling\": \"linear\"}", "rope_scaling"},
        {"{\"rope_scaling\": {\"rope_type\": \"ntk\", \"factor\": 2}}",
         "default, linear, dynamic, llama3, yarn and longrope"},
        {"{\"rope_scaling\": {\"rope_type\": \"yarn\"}}", "factor"},
        {"{\"rope_scaling\": {\"rope_type\": \"longrope\", \"short_factor\": [1], \"long_factor\": [1]}}",
         "list of 8 numbers"},
        {"{\"original_max_position_embeddings\": -1, \"rope_scaling\": {\"rope_type\": \"llama3\", " LOW_HIGH "}}",
         "original_max_position_embeddings"},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        json_t *json = parse(configs[i][0]);
        pare_config config = llama();
        pare_status status = pare_config_read_rope((pare_fields){.path = "config.json", .object = json}, &config);
        if (status == PARE_OK || !strstr(pare_message(), configs[i][1]))
            fail_msg("%s: status %d: %s", configs[i][0], status, pare_message());
        pare_config_free(&config);
        json_decref(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_transformers_reads),
        cmocka_unit_test(writes_it_for_both),
        cmocka_unit_test(contradictions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
