#include "evaluate/zero_shot_result.h"
#include "support/memory.h"

#include <string.h>

typedef struct counts {
    uint64_t plain, normalised;
} counts;

static counts count_right(const pare_task_file *file, const pare_zero_shot_scores *scores) {
    counts right = {0};
    for (uint32_t d = 0; d < file->count; d++) {
        const pare_task_document *document = &file->documents[d];
        pare_zero_shot_answer answer =
            pare_zero_shot_answer_of(document, scores->likelihoods + scores->requests.first[d]);
        right.plain += answer.plain == document->gold;
        right.normalised += answer.normalised == document->gold;
    }
    return right;
}

/* Files of HellaSwag with ready contexts, in which something of the original is lost. */
static const char *note_on(const pare_task_file *file) {
    if (strstr(file->path, "hellaswag_val_1000_lmeval_exact"))
        return "1000 of HellaSwag's 10042 validation documents, derived from the original";
    if (strstr(file->path, "hellaswag_val_lmeval_recon"))
        return "derived from the original; leading spaces of endings are lost, so acc_norm differs slightly";
    return NULL;
}

pare_task_result pare_zero_shot_result(const pare_task_file *file, const pare_zero_shot_scores *scores) {
    counts right = count_right(file, scores);
    return (pare_task_result){.task = file->task->name,
                              .file = file->path,
                              .digest = file->digest,
                              .note = note_on(file),
                              .documents = file->count,
                              .rows = file->rows,
                              .requests = scores->requests.count,
                              .truncated = scores->requests.truncated,
                              .cut = scores->requests.cut,
                              .request_tokens = scores->request_tokens,
                              .computed_tokens = scores->computed_tokens,
                              .padded_tokens = scores->padded_tokens,
                              .batches = scores->batches,
                              .seconds = scores->seconds,
                              .plain = pare_share_of(right.plain, file->count),
                              .norm = pare_share_of(right.normalised, file->count),
                              .has_norm = file->task->normalised,
                              .chosen_norm = file->task->chosen_norm};
}

static pare_status add_item(const pare_item *item, FILE *out) {
    char *text;
    json_t *json = pare_report_item(item);
    pare_status status = pare_json_dump(json, "a line of --save-items", JSON_COMPACT, &text);
    json_decref(json);
    if (status == PARE_OK) fprintf(out, "%s\n", text);
    pare_free(text);
    return status;
}

pare_status pare_zero_shot_items(const pare_task_file *file, const pare_zero_shot_scores *scores, FILE *out) {
    pare_item_choice choices[PARE_TASK_CHOICES];
    for (uint32_t d = 0; d < file->count; d++) {
        const pare_task_document *document = &file->documents[d];
        uint32_t first = scores->requests.first[d];
        pare_zero_shot_answer answer = pare_zero_shot_answer_of(document, scores->likelihoods + first);
        for (uint32_t i = 0; i < document->count; i++)
            choices[i] = (pare_item_choice){scores->likelihoods[first + i], scores->requests.list[first + i].scored,
                                            document->characters[i]};
        pare_item item = {.task = file->task->name,
                          .document = document->number,
                          .gold = document->gold,
                          .predicted = answer.plain,
                          .predicted_norm = answer.normalised,
                          .choices = choices,
                          .count = document->count};
        PARE_TRY(add_item(&item, out));
    }
    return PARE_OK;
}
