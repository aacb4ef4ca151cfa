/* What is pruned by one process and by several ranks, and how. */
#ifndef PARE_TESTS_MACHINES_PRUNE_PLACE_H
#define PARE_TESTS_MACHINES_PRUNE_PLACE_H

#include "ranks.h"

static const char model[] = PARE_SOURCE_DIR "/examples/tiny-stories";

typedef struct place {
    char *folder;
    char text[256], output[2][256];
} place;

static inline int set_up(void **state) {
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->folder = tiny_folder();
    ranks_text(p->folder, 2400, p->text, sizeof p->text);
    ranks_join(p->output[0], sizeof p->output[0], p->folder, "alone");
    ranks_join(p->output[1], sizeof p->output[1], p->folder, "ranks");
    *state = p;
    return 0;
}

static inline int tear_down(void **state) {
    place *p = *state;
    tiny_remove(p->folder);
    free(p->folder);
    free(p);
    return 0;
}

/* The command, with those words behind it; NULL after the last. */
static inline void command_of(const place *p, const char *const *words, int output, const char **out) {
    const char *const start[] = {PARE_PROGRAM, "prune",   model,      "-o", p->output[output], "--calib-stream",
                                 "--calib",    p->text,   "--length", "64", "--threads",       "1",
                                 "--json",     "--quiet", "--force",  NULL};
    size_t count = 0;
    for (size_t i = 0; start[i]; i++)
        out[count++] = start[i];
    for (size_t i = 0; words[i]; i++)
        out[count++] = words[i];
    out[count] = NULL;
}

typedef struct bytes {
    char *data;
    size_t count;
} bytes;

static inline bytes weights_of(const char *folder) {
    char path[300];
    struct stat file;
    ranks_join(path, sizeof path, folder, "model.safetensors");
    assert_int_equal(stat(path, &file), 0);
    return (bytes){ranks_file(path), (size_t)file.st_size};
}

#endif
