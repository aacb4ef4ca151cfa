/* A task's documents as token ids of one model. */
#ifndef PARE_EVALUATE_TASK_REQUEST_H
#define PARE_EVALUATE_TASK_REQUEST_H

#include "evaluate/task_file.h"

/* The ids [start, start + count): all but the last are the model's input, and the last `scored` are predicted. */
typedef struct pare_task_request {
    size_t start;
    uint32_t count, scored;
} pare_task_request;

typedef struct pare_task_requests {
    pare_id_list ids;
    pare_task_request *list; /* [count], documents one after another, each with its choices in order */
    uint32_t *first;         /* [documents + 1]: a document's first request */
    uint32_t documents, count;
    uint32_t truncated; /* requests that lost tokens on the left, because they were longer than the model's window */
    uint32_t cut;       /* of these, requests that lost tokens of the continuation, too */
} pare_task_requests;

typedef struct pare_task_encoding {
    const pare_tokenizer *tokenizer;
    pare_task_protocol protocol;
    uint32_t window, vocabulary; /* the most tokens of an input; ids lie below `vocabulary` */
} pare_task_encoding;

/* current: context and continuation are encoded as one text, with BOS where the tokenizer adds it by itself; what lies
 *   behind as many tokens as the context alone has is the continuation. White space at the end of the context goes to
 * the continuation before. An empty context is BOS, or EOS where there is none. 4d21ab6b: encoded one by one without
 * BOS; an empty context is EOS. Of longer requests the last window + 1 tokens are kept. Free with
 * pare_task_requests_free. */
pare_status pare_task_requests_encode(const pare_task_encoding *encoding, const pare_task_file *file,
                                      pare_task_requests *out);
void pare_task_requests_free(pare_task_requests *requests);

static inline uint32_t pare_task_request_input(const pare_task_request *request) {
    return request->count - 1;
}

#endif
