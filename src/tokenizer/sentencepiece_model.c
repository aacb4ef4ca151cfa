/* tokenizer.model: one protocol buffer message, ModelProto of sentencepiece_model.proto (proto2).
 *
 * A message is a sequence of fields; a field is a varint key (number << 3 | wire type) and a value:
 *   wire type 0  a varint: 7 bits per byte, least significant first, the high bit set on all bytes but the last (<= 10)
 *   wire type 1  8 bytes, little-endian
 *   wire type 2  a varint length and that many bytes (a string, or a message inside this one)
 *   wire type 5  4 bytes, little-endian (floats)
 * Fields may come in any order; the last one of a number counts, except repeated ones; absent ones have defaults.
 *
 * ModelProto:      1 pieces (message, repeated; its index is the id), 2 trainer_spec, 3 normalizer_spec (messages)
 * SentencePiece:   1 piece (string), 2 score (float), 3 type (enum pare_piece_type, default NORMAL)
 * TrainerSpec:     3 model_type (default 1 Unigram), 24 treat_whitespace_as_suffix (false), 35 byte_fallback (false),
 *                  44 unk_surface (" U+2047 "), 46 bos_piece ("<s>"), 47 eos_piece ("</s>")
 * NormalizerSpec:  2 precompiled_charsmap (bytes; see charsmap.c), 3 add_dummy_prefix (true),
 *                  4 remove_extra_whitespaces (true), 5 escape_whitespaces (true)
 * All other fields describe how the model was trained. */
#include "tokenizer/sentencepiece_model.h"
#include "support/little_endian.h"
#include "support/memory.h"
#include "tokenizer/unicode.h"

#include <math.h>

enum { WIRE_VARINT = 0, WIRE_EIGHT = 1, WIRE_BYTES = 2, WIRE_FOUR = 5 };
enum { LONGEST_VARINT = 10, LARGEST_VOCABULARY = 1 << 24, LONGEST_NORMAL_PIECE = 1024 };

typedef struct field {
    uint64_t number;
    uint64_t value; /* varint, or the bits of a fixed-size value */
    pare_span span; /* wire type 2 */
    int wire;
} field;

static bool read_varint(pare_span *in, uint64_t *value) {
    *value = 0;
    for (unsigned i = 0; i < LONGEST_VARINT && i < in->bytes; i++) {
        unsigned char byte = (unsigned char)in->data[i];
        *value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte & 0x80) continue;
        in->data += i + 1;
        in->bytes -= i + 1;
        return true;
    }
    return false;
}

static bool read_fixed(pare_span *in, size_t bytes, uint64_t *value) {
    if (in->bytes < bytes) return false;
    *value = pare_little_endian((const unsigned char *)in->data, bytes);
    in->data += bytes;
    in->bytes -= bytes;
    return true;
}

/* Takes the next field off `in`; false if it is cut off or malformed. */
static bool read_field(pare_span *in, field *out) {
    uint64_t key;
    if (!read_varint(in, &key)) return false;
    *out = (field){.number = key >> 3, .wire = (int)(key & 7)};
    switch (out->wire) {
    case WIRE_VARINT:
        return read_varint(in, &out->value);
    case WIRE_EIGHT:
        return read_fixed(in, 8, &out->value);
    case WIRE_FOUR:
        return read_fixed(in, 4, &out->value);
    case WIRE_BYTES:
        if (!read_varint(in, &out->value) || out->value > in->bytes) return false;
        out->span = (pare_span){in->data, (size_t)out->value};
        in->data += out->value;
        in->bytes -= (size_t)out->value;
        return true;
    default:
        return false;
    }
}

pare_status pare_sentencepiece_malformed(const pare_sentencepiece_model *model, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is not a sound SentencePiece model (%s); fetch the tokenizer.model of the model again",
                     model->file.path, what);
}

int pare_piece_byte(const pare_piece *piece) {
    const char *text = piece->text.data;
    static const char digits[] = "0123456789ABCDEF";
    if (piece->text.bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    const char *high = memchr(digits, text[3], 16), *low = memchr(digits, text[4], 16);
    return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

static pare_status read_piece(pare_sentencepiece_model *model, pare_span in) {
    pare_piece piece = {.type = PARE_PIECE_NORMAL};
    field f;
    while (in.bytes) {
        if (!read_field(&in, &f)) return pare_sentencepiece_malformed(model, "a piece is cut off");
        if (f.number == 1 && f.wire == WIRE_BYTES) {
            piece.text = f.span;
        } else if (f.number == 2 && f.wire == WIRE_FOUR) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&piece.score, &bits, sizeof bits);
        } else if (f.number == 3 && f.wire == WIRE_VARINT) {
            if (f.value < PARE_PIECE_NORMAL || f.value > PARE_PIECE_BYTE)
                return pare_sentencepiece_malformed(model, "a piece is of no known type");
            piece.type = (pare_piece_type)f.value;
        }
    }
    if (!piece.text.bytes) return pare_sentencepiece_malformed(model, "a piece is empty");
    if (pare_utf8_valid(piece.text.data, piece.text.bytes) != piece.text.bytes)
        return pare_sentencepiece_malformed(model, "a piece is not UTF-8");
    if (!isfinite(piece.score)) return pare_sentencepiece_malformed(model, "a piece's score is not a finite number");
    if (piece.text.bytes > LONGEST_NORMAL_PIECE && piece.type != PARE_PIECE_USER_DEFINED)
        return pare_sentencepiece_malformed(model, "a piece is longer than 1024 bytes");
    model->pieces[model->count++] = piece;
    return PARE_OK;
}

static pare_status read_trainer(pare_sentencepiece_model *model, pare_span in) {
    field f;
    while (in.bytes) {
        if (!read_field(&in, &f)) return pare_sentencepiece_malformed(model, "its trainer_spec is cut off");
        if (f.wire == WIRE_VARINT && f.number == 3) model->model_type = (int64_t)f.value;
        if (f.wire == WIRE_VARINT && f.number == 24) model->space_as_suffix = f.value != 0;
        if (f.wire == WIRE_VARINT && f.number == 35) model->byte_fallback = f.value != 0;
        if (f.wire == WIRE_BYTES && f.number == 44) model->unknown_surface = f.span;
        if (f.wire == WIRE_BYTES && f.number == 46) model->bos_piece = f.span;
        if (f.wire == WIRE_BYTES && f.number == 47) model->eos_piece = f.span;
    }
    return PARE_OK;
}

static pare_status read_normalizer(pare_sentencepiece_model *model, pare_span in) {
    field f;
    while (in.bytes) {
        if (!read_field(&in, &f)) return pare_sentencepiece_malformed(model, "its normalizer_spec is cut off");
        if (f.wire == WIRE_BYTES && f.number == 2) model->charsmap = f.span;
        if (f.wire == WIRE_VARINT && f.number == 3) model->add_dummy_prefix = f.value != 0;
        if (f.wire == WIRE_VARINT && f.number == 4) model->remove_extra_spaces = f.value != 0;
        if (f.wire == WIRE_VARINT && f.number == 5) model->escape_spaces = f.value != 0;
    }
    return PARE_OK;
}

/* Counts the pieces, so that memory is taken once and never by a number that the file merely claims. */
static pare_status count_pieces(const pare_sentencepiece_model *model, pare_span in, size_t *count) {
    field f;
    *count = 0;
    while (in.bytes) {
        if (!read_field(&in, &f)) return pare_sentencepiece_malformed(model, "it is cut off or no protocol buffer");
        *count += f.number == 1 && f.wire == WIRE_BYTES;
    }
    if (!*count) return pare_sentencepiece_malformed(model, "it has no pieces");
    if (*count > LARGEST_VOCABULARY) return pare_sentencepiece_malformed(model, "it has more than 16 million pieces");
    return PARE_OK;
}

static pare_status check_model_type(const pare_sentencepiece_model *model) {
    if (model->model_type == PARE_SENTENCEPIECE_UNIGRAM || model->model_type == PARE_SENTENCEPIECE_BPE) return PARE_OK;
    const char *name = model->model_type == 3   ? "a word model"
                       : model->model_type == 4 ? "a character model"
                                                : "of no known type";
    return pare_fail(PARE_UNSUPPORTED,
                     "%s is %s; pare reads SentencePiece models of the types BPE and Unigram, which language models "
                     "that write text have: take the tokenizer that the model was trained with",
                     model->file.path, name);
}

static pare_status read_model(pare_sentencepiece_model *model) {
    pare_span in = {(const char *)model->file.data, (size_t)model->file.bytes};
    size_t count;
    field f;
    PARE_TRY(count_pieces(model, in, &count));
    PARE_TRY(pare_alloc(&model->pieces, count, sizeof *model->pieces, "the tokenizer's pieces"));
    while (in.bytes && read_field(&in, &f)) {
        if (f.wire != WIRE_BYTES) continue;
        if (f.number == 1) PARE_TRY(read_piece(model, f.span));
        if (f.number == 2) PARE_TRY(read_trainer(model, f.span));
        if (f.number == 3) PARE_TRY(read_normalizer(model, f.span));
    }
    return check_model_type(model);
}

pare_status pare_sentencepiece_model_open(const char *path, pare_sentencepiece_model *out) {
    *out = (pare_sentencepiece_model){
        .model_type = 1,
        .add_dummy_prefix = true,
        .remove_extra_spaces = true,
        .escape_spaces = true,
        .bos_piece = {"<s>", 3},
        .eos_piece = {"</s>", 4},
        .unknown_surface = {" \xE2\x81\x87 ", 5},
    };
    PARE_TRY(pare_mapping_open(path, &out->file));
    pare_status status = read_model(out);
    if (status != PARE_OK) pare_sentencepiece_model_close(out);
    return status;
}

void pare_sentencepiece_model_close(pare_sentencepiece_model *model) {
    pare_free(model->pieces);
    pare_mapping_close(&model->file);
    *model = (pare_sentencepiece_model){0};
}
