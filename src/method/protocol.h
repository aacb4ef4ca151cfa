/* Calibration protocols of the papers and their code, by name (spec 4). */
#ifndef PARE_METHOD_PROTOCOL_H
#define PARE_METHOD_PROTOCOL_H

#include <pare.h>

typedef struct pare_protocol {
    const char *name;
    uint32_t samples, length;
    bool stream;  /* windows of all documents joined */
    bool redrawn; /* a new batch in every step of an iteration */
} pare_protocol;

/* NULL if there is none of that name. */
const pare_protocol *pare_protocol_find(const char *name);

#endif
