/* pruning.json, read again. */
#ifndef PARE_REPORT_MANIFEST_READ_H
#define PARE_REPORT_MANIFEST_READ_H

#include "select/selection.h"

typedef struct pare_manifest {
    bool there;     /* the folder has a pruning.json */
    bool reordered; /* channels were given another order */
    pare_selection kept;
} pare_manifest;

/* What pruning.json in `folder` keeps of `model`. Fails with what in it is none of this model's. Free with
 * pare_selection_free(&out->kept) in any case. */
pare_status pare_manifest_read(const char *folder, const pare_model *model, pare_manifest *out);

#endif
