/* Pictures as examples to train on. */
#ifndef PARE_TRAIN_PICTURE_EXAMPLES_H
#define PARE_TRAIN_PICTURE_EXAMPLES_H

#include "model/model.h"
#include "text/examples.h"

/* The labelled pictures of a set, or all of them where labels are not asked for; `limit` of them (0: all) as
 * pare_pictures_stream takes them, each an example of one label; what was skipped goes to the runtime. digest: of pixels
 * and labels; may be NULL. Fails where none is left. Free with pare_examples_free. */
pare_status pare_picture_examples_read(const pare_model *model, const char *path, uint32_t limit, bool unlabelled,
                                       const pare_runtime *runtime, pare_examples *out, char *digest);

#endif
