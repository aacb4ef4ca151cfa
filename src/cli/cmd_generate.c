#include "command.h"
#include "outcome.h"

#include <stdio.h>

/* The prompt is shown with the first piece, so that a failure before it leaves standard output empty. */
static void print_prompt(const char **prompt) {
    if (*prompt) fputs(*prompt, stdout);
    *prompt = NULL;
}

/* Shows each piece as it comes; stops when nobody can read it any more. */
static bool print_piece(void *user, const char *piece, size_t bytes) {
    print_prompt(user);
    return fwrite(piece, 1, bytes, stdout) == bytes && fflush(stdout) == 0;
}

static int run(const pare_arguments *arguments) {
    if (!arguments->model)
        return pare_outcome_usage("generate", "MODEL is missing: the folder of the model that writes");
    if (!arguments->prompt)
        return pare_outcome_usage("generate", "--prompt is missing: the text to continue, which may be empty");
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    pare_generate_options options = {
        .prompt = arguments->prompt,
        .tokens = arguments->tokens,
        .temperature = arguments->temperature,
        .top_p = arguments->top_p,
        .seed = arguments->seed,
        .adapter = arguments->adapter_folder,
    };
    pare_runtime runtime = pare_outcome_runtime(arguments);
    runtime.progress = NULL; /* the text itself shows how far it is */
    const char *prompt = arguments->prompt;
    pare_status status = pare_generate(model, &options, &runtime, print_piece, &prompt);
    if (status == PARE_OK) print_prompt(&prompt);
    if (!prompt) putchar('\n');
    code = pare_outcome_exit(status);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL --prompt TEXT [OPTION...]", NULL};
static const char *const examples[] = {
    "my-model --prompt 'once upon a time'",
    "my-model --prompt 'once upon a time' --temperature 0.8 --top-p 0.9 --seed 7",
    NULL,
};

const pare_command pare_command_generate = {
    .syntax = {"generate", PARE_IN_GENERATE},
    .summary = "continues a text, to see that a model still talks",
    .synopsis = synopsis,
    .description =
        "Prints the prompt and continues it as the model would, one piece at a time. The same seed gives the "
        "same text.",
    .examples = examples,
    .run = run,
};
