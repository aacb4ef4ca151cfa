#include "train/picture_examples.h"
#include "calibrate/pictures.h"
#include "support/runtime.h"
#include "train/window_examples.h"

pare_status pare_picture_examples_read(const pare_model *model, const char *path, uint32_t limit, bool unlabelled,
                                       const pare_runtime *runtime, pare_examples *out, char *digest) {
    pare_windows windows;
    PARE_TRY(pare_pictures_stream(model, path, limit, &windows));
    pare_runtime_note(runtime, windows.note);
    pare_status status = pare_window_examples(model, &windows, unlabelled, out);
    if (status == PARE_OK && digest) status = pare_pictures_digest(model, &windows, digest);
    pare_windows_free(&windows);
    PARE_TRY(status);
    if (out->count) return PARE_OK;
    return pare_fail(
        PARE_FORMAT_ERROR,
        "the pictures of %s have no labels: put them into one folder per class, or let a teacher alone say "
        "what they are (pare recover --teacher MODEL --ce 0)",
        path);
}
