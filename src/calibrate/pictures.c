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

/* order: [all] the set's pictures, or NULL: as they come. Adds until there are `count`; taken: [count] which, or NULL.
 */
static pare_status add_pictures(const pare_model *model, const char *path, const pare_image_set *set,
                                const uint32_t *order, uint32_t all, uint32_t count, uint32_t *taken,
                                pare_windows *out) {
    pare_album *album;
    char *note = NULL;
    bool added;
    PARE_TRY(pare_model_album(model, &album));
    uint32_t first = pare_album_count(album);
    uint32_t skipped_before = pare_album_skipped(album);
    for (uint32_t i = 0; i < all && pare_album_count(album) - first < count; i++) {
        PARE_TRY(pare_interrupted());
        PARE_TRY(pare_album_add(album, set, order ? order[i] : i, &added));
        if (added && taken) taken[pare_album_count(album) - first - 1] = order ? order[i] : i;
    }
    const char *skipped = pare_album_skipped(album) > skipped_before ? pare_album_note(album) : NULL;
    const char *said = pare_image_set_note(set);
    const char *folder = pare_checkpoint_directory(model->checkpoint);
    char *guessed = first ? NULL : pare_image_processor_note(pare_album_processor(album), folder);
    uint32_t found = pare_album_count(album) - first;
    note = join_notes(path, (const char *const[]){guessed, said, skipped});
    free(guessed);
    if (!found) {
        free(note);
        return pare_fail(PARE_FORMAT_ERROR, "%s: there is no picture that can be read%s%s", path, skipped ? ": " : "",
                         skipped ? skipped : "");
    }
    pare_status status = make_windows(model, first, found, out);
    out->note = note;
    if (status == PARE_OK) status = pare_whole();
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
    if (status == PARE_OK) status = pare_image_set_draw(set, all, seed, order);
    if (status == PARE_OK) status = add_pictures(model, path, set, order, all, count, NULL, out);
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
    if (status == PARE_OK) status = add_pictures(model, path, set, order, all, count, NULL, out);
    pare_free(order);
    pare_image_set_close(set);
    return status;
}

pare_status pare_pictures_take(const pare_model *model, const char *path, const pare_image_set *set, uint32_t *found,
                               uint32_t *count, pare_windows *out) {
    uint32_t all = pare_image_set_count(set);
    *out = (pare_windows){0};
    PARE_TRY(add_pictures(model, path, set, NULL, all, all, found, out));
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
