/* pare_robust: its options become a study, which runs. */
#include "options/resolve_study.h"
#include "support/runtime.h"

pare_status pare_robust(const pare_model *model, const pare_robust_options *options, const pare_runtime *runtime,
                        char **report) {
    pare_study study;
    *report = NULL;
    PARE_TRY(pare_runtime_check(runtime));
    pare_status status = pare_study_resolve(model, options, &study);
    if (status == PARE_OK) status = pare_study_run(model, &study, runtime, report);
    pare_study_free(&study);
    return status;
}
