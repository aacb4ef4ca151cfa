#include "plan.h"

#include "document.h"
#include "message.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

static const char *summary_of(const char *method) {
    for (size_t i = 0; pare_recipe_name(i); i++)
        if (strcmp(pare_recipe_name(i), method) == 0) return pare_recipe_summary(i);
    return "";
}

static void say_constants(const pare_prune_options *options) {
    char *text = NULL;
    if (pare_recipe_constants(options, &text) == PARE_OK) pare_terminal_say("  constants    %s", text);
    pare_text_free(text);
}

/* What the options come to; NULL where that is not known. */
static json_t *describe(const pare_prune_options *options) {
    char *text = NULL;
    if (pare_recipe_describe(options, &text) != PARE_OK) return NULL;
    json_t *document = json_loads(text, 0, NULL);
    pare_text_free(text);
    return document;
}

/* "quick: metric plain, dense 0" */
static void say_effort(const json_t *described) {
    char text[400] = "";
    size_t used = 0;
    const char *level = pare_document_text(described, "effort.level"), *key;
    json_t *value;
    json_object_foreach((json_t *)pare_document_at(described, "effort.changes"), key, value) {
        if (used >= sizeof text) break;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %s", used ? "," : ":", key);
        if (used >= sizeof text) break;
        if (json_is_string(value))
            used += (size_t)snprintf(text + used, sizeof text - used, " %s", json_string_value(value));
        else
            used += (size_t)snprintf(text + used, sizeof text - used, " %g", json_number_value(value));
    }
    if (*level) pare_terminal_say("  effort       %s%s", level, text);
}

static void say_target(const pare_arguments *arguments, const pare_prune_options *options) {
    char layers[64] = "every layer", amount[160];
    if (pare_recipe_spares_layers(options))
        snprintf(layers, sizeof layers, "every layer but the first tenth and the last");
    if (arguments->layer_span.end)
        snprintf(layers, sizeof layers, "layers %d to %d", arguments->layer_span.begin, arguments->layer_span.end - 1);
    if (arguments->parameters)
        snprintf(amount, sizeof amount, "%s parameters are to be left, cut from",
                 pare_count_show(arguments->parameters).text);
    else if (arguments->bytes)
        snprintf(amount, sizeof amount, "%s of weights are to be left, cut from",
                 pare_bytes_show(arguments->bytes).text);
    else if (arguments->pattern.of)
        snprintf(amount, sizeof amount, "keep %u of every %u weights of the outputs of", arguments->pattern.keep,
                 arguments->pattern.of);
    else if (arguments->sparsity.each)
        snprintf(amount, sizeof amount, "remove a share for each layer of the weights of");
    else if (arguments->sparsity.one >= 0)
        snprintf(amount, sizeof amount, "remove %g of the weights of", arguments->sparsity.one);
    else if (arguments->ratio.each)
        snprintf(amount, sizeof amount, "remove a share for each layer of the units of");
    else
        snprintf(amount, sizeof amount, "remove %g of the units of", arguments->ratio.one);
    pare_terminal_say("  target       %s %s, seed %llu", amount, layers, (unsigned long long)arguments->seed);
}

/* "3, 7, 20 to 23" */
static void say_drops(const pare_layer_list *drops, bool alone) {
    char text[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < drops->count && used + 32 < sizeof text; i++) {
        const pare_layers *d = &drops->list[i];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", i ? ", " : "", d->begin);
        if (d->end - d->begin > 1) used += (size_t)snprintf(text + used, sizeof text - used, " to %d", d->end - 1);
        if (used + 32 >= sizeof text && i + 1 < drops->count) snprintf(text + used, sizeof text - used, ", ...");
    }
    bool several = drops->count > 1 || (drops->count && drops->list->end - drops->list->begin > 1);
    if (drops->count)
        pare_terminal_say("  dropped      layer%s %s%s", several ? "s" : "", text,
                          alone ? ", and nothing else" : " before the others are pruned");
}

void pare_plan_say_job(const pare_arguments *arguments, const pare_prune_options *options, const pare_model *model,
                       const pare_training_files *files) {
    json_t *described = describe(options);
    const char *usual = described ? pare_document_text(described, "method") : "";
    const char *preset = arguments->method < 0 ? usual : pare_recipe_name((size_t)arguments->method);
    const char *method = arguments->recipe ? arguments->recipe : preset;
    const char *summary = summary_of(method);
    pare_terminal_say("Plan");
    pare_terminal_say("  model        %s: %s parameters, %s", arguments->model,
                      pare_count_show(pare_model_parameters(model)).text,
                      pare_bytes_show(pare_model_bytes(model)).text);
    bool alone = arguments->drops.count && options->ratio <= 0 && !options->ratios && !options->parameters &&
                 !options->bytes && !options->sparsity.given;
    double share = pare_document_number(described, "calib_share", 0.0);
    bool reads = !described || json_is_true(pare_document_at(described, "uses.calib"));
    say_drops(&arguments->drops, alone);
    if (!alone) {
        pare_terminal_say("  method       %s%s%s", method, *summary ? ": " : "", summary);
        say_constants(options);
        say_effort(described);
        say_target(arguments, options);
        if (reads) pare_terminal_say("  calibration  %s", arguments->calibration ? arguments->calibration : "self");
    }
    pare_training_files_say(files, "recovery");
    if (share > 0.0 && !pare_model_reads_pictures(model))
        pare_terminal_say("               %s, %.3g %% of every batch", arguments->calibration, 100 * share);
    if (options->recover && options->recover->teacher)
        pare_terminal_say("  teacher      %s", options->recover->teacher);
    pare_terminal_say("  output       %s", arguments->dry_run ? "none (dry run)" : arguments->output);
    json_decref(described);
}

static void say_bytes(const char *name, uint64_t bytes, const char *note) {
    pare_terminal_say("  %-12s %s%s", name, pare_bytes_show(bytes).text, note);
}

/* Stages that take less than a hundredth of all are not worth a line. */
static void say_times(const pare_plan *plan) {
    static const double moment = 3.0, worth_a_line = 0.01;
    double all = 0.0;
    for (size_t i = 0; i < plan->stage_count; i++)
        all += plan->stages[i].seconds;
    if (!plan->stage_count) return;
    pare_terminal_say("Time");
    if (all < moment) {
        pare_terminal_say("  %-12s a moment", "in all");
        return;
    }
    pare_terminal_say("  %-12s about %s", "in all", pare_seconds_show(all).text);
    for (size_t i = 0; i < plan->stage_count; i++) {
        const pare_stage_time *stage = &plan->stages[i];
        bool text = strcmp(stage->name, "calibration data") == 0;
        if (stage->seconds < worth_a_line * all) continue;
        pare_terminal_say("  %-12s %s%s", pare_seconds_show(stage->seconds).text, text ? "writing text" : stage->name,
                          text ? ", which --calib FILE saves, and fewer --samples shorten" : "");
    }
}

void pare_plan_say(void *user, const pare_plan *plan) {
    (void)user;
    if (plan->sequences)
        pare_terminal_say(plan->pictures ? "  pictures     %s (%s tokens each), %s at a time"
                                         : "  sequences    %s x %s tokens, %s at a time",
                          pare_count_show(plan->sequences).text, pare_count_show(plan->length).text,
                          pare_count_show(plan->micro_batch).text);
    if (plan->chat) pare_terminal_say("  chats        in the format %s, which --wording changes", plan->chat);
    if (plan->steps) pare_terminal_say("  training     %s steps of these", pare_count_show(plan->steps).text);
    if (plan->zeros_lost > 0)
        pare_terminal_say("  zeros        %.3g %% of the trained weights are zeros, and will not stay zero without "
                          "--keep-sparsity",
                          100 * plan->zeros_lost);
    pare_terminal_say("Memory");
    say_bytes("mapped", plan->mapped, " of weights, which the system may drop and read again");
    say_bytes("weights", plan->weights, " for the block at work");
    char kept[240] = "";
    if (plan->blocks)
        snprintf(kept, sizeof kept, ", %s of %s blocks kept for their backward",
                 plan->kept == plan->blocks ? "all"
                 : plan->kept               ? pare_count_show(plan->kept).text
                                            : "none",
                 pare_count_show(plan->blocks).text);
    say_bytes("activations", plan->activations, kept);
    say_bytes("gradients", plan->gradients, "");
    char note[160] = "";
    if (plan->scratch) snprintf(note, sizeof note, ", %s of it in a scratch file", pare_bytes_show(plan->scratch).text);
    if (plan->state || (!plan->metrics && !plan->repair)) say_bytes("state", plan->state, note);
    if (plan->metrics) say_bytes("metrics", plan->metrics, " of what the loss feels of each output");
    if (plan->repair) say_bytes("layerwise", plan->repair, plan->state ? " afterwards" : note);
    if (plan->imatrix) say_bytes("imatrix", plan->imatrix, " for a pass over the calibration text of its own");
    static const char *const origins[] = {[PARE_LIMIT_MACHINE] = ", 80 % of what is available",
                                          [PARE_LIMIT_CONTAINER] = ", 80 % of what the container has left",
                                          [PARE_LIMIT_GIVEN] = ""};
    say_bytes("limit", plan->limit, plan->limit ? origins[plan->limit_origin] : "");
    say_times(plan);
}

static void announce(pare_announcement *announcement) {
    if (!announcement->said) announcement->say(announcement->context);
    announcement->said = true;
}

static void announce_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
    announce(user);
    pare_terminal_progress(NULL, stage, done, total);
}

static void announce_plan(void *user, const pare_plan *plan) {
    announce(user);
    pare_plan_say(NULL, plan);
}

void pare_plan_announce(pare_announcement *announcement, pare_runtime *runtime) {
    runtime->progress = announce_progress;
    runtime->plan = announce_plan;
    runtime->progress_user = announcement;
}
