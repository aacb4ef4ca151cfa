#include "model/companions.h"
#include "checkpoint/temporary.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "tokenizer/gguf_tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"};

/* It need not outlive the program, so that nothing is synced. */
static pare_status write_text(const char *path, const char *text) {
    FILE *file = path ? fopen(path, "we") : NULL;
    bool written = file && fputs(text, file) >= 0;
    if (file && fclose(file) != 0) written = false;
    PARE_TRY(pare_whole());
    if (written) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "cannot write %s: %s; set TMPDIR to a folder with more room", path,
                     strerror(errno));
}

/* Frees the reference. */
static pare_status write_json(const char *folder, const char *name, json_t *json) {
    char *text = NULL, *path = pare_path_join(folder, name);
    pare_status status = pare_json_dump(json, name, JSON_INDENT(2) | JSON_PRESERVE_ORDER, &text);
    if (status == PARE_OK) status = write_text(path, text);
    json_decref(json);
    pare_free(text);
    free(path);
    return status;
}

/* A chat's turn may end with a token of its own. */
static pare_status write_generation(const pare_gguf *file, const pare_config *config, const char *folder) {
    static const char *const keys[] = {"bos_token_id", "pad_token_id"};
    int64_t turn;
    json_t *json = json_object(), *eos = json_object_get(config->json, "eos_token_id");
    PARE_TRY(pare_gguf_whole(file, "tokenizer.ggml.eot_token_id", 0, UINT32_MAX, -1, &turn));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(config->json, keys[i]);
        if (value) pare_json_put(json, keys[i], pare_json_same(value));
    }
    bool both = eos && turn >= 0 && json_integer_value(eos) != turn;
    if (both)
        pare_json_put(json, "eos_token_id", pare_json_list_of(pare_json_same(eos), json_integer(turn)));
    else if (eos)
        pare_json_put(json, "eos_token_id", pare_json_same(eos));
    return write_json(folder, names[1], json);
}

static pare_status fill(const pare_model *model, const char *folder) {
    const pare_gguf *file = pare_checkpoint_gguf(model->checkpoint);
    json_t *tokenizer, *config;
    PARE_TRY(write_json(folder, names[0], pare_json_same(model->config.json)));
    PARE_TRY(write_generation(file, &model->config, folder));
    if (!pare_gguf_has_tokenizer(file)) return PARE_OK;
    PARE_TRY(pare_gguf_tokenizer(file, &tokenizer, &config));
    pare_status status = write_json(folder, names[2], tokenizer);
    if (status == PARE_OK) return write_json(folder, names[3], config);
    json_decref(config);
    return status;
}

/* In the folder for temporary files, of which what killed programs have left is removed. */
static pare_status make(const pare_model *model) {
    pare_companions made = {.lock = -1};
    pare_status status = pare_temporary_scratch(pare_runtime_scratch(NULL), "pare-gguf", &made.folder, &made.lock);
    if (status == PARE_FILE_ERROR)
        status =
            pare_fail(PARE_FILE_ERROR, "cannot make a folder in %s for what goes with %s: %s; set TMPDIR to another",
                      pare_runtime_scratch(NULL), pare_checkpoint_directory(model->checkpoint), strerror(errno));
    PARE_TRY(status);
    status = fill(model, made.folder);
    if (status == PARE_OK)
        *model->companions = made;
    else
        pare_model_companions_remove(&made);
    return status;
}

pare_status pare_model_companions(const pare_model *model, const char **folder) {
    *folder = pare_checkpoint_directory(model->checkpoint);
    if (!pare_checkpoint_gguf(model->checkpoint)) return PARE_OK;
    if (!model->companions->folder) PARE_TRY(make(model));
    *folder = model->companions->folder;
    return PARE_OK;
}

void pare_model_companions_remove(pare_companions *companions) {
    if (!companions->folder) return;
    pare_folder_remove(companions->folder);
    free(companions->folder);
    if (companions->lock >= 0) close(companions->lock);
    *companions = (pare_companions){.lock = -1};
}
