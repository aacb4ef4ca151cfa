#include "support/file.h"
#include "support/runtime.h"
#include "train/batches.h"

#include <stdlib.h>

pare_status pare_examples_check(const pare_examples *examples, const char *name, const pare_model *model) {
    uint32_t vocabulary = model->config.vocabulary;
    for (size_t i = 0; i < examples->count; i++) {
        const pare_example *example = &examples->list[i];
        for (uint32_t j = 0; j < example->count; j++)
            if (examples->ids[example->start + j] >= vocabulary)
                return pare_fail(
                    PARE_FORMAT_ERROR, "%s holds the token id %u, but the vocabulary of %s has only %u tokens", name,
                    examples->ids[example->start + j], pare_checkpoint_directory(model->checkpoint), vocabulary);
    }
    return PARE_OK;
}

void pare_examples_say(const pare_examples *examples, const char *name, const pare_chat_style *style,
                       const pare_runtime *runtime) {
    char *note = pare_examples_note(examples, name);
    pare_runtime_note(runtime, note);
    free(note);
    if (!examples->formatted) return;
    bool dated = style->header != NULL;
    note = pare_format("%s: chats are in the format %s%s (--wording changes it)", name, pare_chat_style_name(style),
                       dated ? ", dated 26 Jul 2024 so that a run can be had again" : "");
    pare_runtime_note(runtime, note);
    free(note);
}
