/* Byte layout, numbers little-endian:
 *
 *   0    "PAREMORE"                     magic
 *   8    u32 version (1), u32 steps done, u32 copies (1: delta; 2: delta and mean), u32 tensors
 *   24   f64 level
 *   32   64 hexadecimal digits          what the state belongs to
 *   96   u64 [tensors]                  elements of each tensor, 0 where it is not displaced
 *        step [steps done]              f64 loss, f64 delta_l2, f64 rank correlation, u64 rows, u64 zero rows
 *        f64 [tensors]                  norm of each tensor's delta
 *        f32 [copies] [elements]        displaced tensors one after the other
 *        64 hexadecimal digits          SHA-256 of all bytes before */
#include "calibrate/moreau_file.h"
#include "calibrate/moreau_rows.h"
#include "checkpoint/sealed.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/peer.h"

#include <math.h>
#include <string.h>

enum { VERSION = 1, DIGITS = PARE_SEAL_BYTES };

typedef struct header {
    char magic[8];
    uint32_t version, steps_done, copies, tensors;
    double level;
    char key[DIGITS];
} header;

typedef struct line {
    double loss, delta_l2, rank_correlation;
    uint64_t rows, zero_rows;
} line;

_Static_assert(sizeof(header) == 96 && sizeof(line) == 40, "the file's records have no gaps");

static const char magic[8] = {'P', 'A', 'R', 'E', 'M', 'O', 'R', 'E'};

static uint64_t elements(const pare_model *model, const pare_moreau_state *state, size_t id) {
    return state->delta[id] ? model->tensors[id]->count : 0;
}

/* Bytes of what is displaced, of all ranks. */
static uint64_t copy_bytes(const pare_model *model, const pare_moreau_state *state) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        total += elements(model, state, id);
    return total * sizeof(float);
}

static header header_of(const pare_model *model, const pare_moreau_state *state, int32_t steps_done, const char *key) {
    header h = {.version = VERSION,
                .steps_done = (uint32_t)steps_done,
                .copies = state->mean ? 2 : 1,
                .tensors = (uint32_t)model->tensor_count,
                .level = state->level};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.key, key, DIGITS);
    return h;
}

uint64_t pare_moreau_file_bytes(const pare_model *model, const pare_moreau_state *state, int32_t steps_done) {
    uint64_t copies = state->mean ? 2 : 1, tensors = model->tensor_count;
    return sizeof(header) + tensors * (sizeof(uint64_t) + sizeof(double)) + (uint64_t)steps_done * sizeof(line) +
           copies * copy_bytes(model, state) + DIGITS;
}

static pare_status put_tables(pare_sealed *w, const pare_model *model, const pare_moreau_state *state,
                              const char *key) {
    header h = header_of(model, state, state->steps_done, key);
    PARE_TRY(pare_sealed_put(w, &h, sizeof h));
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint64_t count = elements(model, state, id);
        PARE_TRY(pare_sealed_put(w, &count, sizeof count));
    }
    for (int32_t t = 0; t < state->steps_done; t++) {
        const pare_moreau_step *step = &state->trace[t];
        line l = {step->loss, step->delta_l2, step->rank_correlation, step->rows, step->zero_rows};
        PARE_TRY(pare_sealed_put(w, &l, sizeof l));
    }
    return pare_sealed_put(w, state->tensor_l2, model->tensor_count * sizeof *state->tensor_l2);
}

static pare_status put_values(void *file, const void *values, uint64_t bytes) {
    return pare_sealed_put(file, values, bytes);
}

/* file: NULL on ranks that have none. */
static pare_status put_copy(pare_sealed *file, const pare_model *model, const pare_moreau_state *state,
                            float *const *own) {
    for (size_t id = 0; id < model->tensor_count; id++)
        if (own[id]) PARE_TRY(pare_moreau_collect(model->tensors[id], state->window.ranks, own[id], put_values, file));
    return PARE_OK;
}

static pare_status put_copies(pare_sealed *file, const pare_model *model, const pare_moreau_state *state) {
    PARE_TRY(put_copy(file, model, state, state->delta));
    return state->mean ? put_copy(file, model, state, state->mean) : PARE_OK;
}

static bool is_key(const char *key) {
    return strlen(key) == DIGITS && strspn(key, "0123456789abcdef") == DIGITS;
}

pare_status pare_moreau_save(const pare_model *model, const pare_moreau_state *state, const char *path,
                             const char *key) {
    if (state->steps_done < 0 || !is_key(key))
        return pare_fail(PARE_CHECK_FAILED, "a Moreau state can only be saved between two steps and under a digest");
    if (pare_peer_rank()) return put_copies(NULL, model, state);
    pare_sealed file;
    uint64_t bytes = pare_moreau_file_bytes(model, state, state->steps_done) - PARE_SEAL_BYTES;
    PARE_TRY(pare_sealed_begin(path, bytes, &file));
    pare_status status = put_tables(&file, model, state, key);
    if (status == PARE_OK) status = put_copies(&file, model, state);
    return pare_sealed_end(&file, status);
}

static pare_status refuse(const char *path, const char *why) {
    return pare_fail(PARE_FORMAT_ERROR, "%s %s; delete it to begin anew", path, why);
}

/* That the level and all displacements are numbers; they stand behind the tables, up to the seal. */
static pare_status check_numbers(const pare_model *model, const pare_moreau_state *state, const header *h,
                                 const pare_mapping *file) {
    const uint64_t elements_bytes = h->copies * copy_bytes(model, state);
    const unsigned char *at = file->data + file->bytes - DIGITS - elements_bytes;
    const double *norms = (const void *)(at - model->tensor_count * sizeof *norms);
    bool finite = isfinite(h->level) && h->level >= 0.0;
    for (size_t id = 0; id < model->tensor_count; id++)
        finite = finite && isfinite(norms[id]);
    finite = finite && pare_all_finite((const void *)at, (int64_t)(elements_bytes / sizeof(float)));
    return finite ? PARE_OK : refuse(file->path, "holds a number that is not finite");
}

/* That the file is whole and belongs to this iteration. */
static pare_status check(const pare_model *model, const pare_moreau *moreau, const pare_mapping *file, const char *key,
                         const pare_moreau_state *state) {
    header h;
    bool whole;
    if (file->bytes < sizeof h + DIGITS) return refuse(file->path, "is too short to be a saved Moreau iteration");
    memcpy(&h, file->data, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0) return refuse(file->path, "is no saved Moreau iteration");
    if (h.version != VERSION) return refuse(file->path, "was saved in another version of the format");
    if (memcmp(h.key, key, DIGITS) != 0)
        return refuse(file->path, "was saved with another model, other options or other calibration data");
    if (h.tensors != model->tensor_count || h.copies != (state->mean ? 2u : 1u) ||
        h.steps_done > (uint32_t)moreau->steps)
        return refuse(file->path, "was saved from an iteration of another shape");
    if (file->bytes != pare_moreau_file_bytes(model, state, (int32_t)h.steps_done))
        return refuse(file->path, "has not the size that it should have: it was cut off or added to");
    PARE_TRY(pare_sealed_check(file, &whole));
    if (!whole) return refuse(file->path, "is damaged: its SHA-256 digest does not match");
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint64_t count;
        memcpy(&count, file->data + sizeof h + id * sizeof count, sizeof count);
        if (count != elements(model, state, id))
            return refuse(file->path, "was saved from an iteration that moved other tensors");
    }
    return check_numbers(model, state, &h, file);
}

static const unsigned char *take(const unsigned char *from, void *to, uint64_t bytes) {
    if (bytes) memcpy(to, from, bytes);
    return from + bytes;
}

/* Of a file that was checked: what every rank has. *copies: where the displacement begins. */
static void take_tables(const pare_model *model, const unsigned char *at, pare_moreau_state *state,
                        const unsigned char **copies) {
    header h;
    at = take(at, &h, sizeof h) + model->tensor_count * sizeof(uint64_t);
    for (uint32_t t = 0; t < h.steps_done; t++) {
        line l;
        at = take(at, &l, sizeof l);
        state->trace[t] = (pare_moreau_step){l.loss, l.delta_l2, l.rows, l.zero_rows, l.rank_correlation};
    }
    *copies = take(at, state->tensor_l2, model->tensor_count * sizeof *state->tensor_l2);
    state->steps_done = (int32_t)h.steps_done;
    state->level = h.level;
}

/* The same from the first rank to all. */
static pare_status share_tables(const pare_model *model, pare_moreau_state *state) {
    PARE_TRY(pare_peer_broadcast(&state->steps_done, sizeof state->steps_done, 0));
    PARE_TRY(pare_peer_broadcast(&state->level, sizeof state->level, 0));
    PARE_TRY(pare_peer_broadcast(state->trace, (size_t)state->steps_done * sizeof *state->trace, 0));
    return pare_peer_broadcast(state->tensor_l2, model->tensor_count * sizeof *state->tensor_l2, 0);
}

/* One copy of what is displaced, to each rank its own; at: it in the file, on the first rank. */
static pare_status deal_copy(const pare_model *model, const pare_moreau_state *state, float *const *own,
                             const unsigned char *at) {
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!own[id]) continue;
        PARE_TRY(pare_moreau_deal(model->tensors[id], state->window.ranks, at, own[id]));
        if (at) at += model->tensors[id]->count * sizeof(float);
    }
    return PARE_OK;
}

static pare_status deal_copies(const pare_model *model, pare_moreau_state *state, const unsigned char *at) {
    PARE_TRY(share_tables(model, state));
    PARE_TRY(deal_copy(model, state, state->delta, at));
    if (at) at += copy_bytes(model, state);
    return state->mean ? deal_copy(model, state, state->mean, at) : PARE_OK;
}

pare_status pare_moreau_load(const pare_model *model, const pare_moreau *moreau, const char *path, const char *key,
                             pare_moreau_state *state) {
    pare_mapping file;
    const unsigned char *copies;
    if (!is_key(key)) return pare_fail(PARE_CHECK_FAILED, "a saved Moreau state can only be asked for by a digest");
    if (pare_peer_rank()) return deal_copies(model, state, NULL);
    PARE_TRY(pare_mapping_open(path, &file));
    pare_status status = check(model, moreau, &file, key, state);
    if (status == PARE_OK) {
        take_tables(model, file.data, state, &copies);
        status = deal_copies(model, state, copies);
    }
    pare_mapping_close(&file);
    return status;
}
