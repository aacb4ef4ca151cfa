/* What the stages of a run took. */
#ifndef PARE_REPORT_STAGES_H
#define PARE_REPORT_STAGES_H

#include "support/json_build.h"
#include "support/usage.h"

#include <stddef.h>

/* A stage, or several of the same name together. */
typedef struct pare_stage_cost {
    const char *name;
    double seconds;
    pare_usage usage;   /* of this stage */
    pare_resident peak; /* the most that was resident while it ran */
} pare_stage_cost;

/* {"stage": {"processor_seconds", "read", "written", "anonymous_peak", "mapped_peak"}}, all but the first in bytes. */
json_t *pare_report_stage_costs(const pare_stage_cost *stages, size_t count);
/* Puts "seconds": {"stage": by the clock}, and those as "stages". */
void pare_report_put_stages(json_t *report, const pare_stage_cost *stages, size_t count);

#endif
