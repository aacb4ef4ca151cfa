#include "train/window_examples.h"
#include "model/patches.h"
#include "support/memory.h"

#include <string.h>

static pare_status make_examples(const pare_model *model, const pare_windows *windows, bool all, pare_examples *out) {
    size_t ids = (size_t)windows->count * windows->length;
    bool pictures = pare_reads_pictures(&model->config);
    PARE_TRY(pare_alloc_uninitialized(&out->ids, ids, sizeof *out->ids, "examples"));
    PARE_TRY(pare_alloc(&out->list, windows->count, sizeof *out->list, "examples"));
    if (pictures) PARE_TRY(pare_alloc(&out->labels, windows->count, sizeof *out->labels, "labels"));
    memcpy(out->ids, windows->ids, ids * sizeof *out->ids);
    for (size_t i = 0; i < windows->count; i++) {
        size_t start = i * windows->length;
        int32_t label = pictures ? pare_patches_label(model, windows->ids[start]) : 0;
        if (label < 0 && !all) continue;
        if (pictures) out->labels[out->count] = label;
        out->list[out->count++] = (pare_example){.start = start, .count = windows->length};
    }
    out->dropped = windows->count - out->count;
    return PARE_OK;
}

pare_status pare_window_examples(const pare_model *model, const pare_windows *windows, bool all, pare_examples *out) {
    *out = (pare_examples){0};
    pare_status status = make_examples(model, windows, all, out);
    if (status != PARE_OK) pare_examples_free(out);
    return status;
}
