#define PCRE2_CODE_UNIT_WIDTH 8

#include "tokenizer/pattern.h"
#include "support/memory.h"
#include "tokenizer/onig.h"
#include "tokenizer/unicode.h"

#include <pcre2.h>

enum { STACK_START = 64 << 10, STACK_LIMIT = 64 << 20 };

pare_status pare_pattern_compile(const char *path, const char *expression, size_t bytes, pare_pattern *out) {
    *out = (pare_pattern){0};
    pare_buffer translated = {0};
    pare_status status = pare_onig_translate(path, expression, bytes, &translated);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (status == PARE_OK && !context)
        status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the regular expression of %s", path);
    if (status == PARE_OK) {
        int error;
        PCRE2_SIZE offset;
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        out->code =
            pcre2_compile((PCRE2_SPTR)translated.data, translated.bytes,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context);
        if (!out->code) {
            char reason[128] = "";
            pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason);
            status =
                pare_fail(PARE_UNSUPPORTED, "%s splits text by the regular expression %.*s, which pare cannot use: %s",
                          path, (int)(bytes > 200 ? 200 : bytes), expression, reason);
        } else {
            pcre2_jit_compile(out->code, PCRE2_JIT_COMPLETE); /* matching works without it, too */
        }
    }
    pcre2_compile_context_free(context);
    pare_buffer_free(&translated);
    return status;
}

pare_status pare_pattern_read(const char *path, const json_t *json, pare_pattern *out) {
    *out = (pare_pattern){0};
    const json_t *string = json_object_get(json, "String"), *regex = json_object_get(json, "Regex");
    if (json_is_string(regex))
        return pare_pattern_compile(path, json_string_value(regex), json_string_length(regex), out);
    if (!json_is_string(string) || !json_string_length(string))
        return pare_fail(PARE_UNSUPPORTED, "%s has a pattern that is neither a String nor a Regex", path);
    out->bytes = json_string_length(string);
    PARE_TRY(pare_alloc(&out->literal, out->bytes, 1, "a pattern"));
    memcpy(out->literal, json_string_value(string), out->bytes);
    return PARE_OK;
}

void pare_pattern_free(pare_pattern *pattern) {
    pcre2_code_free(pattern->code);
    pare_free(pattern->literal);
    *pattern = (pare_pattern){0};
}

static pare_status prepare(pare_pattern_work *work) {
    if (work->match) return PARE_OK;
    work->match = pcre2_match_data_create(1, NULL);
    work->context = pcre2_match_context_create(NULL);
    work->stack = pcre2_jit_stack_create(STACK_START, STACK_LIMIT, NULL); /* NULL where there is no JIT */
    if (!work->match || !work->context) {
        pare_pattern_work_free(work);
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to match regular expressions");
    }
    if (work->stack) pcre2_jit_stack_assign(work->context, NULL, work->stack);
    return PARE_OK;
}

void pare_pattern_work_free(pare_pattern_work *work) {
    pcre2_match_data_free(work->match);
    pcre2_match_context_free(work->context);
    pcre2_jit_stack_free(work->stack);
    *work = (pare_pattern_work){0};
}

/* The first match that begins at scan->from or later. */
static pare_status search(const pare_pattern *pattern, pare_pattern_work *work, pare_pattern_scan *scan) {
    scan->matched = false;
    if (!pattern->code) {
        const char *found = memmem(scan->text + scan->from, scan->bytes - scan->from, pattern->literal, pattern->bytes);
        if (!found) return PARE_OK;
        scan->match_start = (size_t)(found - scan->text);
        scan->match_end = scan->match_start + pattern->bytes;
        scan->matched = true;
        return PARE_OK;
    }
    PARE_TRY(prepare(work));
    int result = pcre2_match(pattern->code, (PCRE2_SPTR)scan->text, scan->bytes, scan->from, PCRE2_NO_UTF_CHECK,
                             work->match, work->context);
    if (result == PCRE2_ERROR_NOMATCH) return PARE_OK;
    if (result < 0) {
        char reason[128] = "";
        pcre2_get_error_message(result, (PCRE2_UCHAR *)reason, sizeof reason);
        return pare_fail(PARE_UNSUPPORTED, "the tokenizer's regular expression cannot split this text: %s", reason);
    }
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(work->match);
    scan->match_start = bounds[0];
    scan->match_end = bounds[1];
    scan->matched = bounds[0] <= bounds[1] && bounds[0] >= scan->done;
    return PARE_OK;
}

/* Finds the next match; an empty one right behind the last match does not count, as in Oniguruma's own iteration. */
static pare_status find_next(const pare_pattern *pattern, pare_pattern_work *work, pare_pattern_scan *scan) {
    for (;;) {
        scan->matched = false;
        if (scan->from > scan->bytes) return PARE_OK;
        PARE_TRY(search(pattern, work, scan));
        if (!scan->matched) return PARE_OK;
        bool repeated = scan->match_start == scan->match_end && scan->has_match && scan->match_end == scan->done;
        scan->from = scan->match_end;
        if (!repeated) return PARE_OK;
        uint32_t code;
        size_t step = pare_utf8_decode(scan->text + scan->from, scan->bytes - scan->from, &code);
        scan->from += step ? step : 1;
    }
}

pare_status pare_pattern_next(const pare_pattern *pattern, pare_pattern_work *work, pare_pattern_scan *scan,
                              pare_stretch *stretch, bool *more) {
    if (!scan->matched && !scan->exhausted) {
        PARE_TRY(find_next(pattern, work, scan));
        scan->exhausted = !scan->matched;
    }
    size_t end = scan->matched ? scan->match_start : scan->bytes;
    *more = scan->matched || scan->done < end;
    if (scan->done < end) { /* what lies before the match comes first */
        *stretch = (pare_stretch){scan->done, end, false};
        scan->done = end;
    } else if (scan->matched) {
        *stretch = (pare_stretch){scan->match_start, scan->match_end, true};
        scan->done = scan->match_end;
        scan->has_match = true;
        scan->matched = false;
    }
    return PARE_OK;
}
