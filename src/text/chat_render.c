#include "text/chat_render.h"
#include "text/strip.h"

typedef struct piece {
    const char *text;
    size_t bytes;
} piece;

typedef struct rendering {
    const pare_chat_style *style;
    const pare_chat_format *format;
    const pare_json_row *row;
    const pare_chat *chat;
    size_t count; /* turns, up to the last answer */
    piece system; /* in front of a user's text; text NULL: none */
    size_t merged, last_user;
    pare_buffer *text, *spans;
} rendering;

static piece strip(piece p) {
    uint32_t code;
    for (size_t n; (n = pare_utf8_decode(p.text, p.bytes, &code)) && pare_is_stripped(code); p.bytes -= n)
        p.text += n;
    for (size_t n; (n = pare_utf8_decode_last(p.text, p.bytes, &code)) && pare_is_stripped(code);)
        p.bytes -= n;
    return p;
}

static piece strip_lines(piece p) {
    while (p.bytes && *p.text == '\n') {
        p.text++;
        p.bytes--;
    }
    return p;
}

static pare_status put(rendering *r, const char *literal) {
    for (const char *at = literal ? literal : ""; *at;) {
        const char *brace = strchr(at, '{');
        const char *token = !brace                            ? NULL
                            : strncmp(brace, "{bos}", 5) == 0 ? r->style->bos
                            : strncmp(brace, "{eos}", 5) == 0 ? r->style->eos
                                                              : NULL;
        size_t plain = token ? (size_t)(brace - at) : strlen(at);
        PARE_TRY(pare_buffer_append(r->text, at, plain));
        at += plain;
        if (token) PARE_TRY(pare_buffer_append(r->text, token, strlen(token)));
        if (token) at += 5;
    }
    return PARE_OK;
}

static pare_status put_piece(rendering *r, piece p) {
    return pare_buffer_append(r->text, p.text, p.bytes);
}

static piece text_of(const rendering *r, const pare_chat_turn *turn) {
    piece p = {r->chat->texts.data + turn->start, turn->bytes};
    bool answer = turn->role == PARE_ROLE_ASSISTANT;
    pare_chat_trim trim = r->format->trim;
    bool stripped = trim == PARE_TRIM_TEXT || trim == PARE_TRIM_WHOLE || (trim == PARE_TRIM_ANSWERS && answer);
    return stripped ? strip(p) : p;
}

static pare_status put_system(rendering *r, piece text) {
    PARE_TRY(put(r, r->format->before[PARE_ROLE_SYSTEM]));
    PARE_TRY(put(r, r->style->header));
    PARE_TRY(put_piece(r, text));
    return put(r, r->format->after[PARE_ROLE_SYSTEM]);
}

/* Without the header, which belongs to the first one. */
static pare_status put_later_system(rendering *r, size_t index) {
    PARE_TRY(put(r, r->format->before[PARE_ROLE_SYSTEM]));
    PARE_TRY(put_piece(r, text_of(r, r->chat->turns + index)));
    return put(r, r->format->after[PARE_ROLE_SYSTEM]);
}

static pare_status put_user(rendering *r, size_t index) {
    const pare_chat_turn *turn = r->chat->turns + index;
    piece text = text_of(r, turn);
    PARE_TRY(put(r, r->format->before[PARE_ROLE_USER]));
    if (r->system.text && index == r->merged) {
        PARE_TRY(put(r, r->format->system_lead));
        PARE_TRY(put_piece(r, r->system));
        PARE_TRY(put(r, r->format->system_end));
        if (r->format->trim == PARE_TRIM_WHOLE) { /* its beginning is inside of what is stripped */
            piece raw = {r->chat->texts.data + turn->start, turn->bytes};
            size_t front = (size_t)(text.text - raw.text);
            text = (piece){raw.text, text.bytes ? front + text.bytes : 0};
        }
    }
    PARE_TRY(put_piece(r, text));
    return put(r, r->format->after[PARE_ROLE_USER]);
}

/* Cuts what an answer says that it thought off, as Qwen 3's template does: it is shown only behind the last user. */
static pare_status put_thought(rendering *r, size_t index, piece *text) {
    static const char end[] = "</think>", start[] = "<think>";
    piece thought = {"", 0}, all = *text;
    for (const char *at = all.text; (at = memmem(at, (size_t)(all.text + all.bytes - at), end, sizeof end - 1));) {
        if (!thought.bytes) thought = (piece){all.text, (size_t)(at - all.text)};
        at += sizeof end - 1;
        *text = strip_lines((piece){at, (size_t)(all.text + all.bytes - at)});
    }
    for (const char *at; (at = memmem(thought.text, thought.bytes, start, sizeof start - 1));) {
        at += sizeof start - 1;
        thought = (piece){at, thought.bytes - (size_t)(at - thought.text)};
    }
    thought = strip_lines(thought);
    while (thought.bytes && thought.text[thought.bytes - 1] == '\n')
        thought.bytes--;
    if (index < r->last_user || (index + 1 < r->count && !thought.bytes)) return PARE_OK;
    *text = strip_lines(*text);
    PARE_TRY(put(r, "<think>\n"));
    PARE_TRY(put_piece(r, thought));
    return put(r, "\n</think>\n\n");
}

static pare_status put_answer(rendering *r, size_t index) {
    piece text = text_of(r, r->chat->turns + index);
    PARE_TRY(put(r, r->format->before[PARE_ROLE_ASSISTANT]));
    pare_chat_span span = {r->text->bytes, 0};
    PARE_TRY(put(r, r->format->lead));
    if (r->format->thinks) PARE_TRY(put_thought(r, index, &text));
    PARE_TRY(put_piece(r, text));
    PARE_TRY(put(r, r->format->stop));
    span.end = r->text->bytes;
    if (text.bytes) PARE_TRY(pare_buffer_append(r->spans, &span, sizeof span));
    return put(r, r->format->after[PARE_ROLE_ASSISTANT]);
}

static pare_status put_tool(rendering *r, size_t index) {
    const pare_chat_turn *turns = r->chat->turns;
    bool first = !index || turns[index - 1].role != PARE_ROLE_TOOL;
    bool last = index + 1 == r->count || turns[index + 1].role != PARE_ROLE_TOOL;
    if (!r->format->answers_tools) {
        PARE_TRY(put(r, r->format->before[PARE_ROLE_TOOL]));
        PARE_TRY(put_piece(r, text_of(r, turns + index)));
        return put(r, r->format->after[PARE_ROLE_TOOL]);
    }
    if (first) PARE_TRY(put(r, "<|im_start|>user"));
    PARE_TRY(put(r, "\n<tool_response>\n"));
    PARE_TRY(put_piece(r, text_of(r, turns + index)));
    PARE_TRY(put(r, "\n</tool_response>"));
    return last ? put(r, "<|im_end|>\n") : PARE_OK;
}

static pare_status check(const rendering *r) {
    const char *name = r->format->name;
    size_t first = r->count && r->chat->turns[0].role == PARE_ROLE_SYSTEM;
    for (size_t i = 0; i < r->count; i++) {
        pare_chat_role role = r->chat->turns[i].role;
        if (role == PARE_ROLE_SYSTEM && r->format->system == PARE_SYSTEM_REFUSED)
            return pare_json_row_refuse(r->row, "has a system's turn, for which the model's %s format has no place",
                                        name);
        if (role == PARE_ROLE_TOOL && !r->format->before[role])
            return pare_json_row_refuse(r->row, "has a tool's turn, for which the %s format has no place", name);
        if (role == PARE_ROLE_SYSTEM && i && r->format->system != PARE_SYSTEM_OWN)
            return pare_json_row_refuse(r->row,
                                        "has a system's turn that is not the first, for which the %s format has no "
                                        "place",
                                        name);
        bool user = (i - first) % 2 == 0;
        if (r->format->alternates && i >= first && role != (user ? PARE_ROLE_USER : PARE_ROLE_ASSISTANT))
            return pare_json_row_refuse(r->row,
                                        "has turns of the user and the assistant that do not alternate, as the %s "
                                        "format needs them to",
                                        name);
    }
    return PARE_OK;
}

/* What comes in front of the first turn, and where the system's text goes. */
static pare_status begin(rendering *r) {
    const pare_chat_turn *turns = r->chat->turns;
    bool system = r->count && turns[0].role == PARE_ROLE_SYSTEM;
    size_t first_user = r->count;
    r->last_user = r->count;
    for (size_t i = r->count; i-- > 0;)
        if (turns[i].role == PARE_ROLE_USER) first_user = i;
    for (size_t i = 0; i < r->count; i++)
        if (turns[i].role == PARE_ROLE_USER) r->last_user = i;
    r->merged = r->format->system == PARE_SYSTEM_LAST_USER ? r->last_user : first_user;
    PARE_TRY(put(r, r->format->begin));
    if (system && r->format->system != PARE_SYSTEM_OWN) {
        r->system = (piece){r->chat->texts.data + turns[0].start, turns[0].bytes};
        return PARE_OK;
    }
    if (system && r->format->skips_empty && !turns[0].bytes) return PARE_OK;
    if (system) return put_system(r, text_of(r, turns));
    return r->style->system ? put_system(r, (piece){r->style->system, strlen(r->style->system)}) : PARE_OK;
}

pare_status pare_chat_render(const pare_chat_style *style, const pare_json_row *row, const pare_chat *chat,
                             pare_buffer *text, pare_buffer *spans) {
    rendering r = {.style = style, .format = style->format, .row = row, .chat = chat, .text = text, .spans = spans};
    for (size_t i = 0; i < chat->count; i++)
        if (chat->turns[i].role == PARE_ROLE_ASSISTANT) r.count = i + 1;
    PARE_TRY(check(&r));
    PARE_TRY(begin(&r));
    for (size_t i = 0; i < r.count; i++) {
        pare_chat_role role = chat->turns[i].role;
        pare_status status = role == PARE_ROLE_USER        ? put_user(&r, i)
                             : role == PARE_ROLE_ASSISTANT ? put_answer(&r, i)
                             : role == PARE_ROLE_TOOL      ? put_tool(&r, i)
                             : i                           ? put_later_system(&r, i)
                                                           : PARE_OK;
        PARE_TRY(status);
    }
    return put(&r, r.format->end);
}
