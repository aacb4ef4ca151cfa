#include "cmd_recover.h"
#include "command.h"
#include "measured_on.h"
#include "message.h"
#include "outcome.h"
#include "page.h"
#include "plan.h"
#include "recover_summary.h"
#include "terminal.h"
#include "training_files.h"

static const char *check(const pare_arguments *arguments) {
    if (!arguments->model) return "MODEL is missing: the folder of the model to train";
    if (!arguments->training.count) return "--data FILE is missing: what to train on";
    if (pare_measured_on_refusal(arguments)) return pare_measured_on_refusal(arguments);
    if (pare_page_refusal(arguments)) return pare_page_refusal(arguments);
    if (!arguments->output) return "-o OUT is missing: the folder to write";
    if (arguments->save_every && !arguments->resume)
        return "--save-every says how often the progress is kept: give --resume with it";
    return NULL;
}

/* Negative: not given. */
static int64_t count_of(uint32_t given) {
    return given == PARE_NOT_GIVEN ? -1 : (int64_t)given;
}

/* Of a choice of no (0) and yes; negative: not given. */
static int answer_of(int choice) {
    return choice < 0 ? 0 : choice ? 1 : -1;
}

pare_recover_options pare_recover_options_of(const pare_arguments *a) {
    return (pare_recover_options){
        .size = sizeof(pare_recover_options),
        .preset = a->preset < 0 ? NULL : pare_recover_preset_name((size_t)a->preset),
        .data = a->training.count ? a->training.words[0] : NULL,
        .calib = a->calibration,
        .calib_share = a->calibration_share,
        .field = a->field,
        .wording = a->wording < 0 ? NULL : pare_wording_name((size_t)a->wording),
        .limit = a->limit,
        .cutoff = a->cutoff,
        .train_on_prompt = answer_of(a->train_on_prompt),
        .pack = a->pack,
        .group_by_length = answer_of(a->group_by_length),
        .full = a->full,
        .fresh = a->fresh,
        .keep_sparsity = a->keep_sparsity,
        .rank = a->rank,
        .alpha = a->alpha,
        .dropout = a->dropout,
        .teacher = a->teacher,
        .teacher_cache = a->teacher_cache,
        .ce = a->ce,
        .kd = a->kd,
        .targets = a->targets.words,
        .target_count = a->targets.count,
        .rate = a->rate,
        .batch = a->batch,
        .micro_batch = a->micro_batch,
        .epochs = a->epochs,
        .steps = a->training_steps,
        .warmup = count_of(a->warmup),
        .decay = count_of(a->decay),
        .clip = a->clip,
        .weight_decay = a->weight_decay,
        .beta1 = a->beta1,
        .beta2 = a->beta2,
        .validation = count_of(a->validation),
        .validate_every = a->validate_every,
        .save_every = a->save_every,
        .resume = a->resume,
        .seed = a->seed,
        .output = a->output,
        .type = a->type,
        .adapter = a->adapter,
        .force = a->force,
        .remote_code = a->remote_code,
        .curve = a->curve,
        .texts = pare_measured_on_of(a).list,
        .text_count = pare_measured_on_of(a).count,
        .window = a->window,
        .max_windows = a->max_windows,
        .continuations = a->continuations,
    };
}

typedef struct job {
    const pare_arguments *arguments;
    const pare_model *model;
    const pare_training_files *files;
} recover_job;

static void say_job(const void *context) {
    const pare_arguments *a = ((const recover_job *)context)->arguments;
    const pare_model *model = ((const recover_job *)context)->model;
    size_t preset = a->preset < 0 ? 0 : (size_t)a->preset;
    pare_terminal_say("Plan");
    pare_terminal_say("  model        %s: %s parameters, %s", a->model,
                      pare_count_show(pare_model_parameters(model)).text,
                      pare_bytes_show(pare_model_bytes(model)).text);
    pare_terminal_say("  preset       %s: %s", pare_recover_preset_name(preset), pare_recover_preset_summary(preset));
    pare_training_files_say(((const recover_job *)context)->files, "data");
    if (a->calibration) pare_terminal_say("  calibration  %s", a->calibration);
    if (a->teacher) pare_terminal_say("  teacher      %s", a->teacher);
    pare_terminal_say("  output       %s%s", a->output, a->adapter ? " (a PEFT adapter)" : "");
}

static int recover(const pare_arguments *arguments, const pare_model *model, const pare_training_files *files) {
    pare_recover_options options = pare_recover_options_of(arguments);
    pare_training_files_put(files, &options);
    pare_runtime runtime = pare_outcome_runtime(arguments);
    runtime.training = pare_terminal_training;
    pare_page_options page = pare_page_options_of(arguments);
    options.page = &page;
    pare_card_options card = pare_card_options_of(arguments);
    options.card = &card;
    recover_job job = {arguments, model, files};
    pare_announcement announcement = {.say = say_job, .context = &job};
    pare_plan_announce(&announcement, &runtime);
    char *report = NULL;
    pare_status status = pare_recover(model, &options, &runtime, &report);
    return pare_outcome_deliver(status, report, arguments, pare_recover_summary_print);
}

static int run(const pare_arguments *arguments) {
    const char *wrong = check(arguments);
    if (wrong) return pare_outcome_usage("recover", wrong);
    pare_model *model = NULL;
    int code = pare_measured_on_open(arguments, arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    pare_training_files files;
    code = pare_training_files_read(&arguments->training, &files);
    if (code == PARE_EXIT_DONE) code = recover(arguments, model, &files);
    pare_training_files_free(&files);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {
    "MODEL -o OUT --data FILE [OPTION...]",
    "MODEL -o OUT --data FILE --adapter [OPTION...]",
    "MODEL -o OUT --data FILE --full [OPTION...]",
    NULL,
};

static const char *const examples[] = {
    "smaller -o healed --data alpaca.json",
    "smaller -o healed --data alpaca.json --text wiki.txt --resume",
    "smaller -o healed --data lamini.jsonl --preset lamini",
    "smaller -o healed --data c4.jsonl --pack --teacher my-model",
    "smaller-vit -o healed --data train --images val --full",
    "sparse -o healed --data c4.jsonl --keep-sparsity --steps 500 --pack",
    "smaller -o adapter --data alpaca.json --adapter --rank 16 --targets q_proj v_proj",
    NULL,
};

const pare_command pare_command_recover = {
    .syntax = {"recover", PARE_IN_RECOVER},
    .summary = "trains a pruned model on examples until it has recovered",
    .synopsis = synopsis,
    .description =
        "Trains LoRA adapters beside the weights of a model, which stay as they are in their file and are streamed "
        "block by block, and writes the model with what was learnt merged into its weights. Some examples are held "
        "out, and the adapters with the lowest loss on them are taken. OUT appears complete or not at all; MODEL is "
        "never changed.",
    .examples = examples,
    .lists_presets = true,
    .spread = true,
    .run = run,
};
