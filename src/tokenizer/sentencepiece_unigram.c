/* From the pieces of a Unigram model to the tables that encoding works with. */
#include "tokenizer/sentencepiece.h"

#include <float.h>

static const float unknown_penalty = 10; /* kUnkPenalty of unigram_model.cc */

/* A user-defined piece counts as if each of its bytes had the highest score there is: no other way past it wins. The
 * library takes 0.1 for the highest where all are lower, as logarithms of probabilities are. */
static double score_of(const pare_piece *piece, float highest) {
    if (piece->type != PARE_PIECE_USER_DEFINED) return piece->score;
    return (double)((float)piece->text.bytes * highest - 0.1F);
}

static pare_status enter_piece(const pare_sentencepiece_model *model, uint32_t id, float highest, pare_unigram *out) {
    const pare_piece *piece = model->pieces + id;
    uint32_t known = PARE_NO_ID;
    switch (piece->type) {
    case PARE_PIECE_NORMAL:
    case PARE_PIECE_USER_DEFINED:
        PARE_TRY(pare_unigram_add(out, piece->text.data, piece->text.bytes, id, score_of(piece, highest), &known));
        return known == PARE_NO_ID ? PARE_OK : pare_sentencepiece_malformed(model, "a piece occurs twice");
    case PARE_PIECE_UNKNOWN:
        if (out->unknown != PARE_NO_ID) return pare_sentencepiece_malformed(model, "it has two unknown pieces");
        out->unknown = id;
        return PARE_OK;
    case PARE_PIECE_BYTE:
        if (pare_piece_byte(piece) < 0)
            return pare_sentencepiece_malformed(model, "a byte piece is not of the form <0xHH>");
        out->bytes[pare_piece_byte(piece)] = id;
        return PARE_OK;
    case PARE_PIECE_CONTROL:
    case PARE_PIECE_UNUSED:
        break;
    }
    return PARE_OK;
}

static pare_status enter_pieces(const pare_sentencepiece_model *model, pare_unigram *out) {
    float lowest = FLT_MAX, highest = 0.1F;
    for (size_t id = 0; id < model->count; id++) {
        const pare_piece *piece = model->pieces + id;
        if (piece->type != PARE_PIECE_NORMAL) continue;
        if (piece->score < lowest) lowest = piece->score;
        if (piece->score > highest) highest = piece->score;
    }
    out->sentencepiece = true;
    out->byte_fallback = model->byte_fallback;
    out->unknown_score = (double)(lowest - unknown_penalty);
    for (uint32_t id = 0; id < model->count; id++)
        PARE_TRY(enter_piece(model, id, highest, out));
    if (out->unknown == PARE_NO_ID) return pare_sentencepiece_malformed(model, "it has no unknown piece");
    for (size_t byte = 0; model->byte_fallback && byte < 256; byte++)
        if (out->bytes[byte] == PARE_NO_ID) return pare_sentencepiece_malformed(model, "a byte piece is missing");
    return pare_unigram_finish(out);
}

pare_status pare_sentencepiece_unigram(const pare_sentencepiece_model *model, pare_unigram *out) {
    pare_status status = pare_unigram_init(out, (uint32_t)model->count);
    if (status == PARE_OK) status = enter_pieces(model, out);
    if (status != PARE_OK) pare_unigram_free(out);
    return status;
}
