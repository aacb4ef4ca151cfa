/* BoolQ, PIQA, HellaSwag and WinoGrande. */
#include "evaluate/task_row.h"
#include "evaluate/task_text.h"
#include "support/file.h"

#include <stdlib.h>

/* The labels that one spelling has, and another; the first that the row's kind of value fits. */
static const char *const numbers[] = {"0", "1", "2", "3", NULL}, *const two_numbers[] = {"0", "1", NULL},
                         *const truths[] = {"false", "true", NULL};

/* SuperGLUE has the article's title in the passage, the first release beside it. */
static char *titled_passage(const char *title, const char *passage) {
    size_t bytes = strlen(title);
    bool there = strncmp(passage, title, bytes) == 0 && strncmp(passage + bytes, " -- ", 4) == 0;
    return !bytes || there ? pare_format("%s", passage) : pare_format("%s -- %s", title, passage);
}

pare_status pare_task_read_boolq(const pare_json_row *row, const char *label, pare_task_document *out) {
    static const char *const keys[] = {"label", "answer", NULL};
    const char *passage, *question, *title = json_string_value(json_object_get(row->value, "title"));
    PARE_TRY(pare_task_text(row, row->value, "passage", &passage));
    PARE_TRY(pare_task_text(row, row->value, "question", &question));
    const json_t *value = json_object_get(row->value, "label");
    const char *spelled = json_string_value(value);
    bool counted = json_is_integer(value) || (spelled && *spelled >= '0' && *spelled <= '9');
    PARE_TRY(pare_task_gold(row, label, keys, counted ? two_numbers : truths, &out->gold));
    char *whole = titled_passage(title ? title : "", passage);
    out->contexts[0] = pare_format("%s\nQuestion: %s?\nAnswer:", whole, question);
    free(whole);
    PARE_TRY(pare_task_add_choice(row, "no", out));
    return pare_task_add_choice(row, "yes", out);
}

pare_status pare_task_read_piqa(const pare_json_row *row, const char *label, pare_task_document *out) {
    static const char *const keys[] = {"label", NULL};
    const char *goal, *solutions[2];
    PARE_TRY(pare_task_text(row, row->value, "goal", &goal));
    PARE_TRY(pare_task_text(row, row->value, "sol1", &solutions[0]));
    PARE_TRY(pare_task_text(row, row->value, "sol2", &solutions[1]));
    PARE_TRY(pare_task_gold(row, label, keys, two_numbers, &out->gold));
    out->contexts[0] = pare_format("Question: %s\nAnswer:", goal);
    PARE_TRY(pare_task_add_choice(row, solutions[0], out));
    return pare_task_add_choice(row, solutions[1], out);
}

static pare_status refuse_endings(const pare_json_row *row, const char *key) {
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: \"%s\" is not a list of texts", row->path, row->unit, row->number,
                     key);
}

/* marked: as released, with WikiHow's marks. */
static pare_status add_endings(const pare_json_row *row, const char *key, bool marked, pare_task_document *out) {
    const json_t *list = json_object_get(row->value, key);
    if (json_array_size(list) < 2) return refuse_endings(row, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = json_string_value(item);
        if (!text || strlen(text) != json_string_length(item)) return refuse_endings(row, key);
        char *plain = marked ? pare_text_without_marks(text) : NULL;
        pare_status status = pare_task_add_choice(row, plain ? plain : text, out);
        free(plain);
        PARE_TRY(status);
    }
    return PARE_OK;
}

static pare_status read_ready_hellaswag(const pare_json_row *row, const char *label, pare_task_document *out) {
    static const char *const keys[] = {"gold", "label", NULL};
    const char *query;
    PARE_TRY(pare_task_text(row, row->value, "query", &query));
    out->contexts[0] = pare_format("%s", query);
    const json_t *original = json_object_get(row->value, "row");
    json_int_t number = json_integer_value(original);
    if (json_is_integer(original) && number >= 0 && number <= UINT32_MAX) out->number = (uint32_t)number;
    PARE_TRY(add_endings(row, "choices", false, out));
    return pare_task_gold(row, label, keys, numbers, &out->gold);
}

pare_status pare_task_read_hellaswag(const pare_json_row *row, const char *label, pare_task_document *out) {
    static const char *const keys[] = {"label", NULL};
    if (json_object_get(row->value, "query")) return read_ready_hellaswag(row, label, out);
    const char *activity, *first, *second = "";
    PARE_TRY(pare_task_text(row, row->value, "activity_label", &activity));
    PARE_TRY(pare_task_text(row, row->value, "ctx_a", &first));
    const json_t *rest = json_object_get(row->value, "ctx_b");
    if (rest && !json_is_null(rest)) PARE_TRY(pare_task_text(row, row->value, "ctx_b", &second));
    char *capitalized = pare_text_capitalize(second);
    char *raw = pare_format("%s: %s %s", activity, first, capitalized);
    out->contexts[0] = pare_text_without_marks(raw);
    free(capitalized);
    free(raw);
    PARE_TRY(add_endings(row, "endings", true, out));
    return pare_task_gold(row, label, keys, numbers, &out->gold);
}

/* Both requests end in the same words; what differs is before them. */
pare_status pare_task_read_winogrande(const pare_json_row *row, const char *label, pare_task_document *out) {
    static const char *const keys[] = {"answer", "label", NULL}, *const answers[] = {"1", "2", NULL};
    const char *sentence, *options[2];
    PARE_TRY(pare_task_text(row, row->value, "sentence", &sentence));
    PARE_TRY(pare_task_text(row, row->value, "option1", &options[0]));
    PARE_TRY(pare_task_text(row, row->value, "option2", &options[1]));
    const char *blank = strchr(sentence, '_');
    if (!blank)
        return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: the sentence has no blank (_)", row->path, row->unit,
                         row->number);
    PARE_TRY(pare_task_gold(row, label, keys, answers, &out->gold));
    char *rest = pare_text_strip(blank + 1);
    pare_status status = PARE_OK;
    for (int i = 0; i < 2 && status == PARE_OK; i++) {
        out->contexts[i] = pare_format("%.*s%s", (int)(blank - sentence), sentence, options[i]);
        status = pare_task_add_choice(row, rest, out);
    }
    free(rest);
    return status;
}
