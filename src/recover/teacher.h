/* The model that teaches a recovery: whether it can, and getting it. */
#ifndef PARE_RECOVER_TEACHER_H
#define PARE_RECOVER_TEACHER_H

#include "method/recovery.h"

/* Opens the recovery's teacher, if it names one, and refuses one that cannot teach `model`: that reads something else,
 * tokens that are not the model's, or sequences that are too short. Else *out is NULL. */
pare_status pare_teacher_open(const pare_model *model, const pare_recovery *recovery, pare_model **out);
/* Refuses a teacher that is the very model it should teach. */
pare_status pare_teacher_check_other(const pare_model *model, const pare_recovery *recovery);

#endif
