#include "training_files.h"

#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The place of the colon in front of a weight, or NULL. */
static const char *weight_of(const char *word, double *weight) {
    const char *colon = strrchr(word, ':');
    char *end;
    *weight = 1.0;
    if (!colon || !colon[1] || access(word, F_OK) == 0) return NULL;
    double number = strtod(colon + 1, &end);
    if (*end || !isfinite(number)) return NULL;
    *weight = number;
    return colon;
}

static bool read_word(const char *word, pare_training_source *out, char **name) {
    const char *colon = weight_of(word, &out->weight);
    out->path = word;
    if (!colon) return true;
    *name = strndup(word, (size_t)(colon - word));
    out->path = *name;
    return *name != NULL;
}

int pare_training_files_read(const pare_word_list *words, pare_training_files *out) {
    *out = (pare_training_files){.count = words->count};
    out->list = calloc(words->count + 1, sizeof *out->list);
    out->names = calloc(words->count + 1, sizeof *out->names);
    bool whole = out->list && out->names;
    for (size_t i = 0; whole && i < words->count; i++)
        whole = read_word(words->words[i], &out->list[i], &out->names[i]);
    if (whole) return PARE_EXIT_DONE;
    pare_terminal_fail("there is not enough memory to read the command line");
    return PARE_EXIT_FAILED;
}

void pare_training_files_free(pare_training_files *files) {
    for (size_t i = 0; files->names && i < files->count; i++)
        free(files->names[i]);
    free(files->names);
    free(files->list);
    *files = (pare_training_files){0};
}

void pare_training_files_put(const pare_training_files *files, pare_recover_options *options) {
    bool alone = files->count == 1 && !files->names[0];
    options->data = alone ? files->list[0].path : NULL;
    options->sources = alone || !files->count ? NULL : files->list;
    options->source_count = alone ? 0 : files->count;
}

void pare_training_files_say(const pare_training_files *files, const char *name) {
    double sum = 0.0;
    for (size_t i = 0; i < files->count; i++)
        sum += files->list[i].weight;
    for (size_t i = 0; i < files->count; i++)
        if (files->count == 1)
            pare_terminal_say("  %-12s %s", name, files->list[i].path);
        else
            pare_terminal_say("  %-12s %s, weight %g of %g", i ? "" : name, files->list[i].path, files->list[i].weight,
                              sum);
}
