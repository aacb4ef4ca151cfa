/* A class is what its items have together, `&&` keeps what both its sides have, and `^` in front of all turns it round.
 * PCRE2's classes know neither classes inside nor `&&`, nor the opposite of several things. What fits one PCRE2 class
 * becomes one; the rest become groups that match one character: (?:a|b) for a union, (?:(?=a)b) for an intersection,
 * (?:(?!a)(?s:.)) for an opposite. */
#include "tokenizer/onig_translation.h"

enum { DEEPEST_CLASS = 16 };

/* The matcher of one character that is being put together. */
typedef struct set {
    pare_buffer flat;   /* the inside of a PCRE2 class */
    pare_buffer others; /* matchers of one character, each with a | in front */
    pare_buffer both;   /* lookaheads of what stood left of && */
    bool negated, after_class;
    size_t other_count;
} set;

static pare_status add_text(pare_buffer *out, const char *text) {
    return pare_buffer_append(out, text, strlen(text));
}

static pare_status add_buffer(pare_buffer *out, const pare_buffer *part) {
    return pare_buffer_append(out, part->data, part->bytes);
}

static pare_status add_other(set *s, const char *text, size_t bytes) {
    s->other_count++;
    PARE_TRY(add_text(&s->others, "|"));
    return pare_buffer_append(&s->others, text, bytes);
}

static void set_free(set *s) {
    pare_buffer_free(&s->flat);
    pare_buffer_free(&s->others);
    pare_buffer_free(&s->both);
}

/* What the items since the last && match. */
static pare_status put_union(const set *s, pare_buffer *out) {
    size_t kinds = s->other_count + (s->flat.bytes > 0);
    if (!kinds) return add_text(out, "(?!)");
    if (kinds > 1) PARE_TRY(add_text(out, "(?:"));
    if (s->flat.bytes) {
        PARE_TRY(add_text(out, "["));
        PARE_TRY(add_buffer(out, &s->flat));
        PARE_TRY(add_text(out, "]"));
    }
    size_t skipped = !s->flat.bytes; /* the first | */
    if (s->others.bytes) PARE_TRY(pare_buffer_append(out, s->others.data + skipped, s->others.bytes - skipped));
    return kinds > 1 ? add_text(out, ")") : PARE_OK;
}

static pare_status put_set(const set *s, pare_buffer *out) {
    bool simple = !s->other_count && !s->both.bytes && s->flat.bytes;
    if (simple) {
        PARE_TRY(add_text(out, s->negated ? "[^" : "["));
        PARE_TRY(add_buffer(out, &s->flat));
        return add_text(out, "]");
    }
    PARE_TRY(add_text(out, s->negated ? "(?:(?!" : "(?:"));
    PARE_TRY(add_buffer(out, &s->both));
    PARE_TRY(put_union(s, out));
    return add_text(out, s->negated ? ")(?s:.))" : ")");
}

/* "&&": what was gathered so far becomes a lookahead. */
static pare_status intersect(set *s) {
    PARE_TRY(add_text(&s->both, "(?="));
    PARE_TRY(put_union(s, &s->both));
    PARE_TRY(add_text(&s->both, ")"));
    s->flat.bytes = s->others.bytes = s->other_count = 0;
    s->after_class = true;
    return PARE_OK;
}

static pare_status add_kind(set *s, const char *inside, bool negated) {
    s->after_class = true;
    if (!negated) return add_text(&s->flat, inside);
    PARE_TRY(add_other(s, "[^", 2));
    PARE_TRY(add_text(&s->others, inside));
    return add_text(&s->others, "]");
}

static pare_status translate_escape(pare_onig_translation *t, set *s) {
    static const struct {
        char letter;
        const char *inside;
        bool negated;
    } kinds[] = {{'s', PARE_ONIG_SPACES, false},     {'S', PARE_ONIG_SPACES, true}, {'w', PARE_ONIG_CLASS_WORDS, false},
                 {'W', PARE_ONIG_CLASS_WORDS, true}, {'h', PARE_ONIG_HEX, false},   {'H', PARE_ONIG_HEX, true}};
    if (t->at + 1 >= t->bytes) return pare_onig_refuse(t, "a backslash at its end");
    char letter = t->expression[t->at + 1];
    s->after_class = false;
    if (letter == 'u') return pare_onig_code_point(t, &s->flat);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].letter != letter) continue;
        t->at += 2;
        return add_kind(s, kinds[i].inside, kinds[i].negated);
    }
    if (letter == 'B') return pare_onig_refuse(t, "\\B inside a class");
    if (strchr("dDpP", letter)) s->after_class = true;
    PARE_TRY(pare_onig_copy(t, 2, &s->flat));
    if ((letter != 'p' && letter != 'P') || !pare_onig_is_next(t, "{")) return PARE_OK;
    const char *end = memchr(t->expression + t->at, '}', t->bytes - t->at);
    if (!end) return pare_onig_refuse(t, "\\p{ without a closing brace");
    return pare_onig_copy(t, (size_t)(end - t->expression) + 1 - t->at, &s->flat);
}

/* "[:name:]" or "[:^name:]"; *known is false, and nothing is taken, if it is none. */
static pare_status translate_posix(pare_onig_translation *t, set *s, bool *known) {
    static const char *const names[][2] = {
        {"alnum", "\\p{Alphabetic}\\p{Nd}"},
        {"alpha", "\\p{Alphabetic}"},
        {"ascii", "\\x00-\\x7f"},
        {"blank", "\\t\\p{Zs}"},
        {"cntrl", "\\p{Cc}"},
        {"digit", "\\p{Nd}"},
        {"lower", "\\p{Lowercase}"},
        {"space", PARE_ONIG_SPACES},
        {"upper", "\\p{Uppercase}"},
        {"word", PARE_ONIG_CLASS_WORDS},
        {"xdigit", PARE_ONIG_HEX},
    };
    const char *start = t->expression + t->at + 2, *end = t->expression + t->bytes;
    bool negated = start < end && *start == '^';
    start += negated;
    *known = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i][0]);
        if ((size_t)(end - start) < length + 2 || memcmp(start, names[i][0], length) != 0) continue;
        if (start[length] != ':' || start[length + 1] != ']') continue;
        t->at = (size_t)(start - t->expression) + length + 2;
        return add_kind(s, names[i][1], negated);
    }
    for (const char *letter = start; letter + 1 < end; letter++) {
        if (*letter == ':' && letter[1] == ']') return pare_onig_refuse(t, "this [:name:] class");
        if (*letter < 'a' || *letter > 'z') break;
    }
    *known = false;
    return PARE_OK;
}

/* A character that stands for itself, or a hyphen between two. What PCRE2 could take for more is escaped. */
static pare_status translate_character(pare_onig_translation *t, set *s, bool first) {
    bool ends = t->at + 1 >= t->bytes || t->expression[t->at + 1] == ']' || t->expression[t->at + 1] == '[' ||
                (t->expression[t->at + 1] == '&' && t->at + 2 < t->bytes && t->expression[t->at + 2] == '&');
    bool literal = pare_onig_is_next(t, "^") || pare_onig_is_next(t, "]") ||
                   (first && strchr(":.=", t->expression[t->at])) ||
                   (pare_onig_is_next(t, "-") && (first || ends || s->after_class));
    s->after_class = literal && pare_onig_is_next(t, "-") && s->after_class;
    if (literal) PARE_TRY(add_text(&s->flat, "\\"));
    return pare_onig_copy(t, 1, &s->flat);
}

static pare_status read_set(pare_onig_translation *t, set *s, int depth);

static pare_status translate_nested(pare_onig_translation *t, set *s, int depth) {
    set nested = {0};
    pare_buffer text = {0};
    if (pare_onig_is_next(t, "[:")) {
        bool known;
        PARE_TRY(translate_posix(t, s, &known));
        if (known) return PARE_OK;
    }
    pare_status status = read_set(t, &nested, depth + 1);
    bool simple = !nested.negated && !nested.other_count && !nested.both.bytes;
    if (status == PARE_OK && simple) {
        status = add_buffer(&s->flat, &nested.flat);
    } else if (status == PARE_OK) {
        status = put_set(&nested, &text);
        if (status == PARE_OK) status = add_other(s, text.data, text.bytes);
    }
    s->after_class = true;
    set_free(&nested);
    pare_buffer_free(&text);
    return status;
}

static pare_status read_set(pare_onig_translation *t, set *s, int depth) {
    if (depth == DEEPEST_CLASS) return pare_onig_refuse(t, "classes nested that deep");
    t->at++;
    s->negated = pare_onig_is_next(t, "^");
    t->at += s->negated;
    for (bool first = true; t->at < t->bytes; first = false) {
        if (pare_onig_is_next(t, "]") && !first) {
            t->at++;
            return PARE_OK;
        }
        if (pare_onig_is_next(t, "&&")) {
            t->at += 2;
            PARE_TRY(intersect(s));
        } else if (pare_onig_is_next(t, "[")) {
            PARE_TRY(translate_nested(t, s, depth));
        } else if (pare_onig_is_next(t, "\\")) {
            PARE_TRY(translate_escape(t, s));
        } else {
            PARE_TRY(translate_character(t, s, first));
        }
    }
    return pare_onig_refuse(t, "a class without its closing bracket");
}

pare_status pare_onig_class(pare_onig_translation *t) {
    set s = {0};
    pare_status status = read_set(t, &s, 0);
    if (status == PARE_OK) status = put_set(&s, t->out);
    set_free(&s);
    return status;
}
