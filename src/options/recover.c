/* pare_recover: its options become a recovery, which runs. */
#include "options/resolve.h"
#include "recover/recover_job.h"
#include "recover/teacher.h"
#include "support/runtime.h"

pare_status pare_recover(const pare_model *model, const pare_recover_options *options, const pare_runtime *runtime,
                         char **report) {
    pare_recovery recovery;
    *report = NULL;
    PARE_TRY(pare_recovery_resolve(options, &recovery));
    PARE_TRY(pare_runtime_check(runtime));
    return pare_recovery_run(model, &recovery, runtime, report);
}

pare_status pare_recover_check(const pare_model *model, const pare_recover_options *options) {
    pare_recovery recovery;
    PARE_TRY(pare_recovery_resolve(options, &recovery));
    PARE_TRY(pare_teacher_check_other(model, &recovery));
    return pare_recovery_check(model, &recovery);
}
