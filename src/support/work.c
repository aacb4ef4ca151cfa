#include "support/work.h"

void pare_work_add(pare_work *work, const pare_work *other, double times) {
    for (int kind = 0; kind < PARE_WORK_KINDS; kind++)
        work->amount[kind] += times * other->amount[kind];
}

double pare_work_operations(const pare_work *work) {
    double sum = 0.0;
    for (int kind = 0; kind < PARE_WORK_KINDS; kind++)
        if (kind != PARE_WORK_BYTES) sum += work->amount[kind];
    return sum;
}

double pare_work_seconds(const pare_work *work, const pare_rates *rates) {
    double seconds = 0.0;
    for (int kind = 0; kind < PARE_WORK_KINDS; kind++)
        if (work->amount[kind] > 0.0) seconds += work->amount[kind] / rates->per_second[kind];
    return seconds;
}
