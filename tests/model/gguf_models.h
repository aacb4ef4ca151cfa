/* Tiny models as GGUF files (tests/data/gguf_models.json.gz): fronts that the gguf package wrote, and weights that are
 * made of names (families.h) and stored as llama.cpp's converter stores them. */
#ifndef PARE_TESTS_GGUF_MODELS_H
#define PARE_TESTS_GGUF_MODELS_H

#include "families.h"
#include "packed.h"

enum { GGUF_MODELS_ALIGNMENT = 32 };

typedef struct gguf_bytes {
    unsigned char *data;
    size_t count;
} gguf_bytes;

static inline families gguf_models_load(void) {
    families all = {.golden = load_packed("gguf_models.json.gz")};
    size_t sequences, length;
    all.cases = json_object_get(all.golden, "cases");
    all.ids = golden_ids(json_object_get(all.golden, "ids"), &sequences, &length);
    return all;
}

static inline void gguf_append(gguf_bytes *to, const void *data, size_t count) {
    to->data = realloc(to->data, to->count + count + GGUF_MODELS_ALIGNMENT);
    tiny_check(to->data != NULL, "realloc");
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

static inline gguf_bytes gguf_model_bytes(const json_t *one) {
    gguf_bytes file = gguf_base64(json_string_value(json_object_get(one, "front")));
    const json_t *rows = json_object_get(one, "tensors");
    for (size_t i = 0; i < json_array_size(rows); i++)
        gguf_append_tensor(&file, json_array_get(rows, i));
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
