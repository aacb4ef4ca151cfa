#include "text/gunzip.h"

#include <zlib.h>

enum { WINDOW_AND_GZIP_HEADER = 15 + 16, INPUT_PIECE = 1 << 20, OUTPUT_PIECE = 1 << 16 };

bool pare_is_gzip(const unsigned char *data, uint64_t bytes) {
    return bytes >= 2 && data[0] == 0x1F && data[1] == 0x8B;
}

static pare_status refuse(const pare_mapping *file, uint64_t at, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s is a gzip file that %s at byte %llu of %llu; fetch or pack it again",
                     file->path, what, (unsigned long long)at, (unsigned long long)file->bytes);
}

static bool only_zeros(const pare_mapping *file, uint64_t at) {
    while (at < file->bytes && !file->data[at])
        at++;
    return at == file->bytes;
}

/* Unpacks what lies at file->data + *at; *ended: whether a member ended. */
static pare_status unpack(z_stream *stream, const pare_mapping *file, uint64_t *at, pare_spill *out, bool *ended) {
    unsigned char piece[OUTPUT_PIECE];
    uint64_t left = file->bytes - *at;
    stream->next_in = (z_const Bytef *)(uintptr_t)(file->data + *at);
    stream->avail_in = left < INPUT_PIECE ? (uInt)left : INPUT_PIECE;
    *ended = false;
    do {
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        int result = inflate(stream, Z_NO_FLUSH);
        *at = (uint64_t)(stream->next_in - file->data);
        if (result == Z_MEM_ERROR) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to unpack %s", file->path);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return refuse(file, *at, "is damaged");
        PARE_TRY(pare_spill_add(out, piece, sizeof piece - stream->avail_out));
        *ended = result == Z_STREAM_END;
    } while (!*ended && (stream->avail_in || !stream->avail_out));
    return PARE_OK;
}

static pare_status unpack_all(z_stream *stream, const pare_mapping *file, pare_spill *out) {
    for (uint64_t at = 0; at < file->bytes;) {
        bool ended;
        PARE_TRY(pare_interrupted());
        PARE_TRY(unpack(stream, file, &at, out, &ended));
        if (!ended && at == file->bytes) return refuse(file, at, "is cut off");
        if (!ended) continue;
        if (only_zeros(file, at)) return PARE_OK;
        if (!pare_is_gzip(file->data + at, file->bytes - at)) return refuse(file, at, "has something else behind it");
        if (inflateReset(stream) != Z_OK) return refuse(file, at, "is damaged");
    }
    return PARE_OK;
}

pare_status pare_gunzip(const pare_mapping *file, pare_spill *out) {
    z_stream stream = {0};
    if (inflateInit2(&stream, WINDOW_AND_GZIP_HEADER) != Z_OK)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to unpack %s", file->path);
    pare_status status = unpack_all(&stream, file, out);
    inflateEnd(&stream);
    return status;
}
