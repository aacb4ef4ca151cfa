/* Adapters of PEFT for families that name their matrices otherwise, store them as one, or turned round: what they make
 * of the model, merged or beside it, and what pare writes of its own (tests/data/adapters.json). */
#include "peft_cases.h"
#include "safetensors_header.h"

#define ADAPTERS_GOLDEN PARE_SOURCE_DIR "/tests/data/adapters.json"

static int setup(void **state) {
    return adapters_open(state, families_load(), ADAPTERS_GOLDEN);
}

static void adapters_of_peft_do_what_they_do_there(void **state) {
    check_adapters_of_peft(*state, NULL);
}

/* peft's names; its shapes, but for the ranks of fused modules, which the file must say. */
static void check_names(const json_t *one, const char *folder, json_int_t rank) {
    json_t *header = safetensors_header_in(folder, "adapter_model.safetensors"), *row;
    char *path = pare_path_join(folder, "adapter_config.json");
    json_t *config = load_json(path), *targets = json_object_get(config, "target_modules");
    const json_t *ranks = json_object_get(config, "rank_pattern"), *factors = json_object_get(one, "factors");
    size_t i;
    assert_int_equal(json_object_size(header), json_array_size(factors));
    json_array_foreach(factors, i, row) {
        const char *name = json_string_value(json_array_get(row, 0)), *suffix = strstr(name, ".lora_"), *found = NULL;
        const json_t *shape = json_object_get(json_object_get(header, name), "shape");
        bool is_a = strncmp(suffix, ".lora_A", 7) == 0;
        for (size_t j = 0; j < json_array_size(targets); j++) {
            const char *target = json_string_value(json_array_get(targets, j));
            size_t length = strlen(target);
            const char *end = suffix - length;
            if (strncmp(end, target, length) == 0 && end[-1] == '.') found = target;
        }
        if (!shape || !found) fail_msg("%s: %s is not there, or no target", family_name(one), name);
        const json_t *own = json_object_get(ranks, found);
        json_int_t expected = own ? json_integer_value(own) : rank;
        assert_int_equal(json_integer_value(json_array_get(shape, is_a ? 0 : 1)), expected);
        assert_int_equal(json_integer_value(json_array_get(shape, is_a ? 1 : 0)),
                         json_integer_value(json_array_get(json_array_get(row, 1), is_a ? 1 : 0)));
    }
    json_decref(config);
    json_decref(header);
    free(path);
}

/* An adapter of drawn values, written and read back with nothing lost. Returns its folder; *read: what the folder says
 * it is. */
static char *write_and_read(const adapters *a, const family_model *m, const pare_lora_options *options,
                            pare_lora_options *read) {
    char *folder = tiny_folder();
    pare_trained *lora, *back;
    expect(pare_trained_lora(m->model, a->backend, options, &lora), PARE_OK, "");
    tiny_move(lora, 0.3f);
    expect(pare_lora_write_adapter(lora, options, "base", folder), PARE_OK, "");
    expect(pare_lora_read_adapter(m->model, a->backend, folder, read, &back), PARE_OK, "");
    assert_int_equal(back->count, lora->count);
    assert_memory_equal(back->value, lora->value, lora->count * sizeof(float));
    pare_trained_free(back);
    pare_trained_free(lora);
    return folder;
}

/* As peft reads the folder: each module's own product, at its own scale. */
static void what_is_written_has_the_names_of_peft(void **state) {
    const adapters *a = *state;
    size_t i;
    json_t *one;
    json_array_foreach(a->cases, i, one) {
        family_model m = open_case(a, one);
        pare_lora_options options = all_targets, read;
        char *folder = write_and_read(a, &m, &options, &read);
        check_names(one, folder, options.rank);
        remove_folder(folder);
        family_close(&m);
    }
}

/* Only some parts of a fused matrix. */
static void parts_without_factors_stay_so(void **state) {
    const adapters *a = *state;
    static const char *const names[] = {"phi3", "gpt2", "gpt_neox", "falcon groups"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        family_model m = family_open(family_case(&a->all, names[i]), (family_form){.dtype = PARE_DTYPE_F32});
        pare_lora_options options = {.rank = 2, .alpha = 3, .targets = {[PARE_ROLE_Q] = true, [PARE_ROLE_V] = true}},
                          read;
        char *folder = write_and_read(a, &m, &options, &read);
        assert_memory_equal(read.targets, options.targets, sizeof options.targets);
        remove_folder(folder);
        family_close(&m);
    }
}

/* A rank of three parts whose factors are not apart. */
static void other_ranks_are_refused(void **state) {
    const adapters *a = *state;
    size_t i = 0;
    while (strcmp(family_name(json_array_get(a->cases, i)), "phi3") != 0)
        i++;
    json_t *one = json_array_get(a->cases, i), *row;
    json_t *wide = json_deep_copy(one);
    json_array_foreach(json_object_get(wide, "factors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        if (!strstr(name, "qkv_proj")) continue;
        json_array_set_new(json_array_get(row, 1), strstr(name, "lora_A") ? 0 : 1, json_integer(9));
    }
    family_model m = open_case(a, one);
    static const struct {
        const char *ranks, *alphas, *words;
    } cases[] = {
        {"{\"qkv_proj\":9}", "{\"qkv_proj\":18}", "has rank 9 where r is 3"},
        {"{\"qkv_proj\":9}", "{\"qkv_proj\":6}", "rank_pattern is"},
        {"{\"qkv_proj\":9}", "{}", "rank_pattern is"},
        {"{\"qkv_proj\":8}", "{\"qkv_proj\":16}", "rank_pattern is"},
    };
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = write_adapter(a, wide, cases[i].ranks, cases[i].alphas);
        pare_lora_options options;
        pare_trained *lora;
        expect(pare_lora_read_adapter(m.model, a->backend, folder, &options, &lora), PARE_UNSUPPORTED, cases[i].words);
        assert_null(lora);
        remove_folder(folder);
    }
    family_close(&m);
    json_decref(wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_of_peft_do_what_they_do_there),
        cmocka_unit_test(what_is_written_has_the_names_of_peft),
        cmocka_unit_test(parts_without_factors_stay_so),
        cmocka_unit_test(other_ranks_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, adapters_close);
}
