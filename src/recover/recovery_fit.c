#include "recover/recovery_fit.h"
#include "calibrate/calibration.h"
#include "model/config_experts.h"
#include "model/family.h"
#include "recover/teacher.h"
#include "support/file.h"

#include <math.h>

enum {
    VALIDATION = 2000,
    SHORT = 10 /* no more than one in so many is held out, or a step of the warm-up, unless that was asked for */
};

/* Every example is one picture. */
static pare_status fit_pictures(const pare_model *model, pare_recovery *s) {
    const struct {
        bool given;
        const char *option;
    } of_text[] = {{s->cutoff_given, "--cutoff"}, {s->field != NULL, "--field"}, {s->pack, "--pack"}};
    for (size_t i = 0; i < sizeof of_text / sizeof *of_text; i++)
        if (of_text[i].given)
            return pare_fail(PARE_BAD_ARGUMENT, "%s is about texts, and %s reads pictures: leave it out",
                             of_text[i].option, pare_checkpoint_directory(model->checkpoint));
    if (s->source_count > 1)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--data %s: mixtures are of texts, and %s reads pictures; put all pictures "
                         "into one folder",
                         s->sources[1].path, pare_checkpoint_directory(model->checkpoint));
    if (s->calibration && !s->calibration_implied)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--calib %s: a share of text is for models of text, and %s reads pictures; "
                         "leave it out",
                         s->calibration, pare_checkpoint_directory(model->checkpoint));
    s->calibration = NULL;
    s->cutoff = model->config.max_positions;
    return PARE_OK;
}

static pare_status fit_cutoff(const pare_model *model, pare_recovery *s) {
    uint32_t positions = model->config.max_positions;
    if (pare_reads_pictures(&model->config)) return fit_pictures(model, s);
    if (positions < 2)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s has %u positions, and a token that is to be learnt needs another one "
                         "in front of it",
                         pare_checkpoint_directory(model->checkpoint), positions);
    if (s->cutoff <= positions) return PARE_OK;
    if (s->cutoff_given)
        return pare_fail(PARE_BAD_ARGUMENT, "--cutoff %u: the model has %u positions%s, so give no more than that",
                         s->cutoff, positions,
                         positions < model->config.stated_positions ? " in its sliding_window" : "");
    s->cutoff = positions;
    return PARE_OK;
}

static pare_status check_files(const pare_model *model, const pare_recovery *s) {
    if (!s->data) return pare_fail(PARE_BAD_ARGUMENT, "--data FILE is missing: what to train on");
    for (size_t i = 0; i < pare_recovery_sources(s); i++) {
        pare_recovery_source source = pare_recovery_source_at(s, i);
        PARE_TRY(pare_calibration_check_source(model, source.option, source.path));
        if (pare_calibration_is_self(source.path))
            return pare_fail(PARE_BAD_ARGUMENT, "self is no file, and a training reads what it learns from files: name "
                                                "one of examples or text, or ./self");
    }
    if (s->text_count) PARE_TRY(pare_calibration_check_length(model, "--window", s->window));
    for (size_t i = 0; i < s->text_count; i++) {
        if (pare_calibration_is_self(s->texts[i]) && !pare_reads_pictures(&model->config))
            return pare_fail(PARE_BAD_ARGUMENT,
                             "--text self: the further a model recovers, the less likely is what it wrote before, so "
                             "give text files; or let the model before pruning write: pare eval OUT --against MODEL "
                             "--text self");
        PARE_TRY(pare_calibration_check_source(model, "--images", s->texts[i]));
    }
    return PARE_OK;
}

/* What is learnt inside experts would be left out of the file. */
static pare_status check_adapter(const pare_model *model, const pare_recovery *s) {
    bool inside = s->lora.targets[PARE_ROLE_GATE] || s->lora.targets[PARE_ROLE_UP] || s->lora.targets[PARE_ROLE_DOWN];
    if (!s->adapter || s->full || !inside || !pare_has_experts(&model->config) ||
        !model->config.family->experts.crossed)
        return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "--adapter: PEFT takes the inputs of experts of a %s for their outputs, so that its adapters hold "
                     "none of what is learnt inside them here; leave --adapter out, or give --targets "
                     "q_proj,k_proj,v_proj,o_proj",
                     model->config.family->class_name);
}

pare_status pare_recovery_fit(const pare_model *model, pare_recovery *s, pare_model **teacher) {
    *teacher = NULL;
    PARE_TRY(fit_cutoff(model, s));
    PARE_TRY(check_files(model, s));
    PARE_TRY(check_adapter(model, s));
    return pare_teacher_open(model, s, teacher);
}

pare_status pare_recovery_check(const pare_model *model, pare_recovery *s) {
    pare_model *teacher;
    PARE_TRY(pare_recovery_fit(model, s, &teacher));
    pare_model_close(teacher);
    return PARE_OK;
}

/* asked: negative where a tenth of all, but no more than `usual`, will do. */
static uint64_t or_share(int64_t asked, uint64_t usual, uint64_t all) {
    uint64_t share = all / SHORT;
    return asked >= 0 ? (uint64_t)asked : usual < share ? usual : share;
}

void pare_recovery_hold_out(size_t examples, pare_recovery *s) {
    s->validation = or_share(s->asked_validation, VALIDATION, examples);
}

pare_status pare_recovery_schedule(uint64_t steps_per_epoch, pare_recovery *s) {
    if (!s->steps) s->steps = (uint64_t)ceil(s->epochs * (double)steps_per_epoch);
    s->warmup = or_share(s->asked_warmup, s->preset->warmup, s->steps);
    if (s->warmup > s->steps)
        return pare_fail(PARE_BAD_ARGUMENT, "--warmup %llu: the training has only %llu steps",
                         (unsigned long long)s->warmup, (unsigned long long)s->steps);
    s->decay = s->asked_decay >= 0 ? (uint64_t)s->asked_decay : s->steps - s->warmup;
    if (s->decay > s->steps - s->warmup)
        return pare_fail(PARE_BAD_ARGUMENT, "--decay %llu: of %llu steps, %llu are left after the warm-up",
                         (unsigned long long)s->decay, (unsigned long long)s->steps,
                         (unsigned long long)(s->steps - s->warmup));
    return PARE_OK;
}
