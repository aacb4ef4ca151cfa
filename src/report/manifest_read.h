/* pruning.json, read again. */
#ifndef PARE_REPORT_MANIFEST_READ_H
#define PARE_REPORT_MANIFEST_READ_H

#include "select/selection.h"
#include "support/json.h"

typedef struct pare_manifest {
    bool there;     /* the folder has a pruning.json */
    bool reordered; /* channels were given another order */
    pare_selection kept;
} pare_manifest;

/* What pare_report_layers and pare_report_hidden put into `json`, which was read from `path`. *kept: everything of the
 * model (pare_selection_all), of which this is left. Fails with what is none of this model's. */
pare_status pare_manifest_kept(const json_t *json, const char *path, const pare_model *model, pare_selection *kept);

/* What pruning.json in `folder` keeps of `model`. Fails with what in it is none of this model's. Free with
 * pare_selection_free(&out->kept) in any case. */
pare_status pare_manifest_read(const char *folder, const pare_model *model, pare_manifest *out);

#endif
