#include "checkpoint/temporary.h"
#include "evaluate/zero_shot_report.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

pare_status pare_items_open(const char *path, pare_items *out) {
    struct stat status;
    *out = (pare_items){.path = path};
    if (!path) return PARE_OK;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return pare_fail(PARE_BAD_ARGUMENT, "%s is no file that could be replaced; name another with --save-items",
                         path);
    pare_temporary_sweep(path);
    PARE_TRY(pare_temporary_file(path, 0, &out->file, &out->temporary, &out->lock));
    out->locked = out->lock >= 0;
    return PARE_OK;
}

static json_t *line_of(const pare_task_file *file, const pare_task_document *document,
                       const pare_task_request *requests, const double *likelihoods) {
    pare_zero_shot_answer answer = pare_zero_shot_answer_of(document, likelihoods);
    json_t *choices = json_array();
    for (uint32_t i = 0; i < document->count; i++)
        pare_json_append(choices, pare_json_of({"ll", pare_json_real(likelihoods[i])},
                                               {"tokens", json_integer((json_int_t)requests[i].scored)},
                                               {"chars", json_integer((json_int_t)document->characters[i])}));
    return pare_json_of(
        {"task", pare_json_string(file->task->name)}, {"doc", json_integer((json_int_t)document->number)},
        {"gold", json_integer((json_int_t)document->gold)}, {"choices", choices},
        {"pred", json_integer((json_int_t)answer.plain)}, {"pred_norm", json_integer((json_int_t)answer.normalised)});
}

static pare_status add_line(pare_items *items, json_t *line) {
    char *text;
    pare_status status = pare_json_dump(line, "a line of --save-items", JSON_COMPACT, &text);
    json_decref(line);
    if (status == PARE_OK) status = pare_durable_write(&items->file, text, strlen(text));
    pare_free(text);
    return status == PARE_OK ? pare_durable_write(&items->file, "\n", 1) : status;
}

pare_status pare_items_add(pare_items *items, const pare_task_file *file, const pare_zero_shot_scores *scores) {
    for (uint32_t d = 0; items->path && d < file->count; d++) {
        uint32_t first = scores->requests.first[d];
        PARE_TRY(add_line(
            items, line_of(file, &file->documents[d], scores->requests.list + first, scores->likelihoods + first)));
    }
    return PARE_OK;
}

pare_status pare_items_finish(pare_items *items) {
    if (!items->path) return PARE_OK;
    PARE_TRY(pare_durable_finish(&items->file));
    if (rename(items->temporary, items->path) != 0)
        return pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", items->path, strerror(errno));
    free(items->temporary);
    items->temporary = NULL;
    return PARE_OK;
}

void pare_items_drop(pare_items *items) {
    pare_durable_drop(&items->file);
    if (items->temporary) unlink(items->temporary);
    if (items->locked) close(items->lock);
    free(items->temporary);
    *items = (pare_items){0};
}
