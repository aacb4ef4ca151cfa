/* What options of a recovery come to, for help: by the names of the program's options. */
#include "options/resolve.h"
#include "support/json.h"

static json_t *answer(bool yes) {
    return pare_json_string(yes ? "yes" : "no");
}

static json_t *settings_json(const pare_recovery *s) {
    json_t *json = json_object();
    pare_json_put(json, "preset", pare_json_string(s->preset->name));
    pare_json_put(json, "wording", pare_json_string(pare_template_name(s->wording)));
    pare_json_put(json, "cutoff", json_integer(s->cutoff));
    pare_json_put(json, "train-on-prompt", answer(s->train_on_prompt));
    pare_json_put(json, "group-by-length", answer(s->group_by_length));
    pare_json_put(json, "val-every", json_integer(s->validate_every));
    pare_json_put(json, "rate", pare_json_real(s->rate));
    pare_json_put(json, "batch", json_integer(s->batch));
    pare_json_put(json, "clip", pare_json_real(s->clip));
    pare_json_put(json, "weight-decay", pare_json_real(s->weight_decay));
    pare_json_put(json, "beta1", pare_json_real(s->beta1));
    pare_json_put(json, "beta2", pare_json_real(s->beta2));
    pare_json_put(json, "save-every", json_integer(s->save_every));
    if (s->steps)
        pare_json_put(json, "steps", json_integer((json_int_t)s->steps));
    else
        pare_json_put(json, "epochs", pare_json_real(s->epochs));
    if (s->full) return json;
    pare_json_put(json, "rank", json_integer(s->lora.rank));
    pare_json_put(json, "alpha", pare_json_real(s->lora.alpha));
    if (!s->keep_sparsity) pare_json_put(json, "dropout", pare_json_real(s->lora.dropout));
    return json;
}

/* Whether the other choices leave these a use. */
static json_t *uses_json(const pare_recovery *s) {
    const struct {
        const char *option;
        bool useful;
    } rows[] = {
        {"rank", !s->full},
        {"alpha", !s->full},
        {"dropout", !s->full && !s->keep_sparsity},
        {"targets", !s->full},
        {"adapter", !s->full && !s->keep_sparsity},
        {"fresh", s->full},
        {"teacher-cache", s->teacher != NULL},
        {"ce", s->teacher != NULL},
        {"kd", s->teacher != NULL},
        {"epochs", !s->steps},
        {"warmup", true},
        {"decay", true},
        {"val", true},
    };
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        pare_json_put(json, rows[i].option, json_boolean(rows[i].useful));
    return json;
}

/* The warm-up is the preset's, but no more than a tenth of the steps, which data alone tell. */
static json_t *defaults_json(const pare_recovery *s) {
    json_int_t warmup = s->asked_warmup >= 0 ? s->asked_warmup : s->preset->warmup;
    if (s->asked_warmup >= 0 || !warmup) return pare_json_of({"warmup", json_integer(warmup)});
    return pare_json_of({"warmup", pare_json_format("%d, but no more than a tenth", (int)warmup)});
}

pare_status pare_recover_describe(const pare_recover_options *options, char **text) {
    pare_recovery settings;
    *text = NULL;
    PARE_TRY(pare_recovery_resolve(options, &settings));
    json_t *json = json_object();
    pare_json_put(json, "preset", pare_json_string(settings.preset->name));
    pare_json_put(json, "summary", pare_json_string(settings.preset->summary));
    pare_json_put(json, "settings", settings_json(&settings));
    pare_json_put(json, "uses", uses_json(&settings));
    pare_json_put(json, "defaults", defaults_json(&settings));
    return pare_json_text(json, text);
}
