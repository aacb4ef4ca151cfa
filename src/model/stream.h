/* The hidden states of all calibration sequences between two blocks: in fp32, or in bf16 at half the room; in memory,
 * or in a scratch file. Loaded and stored a micro-batch at a time. */
#ifndef PARE_MODEL_STREAM_H
#define PARE_MODEL_STREAM_H

#include "support/dtype.h"
#include "support/scratch.h"

typedef struct pare_stream {
    int64_t tokens, hidden;
    pare_dtype dtype; /* PARE_DTYPE_F32 or PARE_DTYPE_BF16 */
    pare_scratch memory;
} pare_stream;

uint64_t pare_stream_bytes(int64_t tokens, int64_t hidden, pare_dtype dtype);
/* scratch: folder, or NULL: in memory. Free with pare_stream_free. */
pare_status pare_stream_new(int64_t tokens, int64_t hidden, pare_dtype dtype, const char *scratch, pare_stream *out);
void pare_stream_free(pare_stream *stream);

/* Tokens [first, first + count) as float [count, hidden]: the stream's own memory where it is fp32, else converted into
 * `buffer`. */
float *pare_stream_load(const pare_stream *stream, int64_t first, int64_t count, float *buffer);
/* After the states that pare_stream_load gave were changed. */
void pare_stream_store(pare_stream *stream, int64_t first, int64_t count, const float *states);

#endif
