/* Rows of the tasks' files, as documents. Every reader takes the original release's rows and those of the Hugging Face
 * data set. */
#ifndef PARE_EVALUATE_TASK_ROW_H
#define PARE_EVALUATE_TASK_ROW_H

#include "text/json_rows.h"

enum { PARE_TASK_CHOICES = 8 };

/* A question with its answers. Texts are freed with free(). */
typedef struct pare_task_document {
    uint32_t number; /* of the row in its file, from 0; in an excerpt that says so, in the whole file */
    uint32_t count, gold;
    char *contexts[PARE_TASK_CHOICES];      /* NULL after the first: the first one's */
    char *continuations[PARE_TASK_CHOICES]; /* what the model is to find likely */
    uint32_t characters[PARE_TASK_CHOICES]; /* code points of the choice */
} pare_task_document;

static inline const char *pare_task_context(const pare_task_document *document, uint32_t choice) {
    return document->contexts[choice] ? document->contexts[choice] : document->contexts[0];
}

void pare_task_document_free(pare_task_document *document);

/* label: the row's line of a file of labels, or NULL. On failure *out may hold texts; the caller frees it in any case.
 */
typedef pare_status (*pare_task_row_reader)(const pare_json_row *row, const char *label, pare_task_document *out);

pare_status pare_task_read_boolq(const pare_json_row *row, const char *label, pare_task_document *out);
pare_status pare_task_read_piqa(const pare_json_row *row, const char *label, pare_task_document *out);
pare_status pare_task_read_hellaswag(const pare_json_row *row, const char *label, pare_task_document *out);
pare_status pare_task_read_winogrande(const pare_json_row *row, const char *label, pare_task_document *out);
pare_status pare_task_read_arc(const pare_json_row *row, const char *label, pare_task_document *out);
pare_status pare_task_read_openbookqa(const pare_json_row *row, const char *label, pare_task_document *out);

/* For the readers. The string under `key`, which is the row's; a sentence for what is none, or holds a NUL. */
pare_status pare_task_text(const pare_json_row *row, const json_t *object, const char *key, const char **out);

/* Which of `labels` (NULL after the last) the first of `keys` that the row has, or `label`, names: a text, a whole
 * number, or true or false. */
pare_status pare_task_gold(const pare_json_row *row, const char *label, const char *const *keys,
                           const char *const *labels, uint32_t *gold);

/* Adds a choice whose continuation is a space and its text. */
pare_status pare_task_add_choice(const pare_json_row *row, const char *choice, pare_task_document *out);

#endif
