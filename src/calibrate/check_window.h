/* What a model that was written is compared on. */
#ifndef PARE_CALIBRATE_CHECK_WINDOW_H
#define PARE_CALIBRATE_CHECK_WINDOW_H

#include "model/model.h"
#include "text/corpus.h"

/* One window: the first tokens of ids [count], or one picture of theirs; without ids (count 0) tokens from all over the
 * vocabulary, or a picture of noise. Free with pare_windows_free. */
pare_status pare_check_window(const pare_model *model, const uint32_t *ids, uint32_t count, pare_windows *out);

#endif
