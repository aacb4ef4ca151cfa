/* Tiny models of families, pruned by one process and by several ranks. */
#ifndef PARE_TESTS_MACHINES_FAMILY_RANKS_H
#define PARE_TESTS_MACHINES_FAMILY_RANKS_H

#include "../model/families.h"
#include "prune_place.h"

/* Four shards, or two of a half. */
enum { SEQUENCES = 172, LENGTH = 48 };

typedef struct all {
    families experts, others;
    place *place;
} all;

static inline int set_up_families(void **state) {
    all *a = calloc(1, sizeof *a);
    assert_non_null(a);
    set_up((void **)&a->place);
    a->experts = families_load_from(EXPERTS_GOLDEN);
    a->others = families_load_from(FAMILIES_GOLDEN);
    *state = a;
    return 0;
}

static inline int tear_down_families(void **state) {
    all *a = *state;
    families_free(&a->experts);
    families_free(&a->others);
    tear_down((void **)&a->place);
    free(a);
    return 0;
}

static inline void write_ids(const char *path) {
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

/* A word that stands for a file beside the output. */
#define BESIDE "OUTPUT.beside"

/* The command that prunes the model in `folder` into one of the outputs. beside: what BESIDE stands for. */
static inline void family_command(const place *p, const char *folder, const char *ids, int output, char beside[300],
                                  const char *const *words, const char **out) {
    const char *const start[] = {PARE_PROGRAM, "prune", folder,   "-o",      p->output[output], "--calib", ids,
                                 "--threads",  "1",     "--json", "--quiet", "--force",         NULL};
    size_t count = 0;
    snprintf(beside, 300, "%s.beside", p->output[output]);
    while (start[count]) {
        out[count] = start[count];
        count++;
    }
    for (; *words; words++)
        out[count++] = strcmp(*words, BESIDE) == 0 ? beside : *words;
    out[count] = NULL;
}

/* By one process (ranks NULL) or by several. */
static inline void prune(const place *p, const char *folder, const char *ids, const char *ranks,
                         const char *const *words) {
    const char *command[PROGRAM_WORDS];
    char beside[300];
    family_command(p, folder, ids, ranks != NULL, beside, words, command);
    program_result result =
        ranks ? ranks_run((const char *const[]){"-n", ranks, NULL}, command) : program_run(command + 1);
    if (result.code) fail_msg("%s", result.err);
    assert_string_equal(result.err, "");
    program_result_free(&result);
}

static inline void expect_same_outputs(const place *p, const char *what) {
    bytes alone = weights_of(p->output[0]), other = weights_of(p->output[1]);
    assert_int_equal(alone.count, other.count);
    if (memcmp(alone.data, other.data, alone.count) != 0) fail_msg("ranks make another model: %s", what);
    free(alone.data);
    free(other.data);
}

/* The case's model, in a folder of its own; and the ids to prune it with. */
static inline char *family_folder(const all *a, const char *name, bool experts, char ids[300]) {
    const families *of = experts ? &a->experts : &a->others;
    ranks_join(ids, 300, a->place->folder, "ids.json");
    write_ids(ids);
    return family_write(family_case(of, name), (family_form){.dtype = PARE_DTYPE_BF16});
}

static inline void expect_same(const all *a, const char *name, bool experts, const char *ranks,
                               const char *const *words) {
    char ids[300], *folder = family_folder(a, name, experts, ids);
    prune(a->place, folder, ids, NULL, words);
    prune(a->place, folder, ids, ranks, words);
    expect_same_outputs(a->place, name);
    tiny_remove(folder);
    free(folder);
}

#define SAME(a, name, experts, ranks, samples, ...)                                                                    \
    expect_same(a, name, experts, ranks,                                                                               \
                (const char *const[]){"--samples", samples, "--length", "48", "--method", __VA_ARGS__, NULL})

#endif
