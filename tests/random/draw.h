/* Draws from the option table: values that an option takes, mostly, and some that it does not; always the same from the
 * same seed. */
#ifndef PARE_TESTS_RANDOM_DRAW_H
#define PARE_TESTS_RANDOM_DRAW_H

#include "cli/command.h"
#include "support/file.h"
#include "support/random.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN_WORDS = 64 };

typedef struct drawn {
    char *words[DRAWN_WORDS + 1]; /* NULL after the last */
    size_t count;
} drawn;

/* Files of the folder in which a command is tried, by what they are. */
typedef struct drawn_place {
    const char *folder;
    const char *const *files; /* names in the folder, NULL after the last */
} drawn_place;

static inline uint64_t draw(pare_random *random, uint64_t below) {
    return pare_random_below(random, below);
}

static inline const char *draw_one(pare_random *random, const char *const *list) {
    size_t count = 0;
    while (list[count])
        count++;
    return list[draw(random, count)];
}

#define DRAW_ONE(random, ...) draw_one(random, (const char *const[]){__VA_ARGS__, NULL})

static inline void drawn_add(drawn *to, char *word) {
    if (to->count < DRAWN_WORDS)
        to->words[to->count++] = word;
    else
        free(word);
}

static inline bool drawn_has(const drawn *of, const char *word) {
    for (size_t i = 0; i < of->count; i++)
        if (strcmp(of->words[i], word) == 0) return true;
    return false;
}

static inline void drawn_free(drawn *of) {
    while (of->count)
        free(of->words[--of->count]);
}

static inline char *draw_file(pare_random *random, const drawn_place *place) {
    return pare_path_join(place->folder, draw_one(random, place->files));
}

static inline char *draw_text(pare_random *random, const pare_option *option, const drawn_place *place) {
    static const char *const written[] = {"output", "report", "scores",  "csv",       "json-file", "plot",
                                          "curve",  "items",  "figures", "densities", "imatrix",   "lm-eval-json"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (strcmp(option->name, written[i]) == 0) {
            const char *ending = DRAW_ONE(random, "", ".gguf", ".svg", ".html", ".json", ".csv");
            return pare_format("%s/new-%s%s", place->folder, option->name, ending);
        }
    if (strcmp(option->name, "scratch") == 0) return strdup(place->folder);
    if (strcmp(option->name, "tasks") == 0) return strdup(DRAW_ONE(random, "boolq", "piqa,boolq", "all", "none"));
    if (strcmp(option->name, "type") == 0) return strdup(DRAW_ONE(random, "f16", "f32", "q8_0", "q4_k_m", "q4_0", "x"));
    if (strcmp(option->name, "calib") == 0 && draw(random, 3) == 0) return strdup("self");
    if (draw(random, 10) == 0)
        return strdup(DRAW_ONE(random, "", "text", "bf16", "taylor", "0.25,0.5", "../x", "\x1b[2J", "a=b"));
    return draw_file(random, place);
}

/* Around the lower bound, so that what is asked for is soon done; the upper one now and then. */
static inline char *draw_number(pare_random *random, const pare_option *option, bool whole) {
    uint64_t which = draw(random, 24);
    if (which == 0) return pare_format(whole ? "%.0f" : "%g", option->high);
    if (which == 1) return pare_format("%g", option->low - 1);
    if (whole) return pare_format("%.0f", option->low + (double)draw(random, 5));
    double width = option->high - option->low < 1 ? option->high - option->low : 1;
    return pare_format("%g", option->low + width * (double)draw(random, 9) / 8);
}

static inline char *draw_choice(pare_random *random, const pare_option *option) {
    size_t count = 0;
    while (option->choice && option->choice(count))
        count++;
    return strdup(count ? option->choice(draw(random, count)) : "auto");
}

/* NULL: a flag, which takes none. */
static inline char *draw_value(pare_random *random, const pare_option *option, const drawn_place *place) {
    if (option->kind != PARE_VALUE_FLAG && draw(random, 40) == 0)
        return strdup(DRAW_ONE(random, "", "-1", "nan", "1e999", "x", "0x10", "9999999999999999999999", ":", ","));
    switch (option->kind) {
    case PARE_VALUE_FLAG:
        return NULL;
    case PARE_VALUE_TEXT:
    case PARE_VALUE_LIST:
        return draw_text(random, option, place);
    case PARE_VALUE_REPEATED:
        if (strcmp(option->name, "over") == 0)
            return strdup(DRAW_ONE(random, "ratio=0.25,0.5", "seed=0:2:1", "method=taylor,random,best", "ratio=1:0:1"));
        return draw(random, 3) ? draw_file(random, place) : strdup(DRAW_ONE(random, "up_proj", "q_proj", "1"));
    case PARE_VALUE_CHOICE:
        return draw_choice(random, option);
    case PARE_VALUE_INTEGER:
        return draw_number(random, option, true);
    case PARE_VALUE_REAL:
        return draw_number(random, option, false);
    case PARE_VALUE_SEED:
        return pare_format("%llu", (unsigned long long)draw(random, 1000));
    case PARE_VALUE_SIZE:
        return strdup(DRAW_ONE(random, "64M", "1G", "4G", "20K", "1B"));
    case PARE_VALUE_PARAMETERS:
        return strdup(DRAW_ONE(random, "1", "5K", "9K", "20K", "1M"));
    case PARE_VALUE_SPAN:
        return strdup(DRAW_ONE(random, "0:1", "1:2", "0:2", "none", "2:9"));
    case PARE_VALUE_LAYERS:
        return strdup(DRAW_ONE(random, "0", "1", "0:1", "0,1", "7"));
    case PARE_VALUE_SHARES:
        return strdup(DRAW_ONE(random, "0.25", "0.5", "0", "1", "0.25,0.5", "0.9"));
    case PARE_VALUE_PATTERN:
        return strdup(DRAW_ONE(random, "2:4", "1:2", "4:8", "1:1", "3:5"));
    case PARE_VALUE_LEVEL:
        return strdup(DRAW_ONE(random, "0", "0.1", "q0.3", "q1", "1e9"));
    }
    return strdup("");
}

static inline void draw_option(pare_random *random, const pare_option *option, const drawn_place *place, drawn *out) {
    char *name = pare_format("--%s", option->name);
    if (drawn_has(out, name)) {
        free(name);
        return;
    }
    char *value = draw_value(random, option, place);
    drawn_add(out, name);
    if (value) drawn_add(out, value);
}

/* One of the command's rows. */
static inline const pare_option *draw_row(pare_random *random, const pare_command *command) {
    size_t count = 0, at;
    const pare_option *option;
    for (size_t i = 0; (option = pare_option_at(i)); i++)
        count += (option->commands & command->syntax.bit) != 0;
    at = draw(random, count);
    for (size_t i = 0; (option = pare_option_at(i)); i++)
        if ((option->commands & command->syntax.bit) && at-- == 0) return option;
    return NULL;
}

#endif
