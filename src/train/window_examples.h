/* Windows of calibration data as examples to train on. */
#ifndef PARE_TRAIN_WINDOW_EXAMPLES_H
#define PARE_TRAIN_WINDOW_EXAMPLES_H

#include "model/model.h"
#include "text/corpus.h"
#include "text/examples.h"

/* An example for each window, of which all tokens are learnt; of pictures an example of one label for each labelled
 * one, or, with `all`, for those without a label, too. out->dropped: the others. Free with pare_examples_free. */
pare_status pare_window_examples(const pare_model *model, const pare_windows *windows, bool all, pare_examples *out);

#endif
