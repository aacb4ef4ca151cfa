/* What a model and data settle of a recovery (method/recovery.h). */
#ifndef PARE_RECOVER_RECOVERY_FIT_H
#define PARE_RECOVER_RECOVERY_FIT_H

#include "method/recovery.h"

/* Before any work: no more tokens than the model has positions; refuses what makes no sense for it, and files that
 * cannot be read. *teacher: as pare_teacher_open has it; the second closes it. */
pare_status pare_recovery_fit(const pare_model *model, pare_recovery *recovery, pare_model **teacher);
pare_status pare_recovery_check(const pare_model *model, pare_recovery *recovery);

/* Once it is known how many examples there are: how many of them are held out. */
void pare_recovery_hold_out(size_t examples, pare_recovery *recovery);
/* Once it is known how many steps an epoch has: all steps, and those of the rise and the fall of the rate. */
pare_status pare_recovery_schedule(uint64_t steps_per_epoch, pare_recovery *recovery);

#endif
