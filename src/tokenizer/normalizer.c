#include "tokenizer/normalizer.h"
#include "support/memory.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/json_read.h"
#include "tokenizer/precompiled.h"

typedef enum step_kind { STEP_PREPEND, STEP_REPLACE, STEP_STRIP, STEP_CONVERT, STEP_PRECOMPILED, STEP_SPELL } step_kind;

struct pare_normalizer_step {
    step_kind kind;
    char *text; /* what is prepended, or put in place of matches */
    size_t bytes;
    pare_pattern pattern;
    bool left, right; /* ends to strip */
    pare_unicode_form form;
    pare_charsmap map;
};

static pare_status read_step(const char *path, const char *type, const json_t *json, pare_normalizer_step *out) {
    static const struct {
        const char *type;
        pare_unicode_form form;
    } forms[] = {{"NFC", PARE_FORM_NFC},
                 {"NFD", PARE_FORM_NFD},
                 {"NFKC", PARE_FORM_NFKC},
                 {"NFKD", PARE_FORM_NFKD},
                 {"Lowercase", PARE_FORM_LOWERCASE},
                 {"StripAccents", PARE_FORM_WITHOUT_ACCENTS},
                 {"Nmt", PARE_FORM_NMT}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(type, forms[i].type) != 0) continue;
        out->kind = STEP_CONVERT;
        out->form = forms[i].form;
        return PARE_OK;
    }
    if (strcmp(type, "Prepend") == 0) {
        out->kind = STEP_PREPEND;
        return pare_json_copy_string(path, json, "prepend", &out->text, &out->bytes);
    }
    if (strcmp(type, "Replace") == 0) {
        out->kind = STEP_REPLACE;
        PARE_TRY(pare_pattern_read(path, json_object_get(json, "pattern"), &out->pattern));
        return pare_json_copy_string(path, json, "content", &out->text, &out->bytes);
    }
    if (strcmp(type, "Strip") == 0) {
        out->kind = STEP_STRIP;
        PARE_TRY(pare_json_boolean(path, json, "strip_left", true, &out->left));
        return pare_json_boolean(path, json, "strip_right", true, &out->right);
    }
    if (strcmp(type, "Precompiled") == 0) {
        out->kind = STEP_PRECOMPILED;
        return pare_precompiled_read(path, json, &out->map);
    }
    if (strcmp(type, "ByteLevel") == 0) {
        out->kind = STEP_SPELL;
        return PARE_OK;
    }
    return pare_fail(PARE_UNSUPPORTED, "%s has a normalizer of type %s, which pare does not know", path, type);
}

pare_status pare_normalizer_read(const char *path, const json_t *json, pare_normalizer *out) {
    *out = (pare_normalizer){0};
    pare_json_steps list;
    PARE_TRY(pare_json_steps_read(path, json, "normalizer", "normalizers", &list));
    pare_status status = pare_alloc(&out->steps, list.count, sizeof *out->steps, "the tokenizer's normalizer");
    for (size_t i = 0; status == PARE_OK && i < list.count; i++) {
        out->count = i + 1;
        status = read_step(path, list.steps[i].type, list.steps[i].json, out->steps + i);
    }
    pare_json_steps_free(&list);
    if (status != PARE_OK) pare_normalizer_free(out);
    return status;
}

void pare_normalizer_free(pare_normalizer *normalizer) {
    for (size_t i = 0; i < normalizer->count; i++) {
        pare_free(normalizer->steps[i].text);
        pare_pattern_free(&normalizer->steps[i].pattern);
        pare_charsmap_free(&normalizer->steps[i].map);
    }
    pare_free(normalizer->steps);
    *normalizer = (pare_normalizer){0};
}

static pare_status replace(const pare_normalizer_step *step, pare_pattern_work *work, const char *text, size_t bytes,
                           pare_buffer *out) {
    pare_pattern_scan scan = {.text = text, .bytes = bytes};
    pare_stretch stretch;
    bool more;
    for (;;) {
        PARE_TRY(pare_pattern_next(&step->pattern, work, &scan, &stretch, &more));
        if (!more) return PARE_OK;
        if (stretch.match)
            PARE_TRY(pare_buffer_append(out, step->text, step->bytes));
        else
            PARE_TRY(pare_buffer_append(out, text + stretch.start, stretch.end - stretch.start));
    }
}

static pare_status strip(const pare_normalizer_step *step, const char *text, size_t bytes, pare_buffer *out) {
    uint32_t code;
    size_t length;
    while (step->left && (length = pare_utf8_decode(text, bytes, &code)) && pare_is_space(code)) {
        text += length;
        bytes -= length;
    }
    while (step->right && (length = pare_utf8_decode_last(text, bytes, &code)) && pare_is_space(code))
        bytes -= length;
    return pare_buffer_append(out, text, bytes);
}

static pare_status run_step(const pare_normalizer_step *step, pare_pattern_work *work, const char *text, size_t bytes,
                            pare_buffer *out) {
    PARE_TRY(pare_buffer_reserve(out, bytes + bytes / 2));
    switch (step->kind) {
    case STEP_PREPEND:
        if (bytes) PARE_TRY(pare_buffer_append(out, step->text, step->bytes));
        return pare_buffer_append(out, text, bytes);
    case STEP_REPLACE:
        return replace(step, work, text, bytes, out);
    case STEP_STRIP:
        return strip(step, text, bytes, out);
    case STEP_PRECOMPILED:
        return pare_precompiled_run(&step->map, text, bytes, out);
    case STEP_SPELL:
        return pare_byte_level_encode(text, bytes, out);
    case STEP_CONVERT:
        break;
    }
    return pare_unicode_convert(step->form, text, bytes, out);
}

pare_status pare_normalizer_run(const pare_normalizer *normalizer, pare_pattern_work *work, const char *text,
                                size_t bytes, pare_buffer buffers[2], const char **result, size_t *result_bytes) {
    for (size_t i = 0; i < normalizer->count; i++) {
        pare_buffer *out = buffers + i % 2;
        out->bytes = 0;
        PARE_TRY(run_step(normalizer->steps + i, work, text, bytes, out));
        text = out->data;
        bytes = out->bytes;
    }
    *result = text;
    *result_bytes = bytes;
    return PARE_OK;
}
