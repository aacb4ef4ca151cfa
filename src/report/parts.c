#include "report/parts.h"
#include "checkpoint/hub.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>

json_t *pare_report_seconds(const pare_stage_time *times, size_t count) {
    json_t *json = json_object();
    for (size_t i = 0; i < count; i++)
        pare_json_put(json, times[i].name, pare_json_real(times[i].seconds));
    return json;
}

json_t *pare_report_written(const pare_written *w) {
    const pare_file_list *as = w->files;
    json_t *json =
        pare_json_of({"path", pare_json_name(w->path)}, {"kind", pare_json_string(as->kind ? as->kind : w->kind)},
                     {"load", pare_json_string(as->load ? as->load : w->load)});
    if (as->note) pare_json_put(json, "note", pare_json_string(as->note));
    json_t *engines = json_array();
    for (const char *const *engine = as->engines ? as->engines : w->engines; engine && *engine && !as->kind; engine++)
        pare_json_append(engines, pare_json_string(*engine));
    if (as->kind) pare_json_append(engines, pare_json_string("llama.cpp"));
    pare_json_put(json, "engines", engines);
    pare_json_put(json, "pipeline", pare_json_string(w->pipeline));
    if (as->remote_code) pare_json_put(json, "remote_code", pare_json_string(as->remote_code));
    if (w->speed) pare_json_put(json, "speed", pare_json_string(w->speed));
    pare_json_put(json, "files", pare_report_files(w->files));
    if (w->parameters) pare_json_put(json, "parameters", pare_json_count(w->parameters));
    pare_json_put(json, "bytes", pare_json_count(w->files->bytes));
    return json;
}

void pare_report_put_id(json_t *model, const char *folder) {
    char *id = folder ? pare_hub_id(folder) : NULL;
    if (id) pare_json_put(model, "id", pare_json_string(id));
    free(id);
}

json_t *pare_report_memory(const pare_plan *plan) {
    pare_resident peak = pare_resident_peak(PARE_RESIDENT_RUN);
    json_t *json = pare_json_of({"anonymous_peak", pare_json_count(pare_memory_peak())},
                                {"resident_peak", pare_json_of({"anonymous", pare_json_count(peak.anonymous)},
                                                               {"mapped", pare_json_count(peak.mapped)})});
    if (!plan || !plan->limit) return json;
    json_t *sizes =
        pare_json_of({"mapped", pare_json_count(plan->mapped)}, {"weights", pare_json_count(plan->weights)},
                     {"activations", pare_json_count(plan->activations)},
                     {"gradients", pare_json_count(plan->gradients)}, {"state", pare_json_count(plan->state)},
                     {"metrics", pare_json_count(plan->metrics)}, {"repair", pare_json_count(plan->repair)},
                     {"scratch", pare_json_count(plan->scratch)}, {"limit", pare_json_count(plan->limit)});
    if (plan->stage_count) pare_json_put(sizes, "seconds", pare_report_seconds(plan->stages, plan->stage_count));
    if (plan->imatrix) pare_json_put(sizes, "imatrix", pare_json_count(plan->imatrix));
    pare_json_put(json, "plan", sizes);
    return json;
}

json_t *pare_report_change(uint64_t before, uint64_t after) {
    return pare_json_of({"before", pare_json_count(before)}, {"after", pare_json_count(after)});
}

void pare_report_put_warnings(json_t *report, json_t *warnings) {
    if (json_array_size(warnings) || !warnings)
        pare_json_put(report, "warnings", warnings);
    else
        json_decref(warnings);
}

static json_t *side_json(const pare_text_side *side) {
    json_t *json = json_object();
    pare_json_put_measured(json, "perplexity", exp(side->nll));
    pare_json_put(json, "nll", pare_json_real(side->nll));
    if (side->compared) {
        pare_json_put(json, "kl", pare_json_real(side->kl));
        pare_json_put(json, "top1", pare_json_real(side->top1));
    }
    if (side->continuations.texts)
        pare_json_put(json, "continuations", pare_report_continuations(&side->continuations));
    return json;
}

static json_t *pictures_json(const pare_text_pair *pair) {
    json_t *json = pare_json_of({"file", pare_json_name(pair->file)},
                                {"before", pare_report_picture_scores(&pair->before.answers)},
                                {"after", pare_report_picture_scores(&pair->after.answers)});
    if (pair->adapted) pare_json_put(json, "adapted", pare_report_picture_scores(&pair->with_adapter.answers));
    return json;
}

static json_t *text_json(const pare_text_pair *pair) {
    json_t *json = pare_json_of({"file", pare_json_name(pair->file)}, {"windows", json_integer(pair->windows)},
                                {"before", side_json(&pair->before)}, {"after", side_json(&pair->after)});
    if (pair->adapted) pare_json_put(json, "adapted", side_json(&pair->with_adapter));
    return json;
}

void pare_report_put_texts(json_t *report, const pare_text_pair *pairs, size_t count) {
    if (!count) return;
    if (pairs[0].pictures) {
        pare_json_put(report, "images", pictures_json(&pairs[0]));
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        pare_json_append(list, text_json(&pairs[i]));
    pare_json_put(report, "texts", list);
}
