#include "evaluate/expected.h"

#include <string.h>

/* Operations below which a run is over in a few seconds wherever it runs; bytes of memory that a measurement takes. */
static const double worth_measuring = 1e11;
enum { ROOM = 256 << 20 };

void pare_expected_add(pare_expected *e, const char *stage, const pare_work *work, double times) {
    bool some = work->amount[PARE_WORK_BYTES] > 0.0 || pare_work_operations(work) > 0.0;
    size_t i = 0;
    if (!some || times <= 0.0) return;
    while (i < e->count && strcmp(e->stages[i], stage) != 0)
        i++;
    if (i == PARE_EXPECTED_MOST) return;
    if (i == e->count) e->stages[e->count++] = stage;
    pare_work_add(&e->work[i], work, times);
}

/* Weights that are no numbers are named by whoever reads all of them. */
static pare_status find_rates(const pare_rates_request *request, pare_rates *rates) {
    pare_status status = pare_rates_measure(request, rates);
    if (status == PARE_NUMERIC_ERROR) *rates = pare_rates_assumed();
    return status == PARE_NUMERIC_ERROR ? PARE_OK : status;
}

pare_status pare_expected_measure(pare_expected *e, const pare_model *model, const pare_backend *backend,
                                  int64_t length, uint64_t limit) {
    pare_work all = {{0}};
    pare_rates rates = pare_rates_assumed();
    for (size_t i = 0; i < e->count; i++)
        pare_work_add(&all, &e->work[i], 1.0);
    pare_rates_request request = {
        .model = model, .backend = backend, .length = length, .limit = limit, .written = e->written, .work = &all};
    if (pare_work_operations(&all) >= worth_measuring && (!limit || limit >= ROOM))
        PARE_TRY(find_rates(&request, &rates));
    for (size_t i = 0; i < e->count; i++)
        e->times[i] = (pare_stage_time){e->stages[i], pare_work_seconds(&e->work[i], &rates)};
    e->known = true;
    return PARE_OK;
}

void pare_expected_plan(const pare_expected *e, pare_plan *plan) {
    plan->stages = e->known ? e->times : NULL;
    plan->stage_count = e->known ? e->count : 0;
}
