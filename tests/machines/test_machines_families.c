/* pare prune under mpirun, of models with experts, latents and projections beside their blocks: the model of one
 * process, to the last byte. */
#include "../model/families.h"
#include "prune_place.h"

/* Four shards, or two of a half. */
enum { SEQUENCES = 172, LENGTH = 48 };

typedef struct all {
    families experts, others;
    place *place;
} all;

static int set_up_families(void **state) {
    all *a = calloc(1, sizeof *a);
    assert_non_null(a);
    set_up((void **)&a->place);
    a->experts = families_load_from(EXPERTS_GOLDEN);
    a->others = families_load_from(FAMILIES_GOLDEN);
    *state = a;
    return 0;
}

static int tear_down_families(void **state) {
    all *a = *state;
    families_free(&a->experts);
    families_free(&a->others);
    tear_down((void **)&a->place);
    free(a);
    return 0;
}

static void write_ids(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int s = 0; s < SEQUENCES; s++) {
        fputs(s ? ",[" : "[[", file);
        for (int t = 0; t < LENGTH; t++)
            fprintf(file, "%s%d", t ? "," : "", 3 + (s * s * 7 + t * (s + 5) * 13 + t * t) % 61);
        fputs("]", file);
    }
    fputs("]\n", file);
    fclose(file);
}

/* The case's model, in a folder of its own, pruned by one process (ranks NULL) or by several into one of the outputs.
 */
static void prune(const place *p, const char *folder, const char *ids, const char *ranks, const char *const *words) {
    const char *command[PROGRAM_WORDS] = {PARE_PROGRAM, "prune",  folder,     "-o",     p->output[ranks != NULL],
                                          "--calib",    ids,      "--length", "48",     "--threads",
                                          "1",          "--json", "--quiet",  "--force"};
    size_t count = 0;
    while (command[count])
        count++;
    while (*words)
        command[count++] = *words++;
    program_result result =
        ranks ? ranks_run((const char *const[]){"-n", ranks, NULL}, command) : program_run(command + 1);
    if (result.code) fail_msg("%s", result.err);
    assert_string_equal(result.err, "");
    program_result_free(&result);
}

static void expect_same(const all *a, const char *name, bool experts, const char *ranks, const char *const *words) {
    const place *p = a->place;
    const families *of = experts ? &a->experts : &a->others;
    char *folder = family_write(family_case(of, name), (family_form){.dtype = PARE_DTYPE_BF16}), ids[300];
    ranks_join(ids, sizeof ids, p->folder, "ids.json");
    write_ids(ids);
    prune(p, folder, ids, NULL, words);
    prune(p, folder, ids, ranks, words);
    bytes alone = weights_of(p->output[0]), other = weights_of(p->output[1]);
    assert_int_equal(alone.count, other.count);
    if (memcmp(alone.data, other.data, alone.count) != 0)
        fail_msg("%s ranks make another model of %s with %s", ranks, name, words[3]);
    free(alone.data);
    free(other.data);
    tiny_remove(folder);
    free(folder);
}

#define CHANNELS "--attention-layers", "none", "--ratio", "0.3"
#define SAME(a, name, experts, ranks, samples, ...)                                                                    \
    expect_same(a, name, experts, ranks, (const char *const[]){"--samples", samples, "--method", __VA_ARGS__, NULL})

static void test_gradients(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "deepseek_v2", true, "3", "172", "taylor", CHANNELS);
    SAME(*state, "opt narrow embedding", false, "2", "172", "taylor", CHANNELS);
}

static void test_repairs(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "qwen2_moe", true, "2", "172", "best", CHANNELS);
    SAME(*state, "mixtral", true, "3", "172", "reap", "--ratio", "0.5", "--compensate", "ls", "--router", "fit");
}

/* With two shards the last of three ranks sees no token. */
static void test_compared(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "deepseek_v3", true, "3", "86", "expert-obs", "--ratio", "0.5", "--experts", "merge");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients), cmocka_unit_test(test_repairs),
                                       cmocka_unit_test(test_compared)};
    return cmocka_run_group_tests(tests, set_up_families, tear_down_families);
}
