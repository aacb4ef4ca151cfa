/* Small SentencePiece models, written field by field. */
#ifndef PARE_TESTS_TEXT_SENTENCEPIECE_FIXTURE_H
#define PARE_TESTS_TEXT_SENTENCEPIECE_FIXTURE_H

#include "text/shared.h"

#include <string.h>

typedef struct fixture_piece {
    const char *text;
    float score;
    int type;
} fixture_piece;

typedef struct fixture_model {
    const fixture_piece *pieces;
    size_t count;
    bool with_bytes; /* 256 byte pieces behind the others, and byte_fallback */
    int model_type;  /* 0: BPE */
    bool no_dummy_prefix, keep_spaces, no_escape, suffix;
} fixture_model;

typedef struct fixture_bytes {
    unsigned char data[1 << 14];
    size_t count;
} fixture_bytes;

static inline void fixture_put(fixture_bytes *out, const void *data, size_t count) {
    assert_true(out->count + count <= sizeof out->data);
    memcpy(out->data + out->count, data, count);
    out->count += count;
}

static inline void fixture_varint(fixture_bytes *out, uint64_t value) {
    do {
        unsigned char byte = (unsigned char)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        fixture_put(out, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void fixture_number(fixture_bytes *out, unsigned field, uint64_t value) {
    fixture_varint(out, field << 3);
    fixture_varint(out, value);
}

static inline void fixture_message(fixture_bytes *out, unsigned field, const void *data, size_t count) {
    fixture_varint(out, field << 3 | 2);
    fixture_varint(out, count);
    fixture_put(out, data, count);
}

static inline void fixture_add_piece(fixture_bytes *out, const char *text, float score, int type) {
    static fixture_bytes piece;
    piece.count = 0;
    fixture_message(&piece, 1, text, strlen(text));
    fixture_varint(&piece, 2 << 3 | 5);
    fixture_put(&piece, &score, sizeof score);
    fixture_number(&piece, 3, (uint64_t)type);
    fixture_message(out, 1, piece.data, piece.count);
}

/* The model's file contents, valid until the next call. */
static inline const fixture_bytes *fixture_build(const fixture_model *model) {
    static fixture_bytes out, part;
    out.count = part.count = 0;
    for (size_t i = 0; i < model->count; i++)
        fixture_add_piece(&out, model->pieces[i].text, model->pieces[i].score, model->pieces[i].type);
    for (unsigned byte = 0; model->with_bytes && byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        fixture_add_piece(&out, text, 0, 6);
    }
    fixture_number(&part, 3, model->model_type ? (uint64_t)model->model_type : 2);
    fixture_number(&part, 24, model->suffix);
    fixture_number(&part, 35, model->with_bytes);
    fixture_message(&out, 2, part.data, part.count);
    part.count = 0;
    fixture_message(&part, 1, "identity", 8);
    fixture_number(&part, 3, !model->no_dummy_prefix);
    fixture_number(&part, 4, !model->keep_spaces);
    fixture_number(&part, 5, !model->no_escape);
    fixture_message(&out, 3, part.data, part.count);
    return &out;
}

/* A path for a file of this process; freed with free(). */
static inline char *fixture_path(const char *ending) {
    return pare_format("/tmp/pare-test-%ld-%s", (long)getpid(), ending);
}

static inline void fixture_write(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline pare_tokenizer *fixture_open(const fixture_model *model) {
    char *path = fixture_path("fixture.model");
    const fixture_bytes *bytes = fixture_build(model);
    pare_tokenizer *tokenizer;
    fixture_write(path, bytes->data, bytes->count);
    assert_ok(pare_tokenizer_open(path, &tokenizer));
    unlink(path);
    free(path);
    return tokenizer;
}

#endif
