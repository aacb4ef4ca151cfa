#include "support/memory.h"
#include "tokenizer/json_read.h"
#include "tokenizer/pretokenizer_steps.h"

static const char gpt2_expression[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static pare_pretokenizer_step *add_step(pare_pretokenizer *out, pare_step_kind kind) {
    pare_pretokenizer_step *step = out->steps + out->count++;
    step->kind = kind;
    return step;
}

static pare_status read_behavior(const char *path, const json_t *json, pare_split_behavior missing,
                                 pare_split_behavior *out) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const json_t *value = json_object_get(json, "behavior");
    *out = missing;
    if (!value) return PARE_OK;
    const char *name = json_string_value(value);
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (pare_split_behavior)i;
        return PARE_OK;
    }
    return pare_fail(PARE_UNSUPPORTED, "%s splits text with the behavior %s, which pare does not know", path,
                     name ? name : "that is not a string");
}

static pare_status read_split(const char *path, const json_t *json, pare_pretokenizer *out) {
    pare_pretokenizer_step *step = add_step(out, PARE_STEP_SPLIT);
    PARE_TRY(read_behavior(path, json, PARE_SPLIT_ISOLATED, &step->behavior));
    PARE_TRY(pare_json_boolean(path, json, "invert", false, &step->invert));
    return pare_pattern_read(path, json_object_get(json, "pattern"), &step->pattern);
}

static pare_status read_byte_level(const char *path, const json_t *json, pare_pretokenizer *out) {
    bool prefix, regex;
    PARE_TRY(pare_json_boolean(path, json, "add_prefix_space", true, &prefix));
    PARE_TRY(pare_json_boolean(path, json, "use_regex", true, &regex));
    if (prefix) {
        pare_pretokenizer_step *step = add_step(out, PARE_STEP_PREFIX);
        step->mark[0] = ' ';
        step->mark_bytes = 1;
    }
    if (regex) {
        pare_pretokenizer_step *step = add_step(out, PARE_STEP_SPLIT);
        PARE_TRY(pare_pattern_compile(path, gpt2_expression, sizeof gpt2_expression - 1, &step->pattern));
    }
    return out->byte_level ? PARE_OK : pare_pretokenizer_spell(out);
}

pare_status pare_pretokenizer_spell(pare_pretokenizer *pretokenizer) {
    pretokenizer->byte_level = false;
    add_step(pretokenizer, PARE_STEP_SPELL);
    return PARE_OK;
}

static pare_status read_scheme(const char *path, const json_t *json, pare_prepend_scheme *out) {
    const json_t *value = json_object_get(json, "prepend_scheme");
    bool prefix;
    PARE_TRY(pare_json_boolean(path, json, "add_prefix_space", true, &prefix));
    *out = prefix ? PARE_PREPEND_ALWAYS : PARE_PREPEND_NEVER;
    if (!value || json_is_null(value)) return PARE_OK;
    const char *name = json_string_value(value);
    static const char *const names[] = {"always", "first", "never"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (pare_prepend_scheme)i;
        return PARE_OK;
    }
    return pare_fail(PARE_UNSUPPORTED, "%s: the Metaspace prepend_scheme is not always, first or never", path);
}

static pare_status read_character(const char *path, const json_t *json, const char *key, uint32_t *code,
                                  char text[PARE_UTF8_MAX], size_t *bytes) {
    const json_t *value = json_object_get(json, key);
    *bytes = json_string_length(value);
    if (!*bytes || pare_utf8_decode(json_string_value(value), *bytes, code) != *bytes)
        return pare_fail(PARE_FORMAT_ERROR, "%s: \"%s\" is not one character", path, key);
    memcpy(text, json_string_value(value), *bytes);
    return PARE_OK;
}

static pare_status read_metaspace(const char *path, const json_t *json, pare_pretokenizer *out) {
    uint32_t code;
    bool divide;
    pare_pretokenizer_step *step = add_step(out, PARE_STEP_METASPACE);
    PARE_TRY(read_scheme(path, json, &step->scheme));
    PARE_TRY(read_character(path, json, "replacement", &code, step->mark, &step->mark_bytes));
    PARE_TRY(pare_json_boolean(path, json, "split", true, &divide));
    if (!divide) return PARE_OK;
    pare_pretokenizer_step *after = add_step(out, PARE_STEP_SPLIT);
    after->behavior = PARE_SPLIT_MERGED_WITH_NEXT;
    after->source = PARE_SPLIT_CHARACTER;
    after->character = code;
    return PARE_OK;
}

static pare_status read_digits(const char *path, const json_t *json, pare_pretokenizer *out) {
    bool individual;
    pare_pretokenizer_step *step = add_step(out, PARE_STEP_SPLIT);
    PARE_TRY(pare_json_boolean(path, json, "individual_digits", false, &individual));
    step->source = PARE_SPLIT_NUMERIC;
    step->behavior = individual ? PARE_SPLIT_ISOLATED : PARE_SPLIT_CONTIGUOUS;
    return PARE_OK;
}

static pare_status read_fixed_length(const char *path, const json_t *json, pare_pretokenizer *out) {
    pare_pretokenizer_step *step = add_step(out, PARE_STEP_SPLIT);
    json_int_t length = json_integer_value(json_object_get(json, "length"));
    if (length < 1 || length > UINT32_MAX)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: the \"length\" of its FixedLength pre-tokenizer is not a number above 0", path);
    step->source = PARE_SPLIT_LENGTH;
    step->length = (size_t)length;
    return PARE_OK;
}

/* Words without spaces, punctuation apart. */
static pare_status read_bert(const char *path, const json_t *json, pare_pretokenizer *out) {
    (void)path;
    (void)json;
    pare_pretokenizer_step *spaces = add_step(out, PARE_STEP_SPLIT), *marks = add_step(out, PARE_STEP_SPLIT);
    spaces->source = PARE_SPLIT_SPACE;
    spaces->behavior = PARE_SPLIT_REMOVED;
    marks->source = PARE_SPLIT_PUNCTUATION;
    return PARE_OK;
}

static pare_status read_step(const char *path, const char *type, const json_t *json, pare_pretokenizer *out) {
    static const struct {
        const char *type;
        pare_status (*read)(const char *path, const json_t *json, pare_pretokenizer *out);
    } readers[] = {{"Split", read_split},   {"ByteLevel", read_byte_level},     {"Metaspace", read_metaspace},
                   {"Digits", read_digits}, {"FixedLength", read_fixed_length}, {"BertPreTokenizer", read_bert}};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strcmp(type, readers[i].type) == 0) return readers[i].read(path, json, out);
    static const struct {
        const char *type;
        pare_split_source source;
        pare_split_behavior behavior;
        bool invert;
    } simple[] = {{"Punctuation", PARE_SPLIT_PUNCTUATION, PARE_SPLIT_ISOLATED, false},
                  {"Whitespace", PARE_SPLIT_WORDS, PARE_SPLIT_REMOVED, true},
                  {"WhitespaceSplit", PARE_SPLIT_SPACE, PARE_SPLIT_REMOVED, false},
                  {"CharDelimiterSplit", PARE_SPLIT_CHARACTER, PARE_SPLIT_REMOVED, false}};
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
        if (strcmp(type, simple[i].type) != 0) continue;
        pare_pretokenizer_step *step = add_step(out, PARE_STEP_SPLIT);
        step->source = simple[i].source;
        step->invert = simple[i].invert;
        if (step->source == PARE_SPLIT_CHARACTER)
            PARE_TRY(read_character(path, json, "delimiter", &step->character, step->mark, &step->mark_bytes));
        return read_behavior(path, json, simple[i].behavior, &step->behavior);
    }
    return pare_fail(PARE_UNSUPPORTED, "%s has a pre-tokenizer of type %s, which pare does not know", path, type);
}

static pare_status read_steps(const char *path, const pare_json_steps *list, pare_pretokenizer *out) {
    enum { MOST = PARE_PRETOKENIZER_STEPS / 3 }; /* ByteLevel makes three steps, all others fewer */
    if (list->count > MOST)
        return pare_fail(PARE_UNSUPPORTED, "%s has more than %d pre-tokenizers in a row", path, MOST);
    PARE_TRY(pare_alloc(&out->steps, PARE_PRETOKENIZER_STEPS, sizeof *out->steps, "the tokenizer's pre-tokenizer"));
    for (size_t i = 0; i < list->count; i++) {
        out->byte_level = i + 1 == list->count && strcmp(list->steps[i].type, "ByteLevel") == 0;
        PARE_TRY(read_step(path, list->steps[i].type, list->steps[i].json, out));
    }
    return PARE_OK;
}

pare_status pare_pretokenizer_read(const char *path, const json_t *json, pare_pretokenizer *out) {
    *out = (pare_pretokenizer){0};
    pare_json_steps list;
    PARE_TRY(pare_json_steps_read(path, json, "pre-tokenizer", "pretokenizers", &list));
    pare_status status = read_steps(path, &list, out);
    pare_json_steps_free(&list);
    if (status != PARE_OK) pare_pretokenizer_free(out);
    return status;
}
