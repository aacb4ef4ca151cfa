/* Whether a pass keeps what blocks compute until their backward (kept.h). */
#ifndef PARE_MODEL_KEPT_RULE_H
#define PARE_MODEL_KEPT_RULE_H

#include "support/status.h"

typedef enum pare_kept_rule {
    PARE_KEPT_NONE,
    PARE_KEPT_AS_ROOM, /* as many as the limit leaves room for beside the mapped weights */
    PARE_KEPT_ALL      /* or the pass is refused; mapped weights do not count */
} pare_kept_rule;

/* What a runtime asks for; NULL: the usual. */
pare_kept_rule pare_kept_rule_of(const pare_runtime *runtime);

#endif
