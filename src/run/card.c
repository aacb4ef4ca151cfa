#include "run/card.h"
#include "checkpoint/gguf.h"
#include "checkpoint/hub.h"
#include "report/card.h"
#include "run/inside.h"
#include "run/origin.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char name[] = "README.md";
enum { MOST = 1 << 24 };

/* *text: of a file in a folder, freed with pare_free; NULL where there is none. */
static pare_status read_text(const char *folder, const char *file, char **text) {
    size_t bytes = 0;
    char *path = pare_path_join(folder, file);
    *text = NULL;
    pare_status status = path ? PARE_OK : pare_whole();
    if (pare_file_exists(path)) status = pare_file_read(path, MOST, text, &bytes);
    if (status == PARE_OK && *text && (strlen(*text) != bytes || pare_utf8_valid(*text, bytes) != bytes)) {
        pare_free(*text);
        *text = NULL;
        status = pare_fail(PARE_FORMAT_ERROR, "%s is no UTF-8 text", path);
    }
    free(path);
    return status;
}

/* What a GGUF file says in its metadata, as a card. */
static pare_status read_metadata(const char *source, char **card) {
    pare_origin origin;
    *card = NULL;
    PARE_TRY(pare_origin_read(source, &origin));
    pare_status status = pare_origin_card(&origin, card);
    pare_origin_free(&origin);
    return status;
}

/* The card to add to. What is replaced may be another model's, which nobody would want the card of. */
static pare_status read_card(const char *source, const char *target, char **card) {
    PARE_TRY(read_text(target, name, card));
    if (*card && pare_card_is_edited(*card)) return PARE_OK;
    pare_free(*card);
    return pare_gguf_is(source) ? read_metadata(source, card) : read_text(source, name, card);
}

/* What a licence file begins with, that lies in the output already; files of another encoding say nothing. */
static char *read_licence(const pare_run *run, const json_t *report) {
    const json_t *files = json_object_get(json_object_get(report, "output"), "files");
    char *text = NULL;
    for (size_t i = 0; i < json_array_size(files) && !text; i++) {
        const char *file = json_string_value(json_array_get(files, i));
        if (file && strncasecmp(file, "LICENSE", 7) == 0 &&
            read_text(pare_output_path(run->output), file, &text) != PARE_OK)
            text = NULL;
    }
    return text;
}

typedef struct making {
    pare_run *run;
    const pare_card_job *card;
    const char *source, *target;
} making;

static pare_status make(json_t *report, void *context) {
    const making *m = context;
    char *card = NULL, *text = NULL, *licence = read_licence(m->run, report), *id = pare_hub_id(m->source);
    if (m->card->command) pare_json_put(report, "command", pare_json_name(m->card->command));
    pare_status status = read_card(m->source, m->target, &card);
    const pare_card_source from = {
        .card = card, .id = id, .licence = licence, .method = m->card->method, .paper = m->card->paper};
    if (status == PARE_OK) status = pare_card_make(report, &from, &text);
    if (status == PARE_OK) status = pare_run_put_inside(m->run, name, text, report);
    pare_free(card);
    pare_free(licence);
    free(id);
    free(text);
    return status;
}

void pare_run_card_make(pare_run *run, const pare_card_job *card, const char *source, const char *target,
                        const pare_runtime *runtime, char **report) {
    making m = {run, card, source, target};
    if (!card->wanted || !run->output || run->gguf.wanted) return;
    if (pare_run_change_report(report, make, &m) == PARE_OK) return;
    pare_json_missing_forget();
    pare_run_drop_inside(run, name);
    pare_runtime_left_out(runtime, "the model card");
}
