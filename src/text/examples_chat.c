/* Chats in the format of their model, tokenised as one text; and others: each answer with what was said since the one
 * before it is encoded like an example, and all that is one example (examples.h has the wording). */
#include "text/chat_render.h"
#include "text/corpus_internal.h"
#include "text/examples_internal.h"

static pare_status mark(pare_buffer *marks, size_t count, char learnt) {
    PARE_TRY(pare_buffer_reserve(marks, count));
    memset(marks->data + marks->bytes, learnt, count);
    marks->bytes += count;
    return PARE_OK;
}

/* How many tokens the first bytes of builder->text are by themselves. */
static pare_status count_tokens(pare_example_builder *builder, size_t bytes, size_t *count) {
    builder->alone.count = 0;
    if (bytes) PARE_TRY(pare_corpus_encode(builder->tokenizer, builder->text.data, bytes, false, &builder->alone));
    *count = builder->alone.count < builder->row.count ? builder->alone.count : builder->row.count;
    return PARE_OK;
}

/* Marks what is learnt: the tokens behind those of the text in front of an answer, up to those of it and its stop. */
static pare_status mark_spans(pare_example_builder *builder, size_t *prompt) {
    size_t done = 0;
    *prompt = builder->row.count;
    for (size_t at = 0; at < builder->spans.bytes; at += sizeof(pare_chat_span)) {
        pare_chat_span span;
        size_t start, end;
        memcpy(&span, builder->spans.data + at, sizeof span);
        PARE_TRY(count_tokens(builder, span.start, &start));
        PARE_TRY(count_tokens(builder, span.end, &end));
        if (start < done) start = done;
        if (end <= start) continue;
        PARE_TRY(mark(&builder->marks, start - done, 0));
        PARE_TRY(mark(&builder->marks, end - start, 1));
        if (*prompt == builder->row.count) *prompt = start;
        done = end;
    }
    return mark(&builder->marks, builder->row.count - done, 0);
}

pare_status pare_example_read_formatted(pare_example_builder *builder, const pare_json_row *row) {
    size_t prompt = 0;
    builder->spans.bytes = builder->text.bytes = 0;
    builder->formatted = true;
    PARE_TRY(pare_chat_render(builder->request->style, row, &builder->chat, &builder->text, &builder->spans));
    if (builder->as_text) return pare_buffer_append(builder->as_text, builder->text.data, builder->text.bytes);
    if (builder->spans.bytes) {
        PARE_TRY(pare_corpus_encode(builder->tokenizer, builder->text.data, builder->text.bytes, false, &builder->row));
        if (!builder->request->train_on_prompt) PARE_TRY(mark_spans(builder, &prompt));
    }
    return pare_example_finish(builder, prompt);
}

/* builder->text is the prompt; an empty answer is not learnt, not even its EOS. *first: ids of the first prompt. */
static pare_status add_answer(pare_example_builder *builder, const char *text, size_t bytes, size_t *first) {
    size_t start = builder->row.count, prompt;
    PARE_TRY(pare_template_append_answer(pare_example_wording(builder), &builder->text));
    size_t prompt_bytes = builder->text.bytes;
    PARE_TRY(pare_buffer_append(&builder->text, text, bytes));
    PARE_TRY(pare_example_encode(builder, prompt_bytes, !start, &prompt));
    size_t added = builder->row.count - start;
    if (prompt > added || !bytes) prompt = added;
    if (!start) *first = prompt;
    builder->text.bytes = 0;
    if (builder->request->train_on_prompt) return PARE_OK;
    PARE_TRY(mark(&builder->marks, prompt, 0));
    return mark(&builder->marks, added - prompt, 1);
}

static pare_status add_turn(pare_example_builder *builder, const pare_json_row *row, size_t index, size_t *prompt) {
    const pare_chat_turn *turn = &builder->chat.turns[index];
    pare_template wording = pare_example_wording(builder);
    const char *text = builder->chat.texts.data + turn->start;
    if (turn->role == PARE_ROLE_TOOL)
        return pare_json_row_refuse(row, "has a tool's turn, for which the %s wording has no place",
                                    wording == PARE_TEMPLATE_NONE ? "none" : "alpaca");
    if (turn->role == PARE_ROLE_SYSTEM) return pare_template_append_system(wording, text, turn->bytes, &builder->text);
    if (!index) PARE_TRY(pare_template_append_system(wording, NULL, 0, &builder->text));
    if (turn->role == PARE_ROLE_USER) return pare_template_append_turn(wording, text, turn->bytes, &builder->text);
    return add_answer(builder, text, turn->bytes, prompt);
}

/* Fatal, since no row of the file can be worded. */
static pare_status refuse_template(const pare_chat_style *style, const pare_json_row *row) {
    char names[256] = "";
    size_t used = 0;
    for (size_t i = PARE_TEMPLATE_ALPACA; pare_template_name(i) && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", pare_template_name(i));
    return pare_fail(PARE_UNSUPPORTED,
                     "%s has chats, and the chat template in %s is of no format that pare knows: choose one with "
                     "--wording NAME (%s)",
                     row->path, style->template_path, names);
}

pare_status pare_example_read_chat(pare_example_builder *builder, const pare_json_row *row) {
    const pare_chat_style *style = builder->request->style;
    size_t prompt = 0;
    if (style && style->unknown) return refuse_template(style, row);
    PARE_TRY(pare_chat_read(row, &builder->chat));
    if (pare_example_has_format(builder, true)) return pare_example_read_formatted(builder, row);
    for (size_t i = 0; i < builder->chat.count; i++)
        PARE_TRY(add_turn(builder, row, i, &prompt));
    return pare_example_finish(builder, prompt);
}
