#include "train/picture_examples.h"
#include "calibrate/pictures.h"
#include "model/patches.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <string.h>

static pare_status make_examples(const pare_model *model, const pare_windows *windows, bool all, pare_examples *out) {
    size_t ids = (size_t)windows->count * windows->length;
    PARE_TRY(pare_alloc_uninitialized(&out->ids, ids, sizeof *out->ids, "pictures"));
    PARE_TRY(pare_alloc(&out->list, windows->count, sizeof *out->list, "pictures"));
    PARE_TRY(pare_alloc(&out->labels, windows->count, sizeof *out->labels, "labels"));
    memcpy(out->ids, windows->ids, ids * sizeof *out->ids);
    for (size_t i = 0; i < windows->count; i++) {
        size_t start = i * windows->length;
        int32_t label = pare_patches_label(model, windows->ids[start]);
        if (label < 0 && !all) continue;
        out->labels[out->count] = label;
        out->list[out->count++] = (pare_example){.start = start, .count = windows->length};
    }
    out->dropped = windows->count - out->count;
    return PARE_OK;
}

pare_status pare_picture_examples_read(const pare_model *model, const char *path, uint32_t limit, bool unlabelled,
                                       const pare_runtime *runtime, pare_examples *out, char *digest) {
    pare_windows windows;
    PARE_TRY(pare_pictures_stream(model, path, limit, &windows));
    pare_runtime_note(runtime, windows.note);
    pare_status status = make_examples(model, &windows, unlabelled, out);
    if (status == PARE_OK && digest) status = pare_pictures_digest(model, &windows, digest);
    pare_windows_free(&windows);
    PARE_TRY(status);
    if (out->count) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "the pictures of %s have no labels: put them into one folder per class, or let a teacher alone say "
                     "what they are (pare recover --teacher MODEL --ce 0)",
                     path);
}
