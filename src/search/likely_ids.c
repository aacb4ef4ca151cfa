#include "search/likely_ids.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>

#define COVERED 0.95
enum { HARDLY = 4 }; /* one id in so many at least must be left out */

typedef struct id_share {
    uint32_t id;
    double share; /* of probability, over all predictions */
} id_share;

typedef struct finding {
    id_share *list; /* [vocabulary] */
    double *logsum; /* [predictions], or NULL */
} finding;

uint64_t pare_likely_ids_bytes(uint32_t vocabulary) {
    return vocabulary <= PARE_LIKELY_WHOLE ? 0 : (uint64_t)vocabulary * (sizeof(id_share) + sizeof(uint32_t));
}

void pare_likely_ids_free(pare_likely_ids *ids) {
    pare_free(ids->id);
    *ids = (pare_likely_ids){0};
}

/* Each id's shares are added in the order of the predictions, whatever the number of threads. */
static pare_status add_tile(void *context, int64_t first, int64_t count, int64_t row, int64_t rows, const float *logits,
                            const float *logsum) {
    const finding *f = context;
    id_share *list = f->list;
    for (int64_t i = 0; f->logsum && !row && i < count; i++)
        f->logsum[first + i] = (double)logsum[i];
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < rows; j++) {
        double sum = 0.0;
        for (int64_t i = 0; i < count; i++)
            sum += (double)expf(logits[i * rows + j] - logsum[i]);
        list[row + j].share += sum;
    }
    return PARE_OK;
}

static int by_share(const void *a, const void *b) {
    const id_share *x = a, *y = b;
    if (x->share > y->share) return -1;
    if (x->share < y->share) return 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_number(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static pare_status take_likeliest(id_share *list, uint32_t vocabulary, pare_likely_ids *out) {
    double all = 0.0, taken = 0.0;
    uint32_t count = 0;
    qsort(list, vocabulary, sizeof *list, by_share);
    for (uint32_t i = 0; i < vocabulary; i++)
        all += list[i].share;
    while (count < vocabulary && !(taken >= COVERED * all))
        taken += list[count++].share;
    if (count > vocabulary - vocabulary / HARDLY) return PARE_OK;
    PARE_TRY(pare_alloc(&out->id, count, sizeof *out->id, "likely ids"));
    out->count = count;
    for (uint32_t i = 0; i < count; i++)
        out->id[i] = list[i].id;
    qsort(out->id, count, sizeof *out->id, by_number);
    return PARE_OK;
}

pare_status pare_likely_ids_find(pare_pass *pass, const pare_source *source, double *logsum, pare_likely_ids *out) {
    uint32_t vocabulary = source->model->config.vocabulary;
    id_share *list;
    *out = (pare_likely_ids){.count = vocabulary};
    if (vocabulary <= PARE_LIKELY_WHOLE) return PARE_OK;
    PARE_TRY(pare_alloc(&list, vocabulary, sizeof *list, "likely ids"));
    for (uint32_t i = 0; i < vocabulary; i++)
        list[i].id = i;
    pare_status status = pare_pass_sweep(pass, source, add_tile, &(finding){list, logsum});
    if (status == PARE_OK) status = take_likeliest(list, vocabulary, out);
    pare_free(list);
    return status;
}
