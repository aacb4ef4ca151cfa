/* Entries of metadata that belong to the architecture of the file. */
#ifndef PARE_MODEL_GGUF_ENTRIES_H
#define PARE_MODEL_GGUF_ENTRIES_H

#include "checkpoint/gguf_metadata.h"
#include "model/gguf_architecture.h"

/* Entries "ARCHITECTURE.KEY". */
void pare_gguf_put_size(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const char *key,
                        uint32_t value);
void pare_gguf_put_number(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const char *key,
                          double value);
void pare_gguf_put_switch(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const char *key, bool value);

#endif
