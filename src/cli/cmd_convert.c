#include "cmd_export.h"
#include "command.h"
#include "outcome.h"

static int run_convert(const pare_arguments *arguments) {
    if (arguments->models.count != 2)
        return pare_outcome_usage("convert", "give the model and what to write: pare convert IN OUT");
    return pare_export_write(arguments, arguments->models.words[1]);
}

static const char *const convert_synopsis[] = {"IN OUT [OPTION...]", NULL};
static const char *const convert_examples[] = {"model.gguf model --type bf16", "model model.gguf --type q8_0", NULL};

const pare_command pare_command_convert = {
    .syntax = {"convert", PARE_IN_CONVERT},
    .summary = "turns a GGUF file into a folder, or a folder into a GGUF file",
    .synopsis = convert_synopsis,
    .description =
        "Writes the model IN as the folder OUT, with safetensors, config.json and tokenizer files as Hugging "
        "Face has them, or, where OUT ends with .gguf, as pare export does. Numbers that a GGUF file has in "
        "blocks become bf16 unless --type says otherwise. OUT appears complete or not at all.",
    .examples = convert_examples,
    .run = run_convert,
};
