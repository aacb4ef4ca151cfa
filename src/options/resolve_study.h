#ifndef PARE_OPTIONS_RESOLVE_STUDY_H
#define PARE_OPTIONS_RESOLVE_STUDY_H

#include "options/resolve.h"
#include "robust/robust.h"

/* Refuses what makes no sense for the model. Free with pare_study_free, also if it fails. The options must live as
 * long. */
pare_status pare_study_resolve(const pare_model *model, const pare_robust_options *options, pare_study *out);
void pare_study_free(pare_study *study);

#endif
