/* Byte layout, numbers little-endian:
 *
 *   0    "PARESTAT"               magic
 *   8    u32 version (2), number  of the layer or pass
 *   16   64 hexadecimal digits    what it belongs to
 *   80   char [32]                what it is, filled up with zeros
 *   112  u64 bytes                of what follows, without the seal
 *   120  what it holds
 *        64 hexadecimal digits    SHA-256 of all bytes before */
#include "checkpoint/state_file.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/peer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 2, DIGITS = PARE_SEAL_BYTES };

typedef struct header {
    char magic[8];
    uint32_t version, number;
    char key[DIGITS];
    char what[PARE_STATE_NAME];
    uint64_t bytes;
} header;

_Static_assert(sizeof(header) == 120, "the file's header has no gaps");

static const char magic[8] = {'P', 'A', 'R', 'E', 'S', 'T', 'A', 'T'};

static header header_of(const pare_state_place *place) {
    header h = {.version = VERSION, .number = place->number};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.key, place->key, DIGITS);
    size_t length = strlen(place->what);
    memcpy(h.what, place->what, length < sizeof h.what ? length : sizeof h.what - 1);
    return h;
}

pare_status pare_state_refuse(const pare_state_place *place, const char *why) {
    return pare_fail(PARE_FORMAT_ERROR, "%s %s; delete it to %s", place->path, why, place->anew);
}

static pare_status refuse_kind(const pare_state_place *place, const char *how) {
    char *why = pare_format("%s %s", how, place->what);
    pare_status status = why ? pare_state_refuse(place, why) : pare_whole();
    free(why);
    return status;
}

pare_status pare_state_view(pare_state_file *file, uint64_t bytes, const void **data) {
    if (bytes > file->bytes) return refuse_kind(file->place, "is of another shape than");
    *data = file->in;
    file->in += bytes;
    file->bytes -= bytes;
    return PARE_OK;
}

pare_status pare_state_pass(pare_state_file *file, void *data, uint64_t bytes) {
    if (!pare_state_reads(file)) {
        file->bytes += bytes;
        return file->out && bytes ? pare_sealed_put(file->out, data, bytes) : PARE_OK;
    }
    const void *in = NULL;
    if (file->in) PARE_TRY(pare_state_view(file, bytes, &in));
    if (in && bytes) memcpy(data, in, bytes);
    return bytes ? pare_peer_broadcast(data, bytes, 0) : PARE_OK;
}

static pare_status refuse_number(const pare_state_place *place) {
    return pare_state_refuse(place, "holds a number that is not finite");
}

pare_status pare_state_finite(const pare_state_file *file, const void *data, pare_dtype dtype, uint64_t count) {
    float values[4096];
    for (uint64_t first = 0, n; first < count; first += n) {
        n = count - first < sizeof values / sizeof *values ? count - first : sizeof values / sizeof *values;
        pare_to_float(values, (const char *)data + first * pare_dtype_size(dtype), dtype, (size_t)n);
        if (!pare_all_finite(values, (int64_t)n)) return refuse_number(file->place);
    }
    return PARE_OK;
}

pare_status pare_state_numbers(pare_state_file *file, void *data, pare_dtype dtype, uint64_t count) {
    PARE_TRY(pare_state_pass(file, data, count * pare_dtype_size(dtype)));
    return pare_state_reads(file) ? pare_state_finite(file, data, dtype, count) : PARE_OK;
}

/* The part of another rank comes in piece by piece. */
enum { PIECE = 1 << 20 };

static uint64_t piece_of(uint64_t bytes) {
    return bytes < PIECE ? bytes : PIECE;
}

static pare_status write_others(pare_state_file *file, unsigned char *room) {
    for (int rank = 1; rank < pare_peer_count(); rank++) {
        uint64_t bytes;
        PARE_TRY(pare_peer_receive(&bytes, sizeof bytes, rank));
        for (uint64_t n; bytes; bytes -= n) {
            n = piece_of(bytes);
            PARE_TRY(pare_peer_receive(room, n, rank));
            PARE_TRY(pare_sealed_put(file->out, room, n));
        }
    }
    return PARE_OK;
}

static pare_status read_others(pare_state_file *file) {
    for (int rank = 1; rank < pare_peer_count(); rank++) {
        uint64_t bytes;
        const void *in = NULL;
        PARE_TRY(pare_peer_receive(&bytes, sizeof bytes, rank));
        PARE_TRY(pare_state_view(file, bytes, &in));
        for (uint64_t at = 0; at < bytes; at += PIECE)
            PARE_TRY(pare_peer_send((const char *)in + at, piece_of(bytes - at), rank));
    }
    return PARE_OK;
}

static pare_status write_parts(pare_state_file *file, const void *data, uint64_t bytes) {
    unsigned char *room;
    PARE_TRY(pare_alloc_uninitialized(&room, PIECE, 1, "hidden states of other ranks"));
    pare_status status = bytes ? pare_sealed_put(file->out, data, bytes) : PARE_OK;
    if (status == PARE_OK) status = write_others(file, room);
    pare_free(room);
    return status;
}

static pare_status read_parts(pare_state_file *file, void *data, uint64_t bytes) {
    const void *in = NULL;
    PARE_TRY(pare_state_view(file, bytes, &in));
    if (bytes) memcpy(data, in, bytes);
    return read_others(file);
}

static pare_status follow_parts(const pare_state_file *file, char *data, uint64_t bytes) {
    PARE_TRY(pare_peer_send(&bytes, sizeof bytes, 0));
    for (uint64_t at = 0; at < bytes; at += PIECE) {
        uint64_t n = piece_of(bytes - at);
        PARE_TRY(pare_state_reads(file) ? pare_peer_receive(data + at, n, 0) : pare_peer_send(data + at, n, 0));
    }
    return PARE_OK;
}

pare_status pare_state_spread(pare_state_file *file, void *data, pare_dtype dtype, uint64_t own, uint64_t total) {
    uint64_t bytes = own * pare_dtype_size(dtype);
    if (pare_peer_count() == 1 || own == total) return pare_state_numbers(file, data, dtype, total);
    if (pare_peer_rank())
        PARE_TRY(follow_parts(file, data, bytes));
    else if (file->act == PARE_STATE_COUNTS)
        file->bytes += total * pare_dtype_size(dtype);
    else
        PARE_TRY(file->out ? write_parts(file, data, bytes) : read_parts(file, data, bytes));
    return pare_state_reads(file) ? pare_state_finite(file, data, dtype, own) : PARE_OK;
}

pare_status pare_state_doubles(pare_state_file *file, double *data, uint64_t count) {
    PARE_TRY(pare_state_pass(file, data, count * sizeof *data));
    for (uint64_t i = 0; pare_state_reads(file) && i < count; i++)
        if (!isfinite(data[i])) return refuse_number(file->place);
    return PARE_OK;
}

pare_status pare_state_same(pare_state_file *file, uint64_t value) {
    uint64_t stored = value;
    PARE_TRY(pare_state_pass(file, &stored, sizeof stored));
    return stored == value ? PARE_OK : refuse_kind(file->place, "is of another shape than");
}

pare_status pare_state_flag(pare_state_file *file, bool *flag) {
    uint32_t value = 0;
    if (!pare_state_reads(file)) value = *flag;
    PARE_TRY(pare_state_pass(file, &value, sizeof value));
    if (value > 1) return refuse_kind(file->place, "is of another shape than");
    *flag = value != 0;
    return PARE_OK;
}

pare_status pare_state_save(const pare_state_place *place, pare_state_fn describe, void *context) {
    header h = header_of(place);
    pare_state_file file = {.place = place, .act = PARE_STATE_WRITES};
    pare_sealed sealed;
    if (pare_peer_rank()) return describe(context, &file);
    file.act = PARE_STATE_COUNTS;
    PARE_TRY(describe(context, &file));
    h.bytes = file.bytes;
    PARE_TRY(pare_sealed_begin(place->path, sizeof h + h.bytes, &sealed));
    file = (pare_state_file){.place = place, .act = PARE_STATE_WRITES, .out = &sealed};
    pare_status status = pare_sealed_put(&sealed, &h, sizeof h);
    if (status == PARE_OK) status = describe(context, &file);
    return pare_sealed_end(&sealed, status);
}

/* That the file is whole, and that part of this run. */
static pare_status check(const pare_state_place *place, const pare_mapping *file, header *h) {
    header expected = header_of(place);
    bool whole;
    if (file->bytes < sizeof *h + DIGITS) return refuse_kind(place, "is too short to be");
    memcpy(h, file->data, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0 || memcmp(h->what, expected.what, sizeof h->what) != 0)
        return refuse_kind(place, "is not");
    if (h->version != VERSION) return pare_state_refuse(place, "was kept in another version of the format");
    if (memcmp(h->key, expected.key, DIGITS) != 0)
        return pare_state_refuse(place, "was kept with another model, other options or other calibration data");
    if (h->number != place->number || h->bytes != file->bytes - sizeof *h - DIGITS)
        return refuse_kind(place, "is of another shape than");
    PARE_TRY(pare_sealed_check(file, &whole));
    return whole ? PARE_OK : pare_state_refuse(place, "is damaged: its SHA-256 digest does not match");
}

static pare_status read_mapped(const pare_state_place *place, const pare_mapping *mapping, pare_state_fn describe,
                               void *context) {
    header h;
    PARE_TRY(check(place, mapping, &h));
    pare_state_file file = {.place = place, .act = PARE_STATE_READS, .in = mapping->data + sizeof h, .bytes = h.bytes};
    PARE_TRY(describe(context, &file));
    return file.bytes ? refuse_kind(place, "is of another shape than") : PARE_OK;
}

/* What the first rank reads. */
static pare_status follow(const pare_state_place *place, pare_state_fn describe, void *context) {
    pare_state_file file = {.place = place, .act = PARE_STATE_READS};
    return describe(context, &file);
}

pare_status pare_state_there(const char *path, bool *there) {
    *there = !pare_peer_rank() && pare_file_exists(path);
    return pare_peer_broadcast(there, sizeof *there, 0);
}

pare_status pare_state_load(const pare_state_place *place, pare_state_fn describe, void *context, bool *found) {
    pare_mapping mapping;
    bool there;
    *found = false;
    PARE_TRY(pare_state_there(place->path, &there));
    if (!there) return PARE_OK;
    pare_status status = PARE_OK;
    if (pare_peer_rank()) {
        status = follow(place, describe, context);
    } else {
        PARE_TRY(pare_mapping_open(place->path, &mapping));
        status = read_mapped(place, &mapping, describe, context);
        pare_mapping_close(&mapping);
    }
    *found = status == PARE_OK;
    return status;
}
