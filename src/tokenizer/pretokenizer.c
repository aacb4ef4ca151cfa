#include "tokenizer/pretokenizer.h"
#include "support/memory.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/pretokenizer_steps.h"

typedef struct pass {
    const pare_pretokenizer *pretokenizer;
    pare_pretokenizer_work *work;
    pare_word_fn word;
    void *user;
} pass;

/* One step's way through a text. */
typedef struct splitter {
    pass *pass;
    size_t step;
    const char *text;
    bool first;
    bool has_pending, previous_match;
    size_t start, end; /* of the pending piece, which may still grow */
} splitter;

static pare_status run_steps(pass *p, size_t step, const char *text, size_t bytes, bool first);

static pare_status hand_on(const splitter *s, size_t start, size_t end) {
    return run_steps(s->pass, s->step + 1, s->text + start, end - start, s->first && start == 0);
}

static pare_status flush(splitter *s) {
    bool pending = s->has_pending;
    s->has_pending = false;
    return pending ? hand_on(s, s->start, s->end) : PARE_OK;
}

static pare_status take_stretch(splitter *s, const pare_pretokenizer_step *step, const pare_stretch *stretch) {
    bool match = stretch->match != step->invert, merged = false;
    switch (step->behavior) {
    case PARE_SPLIT_ISOLATED:
        return hand_on(s, stretch->start, stretch->end);
    case PARE_SPLIT_REMOVED:
        return match ? PARE_OK : hand_on(s, stretch->start, stretch->end);
    case PARE_SPLIT_MERGED_WITH_PREVIOUS:
        merged = match && !s->previous_match;
        break;
    case PARE_SPLIT_MERGED_WITH_NEXT:
        merged = !match && s->previous_match;
        break;
    case PARE_SPLIT_CONTIGUOUS:
        merged = match == s->previous_match;
        break;
    }
    s->previous_match = match;
    if (!merged || !s->has_pending) {
        PARE_TRY(flush(s));
        s->start = stretch->start;
        s->has_pending = true;
    }
    s->end = stretch->end;
    return PARE_OK;
}

/* 0: a space, which no word has; 1 and 2: the two kinds of words. */
static int word_class(uint32_t code) {
    return pare_is_word(code) ? 1 : !pare_is_space(code) ? 2 : 0;
}

/* The kind of run that a character, the `index`-th, belongs to; runs of one kind that meet are one. */
static int run_class(const pare_pretokenizer_step *step, uint32_t code, size_t index) {
    if (step->source == PARE_SPLIT_LENGTH) return 1 + (int)(index / step->length % 2);
    return step->source == PARE_SPLIT_WORDS ? word_class(code) : 0;
}

static bool is_match(const pare_pretokenizer_step *step, uint32_t code) {
    switch (step->source) {
    case PARE_SPLIT_NUMERIC:
        return pare_is_numeric(code);
    case PARE_SPLIT_PUNCTUATION:
        return pare_is_punctuation(code);
    case PARE_SPLIT_SPACE:
        return pare_is_space(code);
    case PARE_SPLIT_CHARACTER:
        return code == step->character;
    case PARE_SPLIT_LENGTH:
        return true;
    case PARE_SPLIT_WORDS:
        return word_class(code) != 0;
    case PARE_SPLIT_PATTERN:
        break;
    }
    return false;
}

/* Steps that look at characters: a match is one character, or a run of one class. */
static pare_status split_by_characters(splitter *s, const pare_pretokenizer_step *step, size_t bytes) {
    uint32_t code = 0;
    size_t length, index = 0;
    pare_stretch stretch = {0};
    int previous_class = 0;
    for (size_t at = 0; at < bytes; at += length, index++) {
        length = pare_utf8_decode(s->text + at, bytes - at, &code);
        if (!length) return pare_fail(PARE_BAD_ARGUMENT, "text to be split is not UTF-8");
        bool match = is_match(step, code);
        int class = run_class(step, code, index);
        bool grows = match == stretch.match && class == previous_class && (!match || class);
        if (at && !grows) {
            PARE_TRY(take_stretch(s, step, &stretch));
            stretch.start = at;
        }
        stretch.end = at + length;
        stretch.match = match;
        previous_class = class;
    }
    return bytes ? take_stretch(s, step, &stretch) : PARE_OK;
}

static pare_status split(pass *p, size_t index, const char *text, size_t bytes, bool first) {
    const pare_pretokenizer_step *step = p->pretokenizer->steps + index;
    splitter s = {.pass = p, .step = index, .text = text, .first = first};
    if (step->source != PARE_SPLIT_PATTERN) {
        PARE_TRY(split_by_characters(&s, step, bytes));
        return flush(&s);
    }
    pare_pattern_scan scan = {.text = text, .bytes = bytes};
    pare_stretch stretch;
    bool more;
    for (;;) {
        PARE_TRY(pare_pattern_next(&step->pattern, p->work->pattern, &scan, &stretch, &more));
        if (!more) return flush(&s);
        PARE_TRY(take_stretch(&s, step, &stretch));
    }
}

static bool begins_with(const char *text, size_t bytes, const char *mark, size_t mark_bytes) {
    return bytes >= mark_bytes && memcmp(text, mark, mark_bytes) == 0;
}

static pare_status rewrite(const pare_pretokenizer_step *step, const char *text, size_t bytes, bool first,
                           pare_buffer *out) {
    const bool metaspace = step->kind == PARE_STEP_METASPACE;
    bool present = begins_with(text, bytes, step->mark, step->mark_bytes) || (metaspace && *text == ' ');
    bool wanted = step->scheme == PARE_PREPEND_ALWAYS || (step->scheme == PARE_PREPEND_FIRST && first);
    PARE_TRY(pare_buffer_reserve(out, bytes + bytes / 2));
    if (wanted && !present) PARE_TRY(pare_buffer_append(out, step->mark, step->mark_bytes));
    while (bytes) {
        const char *space = metaspace ? memchr(text, ' ', bytes) : NULL;
        size_t plain = space ? (size_t)(space - text) : bytes;
        PARE_TRY(pare_buffer_append(out, text, plain));
        if (space) PARE_TRY(pare_buffer_append(out, step->mark, step->mark_bytes));
        plain += space != NULL;
        text += plain;
        bytes -= plain;
    }
    return PARE_OK;
}

static pare_status run_steps(pass *p, size_t step, const char *text, size_t bytes, bool first) {
    if (!bytes) return PARE_OK;
    if (step == p->pretokenizer->count) return p->word(p->user, text, bytes);
    if (p->pretokenizer->steps[step].kind == PARE_STEP_SPLIT) return split(p, step, text, bytes, first);
    pare_buffer *out = p->work->rewritten + step;
    out->bytes = 0;
    if (p->pretokenizer->steps[step].kind == PARE_STEP_SPELL)
        PARE_TRY(pare_byte_level_encode(text, bytes, out));
    else
        PARE_TRY(rewrite(p->pretokenizer->steps + step, text, bytes, first, out));
    return run_steps(p, step + 1, out->data, out->bytes, first);
}

pare_status pare_pretokenizer_run(const pare_pretokenizer *pretokenizer, pare_pretokenizer_work *work, const char *text,
                                  size_t bytes, bool first, pare_word_fn word, void *user) {
    pass p = {pretokenizer, work, word, user};
    return run_steps(&p, 0, text, bytes, first);
}

void pare_pretokenizer_work_free(pare_pretokenizer_work *work) {
    for (size_t i = 0; i < PARE_PRETOKENIZER_STEPS; i++)
        pare_buffer_free(work->rewritten + i);
}

void pare_pretokenizer_free(pare_pretokenizer *pretokenizer) {
    for (size_t i = 0; i < pretokenizer->count; i++)
        pare_pattern_free(&pretokenizer->steps[i].pattern);
    pare_free(pretokenizer->steps);
    *pretokenizer = (pare_pretokenizer){0};
}
