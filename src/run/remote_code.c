#include "run/remote_code.h"
#include "checkpoint/output.h"
#include "model/config_remote.h"
#include "model/config_write.h"
#include "report/engines.h"
#include "support/file.h"
#include "support/memory.h"

#include "modeling_pare.inc"

#include <stdlib.h>
#include <unistd.h>

static const char file_name[] = "modeling_pare.py";

pare_status pare_run_remote_choose(pare_run *run, const pare_model *model, const char *target, bool asked) {
    run->remote_asked = asked;
    run->remote_wanted = (asked || model->config.remote_code) && !run->gguf.wanted;
    if (asked && run->gguf.wanted)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--remote-code is of folders, and %s needs none: leave it out, or name a "
                         "folder",
                         target);
    return PARE_OK;
}

/* What people should know: who else reads it, or why not. */
static char *note_of(const pare_config_remote *said) {
    static const char vllm[] = "vLLM reads it as a Nemotron-NAS model (--trust-remote-code)";
    if (!said->vllm) return pare_format("vLLM's DeciLMForCausalLM cannot hold it: %s", said->why);
    if (said->any_vllm) return pare_format("%s", vllm);
    return pare_format("%s, from its pull request 30795 on: FFN widths that are multiples of 256 (--round-to 256) are "
                       "read by all versions",
                       vllm);
}

static pare_status describe(pare_run *run, const pare_config_remote *said) {
    pare_file_list *list = &run->written;
    list->load = pare_format("loads in transformers with trust_remote_code=True (layers differ in width, and %s builds "
                             "them of the family's own class), and in pare",
                             file_name);
    list->note = note_of(said);
    list->engines = pare_report_engines_trusted(said->vllm);
    list->remote_code = file_name;
    return pare_whole();
}

/* Anew, as it is not to be seen half written. */
static pare_status replace(const pare_output *output, const char *name, const char *text) {
    char *path = pare_path_join(pare_output_path(output), name);
    if (path) unlink(path);
    free(path);
    PARE_TRY(pare_whole());
    return pare_output_write_text(output, name, text);
}

static pare_status write_files(pare_run *run, const pare_config *config, pare_config_remote *said) {
    char *text;
    PARE_TRY(pare_config_to_remote(config, &text, said));
    pare_status status = replace(run->output, "config.json", text);
    if (status == PARE_OK) status = replace(run->output, file_name, (const char *)modeling_pare);
    pare_free(text);
    return status;
}

/* config.json must still say what the tensors have. */
static pare_status open_again(const char *folder) {
    pare_model *model;
    PARE_TRY(pare_model_open(folder, &model));
    pare_model_close(model);
    return PARE_OK;
}

static pare_status write_beside(pare_run *run, const pare_config *config) {
    pare_config_remote said = {0};
    pare_status status = write_files(run, config, &said);
    if (status == PARE_OK) status = open_again(pare_output_path(run->output));
    if (status == PARE_OK) status = describe(run, &said);
    free(said.why);
    return status;
}

pare_status pare_run_remote_write(pare_run *run) {
    pare_model *model;
    if (!run->remote_wanted || !run->output) return PARE_OK;
    char *config = pare_path_join(pare_output_path(run->output), "config.json");
    bool whole = config && pare_file_exists(config); /* an adapter has none */
    free(config);
    if (!whole) return pare_whole();
    PARE_TRY(pare_model_open(pare_output_path(run->output), &model));
    pare_status status = PARE_OK;
    if (!pare_config_is_even(&model->config))
        status = write_beside(run, &model->config);
    else if (run->remote_asked)
        run->written.note =
            pare_format("--remote-code was not needed: all layers are alike, and stock classes load it");
    pare_model_close(model);
    return status == PARE_OK ? pare_whole() : status;
}
