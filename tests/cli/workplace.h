/* A fresh folder with a copy of the bundled model in it, and a look at what is left there after a run. */
#ifndef PARE_TESTS_CLI_WORKPLACE_H
#define PARE_TESTS_CLI_WORKPLACE_H

#include "cli/program.h"
#include "support/file.h"
#include "tiny_model.h"

#include <dirent.h>

typedef struct workplace {
    char *folder; /* holds only `model` at first */
    char *model, *weights, *output, *text;
} workplace;

/* The bytes of a file (any size); freed with free(). */
static inline unsigned char *workplace_read(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = calloc(*bytes + 1, 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

/* The file `name` holds the same bytes in both folders. */
static inline void workplace_expect_same_file(const char *one, const char *other, const char *name) {
    char *paths[] = {pare_path_join(one, name), pare_path_join(other, name)};
    size_t bytes[2];
    unsigned char *a = workplace_read(paths[0], &bytes[0]), *b = workplace_read(paths[1], &bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(a, b, bytes[0]);
    free(a);
    free(b);
    free(paths[0]);
    free(paths[1]);
}

/* Copies one file of the bundled model. */
static inline void workplace_copy_file(const char *target, const char *name) {
    size_t bytes;
    char *from = pare_path_join(PARE_SOURCE_DIR "/examples/tiny-stories", name);
    unsigned char *data = workplace_read(from, &bytes);
    tiny_write_file(target, name, data, bytes);
    free(data);
    free(from);
}

static inline void workplace_copy_model(const char *target) {
    static const char *const names[] = {"config.json",     "model.safetensors",     "tokenizer.json",
                                        "tokenizer.model", "tokenizer_config.json", "generation_config.json"};
    assert_int_equal(mkdir(target, 0755), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        workplace_copy_file(target, names[i]);
}

/* The names in a folder, sorted, each on a line; freed with free(). */
static inline char *workplace_list(const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    assert_true(count >= 0);
    char *list = pare_format("%s", "");
    for (int i = 0; i < count; i++) {
        char *longer = pare_format("%s%s\n", list, entries[i]->d_name);
        free(list);
        free(entries[i]);
        list = longer;
    }
    free(entries);
    return list;
}

static inline void workplace_expect_entries(const char *folder, const char *expected) {
    char *now = workplace_list(folder);
    assert_string_equal(now, expected);
    free(now);
}

static inline int workplace_open(void **state) {
    workplace *place = calloc(1, sizeof *place);
    assert_non_null(place);
    place->folder = tiny_folder();
    place->model = pare_path_join(place->folder, "model");
    place->weights = pare_path_join(place->model, "model.safetensors");
    place->output = pare_path_join(place->folder, "out");
    place->text = pare_path_join(place->folder, "text.txt");
    workplace_copy_model(place->model);
    *state = place;
    return 0;
}

static inline int workplace_close(void **state) {
    workplace *place = *state;
    tiny_remove(place->folder);
    free(place->folder);
    free(place->model);
    free(place->weights);
    free(place->output);
    free(place->text);
    free(place);
    return 0;
}

/* The model once more, as org/tiny lies in the Hub's cache; freed with free(). */
static inline char *workplace_model_in_a_cache(const workplace *place) {
    static const char *const folders[] = {"hub", "hub/models--org--tiny", "hub/models--org--tiny/snapshots"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *folder = pare_path_join(place->folder, folders[i]);
        assert_int_equal(mkdir(folder, 0755), 0);
        free(folder);
    }
    char *model = pare_path_join(place->folder, "hub/models--org--tiny/snapshots/abc");
    workplace_copy_model(model);
    return model;
}

/* Ordinary text, long enough for two windows of 32 tokens in each paragraph. */
static inline void workplace_write_text(const workplace *place) {
    FILE *file = fopen(place->text, "w");
    assert_non_null(file);
    for (int paragraph = 0; paragraph < 8; paragraph++) {
        for (int i = 0; i < 12; i++)
            fprintf(file, "one day, a little %s went to the park and found a big red ball. ",
                    (i + paragraph) % 3 ? "girl" : "dog");
        fputs("\n\n", file);
    }
    fclose(file);
}

/* Every quick run of pare prune in these tests ends with these words. */
#define QUICKLY "--steps", "2", "--samples", "2", "--length", "32", "--quiet"

/* The words must fail as program_expect_failure says, and leave the folder as it is. */
static inline void workplace_expect_nothing_left(const workplace *place, int code, const char *part,
                                                 const char *const *words) {
    char *before = workplace_list(place->folder);
    program_expect_failure(code, part, words);
    workplace_expect_entries(place->folder, before);
    free(before);
}

#define EXPECT_NOTHING_LEFT(place, code, part, ...)                                                                    \
    workplace_expect_nothing_left(place, code, part, (const char *const[]){__VA_ARGS__, NULL})

#define IN_A_WORKPLACE(test) cmocka_unit_test_setup_teardown(test, workplace_open, workplace_close)

#endif
