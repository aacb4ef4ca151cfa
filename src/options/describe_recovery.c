/* What options of a recovery come to, for help: by the names of the program's options. */
#include "options/resolve.h"
#include "support/json.h"

static json_t *answer(bool yes) {
    return json_string(yes ? "yes" : "no");
}

static json_t *settings_json(const pare_recovery *s) {
    json_t *json = json_object();
    json_object_set_new(json, "preset", json_string(s->preset->name));
    json_object_set_new(json, "wording", json_string(pare_template_name(s->wording)));
    json_object_set_new(json, "cutoff", json_integer(s->cutoff));
    json_object_set_new(json, "train-on-prompt", answer(s->train_on_prompt));
    json_object_set_new(json, "group-by-length", answer(s->group_by_length));
    json_object_set_new(json, "val-every", json_integer(s->validate_every));
    json_object_set_new(json, "rate", json_real(s->rate));
    json_object_set_new(json, "batch", json_integer(s->batch));
    json_object_set_new(json, "clip", json_real(s->clip));
    json_object_set_new(json, "weight-decay", json_real(s->weight_decay));
    json_object_set_new(json, "beta1", json_real(s->beta1));
    json_object_set_new(json, "beta2", json_real(s->beta2));
    json_object_set_new(json, "save-every", json_integer(s->save_every));
    if (s->steps)
        json_object_set_new(json, "steps", json_integer((json_int_t)s->steps));
    else
        json_object_set_new(json, "epochs", json_real(s->epochs));
    if (s->full) return json;
    json_object_set_new(json, "rank", json_integer(s->lora.rank));
    json_object_set_new(json, "alpha", json_real(s->lora.alpha));
    if (!s->keep_sparsity) json_object_set_new(json, "dropout", json_real(s->lora.dropout));
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
        {"epochs", !s->steps},
        {"warmup", true},
        {"decay", true},
        {"val", true},
    };
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_object_set_new(json, rows[i].option, json_boolean(rows[i].useful));
    return json;
}

/* The warm-up is the preset's, but no more than a tenth of the steps, which data alone tell. */
static json_t *defaults_json(const pare_recovery *s) {
    json_int_t warmup = s->asked_warmup >= 0 ? s->asked_warmup : s->preset->warmup;
    if (s->asked_warmup >= 0 || !warmup) return json_pack("{s:I}", "warmup", warmup);
    return json_pack("{s:o}", "warmup", json_sprintf("%d, but no more than a tenth", (int)warmup));
}

pare_status pare_recover_describe(const pare_recover_options *options, char **text) {
    pare_recovery settings;
    *text = NULL;
    PARE_TRY(pare_recovery_resolve(options, &settings));
    json_t *json = json_object();
    json_object_set_new(json, "preset", json_string(settings.preset->name));
    json_object_set_new(json, "summary", json_string(settings.preset->summary));
    json_object_set_new(json, "settings", settings_json(&settings));
    json_object_set_new(json, "uses", uses_json(&settings));
    json_object_set_new(json, "defaults", defaults_json(&settings));
    return pare_json_text(json, text);
}
