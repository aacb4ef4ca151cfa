#include "model/stream.h"

enum { CHUNK = 1 << 16 };

uint64_t pare_stream_bytes(int64_t tokens, int64_t hidden, pare_dtype dtype) {
    return (uint64_t)(tokens * hidden) * pare_dtype_size(dtype);
}

pare_status pare_stream_new(int64_t tokens, int64_t hidden, pare_dtype dtype, const char *scratch, pare_stream *out) {
    *out = (pare_stream){.tokens = tokens, .hidden = hidden, .dtype = dtype};
    return pare_scratch_open(&out->memory, pare_stream_bytes(tokens, hidden, dtype), scratch, "hidden states");
}

void pare_stream_free(pare_stream *stream) {
    pare_scratch_close(&stream->memory);
    *stream = (pare_stream){0};
}

static char *states_at(const pare_stream *stream, int64_t token) {
    return (char *)stream->memory.data + (size_t)(token * stream->hidden) * pare_dtype_size(stream->dtype);
}

float *pare_stream_load(const pare_stream *stream, int64_t first, int64_t count, float *buffer) {
    char *states = states_at(stream, first);
    if (stream->dtype == PARE_DTYPE_F32) return (float *)(void *)states;
    int64_t n = count * stream->hidden;
#pragma omp parallel for schedule(static) if (n > CHUNK)
    for (int64_t i = 0; i < n; i += CHUNK)
        pare_to_float(buffer + i, states + (size_t)i * pare_dtype_size(stream->dtype), stream->dtype,
                      (size_t)(n - i < CHUNK ? n - i : CHUNK));
    return buffer;
}

void pare_stream_store(pare_stream *stream, int64_t first, int64_t count, const float *states) {
    if (stream->dtype == PARE_DTYPE_F32) return;
    char *to = states_at(stream, first);
    int64_t n = count * stream->hidden;
#pragma omp parallel for schedule(static) if (n > CHUNK)
    for (int64_t i = 0; i < n; i += CHUNK)
        pare_from_float(to + (size_t)i * pare_dtype_size(stream->dtype), stream->dtype, states + i,
                        (size_t)(n - i < CHUNK ? n - i : CHUNK));
}
