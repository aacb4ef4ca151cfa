/* Everything that pare_prune is asked for but the recipe. */
#include "calibrate/calibration.h"
#include "checkpoint/imatrix.h"
#include "checkpoint/output.h"
#include "method/protocol.h"
#include "options/resolve.h"
#include "run/run.h"
#include "support/memory.h"

enum { WINDOW = 128 };

static void read_target(const pare_prune_options *o, pare_job_target *t) {
    *t = (pare_job_target){
        .ratio = o->ratio,
        .ratios = o->ratios,
        .ratio_count = o->ratio_count,
        .parameters = o->parameters,
        .bytes = o->bytes,
        .latency = o->latency,
        .latency_table = o->latency_table,
        .sparsity = o->sparsity,
        .layers = {.given = o->layer_begin || o->layer_end, .begin = o->layer_begin, .end = o->layer_end},
        .attention = o->attention,
        .ffn = o->ffn,
        .round_to = o->round_to,
        .rounds = o->iterations ? o->iterations : 1,
        .drops = o->drops,
        .drop_count = o->drop_count};
}

static pare_status read_recipe(const pare_prune_options *o, pare_job *job) {
    job->target.drops_alone = o->drop_count && !pare_job_has_amount(job);
    job->recipe_file = o->recipe;
    job->own_salience = o->salience != NULL;
    if (!job->target.drops_alone) return pare_recipe_resolve(o, &job->recipe);
    job->recipe = (pare_recipe){.name = "drop-layers", .mode = PARE_MODE_LAYER};
    if (!o->method && !o->recipe && !o->setting_count) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--drop-layers alone needs no method: leave out --method and its choices, or say how much it "
                     "shall remove besides with --ratio, --params, --sparsity or --pattern");
}

/* What the protocol leaves to the options, and what works layer by layer in any case. */
static pare_status read_protocol(const char *name, pare_job *job) {
    pare_job_calibration *c = &job->calibration;
    const pare_protocol *protocol = name ? pare_protocol_find(name) : NULL;
    if (name && !protocol)
        return pare_fail(PARE_BAD_ARGUMENT, "--protocol %s: choose llm-pruner, moreau-head or paper", name);
    if (protocol && !c->of.samples) c->of.samples = protocol->samples;
    if (protocol && !c->of.length) c->of.length = protocol->length;
    bool steps = pare_signal_has(job->recipe.signal, PARE_TRAIT_STEPS);
    if (protocol && protocol->redrawn && steps) c->batches = (uint32_t)job->recipe.moreau.steps;
    c->of.stream =
        c->of.stream || (protocol && protocol->stream) || pare_recipe_repairs(&job->recipe) || pare_job_zeroes(job);
    return PARE_OK;
}

static pare_status read_calibration(const pare_prune_options *o, pare_job *job) {
    job->calibration = (pare_job_calibration){
        .needed = !job->target.drops_alone && pare_recipe_needs_data(&job->recipe),
        .of = o->calibration,
        .imatrix = !pare_calibration_is_self(o->calibration.source) && pare_imatrix_is(o->calibration.source),
        .asked_samples = o->calibration.samples || o->calibration.length,
        .protocol = o->protocol,
        .usual_samples = pare_recipe_usual_samples(&job->recipe),
        .batches = 1};
    /* What an importance matrix has is of the dense model's blocks. */
    if (job->calibration.imatrix) job->recipe.element.dense_propagation = true;
    bool windows = job->calibration.needed && !pare_recipe_trains(&job->recipe);
    return windows ? read_protocol(o->protocol, job) : PARE_OK;
}

static pare_status read_outputs(const pare_prune_options *o, pare_job_outputs *out) {
    if (o->type && o->dry_run && !pare_output_is_gguf(o->output))
        return pare_fail(PARE_BAD_ARGUMENT, "--type %.40s is of GGUF files: name one, such as -o OUT.gguf", o->type);
    if (o->imatrix && o->dry_run)
        return pare_fail(PARE_BAD_ARGUMENT, "--imatrix is of the model that is written: leave out --dry-run");
    if (o->archive && o->remote_code)
        return pare_fail(PARE_BAD_ARGUMENT, "--archive packs weights for pare alone: leave out --remote-code");
    *out = (pare_job_outputs){.folder = o->dry_run ? NULL : o->output,
                              .force = o->force,
                              .archive = o->archive,
                              .remote_code = o->remote_code,
                              .type = o->type,
                              .dry = o->dry_run,
                              .resumable = o->resume,
                              .scores = o->scores,
                              .densities = o->densities,
                              .imatrix = o->imatrix,
                              .besides = o->besides,
                              .beside_count = o->beside_count};
    PARE_TRY(pare_page_resolve(o->page, out->folder, &out->page));
    if (!o->resume || !o->output) return PARE_OK;
    out->progress = pare_run_progress_folder(o->output);
    return pare_whole();
}

/* The card says in words what the method is. */
static pare_status read_card(const pare_prune_options *o, const pare_recipe *recipe, pare_job_outputs *out) {
    PARE_TRY(pare_card_resolve(o->card, out->folder, &out->card));
    out->card.method = recipe->summary;
    out->card.paper = recipe->source;
    return PARE_OK;
}

/* The recovery takes from the pruning what both have, and keeps zeros that were just made. */
static pare_status read_recovery(const pare_prune_options *o, pare_job *job) {
    if (!o->recover) return PARE_OK;
    pare_recover_options both = *o->recover;
    both.output = o->output;
    both.force = o->force;
    both.type = o->type;
    both.remote_code = o->remote_code;
    both.seed = o->seed;
    both.texts = o->texts;
    both.text_count = o->text_count;
    both.window = o->window;
    both.max_windows = o->max_windows;
    both.continuations = o->continuations;
    both.page = o->page;
    both.card = o->card;
    both.keep_sparsity |= o->sparsity.given;
    if (pare_calibration_share(o, &job->recipe) > 0.0) both.calib = o->calibration.source;
    bool shares = pare_option_given(both.size, both.calib_share) && both.calib_share > 0.0;
    if (shares && !both.calib && pare_recipe_trains(&job->recipe))
        return pare_fail(
            PARE_BAD_ARGUMENT,
            "--calib-share %.10g: %s trains on --calib while it prunes, and its recovery has no share of that: "
            "leave it out, or name the text in a second --recover",
            both.calib_share, job->recipe.name);
    PARE_TRY(pare_alloc(&job->recovery, 1, sizeof *job->recovery, "options"));
    PARE_TRY(pare_recovery_resolve(&both, job->recovery));
    job->recovery->calibration_field = o->calibration.field;
    job->recovery->calibration_implied = both.calib && both.calib != o->recover->calib;
    job->recovery->card.method = job->recipe.summary;
    job->recovery->card.paper = job->recipe.source;
    if (!both.teacher || strcmp(both.teacher, "dense") != 0) return PARE_OK;
    job->recovery->teacher = NULL;
    job->recovery->teacher_is_dense = true;
    return PARE_OK;
}

static pare_status list_ignored(const pare_prune_options *o, pare_job *job) {
    size_t count = 0;
    while (pare_recipe_ignored(o, &job->recipe, count))
        count++;
    PARE_TRY(pare_alloc(&job->ignored, count + 1, sizeof *job->ignored, "options"));
    PARE_TRY(pare_alloc(&job->lacking, count + 1, sizeof *job->lacking, "options"));
    for (size_t i = 0; i < count; i++) {
        job->ignored[i] = pare_recipe_ignored(o, &job->recipe, i);
        job->lacking[i] = pare_key_lacks(job->ignored[i], &job->recipe);
    }
    return PARE_OK;
}

pare_status pare_job_resolve(const pare_prune_options *o, pare_job *out) {
    *out = (pare_job){0};
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, o));
    *out = (pare_job){.seed = o->seed,
                      .displace = o->displace,
                      .evaluation = {.texts = o->texts,
                                     .text_count = o->text_count,
                                     .window = o->window ? o->window : WINDOW,
                                     .max_windows = o->max_windows,
                                     .continuations = o->cache ? 0 : o->continuations},
                      .cache = o->cache};
    read_target(o, &out->target);
    PARE_TRY(read_outputs(o, &out->outputs));
    PARE_TRY(read_recipe(o, out));
    PARE_TRY(read_card(o, &out->recipe, &out->outputs));
    PARE_TRY(read_calibration(o, out));
    PARE_TRY(list_ignored(o, out));
    return read_recovery(o, out);
}
