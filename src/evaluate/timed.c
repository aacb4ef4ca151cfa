#include "evaluate/timed.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/progress.h"

#include <stdlib.h>

pare_status pare_timed(pare_timed_fn work, void *context, double *seconds) {
    double start = pare_clock();
    PARE_TRY(work(context));
    *seconds = pare_clock() - start;
    return PARE_OK;
}

/* One call, and the clock's time that it took, too. */
static pare_status time_call(pare_timed_fn prepare, pare_timed_fn work, void *context, double *seconds) {
    PARE_TRY(prepare ? prepare(context) : PARE_OK);
    double start = pare_clock_of_thread();
    PARE_TRY(work(context));
    *seconds = pare_clock_of_thread() - start;
    return PARE_OK;
}

pare_status pare_timed_rate(pare_timed_fn prepare, pare_timed_fn work, void *context, double amount, double *rate) {
    enum { REPEATS = 16 };
    static const double enough = 0.2, longest = 0.6; /* of processor time, and by the clock where others use it */
    double first, times[REPEATS], sum = 0.0, begin = pare_clock();
    size_t count = 0;
    PARE_TRY(time_call(prepare, work, context, &first));
    for (; count < REPEATS && first < enough && sum < enough && pare_clock() - begin < longest; count++) {
        PARE_TRY(time_call(prepare, work, context, &times[count]));
        sum += times[count];
    }
    qsort(times, count, sizeof *times, pare_ascending_double);
    double usual = count ? times[count / 4] : first;
    *rate = amount / (usual > 0.0 ? usual : 1e-9);
    return PARE_OK;
}

pare_status pare_product_run_once(void *run) {
    pare_product_run *g = run;
    return g->backend->operations->matmul(g->backend, &g->shape, g->a, g->b, g->c);
}

static pare_status fill_operand(const pare_backend *backend, int64_t count, uint64_t seed, void **out) {
    enum { STEP = 1 << 10 };
    float values[STEP];
    PARE_TRY(pare_alloc_uninitialized(out, (size_t)count, pare_operand_size(backend), "matrix"));
    for (int64_t i = 0; i < count; i += STEP) {
        int64_t n = count - i < STEP ? count - i : STEP;
        for (int64_t j = 0; j < n; j++)
            values[j] = (float)((uint64_t)(i + j) * 2654435761u * (2 * seed + 1) % 1024) / 1024.0f - 0.5f;
        backend->operations->to_operand(backend, values, n, pare_operand_at(backend, *out, i));
    }
    return PARE_OK;
}

int64_t pare_product_outputs(const pare_config *config) {
    return config->widths[0].ffn ? config->widths[0].ffn : config->hidden;
}

void pare_product_run_free(pare_product_run *g) {
    pare_free(g->a);
    pare_free(g->b);
    pare_free(g->c);
    *g = (pare_product_run){0};
}

pare_status pare_product_run_new(const pare_backend *backend, int64_t m, int64_t n, int64_t k, pare_product_run *g) {
    *g = (pare_product_run){.backend = backend,
                            .shape = {.batch = 1, .m = m, .n = n, .k = k, .transpose_b = true},
                            .flops = 2.0 * (double)m * (double)n * (double)k};
    pare_status status = fill_operand(backend, m * k, 1, &g->a);
    if (status == PARE_OK) status = fill_operand(backend, n * k, 2, &g->b);
    if (status == PARE_OK) status = pare_alloc_uninitialized(&g->c, (size_t)(m * n), sizeof(float), "matrix");
    if (status != PARE_OK) pare_product_run_free(g);
    return status;
}
