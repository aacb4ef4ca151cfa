/* Examples of a row: what was put together of its text, cut to length and added. */
#include "support/memory.h"
#include "text/corpus_internal.h"
#include "text/examples_internal.h"

#include <string.h>

pare_template pare_example_wording(const pare_example_builder *builder) {
    return builder->request->style ? builder->request->style->wording : builder->request->wording;
}

bool pare_example_has_format(const pare_example_builder *builder, bool chat) {
    const pare_chat_style *style = builder->request->style;
    return style && style->format && (chat || style->wording == PARE_TEMPLATE_CHAT);
}

/* The text of a prompt and its answer, and the EOS by name. */
static pare_status append_as_text(pare_example_builder *builder) {
    const char *eos = builder->request->style ? builder->request->style->eos : "";
    PARE_TRY(pare_buffer_append(builder->as_text, builder->text.data, builder->text.bytes));
    return pare_buffer_append(builder->as_text, eos, strlen(eos));
}

pare_status pare_example_encode(pare_example_builder *builder, size_t prompt_bytes, bool bos, size_t *prompt) {
    const pare_tokenizer *tokenizer = builder->tokenizer;
    pare_id_list *row = &builder->row;
    size_t start = row->count;
    *prompt = 0;
    if (builder->as_text) return append_as_text(builder);
    int64_t eos = pare_tokenizer_eos(tokenizer);
    builder->alone.count = 0;
    if (prompt_bytes) PARE_TRY(pare_corpus_encode(tokenizer, builder->text.data, prompt_bytes, bos, &builder->alone));
    *prompt = builder->alone.count;
    PARE_TRY(pare_corpus_encode(tokenizer, builder->text.data, builder->text.bytes, bos, row));
    bool ended = row->count > start && row->ids[row->count - 1] == (uint32_t)eos;
    return eos < 0 || ended ? PARE_OK : pare_id_list_add(row, (uint32_t)eos);
}

static pare_status add_example(pare_example_builder *builder, size_t start, uint32_t count, uint32_t prompt) {
    if (builder->count == builder->room) {
        size_t room = builder->room ? builder->room * 2 : 256;
        pare_example *list;
        PARE_TRY(pare_alloc_uninitialized(&list, room, sizeof *list, "the list of examples"));
        if (builder->count) memcpy(list, builder->list, builder->count * sizeof *list);
        pare_free(builder->list);
        builder->list = list;
        builder->room = room;
    }
    builder->list[builder->count++] = (pare_example){builder->ids.count, count, prompt};
    return pare_id_list_append(&builder->ids, builder->row.ids + start, count);
}

/* Whether anything but the first id is learnt, which nothing predicts. */
static bool has_targets(const pare_example_builder *builder, uint32_t count, size_t prompt) {
    uint32_t first = prompt > 1 ? (uint32_t)prompt : 1;
    if (!builder->marks.bytes) return first < count;
    return first < count && memchr(builder->marks.data + first, 1, count - first);
}

pare_status pare_example_finish(pare_example_builder *builder, size_t prompt) {
    if (builder->as_text) return PARE_OK;
    uint32_t cutoff = builder->request->cutoff;
    uint32_t count = builder->row.count < cutoff ? (uint32_t)builder->row.count : cutoff;
    if (builder->request->train_on_prompt) prompt = 0;
    if (prompt >= count || !has_targets(builder, count, prompt)) {
        builder->dropped++;
        return PARE_OK;
    }
    builder->shortened += builder->row.count > cutoff;
    PARE_TRY(add_example(builder, 0, count, (uint32_t)prompt));
    return builder->marks.bytes ? pare_buffer_append(&builder->learnt, builder->marks.data, count) : PARE_OK;
}

pare_status pare_example_divide(pare_example_builder *builder) {
    size_t count = builder->row.count, limit = builder->request->limit;
    bool stream = !builder->kind;
    uint32_t cutoff = builder->request->cutoff;
    if (count < PARE_EXAMPLE_SMALLEST_CUTOFF) builder->dropped++;
    for (size_t at = 0; count - at >= PARE_EXAMPLE_SMALLEST_CUTOFF && (!stream || !limit || builder->count < limit);) {
        uint32_t taken = count - at < cutoff ? (uint32_t)(count - at) : cutoff;
        PARE_TRY(add_example(builder, at, taken, 0));
        at += taken;
        if (count - at == 1) builder->shortened++; /* a single token teaches nothing */
    }
    return PARE_OK;
}

void pare_example_builder_free(pare_example_builder *builder) {
    pare_buffer_free(&builder->text);
    pare_buffer_free(&builder->marks);
    pare_buffer_free(&builder->spans);
    pare_id_list_free(&builder->row);
    pare_id_list_free(&builder->alone);
    pare_chat_free(&builder->chat);
}
