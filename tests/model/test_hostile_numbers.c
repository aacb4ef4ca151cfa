/* Numbers of configurations that would size memory: every one of them, of every third family, made huge or negative.
 * The model is refused, or opened where its weights agree, and what was held meanwhile is what the files are worth. */
#include "model/families.h"
#include "support/memory.h"

#include <sys/resource.h>

enum { MOST_BYTES = 16 << 20 };

static const json_int_t numbers[] = {INT64_MAX, 1LL << 40, INT32_MAX, 1 << 30, -1, INT64_MIN};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static size_t tried, refused;

static void try_folder(const char *folder, const char *name) {
    pare_model *model;
    uint64_t held = pare_memory_current();
    pare_memory_peak_reset();
    pare_status status = pare_model_open(folder, &model);
    tried++;
    refused += status != PARE_OK;
    if (status == PARE_OUT_OF_MEMORY) fail_msg("%s: %s", name, pare_message());
    if (pare_memory_peak() - held > MOST_BYTES)
        fail_msg("%s: %llu bytes were held", name, (unsigned long long)(pare_memory_peak() - held));
    if (status == PARE_OK) pare_model_close(model);
    assert_int_equal(pare_memory_current(), held);
}

static void write_config(const char *folder, const json_t *config) {
    char *path = pare_path_join(folder, "config.json");
    assert_int_equal(json_dump_file(config, path, 0), 0);
    free(path);
}

/* Every integer of `part`, which is `whole` or lies in it. */
static void each_number(const char *folder, const json_t *whole, json_t *part) {
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(part, next, name, value) {
        if (json_is_object(value)) each_number(folder, whole, value);
        if (!json_is_integer(value)) continue;
        json_int_t kept = json_integer_value(value);
        for (size_t i = 0; i < NUMBERS; i++) {
            json_integer_set(value, numbers[i]);
            write_config(folder, whole);
            try_folder(folder, name);
        }
        json_integer_set(value, kept);
    }
}

static void configurations(void **state) {
    (void)state;
    families all = families_load();
    for (size_t i = 0; i < json_array_size(all.cases); i += 3) {
        const json_t *one = json_array_get(all.cases, i);
        char *folder = family_write(one, (family_form){0});
        json_t *config = json_deep_copy(json_object_get(one, "config"));
        each_number(folder, config, config);
        write_config(folder, config);
        try_folder(folder, "as it was");
        json_decref(config);
        tiny_remove(folder);
        free(folder);
    }
    if (refused < tried / 3) fail_msg("%zu of %zu are refused", refused, tried);
    families_free(&all);
}

/* Lists of widths, of which there may be as many as somebody likes to write. */
static void lists(void **state) {
    (void)state;
    static const char *const members[] = {
        "{\"num_hidden_layers\": 2000000000}",
        "{\"num_hidden_layers\": 4294967298}",
        "{\"num_attention_heads\": [4, 2000000000]}",
        "{\"intermediate_size\": [4294967320, 24]}",
        "{\"head_dim\": 1073741824, \"num_attention_heads\": 4}",
        "{\"vocab_size\": 1152921504606846976, \"hidden_size\": 16}",
        "{\"max_position_embeddings\": 9223372036854775807}",
        "{\"rope_scaling\": {\"rope_type\": \"longrope\", \"factor\": 4, \"short_factor\": [], \"long_factor\": []}}",
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char *folder = tiny_model_write((tiny_model){.config = members[i]});
        try_folder(folder, members[i]);
        tiny_remove(folder);
        free(folder);
    }
}

int main(void) {
#ifndef __SANITIZE_ADDRESS__ /* which takes terabytes of addresses for itself */
    struct rlimit limit = {3ULL << 30, 3ULL << 30};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
#endif
    const struct CMUnitTest tests[] = {cmocka_unit_test(configurations), cmocka_unit_test(lists)};
    return cmocka_run_group_tests_name("hostile numbers", tests, NULL, NULL);
}
