/* ARC and OpenBookQA: a question, choices with labels, and the right one's label. Released as
 *   {"question": {"stem": TEXT, "choices": [{"text": TEXT, "label": TEXT}, ..]}, "answerKey": TEXT}
 * and in Hugging Face's data sets as
 *   {"question": TEXT (OpenBookQA: "question_stem"), "choices": {"text": [..], "label": [..]}, "answerKey": TEXT}. */
#include "evaluate/task_row.h"
#include "support/file.h"

typedef struct choice_list {
    const char *texts[PARE_TASK_CHOICES + 1], *labels[PARE_TASK_CHOICES + 1]; /* NULL after the last */
} choice_list;

static pare_status refuse_choices(const pare_json_row *row) {
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: \"choices\" are not 2 to %d texts with labels", row->path,
                     row->unit, row->number, PARE_TASK_CHOICES);
}

/* A pair of columns, or a list of pairs. */
static const json_t *item_at(const json_t *choices, const char *key, size_t index) {
    return json_is_object(choices) ? json_array_get(json_object_get(choices, key), index)
                                   : json_object_get(json_array_get(choices, index), key);
}

static pare_status read_choices(const pare_json_row *row, const json_t *choices, choice_list *out) {
    const json_t *counted = json_is_object(choices) ? json_object_get(choices, "text") : choices;
    size_t count = json_array_size(counted);
    if (count < 2 || count > PARE_TASK_CHOICES) return refuse_choices(row);
    for (size_t i = 0; i < count; i++) {
        const json_t *text = item_at(choices, "text", i), *label = item_at(choices, "label", i);
        out->texts[i] = json_string_value(text);
        out->labels[i] = json_string_value(label);
        if (!out->texts[i] || !out->labels[i]) return refuse_choices(row);
        if (strlen(out->texts[i]) != json_string_length(text)) return refuse_choices(row);
    }
    return PARE_OK;
}

static pare_status read_question(const pare_json_row *row, const char *label, const char *before, const char *after,
                                 pare_task_document *out) {
    static const char *const keys[] = {"answerKey", NULL};
    const json_t *question = json_object_get(row->value, "question");
    bool released = json_is_object(question);
    const json_t *choices = json_object_get(released ? question : row->value, "choices");
    const char *key = released ? "stem" : json_object_get(row->value, "question_stem") ? "question_stem" : "question";
    const char *stem;
    choice_list list = {0};
    PARE_TRY(pare_task_text(row, released ? question : row->value, key, &stem));
    PARE_TRY(read_choices(row, choices, &list));
    out->contexts[0] = pare_format("%s%s%s", before, stem, after);
    for (size_t i = 0; list.texts[i]; i++)
        PARE_TRY(pare_task_add_choice(row, list.texts[i], out));
    return pare_task_gold(row, label, keys, list.labels, &out->gold);
}

pare_status pare_task_read_arc(const pare_json_row *row, const char *label, pare_task_document *out) {
    return read_question(row, label, "Question: ", "\nAnswer:", out);
}

pare_status pare_task_read_openbookqa(const pare_json_row *row, const char *label, pare_task_document *out) {
    return read_question(row, label, "", "", out);
}
