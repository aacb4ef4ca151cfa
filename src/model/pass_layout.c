#include "model/pass_internal.h"

/* From this many tokens on, a sequence with hidden keys has attention of its own. */
enum { HIDING_LENGTH = 256 };

void pare_pass_arrange(pare_pass *pass, const pare_layout *layout) {
    pass->next = layout ? *layout : (pare_layout){0};
}

/* Shorter sequences: as many in a micro-batch as have no more tokens than the pass was made for, and as many in
 * attention as need no more workspace. Sequences that hide keys are worked on one by one where they are longer than a
 * few tiles of attention: what all queries of a tile cannot see is passed over. */
static void divide_sequences(pare_pass *pass) {
    const pare_config *config = &pass->model->config;
    const pare_pass_shape *shape = &pass->shape;
    int64_t length = pass->layout.length;
    pass->micro_batch = shape->micro_batch * shape->length / length;
    pass->attention_batch = 0;
    if (pass->layout.start && length >= HIDING_LENGTH) pass->attention_batch = 1;
    if (length == shape->length || pass->attention_batch) return;
    uint64_t room =
        pare_attention_workspace_bytes(pass->backend, config, shape->micro_batch, shape->length, shape->gradients);
    pass->attention_batch = pass->micro_batch < pass->sequences ? pass->micro_batch : pass->sequences;
    while (pass->attention_batch > 1 && pare_attention_workspace_bytes(pass->backend, config, pass->attention_batch,
                                                                       length, shape->gradients) > room)
        pass->attention_batch = (pass->attention_batch + 1) / 2;
}

/* As transformers takes it: of all sequences together. */
static int64_t reach_of(const pare_layout *layout, int64_t sequences) {
    int64_t highest = 0;
    if (!layout->positions) return layout->length;
    for (int64_t t = 0; t < sequences * layout->length; t++)
        highest = layout->positions[t] > highest ? layout->positions[t] : highest;
    return highest + 1;
}

pare_status pare_pass_enter(pare_pass *pass, int64_t sequences) {
    const pare_pass_shape *shape = &pass->shape;
    pare_layout layout = pass->next;
    if (!layout.length) layout.length = shape->length;
    if (layout.length < 0 || layout.length > shape->length || sequences < 1 ||
        sequences > shape->sequences * shape->length / layout.length)
        return pare_fail(
            PARE_BAD_ARGUMENT, "%lld sequences of %lld tokens do not fit a pass made for %lld sequences of %lld",
            (long long)sequences, (long long)layout.length, (long long)shape->sequences, (long long)shape->length);
    const pare_config *config = &pass->model->config;
    if (pare_reads_pictures(config) && layout.length != config->max_positions)
        return pare_fail(PARE_BAD_ARGUMENT, "a picture is %u tokens of this model, not %lld", config->max_positions,
                         (long long)layout.length);
    PARE_TRY(pare_layout_check(&layout, sequences, shape->length, (int64_t)pass->model->config.vocabulary));
    pass->sequences = sequences;
    pass->layout = layout;
    pass->reach = reach_of(&layout, sequences);
    divide_sequences(pass);
    return PARE_OK;
}
