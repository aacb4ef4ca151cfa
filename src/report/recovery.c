#include "report/recovery.h"
#include "report/curve_json.h"

#include <math.h>

static json_t *part_json(const pare_recovery_part *p) {
    return pare_json_of({"file", pare_json_name(p->file)}, {"share", pare_json_real(p->share)},
                        {"calibration", json_boolean(p->calibration)}, {"examples", pare_json_count(p->examples)},
                        {"held_out", pare_json_count(p->held_out)}, {"shortened", pare_json_count(p->shortened)},
                        {"left_out", pare_json_count(p->left_out)}, {"odd_rows", pare_json_count(p->odd_rows)},
                        {"not_utf8", pare_json_count(p->not_utf8)});
}

static json_t *data_json(const pare_recovery_data *d) {
    json_t *json =
        pare_json_of({"file", pare_json_name(d->file)}, {"examples", pare_json_count(d->examples)},
                     {"held_out", pare_json_count(d->held_out)}, {"shortened", pare_json_count(d->shortened)},
                     {"left_out", pare_json_count(d->left_out)}, {"odd_rows", pare_json_count(d->odd_rows)},
                     {"not_utf8", pare_json_count(d->not_utf8)}, {"sha256", pare_json_string(d->digest)});
    if (d->part_count < 2) return json;
    json_t *mixture = json_array();
    for (size_t i = 0; i < d->part_count; i++)
        pare_json_append(mixture, part_json(&d->parts[i]));
    pare_json_put(json, "mixture", mixture);
    return json;
}

/* Of the steps: the first, the last, and the mean of all; null where there was none. */
static json_t *loss_json(const pare_curve *curve) {
    double first = NAN, last = NAN, sum = 0.0;
    uint64_t steps = 0;
    for (size_t i = 0; i < curve->count; i++) {
        if (!curve->list[i].step) continue;
        last = curve->list[i].loss;
        first = steps++ ? first : last;
        sum += last;
    }
    json_t *json = json_object();
    pare_json_put_measured(json, "first", first);
    pare_json_put_measured(json, "last", last);
    pare_json_put_measured(json, "mean", steps ? sum / (double)steps : NAN);
    return json;
}

static json_t *validation_json(const pare_recovery_results *r) {
    if (isnan(r->first_validation)) return json_null();
    json_t *json = json_object();
    pare_json_put_measured(json, "before", r->first_validation);
    pare_json_put_measured(json, "last", r->last_validation);
    pare_json_put_measured(json, "best", r->best_validation);
    pare_json_put(json, "best_step", pare_json_count(r->best_step));
    return json;
}

static json_t *lesson_json(const pare_recovery_lesson *lesson) {
    if (isnan(lesson->kl)) return json_null();
    json_t *json = json_object();
    pare_json_put_measured(json, "ce", lesson->ce);
    pare_json_put_measured(json, "kl", lesson->kl);
    pare_json_put_measured(json, "top1_agreement", lesson->top1);
    return json;
}

static json_t *teacher_json(const pare_recovery_results *r) {
    if (!r->teacher) return json_null();
    return pare_json_of({"path", pare_json_name(r->teacher)}, {"sha256", pare_json_string(r->teacher_digest)},
                        {"before", lesson_json(&r->first_taught)}, {"best", lesson_json(&r->best_taught)});
}

json_t *pare_report_recovery_record(const pare_recovery_results *r) {
    json_t *trained =
        pare_json_of({"kind", pare_json_string(r->trained)}, {"parameters", pare_json_count(r->trained_parameters)});
    pare_json_put_measured(trained, "share",
                           r->parameters ? (double)r->trained_parameters / (double)r->parameters : NAN);
    return pare_json_of({"pare", pare_json_string(pare_version())},
                        {"model", pare_json_of({"path", r->model ? pare_json_name(r->model) : json_null()},
                                               {"parameters", pare_json_count(r->parameters)},
                                               {"sha256", pare_json_string(r->digest)})},
                        {"settings", pare_json_same(r->settings)}, {"data", data_json(&r->data)}, {"trained", trained},
                        {"steps", pare_json_count(r->steps)}, {"tokens", pare_json_count(r->tokens)},
                        {"loss", loss_json(r->curve)}, {"validation", validation_json(r)},
                        {"curve", pare_curve_json(r->curve)}, {"teacher", teacher_json(r)});
}

/* An adapter leaves the model as it is until it is merged. */
static json_t *warnings_json(const pare_recovery_results *r) {
    double zeros = 100 * r->zeros_lost;
    if (zeros <= 0) return json_array();
    if (r->adapter)
        return pare_json_list_of(
            pare_json_format("%.3g %% of the weights beside the adapter are zeros, and merging it will fill them; "
                             "training without --adapter can keep them (--keep-sparsity)",
                             zeros));
    return pare_json_list_of(pare_json_format("%.3g %% of the trained weights were zeros, and are not zero any more; "
                                              "--keep-sparsity keeps them",
                                              zeros));
}

json_t *pare_report_recovery(const void *results) {
    const pare_recovery_results *r = results;
    json_t *json = pare_report_recovery_record(r);
    double seconds = r->training_seconds;
    pare_report_put_id(json_object_get(json, "model"), r->model);
    pare_json_put_measured(json, "training_seconds", seconds);
    pare_json_put_measured(json, "tokens_per_second", seconds > 0.0 ? (double)r->tokens / seconds : NAN);
    pare_report_put_texts(json, r->texts, r->text_count);
    pare_json_put(json, "output", pare_report_written(&r->written));
    pare_report_put_stages(json, r->times, r->time_count);
    if (r->rank_count) pare_json_put(json, "ranks", pare_report_ranks(r->ranks, r->rank_count));
    pare_report_put_warnings(json, warnings_json(r));
    pare_json_put(json, "memory", pare_report_memory(r->plan));
    return json;
}
