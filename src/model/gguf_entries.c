#include "model/gguf_entries.h"

void pare_gguf_put_size(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const char *key,
                        uint32_t value) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(row, key, name);
    pare_gguf_put_u32(metadata, name, value);
}

void pare_gguf_put_number(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const char *key,
                          double value) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(row, key, name);
    pare_gguf_put_f32(metadata, name, value);
}

void pare_gguf_put_switch(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const char *key,
                          bool value) {
    char name[PARE_GGUF_NAME_BYTES];
    pare_gguf_key_name(row, key, name);
    pare_gguf_put_flag(metadata, name, value);
}
