#include "cmd_prune.h"
#include "cmd_recover.h"
#include "command.h"
#include "measured_on.h"
#include "outcome.h"
#include "page.h"
#include "plan.h"
#include "summary.h"
#include "terminal.h"
#include "training_files.h"

const char *pare_prune_arguments_check(const pare_arguments *arguments) {
    if (!arguments->model) return "MODEL is missing: the folder of the model to prune";
    bool ratio = arguments->ratio.one > 0 || arguments->ratio.each;
    bool sparsity = arguments->sparsity.one >= 0 || arguments->sparsity.each, pattern = arguments->pattern.of != 0;
    int targets =
        ratio + sparsity + pattern + (arguments->parameters != 0) + (arguments->bytes != 0) + (arguments->latency > 0);
    if (targets > 1) return "give only one of --ratio, --params, --bytes, --latency, --sparsity and --pattern";
    if (!targets && !arguments->drops.count)
        return "say how much to remove, with --ratio 0.2, --params 5.4B, --sparsity 0.5, --pattern 2:4 or "
               "--drop-layers 3,7";
    if (arguments->method >= 0 && arguments->recipe) return "give either --method or --recipe, not both";
    if (arguments->resume && !arguments->output) return "--resume keeps the progress beside OUT: give -o OUT";
    bool trains = arguments->preset >= 0 || arguments->training_steps || arguments->epochs > 0 || arguments->rate > 0 ||
                  arguments->batch || arguments->teacher || arguments->ce >= 0 || arguments->kd >= 0 ||
                  arguments->calibration_share >= 0;
    if (trains && !arguments->training.count) return "--recover FILE is missing: what to train on";
    if (pare_measured_on_refusal(arguments)) return pare_measured_on_refusal(arguments);
    if (pare_page_refusal(arguments)) return pare_page_refusal(arguments);
    if (!arguments->output && !arguments->dry_run) return "-o OUT is missing: the folder to write (or --dry-run)";
    return NULL;
}

static pare_sparsity sparsity_of(const pare_arguments *arguments) {
    bool share = arguments->sparsity.one >= 0;
    return (pare_sparsity){.given = share || arguments->sparsity.each || arguments->pattern.of,
                           .share = share ? arguments->sparsity.one : 0,
                           .shares = arguments->sparsity.each,
                           .share_count = arguments->sparsity.count,
                           .keep = arguments->pattern.keep,
                           .of = arguments->pattern.of,
                           .targets = arguments->targets.words,
                           .target_count = arguments->targets.count,
                           .skipped = arguments->skipped.words,
                           .skipped_count = arguments->skipped.count};
}

pare_prune_options pare_prune_options_of(const pare_arguments *arguments) {
    return (pare_prune_options){
        .size = sizeof(pare_prune_options),
        .method = arguments->method < 0 ? NULL : pare_recipe_name((size_t)arguments->method),
        .recipe = arguments->recipe,
        .settings = arguments->settings.list,
        .setting_count = arguments->settings.count,
        .sparsity = sparsity_of(arguments),
        .ratio = arguments->ratio.one,
        .ratios = arguments->ratio.each,
        .ratio_count = arguments->ratio.count,
        .parameters = arguments->parameters,
        .latency = arguments->latency,
        .latency_table = arguments->latency_table,
        .bytes = arguments->bytes,
        .layer_begin = arguments->layer_span.begin,
        .layer_end = arguments->layer_span.end,
        .attention = arguments->attention_span,
        .ffn = arguments->ffn_span,
        .drops = arguments->drops.list,
        .drop_count = arguments->drops.count,
        .round_to = arguments->round_to,
        .iterations = arguments->iterations,
        .protocol = arguments->protocol < 0 ? NULL : pare_protocol_name((size_t)arguments->protocol),
        .calibration = {.source = arguments->calibration,
                        .field = arguments->field,
                        .samples = arguments->samples,
                        .length = arguments->length,
                        .stream = arguments->stream},
        .sigma = -1,
        .eta = -1,
        .displace = (pare_displace)arguments->displace,
        .seed = arguments->seed,
        .output = arguments->output,
        .type = arguments->type,
        .dry_run = arguments->dry_run,
        .force = arguments->force,
        .resume = arguments->resume,
        .scores = arguments->scores,
        .densities = arguments->densities,
        .archive = arguments->archive,
        .imatrix = arguments->imatrix,
        .remote_code = arguments->remote_code,
        .texts = pare_measured_on_of(arguments).list,
        .text_count = pare_measured_on_of(arguments).count,
        .window = arguments->window,
        .max_windows = arguments->max_windows,
        .continuations = arguments->continuations,
    };
}

typedef struct job {
    const pare_arguments *arguments;
    const pare_prune_options *options;
    const pare_model *model;
    const pare_training_files *files;
} prune_job;

static void say_job(const void *context) {
    const prune_job *job = context;
    pare_plan_say_job(job->arguments, job->options, job->model, job->files);
}

static int prune(const pare_arguments *arguments, const pare_model *model, const pare_training_files *files) {
    pare_prune_options options = pare_prune_options_of(arguments);
    pare_recover_options recover = pare_recover_options_of(arguments);
    recover.targets = NULL; /* those of prune are matrices that lose weights */
    recover.target_count = 0;
    recover.calib = NULL; /* the library knows which is calibration text */
    pare_training_files_put(files, &recover);
    if (files->count) options.recover = &recover;
    pare_runtime runtime = pare_outcome_runtime(arguments);
    runtime.training = pare_terminal_training;
    pare_page_options page = pare_page_options_of(arguments);
    options.page = &page;
    pare_card_options card = pare_card_options_of(arguments);
    options.card = &card;
    prune_job job = {arguments, &options, model, files};
    pare_announcement announcement = {.say = say_job, .context = &job};
    pare_plan_announce(&announcement, &runtime);
    char *report = NULL;
    pare_status status = pare_prune(model, &options, &runtime, &report);
    return pare_outcome_deliver(status, report, arguments, pare_summary_print);
}

static int run(const pare_arguments *arguments) {
    const char *wrong = pare_prune_arguments_check(arguments);
    if (wrong) return pare_outcome_usage("prune", wrong);
    pare_model *model = NULL;
    int code = pare_measured_on_open(arguments, arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    pare_training_files files;
    code = pare_training_files_read(&arguments->training, &files);
    if (code == PARE_EXIT_DONE) code = prune(arguments, model, &files);
    pare_training_files_free(&files);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {
    "MODEL -o OUT --ratio R | --params P [OPTION...]",
    "MODEL -o OUT --sparsity S | --pattern N:M [OPTION...]",
    "MODEL -o OUT --drop-layers N,A:B [OPTION...]",
    NULL,
};

static const char *const examples[] = {
    "my-model -o smaller --ratio 0.2",
    "my-model -o smaller --params 5.4B --calib books.jsonl --memory 8G",
    "my-model -o smaller --ratio 0.25 --method taylor --text wiki.txt",
    "my-model -o smaller --ratio 0.25 --layers 4:30 --json > report.json",
    "my-model --dry-run --ratio 0.2 --scores scores.json",
    "my-model -o healed --ratio 0.2 --recover alpaca.json --eval wiki.txt",
    "my-model -o shallower --drop-layers 21,23,25:29",
    "my-model -o sparse --sparsity 0.5 --calib c4.jsonl",
    "my-vit -o smaller-vit --ratio 0.25 --calib train --images val",
    "my-model -o sparse --pattern 2:4 --method wanda --refine swaps --compensate obs",
    NULL,
};

const pare_command pare_command_prune = {
    .syntax = {"prune", PARE_IN_PRUNE},
    .summary = "removes heads and channels, or single weights, from a model and writes what is left",
    .synopsis = synopsis,
    .description =
        "Removes the KV groups (with their query heads) and FFN channels that matter least on calibration text (or "
        "pictures, for a vision transformer), or, with --sparsity or --pattern, single weights. OUT appears complete "
        "or not at all; MODEL is never changed.",
    .examples = examples,
    .lists_methods = true,
    .spread = true,
    .run = run,
};
