/* What a tokenizer.json splits or replaces by: a fixed string, or a regular expression in Oniguruma's syntax, which is
 * translated to PCRE2 where the two differ. */
#ifndef PARE_TOKENIZER_PATTERN_H
#define PARE_TOKENIZER_PATTERN_H

#include "support/status.h"

#include <jansson.h>

typedef struct pare_pattern {
    char *literal; /* [bytes]; used where code is NULL */
    size_t bytes;
    struct pcre2_real_code_8 *code;
} pare_pattern;

/* Memory of matching, kept between matches. All zero before the first. */
typedef struct pare_pattern_work {
    struct pcre2_real_match_data_8 *match;
    struct pcre2_real_match_context_8 *context;
    struct pcre2_real_jit_stack_8 *stack;
} pare_pattern_work;

/* {"String": ...} or {"Regex": ...} of the tokenizer file `path`; a regular expression whose meaning cannot be kept is
 * refused. */
pare_status pare_pattern_read(const char *path, const json_t *json, pare_pattern *out);
pare_status pare_pattern_compile(const char *path, const char *expression, size_t bytes, pare_pattern *out);
void pare_pattern_free(pare_pattern *pattern);

/* A stretch of a text: a match of the pattern, or what lies between two matches. */
typedef struct pare_stretch {
    size_t start, end;
    bool match;
} pare_stretch;

/* Goes through a text; the stretches cover it without gaps. Empty matches are stretches, too. Set `text` and `bytes`,
 * the rest zero, and call pare_pattern_next until it sets *more to false. */
typedef struct pare_pattern_scan {
    const char *text; /* UTF-8 */
    size_t bytes;
    size_t done, from;
    size_t match_start, match_end;
    bool has_match, matched, exhausted;
} pare_pattern_scan;

pare_status pare_pattern_next(const pare_pattern *pattern, pare_pattern_work *work, pare_pattern_scan *scan,
                              pare_stretch *stretch, bool *more);
void pare_pattern_work_free(pare_pattern_work *work);

#endif
