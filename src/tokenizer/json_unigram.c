/* The Unigram "model" of a tokenizer.json: {"type": "Unigram", "vocab": [[piece, score], ...], "unk_id": the index of
 * the unknown piece or null, "byte_fallback"}. A piece's index is its id. */
#include "tokenizer/json_read.h"
#include "tokenizer/tokenizer_json.h"

#include <math.h>
#include <stdio.h>

enum { LARGEST_VOCABULARY = 1 << 24 };

static const double unknown_penalty = 10; /* kUnkPenalty of SentencePiece and of the tokenizers library */

static pare_status read_piece(const char *path, const json_t *entry, uint32_t id, pare_unigram *out, double *lowest) {
    const json_t *piece = json_array_get(entry, 0), *number = json_array_get(entry, 1);
    double score = json_number_value(number);
    uint32_t known;
    if (json_array_size(entry) != 2 || !json_is_string(piece) || !json_is_number(number) || !isfinite(score))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: entry %u of its vocabulary is not a piece and its score; fetch the file again", path, id);
    if (json_string_length(piece) > PARE_WORD_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%s: piece %u has %zu bytes; pare knows up to %d", path, id,
                         json_string_length(piece), PARE_WORD_MAX);
    if (score < *lowest) *lowest = score;
    PARE_TRY(pare_unigram_add(out, json_string_value(piece), json_string_length(piece), id, score, &known));
    if (known == PARE_NO_ID) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s has the piece \"%.60s\" twice, as tokens %u and %u; fetch the file again",
                     path, json_string_value(piece), known, id);
}

static pare_status read_unknown(const char *path, const json_t *model, pare_unigram *out) {
    const json_t *id = json_object_get(model, "unk_id");
    if (!id || json_is_null(id)) return PARE_OK;
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= (json_int_t)out->count)
        return pare_fail(PARE_FORMAT_ERROR, "%s: its unk_id is not a number below %u, the size of its vocabulary", path,
                         out->count);
    out->unknown = (uint32_t)json_integer_value(id);
    return PARE_OK;
}

static void find_bytes(pare_unigram *out) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char token[8];
        int length = snprintf(token, sizeof token, "<0x%02X>", byte);
        out->bytes[byte] = pare_unigram_find(out, token, (size_t)length);
    }
}

static pare_status read_pieces(const char *path, const json_t *model, pare_unigram *out) {
    const json_t *list = json_object_get(model, "vocab");
    double lowest = INFINITY;
    for (uint32_t id = 0; id < out->count; id++)
        PARE_TRY(read_piece(path, json_array_get(list, id), id, out, &lowest));
    out->unknown_score = lowest - unknown_penalty;
    PARE_TRY(pare_unigram_finish(out));
    find_bytes(out);
    PARE_TRY(pare_json_boolean(path, model, "byte_fallback", false, &out->byte_fallback));
    return read_unknown(path, model, out);
}

pare_status pare_json_unigram_read(const char *path, const json_t *model, pare_unigram *out) {
    size_t count = json_array_size(json_object_get(model, "vocab"));
    if (!count || count > LARGEST_VOCABULARY)
        return pare_fail(PARE_FORMAT_ERROR, "%s: its vocabulary is not a list of 1 to %d pieces; fetch the file again",
                         path, LARGEST_VOCABULARY);
    pare_status status = pare_unigram_init(out, (uint32_t)count);
    if (status == PARE_OK) status = read_pieces(path, model, out);
    if (status != PARE_OK) pare_unigram_free(out);
    return status;
}

/* {piece: id} of a list of pieces. */
static json_t *index_pieces(const json_t *list) {
    json_t *object = json_object();
    for (size_t id = 0; object && id < json_array_size(list); id++) {
        const char *piece = json_string_value(json_array_get(json_array_get(list, id), 0));
        if (piece && json_object_set_new(object, piece, json_integer((json_int_t)id)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

pare_status pare_json_vocabulary(const json_t *json, json_t **out) {
    json_t *vocabulary = json_object_get(json_object_get(json, "model"), "vocab");
    *out = json_is_array(vocabulary)    ? index_pieces(vocabulary)
           : json_is_object(vocabulary) ? json_incref(vocabulary)
                                        : json_object();
    return *out ? PARE_OK : pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's vocabulary");
}
