/* Byte layout, numbers little-endian:
 *
 *   0    "PARERECO"                     magic
 *   8    u32 version (1), u32 layer
 *   16   64 hexadecimal digits          what the layer belongs to
 *   80   f64 [2 stages] before, after,  held-out errors, and the share of the change that was taken
 *        share
 *   128  u64 [roles]                    elements of each tensor, 0 where the layer has none
 *        tensors in the model's dtypes, in the order of the roles
 *        64 hexadecimal digits          SHA-256 of all bytes before */
#include "reconstruct/reconstruct_file.h"
#include "checkpoint/sealed.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, DIGITS = PARE_SEAL_BYTES };

typedef struct header {
    char magic[8];
    uint32_t version, layer;
    char key[DIGITS];
    double errors[PARE_STAGES][3];
    uint64_t elements[PARE_ALL_ROLES];
} header;

_Static_assert(sizeof(header) == 128 + PARE_ALL_ROLES * sizeof(uint64_t), "the file's header has no gaps");

static const char magic[8] = {'P', 'A', 'R', 'E', 'R', 'E', 'C', 'O'};

static header header_of(const pare_rebuilding *b, uint32_t layer) {
    header h = {.version = VERSION, .layer = layer};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.key, b->asked->key, DIGITS);
    for (int stage = 0; stage < PARE_STAGES; stage++) {
        h.errors[stage][0] = b->rebuilt[layer][stage].before;
        h.errors[stage][1] = b->rebuilt[layer][stage].after;
        h.errors[stage][2] = b->rebuilt[layer][stage].share;
    }
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        h.elements[role] = pare_sub_block_elements(b->asked, layer, role);
    return h;
}

static size_t tensor_of(const pare_rebuilding *b, uint32_t layer, pare_role role) {
    return pare_tensor_id_in(&b->asked->model->config, layer, role);
}

static uint64_t bytes_of(const pare_rebuilding *b, const header *h, pare_role role) {
    if (!h->elements[role]) return 0;
    return h->elements[role] * pare_dtype_size(b->asked->model->tensors[tensor_of(b, h->layer, role)]->dtype);
}

static uint64_t file_bytes(const pare_rebuilding *b, const header *h) {
    uint64_t bytes = sizeof *h;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        bytes += bytes_of(b, h, role);
    return bytes;
}

static char *path_of(const pare_rebuilding *b, uint32_t layer) {
    return pare_format("%s%u", b->asked->state, layer);
}

static pare_status put_all(const pare_rebuilding *b, const header *h, pare_sealed *file) {
    PARE_TRY(pare_sealed_put(file, h, sizeof *h));
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        uint64_t bytes = bytes_of(b, h, role);
        if (bytes) PARE_TRY(pare_sealed_put(file, b->out.matrix[tensor_of(b, h->layer, role)], bytes));
    }
    return PARE_OK;
}

pare_status pare_reconstruct_save(const pare_rebuilding *b, uint32_t layer) {
    header h = header_of(b, layer);
    char *path = path_of(b, layer);
    pare_sealed file;
    pare_status status = path ? pare_sealed_begin(path, file_bytes(b, &h), &file) : pare_whole();
    if (status == PARE_OK) status = pare_sealed_end(&file, put_all(b, &h, &file));
    free(path);
    return status;
}

static pare_status refuse(const char *path, const char *why) {
    return pare_fail(PARE_FORMAT_ERROR, "%s %s; delete it to train that layer anew", path, why);
}

/* That the file is whole and holds this layer of this run. */
static pare_status check(const pare_rebuilding *b, const pare_mapping *file, uint32_t layer, header *h) {
    header expected = header_of(b, layer);
    bool whole;
    if (file->bytes < sizeof *h + DIGITS) return refuse(file->path, "is too short to be a reconstructed layer");
    memcpy(h, file->data, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0) return refuse(file->path, "is no reconstructed layer");
    if (h->version != VERSION) return refuse(file->path, "was kept in another version of the format");
    if (memcmp(h->key, b->asked->key, DIGITS) != 0)
        return refuse(file->path, "was kept with another model, other options or other calibration data");
    if (h->layer != layer || memcmp(h->elements, expected.elements, sizeof h->elements) != 0 ||
        file->bytes != file_bytes(b, &expected) + DIGITS)
        return refuse(file->path, "is a layer of another shape");
    PARE_TRY(pare_sealed_check(file, &whole));
    return whole ? PARE_OK : refuse(file->path, "is damaged: its SHA-256 digest does not match");
}

static void take(pare_rebuilding *b, const header *h, const unsigned char *at) {
    for (int stage = 0; stage < PARE_STAGES; stage++)
        b->rebuilt[h->layer][stage] = (pare_rebuilt){h->errors[stage][0], h->errors[stage][1], h->errors[stage][2]};
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        if (!h->elements[role]) continue;
        pare_sub_block_replace(&b->sub, role, at);
        at += bytes_of(b, h, role);
    }
}

pare_status pare_reconstruct_load(pare_rebuilding *b, uint32_t layer, bool *kept) {
    pare_mapping file;
    header h;
    char *path = path_of(b, layer);
    *kept = false;
    if (!path) return pare_whole();
    if (!pare_file_exists(path)) {
        free(path);
        return PARE_OK;
    }
    pare_status status = pare_mapping_open(path, &file);
    free(path);
    PARE_TRY(status);
    status = check(b, &file, layer, &h);
    if (status == PARE_OK) take(b, &h, file.data + sizeof h);
    pare_mapping_close(&file);
    *kept = status == PARE_OK;
    return status;
}
