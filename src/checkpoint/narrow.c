#include "checkpoint/narrow.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <string.h>

uint64_t pare_image_room(uint64_t bytes) {
    enum { ALIGNMENT = 64 };
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint64_t narrowed_bytes(const pare_tensor *tensor, bool wide) {
    return wide ? tensor->count * sizeof(float) : tensor->bytes;
}

void pare_round_doubles(float *out, const unsigned char *in, uint64_t count) {
#pragma omp parallel for if (count > 1 << 16)
    for (uint64_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, in + i * sizeof value, sizeof value);
        out[i] = (float)value;
    }
}

pare_status pare_image_open(pare_safetensors *file, uint64_t bytes, const char *what) {
    const char *folder = pare_runtime_scratch(NULL);
    if (bytes <= pare_memory_available() / 2) {
        file->image = (pare_scratch){.bytes = bytes};
        return pare_alloc_uninitialized(&file->image.data, bytes, 1, what);
    }
    return pare_scratch_open(&file->image, bytes, folder, what);
}

pare_status pare_safetensors_narrow(pare_safetensors *file, const bool *wide) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < file->count; i++)
        bytes += pare_image_room(narrowed_bytes(&file->tensors[i], wide[i]));
    PARE_TRY(pare_image_open(file, bytes, "weights rounded from 64 bits"));
    unsigned char *next = file->image.data;
    for (size_t i = 0; i < file->count; i++) {
        pare_tensor *tensor = &file->tensors[i];
        uint64_t size = narrowed_bytes(tensor, wide[i]);
        if (wide[i])
            pare_round_doubles((float *)(void *)next, tensor->data, tensor->count);
        else if (size)
            memcpy(next, tensor->data, size);
        tensor->data = next;
        tensor->bytes = size;
        next += pare_image_room(size);
    }
    file->copied = true;
    return PARE_OK;
}
