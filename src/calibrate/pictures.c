#include "calibrate/pictures.h"
#include "image/set.h"
#include "model/config_vision.h"
#include "model/patches.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

static pare_status open_set(const pare_model *model, const char *path, pare_image_set **out) {
    char **names;
    PARE_TRY(pare_class_names(&model->config, &names));
    pare_status status = pare_image_set_open(path, (const char *const *)names, model->config.vocabulary, out);
    pare_class_names_free(&model->config, names);
    return status;
}

/* Windows of the album's pictures [first, first + count). */
static pare_status make_windows(const pare_model *model, uint32_t first, uint32_t count, pare_windows *out) {
    uint32_t length = model->config.max_positions;
    *out = (pare_windows){.count = count, .length = length};
    PARE_TRY(pare_alloc_uninitialized(&out->ids, (size_t)count * length, sizeof *out->ids, "pictures"));
    for (size_t i = 0; i < (size_t)count * length; i++)
        out->ids[i] = first + (uint32_t)(i / length);
    return PARE_OK;
}

/* "path: one; other", freed with free(); NULL: there is none of three. */
static char *join_notes(const char *path, const char *const notes[3]) {
    char *all = NULL;
    for (int i = 0; i < 3; i++) {
        if (!notes[i]) continue;
        char *longer = all ? pare_format("%s; %s", all, notes[i]) : pare_format("%s: %s", path, notes[i]);
        free(all);
        all = longer;
    }
    return all;
}

/* Pictures of a set that are to be added to the model's album. */
typedef struct addition {
    const pare_model *model;
    const char *path; /* what the set is called */
    const pare_image_set *set;
    const uint32_t *order; /* [all] of the set; NULL: as they come */
    uint32_t all, count;   /* so many of `all`, or as many as can be read */
    uint32_t *taken;       /* [count] which these were; or NULL */
} addition;

static pare_status read_pictures(const addition *a, pare_album *album, pare_skipped *skipped) {
    uint32_t added = 0;
    for (uint32_t i = 0; i < a->all && added < a->count; i++) {
        uint32_t picture = a->order ? a->order[i] : i;
        bool taken;
        PARE_TRY(pare_album_add(album, a->set, picture, skipped, &taken));
        if (taken && a->taken) a->taken[added] = picture;
        added += taken;
    }
    if (added) return PARE_OK;
    const char *why = pare_skipped_note(skipped);
    return pare_fail(PARE_FORMAT_ERROR, "%s: there is no picture that can be read%s%s", a->path, why ? ": " : "",
                     why ? why : "");
}

/* What the first set is told of how pictures are prepared, and each of what was left out of it. */
static char *note_of(const addition *a, const pare_album *album, uint32_t first, pare_skipped *skipped) {
    const char *folder = pare_checkpoint_directory(a->model->checkpoint);
    char *guessed = first ? NULL : pare_image_processor_note(pare_album_processor(album), folder);
    char *note =
        join_notes(a->path, (const char *const[]){guessed, pare_image_set_note(a->set), pare_skipped_note(skipped)});
    free(guessed);
    return note;
}

static pare_status add_pictures(const addition *a, pare_windows *out) {
    pare_album *album;
    pare_skipped skipped = {0};
    PARE_TRY(pare_model_album(a->model, &album));
    uint32_t first = pare_album_count(album);
    pare_status status = read_pictures(a, album, &skipped);
    if (status == PARE_OK) status = make_windows(a->model, first, pare_album_count(album) - first, out);
    if (status == PARE_OK) {
        out->note = note_of(a, album, first, &skipped);
        status = pare_whole();
    }
    pare_skipped_free(&skipped);
    if (status != PARE_OK) pare_windows_free(out);
    return status;
}

pare_status pare_pictures_sample(const pare_model *model, const char *path, uint32_t count, uint64_t seed,
                                 pare_windows *out) {
    pare_image_set *set;
    uint32_t *order = NULL;
    *out = (pare_windows){0};
    PARE_TRY(open_set(model, path, &set));
    uint32_t all = pare_image_set_count(set);
    pare_status status = pare_alloc_uninitialized(&order, all, sizeof *order, "pictures");
    if (status == PARE_OK) pare_image_set_draw(set, seed, order);
    if (status == PARE_OK) status = add_pictures(&(addition){model, path, set, order, all, count, NULL}, out);
    pare_free(order);
    pare_image_set_close(set);
    return status;
}

/* order: [all] every picture once, `count` evenly spread ones first. */
static void spread(uint32_t all, uint32_t count, uint32_t *order) {
    uint32_t first = 0, rest = count;
    for (uint32_t i = 0; i < all; i++) {
        bool next = first < count && i == (uint32_t)((uint64_t)first * all / count);
        order[next ? first++ : rest++] = i;
    }
}

pare_status pare_pictures_stream(const pare_model *model, const char *path, uint32_t limit, pare_windows *out) {
    pare_image_set *set;
    uint32_t *order = NULL;
    *out = (pare_windows){0};
    PARE_TRY(open_set(model, path, &set));
    uint32_t all = pare_image_set_count(set), count = limit && limit < all ? limit : all;
    pare_status status = pare_alloc_uninitialized(&order, all, sizeof *order, "pictures");
    if (status == PARE_OK) spread(all, count, order);
    if (status == PARE_OK) status = add_pictures(&(addition){model, path, set, order, all, count, NULL}, out);
    pare_free(order);
    pare_image_set_close(set);
    return status;
}

pare_status pare_pictures_take(const pare_model *model, const char *path, const pare_image_set *set, uint32_t *found,
                               uint32_t *count, pare_windows *out) {
    uint32_t all = pare_image_set_count(set);
    *out = (pare_windows){0};
    PARE_TRY(add_pictures(&(addition){model, path, set, NULL, all, all, found}, out));
    *count = out->count;
    return PARE_OK;
}

pare_status pare_pictures_digest(const pare_model *model, const pare_windows *windows, char text[65]) {
    pare_album *album;
    PARE_TRY(pare_model_album(model, &album));
    return pare_album_digest(album, windows->ids, windows->length, windows->count, text);
}

pare_status pare_pictures_noise(const pare_model *model, uint32_t count, pare_windows *out) {
    pare_album *album;
    enum { SEED = 1 };
    PARE_TRY(pare_model_album(model, &album));
    uint32_t first = pare_album_count(album);
    PARE_TRY(pare_album_add_noise(album, SEED, count, model->config.vocabulary));
    return make_windows(model, first, count, out);
}

uint64_t pare_windows_predictions(const pare_model *model, const pare_windows *windows) {
    uint64_t labelled = 0;
    if (!pare_reads_pictures(&model->config)) return (uint64_t)windows->count * (windows->length - 1);
    for (size_t i = 0; i < windows->count; i++)
        labelled += pare_patches_label(model, windows->ids[i * windows->length]) >= 0;
    return labelled;
}
