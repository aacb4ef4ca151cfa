#include "model/pass_internal.h"

#include <stdlib.h>
#include <string.h>

void pare_embedding_forward(const pare_pass *pass, const pare_source *source, float *x) {
    int64_t d = pass->model->config.hidden, tokens = pare_pass_tokens(pass);
#pragma omp parallel for schedule(static) if (tokens * d > 8192)
    for (int64_t t = 0; t < tokens; t++)
        pare_source_rows(source, pare_tensor_id_embedding(), pass->ids[t], 1, x + t * d);
}

static int compare_ids(const void *a, const void *b, void *ids) {
    const uint32_t *of = ids;
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    if (of[x] != of[y]) return of[x] < of[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* By id, then by position: every row's gradient is a sum in the order of the tokens. */
void pare_embedding_sort(pare_pass *pass) {
    int64_t tokens = pare_pass_tokens(pass);
    for (int64_t t = 0; t < tokens; t++)
        pass->order[t] = t;
    qsort_r(pass->order, (size_t)tokens, sizeof *pass->order, compare_ids, (void *)(uintptr_t)pass->ids);
}

void pare_embedding_scatter(const pare_pass *pass, int64_t first, int64_t rows, float *gradient) {
    int64_t d = pass->model->config.hidden, tokens = pare_pass_tokens(pass), low = 0, high = tokens;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if ((int64_t)pass->ids[pass->order[middle]] < first)
            low = middle + 1;
        else
            high = middle;
    }
    for (int64_t i = low; i < tokens; i++) {
        int64_t t = pass->order[i], row = (int64_t)pass->ids[t] - first;
        if (row >= rows) break;
        const float *from = pass->dx + t * d;
        float *to = gradient + row * d;
        for (int64_t j = 0; j < d; j++)
            to[j] += from[j];
    }
}

pare_status pare_embedding_backward(pare_pass *pass, const pare_gradient_sink *sink) {
    int64_t d = pass->model->config.hidden, vocabulary = pass->model->config.vocabulary;
    for (int64_t first = 0; first < vocabulary; first += PARE_HEAD_VOCABULARY) {
        int64_t rows = vocabulary - first < PARE_HEAD_VOCABULARY ? vocabulary - first : PARE_HEAD_VOCABULARY;
        memset(pass->head_gradient, 0, (size_t)(rows * d) * sizeof(float));
        pare_embedding_scatter(pass, first, rows, pass->head_gradient);
        PARE_TRY(sink->rows(sink->context, pare_tensor_id_embedding(), first, rows, d, pass->head_gradient, NULL));
    }
    return PARE_OK;
}
