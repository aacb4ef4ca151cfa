#include "checkpoint/stored_dtype.h"

#include <string.h>

bool pare_stored_dtype_find(const char *name, pare_dtype *dtype) {
    for (*dtype = PARE_DTYPE_F32; *dtype <= PARE_DTYPE_BF16; (*dtype)++)
        if (strcmp(name, pare_dtype_name(*dtype)) == 0) return true;
    *dtype = PARE_DTYPE_F32;
    return false;
}

/* Integers and 8-bit floats are how quantised weights are packed. */
pare_status pare_stored_dtype_refuse(const char *path, const char *tensor, const char *dtype) {
    static const char *const packed[] = {"I8", "U8", "I16", "U16", "I32", "U32"};
    bool quantised = strncmp(dtype, "F8", 2) == 0 || strncmp(dtype, "F4", 2) == 0 || strncmp(dtype, "F6", 2) == 0;
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        quantised = quantised || strcmp(dtype, packed[i]) == 0;
    return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has dtype %s; pare reads F32, F16, BF16 and F64%s", path, tensor,
                     dtype, quantised ? ": these weights are quantised, take the original model" : "");
}

/* Earlier versions of transformers stored the triangle of what attention may see, as truth values. */
bool pare_stored_is_computed(const char *tensor, const char *dtype) {
    static const char *const ends[] = {"attn.bias", "attention.bias"};
    size_t length = strlen(tensor);
    if (strcmp(dtype, "U8") != 0 && strcmp(dtype, "BOOL") != 0) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (length >= strlen(ends[i]) && strcmp(tensor + length - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}
