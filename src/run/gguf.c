#include "run/gguf.h"
#include "run/origin.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/path.h"
#include "surgery/gguf_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pare_status pare_run_gguf_choose(pare_run *run, const pare_model *model, const char *target, const char *type,
                                 const pare_runtime *runtime) {
    pare_gguf_target held;
    run->gguf = (pare_run_gguf){.runtime = runtime};
    if (!pare_output_is_gguf(target)) {
        if (!type || !target) return PARE_OK;
        return pare_fail(PARE_BAD_ARGUMENT, "--type %.40s is of GGUF files: name one, -o %s.gguf", type, target);
    }
    run->gguf.base = pare_checkpoint_directory(model->checkpoint);
    run->gguf.wanted = true;
    PARE_TRY(pare_gguf_form_find(type, &run->gguf.form));
    return pare_gguf_target_find(&model->config, run->gguf.base, &held);
}

/* One more sentence in the note. */
static void add_note(char **note, char *sentence) {
    char *both = *note && sentence ? pare_format("%s; %s", *note, sentence) : NULL;
    if (!*note) {
        *note = sentence;
        return;
    }
    free(*note);
    free(sentence);
    *note = both;
}

static char *narrow_note(const pare_run *run, const pare_gguf_exported *said, const pare_config *config) {
    uint32_t block = pare_ggml_type_named(run->gguf.form->type)->elements;
    char advice[64] = "";
    if (config->hidden % block == 0)
        snprintf(advice, sizeof advice, " (--round-to %u keeps FFN widths that fit)", block);
    return pare_format("%zu of %zu matrices have rows that are no whole number of %s's blocks, and are stored in a "
                       "larger type instead%s",
                       said->narrow, said->matrices, said->form, advice);
}

/* What people should know of the file. */
static pare_status describe(pare_run *run, const pare_gguf_exported *said, const pare_config *config) {
    enum { WORTH = 100 };
    pare_file_list *list = &run->written;
    const pare_imatrix_file *importance = run->gguf.importance;
    list->kind = pare_format("GGUF, architecture %s, %s%s%s", said->architecture, said->form,
                             importance ? ", weighed by " : "", importance ? pare_path_name(importance->path) : "");
    list->load = pare_format("loads in llama.cpp and what is built on it, and in pare");
    if (said->zeros.lost > said->zeros.numbers / WORTH)
        add_note(&list->note, pare_format("%.0f %% of the model's zeros are none in the file, as blocks with an offset "
                                          "round them: q8_0, q6_k, q5_0, q4_0, f16 and bf16 keep them",
                                          100 * (double)said->zeros.lost / (double)said->zeros.all));
    if (said->narrow) add_note(&list->note, narrow_note(run, said, config));
    if (said->positions < config->stated_positions)
        add_note(&list->note,
                 pare_format("context_length is %u: llama.cpp has no windows of attention for this architecture, "
                             "and computes the same up to there",
                             said->positions));
    return pare_whole();
}

/* All of the folder but the file. */
static pare_status clear(const char *folder, const char *file) {
    DIR *directory = opendir(folder);
    if (!directory) return pare_fail(PARE_FILE_ERROR, "cannot list %s", folder);
    int error = 0;
    for (struct dirent *entry; (entry = pare_folder_next(directory, &error));) {
        if (strcmp(entry->d_name, pare_path_name(file)) == 0) continue;
        char *path = pare_path_join(folder, entry->d_name);
        if (path) unlink(path);
        free(path);
    }
    closedir(directory);
    if (error) return pare_fail(PARE_FILE_ERROR, "cannot list %s: %s", folder, strerror(error));
    return pare_whole();
}

pare_status pare_run_gguf_write(pare_run *run, const pare_model *model) {
    const char *file = pare_output_file(run->output), *name = pare_path_name(file);
    PARE_TRY(pare_whole());
    char *title = pare_format("%.*s", (int)(strlen(name) - strlen(".gguf")), name);
    if (!title) return pare_whole();
    pare_origin origin;
    pare_gguf_exported said;
    const char *base = run->gguf.base;
    pare_status status = pare_origin_read(base ? base : pare_checkpoint_directory(model->checkpoint), &origin);
    pare_gguf_export what = {.form = run->gguf.form,
                             .imatrix = run->gguf.importance,
                             .name = title,
                             .base = base,
                             .id = origin.id,
                             .licence = {origin.licence, origin.licence_name, origin.licence_link}};
    if (status == PARE_OK) status = pare_gguf_export_write(model, &what, file, run->gguf.runtime, &said);
    pare_origin_free(&origin);
    free(title);
    return status == PARE_OK ? describe(run, &said, &model->config) : status;
}

pare_status pare_run_gguf_pack(pare_run *run) {
    pare_model *model;
    if (!run->gguf.wanted || !run->output) return PARE_OK;
    const char *folder = pare_output_path(run->output);
    PARE_TRY(pare_model_open(folder, &model));
    pare_status status = pare_run_gguf_write(run, model);
    pare_model_close(model);
    return status == PARE_OK ? clear(folder, pare_output_file(run->output)) : status;
}
