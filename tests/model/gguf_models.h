/* Tiny models as GGUF files (tests/data/gguf_models.json.gz; with experts gguf_experts.json.gz, whose cases have what
 * family_open needs, too): fronts that the gguf package wrote, and weights that are made of names (families.h) and
 * stored as llama.cpp's converter stores them. */
#ifndef PARE_TESTS_GGUF_MODELS_H
#define PARE_TESTS_GGUF_MODELS_H

#include "families.h"
#include "packed.h"

enum { GGUF_MODELS_ALIGNMENT = 32 };

typedef struct gguf_bytes {
    unsigned char *data;
    size_t count;
} gguf_bytes;

static inline families gguf_models_load_from(const char *name) {
    families all = {.golden = load_packed(name)};
    size_t sequences, length;
    all.cases = json_object_get(all.golden, "cases");
    all.ids = golden_ids(json_object_get(all.golden, "ids"), &sequences, &length);
    return all;
}

static inline families gguf_models_load(void) {
    return gguf_models_load_from("gguf_models.json.gz");
}

/* Of so many bytes: the next power of two, so that it is seldom another one. */
static inline size_t gguf_room(size_t count) {
    size_t room = 1024;
    while (room < count)
        room *= 2;
    return room;
}

static inline void gguf_append(gguf_bytes *to, const void *data, size_t count) {
    if (!to->data || gguf_room(to->count) != gguf_room(to->count + count)) {
        to->data = realloc(to->data, gguf_room(to->count + count));
        tiny_check(to->data != NULL, "realloc");
    }
    memcpy(to->data + to->count, data, count);
    to->count += count;
}

static inline void gguf_align(gguf_bytes *to) {
    static const unsigned char zeros[GGUF_MODELS_ALIGNMENT];
    gguf_append(to, zeros, (GGUF_MODELS_ALIGNMENT - to->count % GGUF_MODELS_ALIGNMENT) % GGUF_MODELS_ALIGNMENT);
}

static inline gguf_bytes gguf_base64(const char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    gguf_bytes out = {0};
    uint32_t bits = 0, held = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        unsigned char byte = (unsigned char)(bits >> held);
        gguf_append(&out, &byte, 1);
    }
    return out;
}

/* [name, shape, rows of a head stored in pairs or 0, what is added]; or [name, values]. */
static inline void gguf_append_tensor(gguf_bytes *to, const json_t *row) {
    const char *name = json_string_value(json_array_get(row, 0));
    const json_t *shape = json_array_get(row, 1);
    size_t count = 1, rank = json_array_size(shape), head = (size_t)json_integer_value(json_array_get(row, 2));
    bool plain = json_array_size(row) == 2;
    for (size_t i = 0; i < rank && !plain; i++)
        count *= (size_t)json_integer_value(json_array_get(shape, i));
    if (plain) count = rank;
    size_t rows = plain ? count : (size_t)json_integer_value(json_array_get(shape, 0)), columns = count / rows;
    for (size_t i = 0; i < count; i++) {
        size_t at = i / columns, inside = head ? at % head : 0;
        /* In place 2 p + s of a head: row p of half s. */
        size_t from = head ? at - inside + inside % 2 * (head / 2) + inside / 2 : at;
        float value = plain ? (float)json_number_value(json_array_get(shape, i))
                            : family_weight(name, rank, (uint32_t)(from * columns + i % columns));
        value += (float)json_integer_value(json_array_get(row, 3));
        gguf_append(to, &value, sizeof value);
    }
    gguf_align(to);
}

static inline size_t gguf_whole(const json_t *row, size_t index) {
    return (size_t)json_integer_value(json_array_get(row, index));
}

/* [names, shape, block, first, rows, turned]: of each of the tensors, rows [first, first + rows) of every `block`, or
 * all where that is 0, as they are or turned within the block; with two numbers more, of as many columns from one on. */
static inline void gguf_append_parted(gguf_bytes *to, const json_t *row) {
    const json_t *names = json_array_get(row, 0), *shape = json_array_get(row, 1);
    size_t rank = json_array_size(shape), columns = gguf_whole(shape, rank - 1), all = gguf_whole(shape, 0);
    if (rank == 3) all *= gguf_whole(shape, 1);
    size_t block = gguf_whole(row, 2) ? gguf_whole(row, 2) : all, first = gguf_whole(row, 3);
    size_t taken = gguf_whole(row, 7) ? gguf_whole(row, 7) : columns;
    size_t rows = gguf_whole(row, 2) ? gguf_whole(row, 4) : all, count = rows * taken;
    bool turned = gguf_whole(row, 5);
    for (size_t n = 0; n < json_array_size(names); n++)
        for (size_t at = 0; at < all / block * count; at++) {
            size_t inside = at % count, i = turned ? inside % rows : inside / taken;
            size_t column = gguf_whole(row, 6) + (turned ? inside / rows : inside % taken);
            float value = family_weight(json_string_value(json_array_get(names, n)), rank,
                                        (uint32_t)((at / count * block + first + i) * columns + column));
            gguf_append(to, &value, sizeof value);
        }
    gguf_align(to);
}

/* Those of the file's tensors [first, end) that there are; returns where it ended. */
static inline size_t gguf_append_some(gguf_bytes *to, const json_t *one, size_t first, size_t end) {
    const json_t *parted = json_object_get(one, "stored"), *rows = parted ? parted : json_object_get(one, "tensors");
    size_t i = first;
    for (; i < json_array_size(rows) && i < end; i++) {
        const json_t *row = json_array_get(rows, i);
        if (json_is_array(json_array_get(row, 0)))
            gguf_append_parted(to, row);
        else
            gguf_append_tensor(to, row);
    }
    return i;
}

static inline gguf_bytes gguf_model_bytes(const json_t *one) {
    gguf_bytes file = gguf_base64(json_string_value(json_object_get(one, "front")));
    gguf_append_some(&file, one, 0, SIZE_MAX);
    return file;
}

/* The file in a new folder, for tiny_remove and free(); *path is freed with free(). */
static inline char *gguf_write(gguf_bytes file, char **path) {
    char *folder = tiny_folder();
    tiny_write_file(folder, "model.gguf", file.data, file.count);
    *path = pare_path_join(folder, "model.gguf");
    return folder;
}

#endif
