#include "image/set_internal.h"
#include "support/memory.h"
#include "support/path.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t DRAW_STREAM = 0x696d616765736574u;

pare_status pare_image_set_remark(pare_image_set *set, char *text) {
    char *longer = !set->note ? text : text ? pare_format("%s; %s", set->note, text) : NULL;
    if (longer != text) free(text);
    if (!longer) return pare_whole();
    free(set->note);
    set->note = longer;
    return PARE_OK;
}

char *pare_image_set_path(const pare_image_set *set, const char *name) {
    return pare_format("%s%s", pare_image_set_root(set), name);
}

static pare_status read_file(pare_image_set *set, const char *path, uint32_t count) {
    pare_mapping file;
    PARE_TRY(pare_mapping_open(path, &file));
    bool picture = pare_image_begins(file.data, (size_t)file.bytes);
    bool idx = !picture && pare_idx_begins(path);
    pare_status status = PARE_OK;
    if (idx)
        status = pare_image_set_read_idx(set, path, count);
    else if (picture)
        status = pare_image_set_add(set, path, -1);
    else
        status = pare_image_refuse(path, file.data, (size_t)file.bytes);
    pare_mapping_close(&file);
    return status;
}

/* A folder with a slash at its end. */
static pare_status set_root(pare_image_set *set, const char *path) {
    size_t length = strlen(path);
    set->root = pare_format("%s%s", path, length && path[length - 1] == '/' ? "" : "/");
    return set->root ? PARE_OK : pare_whole();
}

static pare_status read_path(pare_image_set *set, const char *path, const char *const *names, uint32_t count) {
    if (!pare_path_is_folder(path)) return read_file(set, path, count);
    PARE_TRY(set_root(set, path));
    return pare_image_set_read_folder(set, names, count);
}

static pare_status finish(pare_status status, pare_image_set *set, pare_image_set **out) {
    if (status == PARE_OK)
        *out = set;
    else
        pare_image_set_close(set);
    return status;
}

pare_status pare_image_set_open(const char *path, const char *const *names, uint32_t count, pare_image_set **out) {
    pare_image_set *set;
    *out = NULL;
    PARE_TRY(pare_alloc(&set, 1, sizeof *set, "a set of pictures"));
    return finish(read_path(set, path, names, count), set, out);
}

static pare_status list_paths(pare_image_set *set, const char *const *paths, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (pare_path_is_folder(paths[i]))
            PARE_TRY(pare_image_set_walk(set, paths[i], -1));
        else
            PARE_TRY(pare_image_set_add(set, paths[i], -1));
    if (set->count) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "%s holds no pictures: give PNG or JPEG files", count ? paths[0] : "the list");
}

pare_status pare_image_set_list(const char *const *paths, size_t count, pare_image_set **out) {
    pare_image_set *set;
    *out = NULL;
    PARE_TRY(pare_alloc(&set, 1, sizeof *set, "a set of pictures"));
    return finish(list_paths(set, paths, count), set, out);
}

void pare_image_set_close(pare_image_set *set) {
    if (!set) return;
    pare_idx_close(&set->idx);
    pare_buffer_free(&set->names);
    pare_free(set->entries);
    free(set->root);
    free(set->note);
    free(set->first_other);
    pare_free(set);
}

pare_status pare_image_set_read_idx(pare_image_set *set, const char *path, uint32_t count) {
    pare_idx *idx = &set->idx;
    PARE_TRY(pare_idx_open(path, idx));
    if (idx->count > INT32_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%s announces %u pictures; 2147483647 are the most", path, idx->count);
    set->count = idx->count;
    for (uint32_t i = 0; idx->labels && count && i < idx->count; i++)
        if (idx->labels[i] >= count)
            return pare_fail(PARE_FORMAT_ERROR, "%s: picture %u has label %u; the model's labels are 0 to %u",
                             idx->label_file.file.path, i, idx->labels[i], count - 1);
    if (idx->labels) return PARE_OK;
    return pare_image_set_remark(set, pare_format("%s has no file of labels beside it (idx1)", path));
}

uint32_t pare_image_set_count(const pare_image_set *set) {
    return set->count;
}

char *pare_image_set_name(const pare_image_set *set, uint32_t index) {
    if (set->idx.count) return pare_format("%s[%u]", set->idx.image_file.file.path, index);
    return pare_image_set_path(set, set->names.data + set->entries[index].name);
}

int32_t pare_image_set_label(const pare_image_set *set, uint32_t index) {
    if (set->idx.count) return set->idx.labels ? set->idx.labels[index] : -1;
    return set->entries[index].label;
}

const char *pare_image_set_note(const pare_image_set *set) {
    return set->note;
}

const char *pare_image_set_root(const pare_image_set *set) {
    return set->root ? set->root : "";
}

static pare_status read_idx_picture(const pare_image_set *set, uint32_t index, uint32_t channels, pare_image *out) {
    const pare_idx *idx = &set->idx;
    size_t bytes = (size_t)idx->width * idx->height;
    PARE_TRY(pare_image_new(idx->image_file.file.path, idx->width, idx->height, 1, out));
    memcpy(out->pixels, idx->pixels + bytes * index, bytes);
    pare_status status = pare_image_convert(out, channels);
    if (status != PARE_OK) pare_image_free(out);
    return status;
}

pare_status pare_image_set_read(const pare_image_set *set, uint32_t index, uint32_t channels, pare_image *out) {
    if (set->idx.count) return read_idx_picture(set, index, channels, out);
    *out = (pare_image){0};
    char *path = pare_image_set_name(set, index);
    if (!path) return pare_whole();
    pare_status status = pare_image_read(path, channels, out);
    free(path);
    return status;
}

void pare_image_set_draw(const pare_image_set *set, uint64_t seed, uint32_t *order) {
    pare_random random = {.seed = seed, .stream = DRAW_STREAM};
    for (uint32_t i = 0; i < set->count; i++)
        order[i] = i;
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t drawn = i + (uint32_t)pare_random_below(&random, set->count - i), picture = order[drawn];
        order[drawn] = order[i];
        order[i] = picture;
    }
}
