#include "checkpoint/header.h"
#include "support/json.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, DATA_ALIGNMENT = 64 };

void pare_header_add(json_t *header, const char *name, const char *dtype, const uint64_t *shape, int rank,
                     uint64_t bytes, uint64_t *end) {
    json_t *sizes = json_array();
    for (int i = 0; i < rank; i++)
        pare_json_append(sizes, json_integer((json_int_t)shape[i]));
    pare_json_put(header, name,
                  pare_json_of({"dtype", pare_json_string(dtype)}, {"shape", sizes},
                               {"data_offsets", pare_json_list_of(json_integer((json_int_t)*end),
                                                                  json_integer((json_int_t)(*end + bytes)))}));
    *end += bytes;
}

static pare_status write_front(pare_durable *file, const char *text, uint64_t padded) {
    unsigned char length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)(padded >> (8 * i));
    PARE_TRY(pare_durable_write(file, length, sizeof length));
    size_t bytes = strlen(text);
    PARE_TRY(pare_durable_write(file, text, bytes));
    char spaces[DATA_ALIGNMENT];
    memset(spaces, ' ', sizeof spaces);
    return pare_durable_write(file, spaces, padded - bytes);
}

pare_status pare_header_create(const char *path, const json_t *header, uint64_t data, pare_durable *out) {
    *out = (pare_durable){0};
    char *text;
    PARE_TRY(pare_json_dump(header, "the header of a safetensors file", JSON_COMPACT, &text));
    uint64_t front = LENGTH_BYTES + strlen(text);
    front = (front + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    pare_status status = pare_durable_create(path, front + data, out);
    if (status == PARE_OK) status = write_front(out, text, front - LENGTH_BYTES);
    if (status != PARE_OK) pare_durable_drop(out);
    pare_free(text);
    return status;
}
