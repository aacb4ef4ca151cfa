/* What pare_recover is asked for, over a preset. */
#include "calibrate/calibration.h"
#include "checkpoint/imatrix.h"
#include "checkpoint/output.h"
#include "options/resolve.h"
#include "support/file.h"
#include "tokenizer/buffer.h"
#include "train/adapter_file.h"

#include <string.h>

enum { RANK = 8, ALPHA = 16, VALIDATE_EVERY = 100, SAVE_EVERY = 200, WINDOW = 128 };
static const double DROPOUT = 0.05, CLIP = 1.0, BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-8;

/* DDP (arXiv 2603.08065): CE + 2 KL. */
static const double CE = 1.0, KD = 2.0;

/* docs/results.md, "Recovery": what training on instructions costs the language, and what text gives back. */
static const double CALIBRATION_SHARE = 0.25;

static pare_status choose_role(const char *name, size_t length, bool *targets) {
    bool found = false;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        const char *module = pare_adapter_role((pare_role)role);
        if (strlen(module) != length || strncmp(module, name, length) != 0) continue;
        targets[role] = found = true;
    }
    if (found) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--targets %.*s: choose among q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj",
                     (int)(length < 80 ? length : 80), name);
}

/* Names with commas between, any number of times. */
static pare_status choose_targets(const pare_recover_options *o, bool *targets) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        targets[role] = !o->target_count;
    for (size_t i = 0; i < o->target_count; i++)
        for (const char *name = o->targets[i]; name;) {
            size_t length = strcspn(name, ",");
            PARE_TRY(choose_role(name, length, targets));
            name = name[length] ? name + length + 1 : NULL;
        }
    return PARE_OK;
}

static pare_status choose_wording(const char *name, size_t *out) {
    pare_buffer names = {0};
    *out = PARE_TEMPLATE_AUTO;
    for (size_t i = 0; pare_template_name(i); i++) {
        if (!name || strcmp(name, pare_template_name(i)) == 0) {
            *out = i;
            pare_buffer_free(&names);
            return PARE_OK;
        }
        if (i) PARE_TRY(pare_buffer_append(&names, ", ", 2));
        PARE_TRY(pare_buffer_append(&names, pare_template_name(i), strlen(pare_template_name(i))));
    }
    pare_status status =
        pare_fail(PARE_BAD_ARGUMENT, "--wording %s: choose one of %.*s", name, (int)names.bytes, names.data);
    pare_buffer_free(&names);
    return status;
}

static pare_status check_number(const char *option, double value, double low, double high) {
    if (value >= low && value <= high) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s %.10g: give a number from %.10g to %.10g", option, value, low, high);
}

static pare_status check_sources(const pare_recover_options *o, const pare_recovery *s) {
    if (o->data && o->source_count)
        return pare_fail(PARE_BAD_ARGUMENT, "--data names one file or several: leave out %s, or the others", o->data);
    for (size_t i = 0; i < o->source_count; i++) {
        const pare_training_source *source = &o->sources[i];
        if (!source->path) return pare_fail(PARE_BAD_ARGUMENT, "--data FILE is missing: what to train on");
        if (!(source->weight >= 1e-6 && source->weight <= 1e6))
            return pare_fail(PARE_BAD_ARGUMENT, "--data %s:%.10g: give a weight from 1e-06 to 1000000", source->path,
                             source->weight);
    }
    if (!o->calib && pare_option_given(o->size, o->calib_share) && o->calib_share > 0.0)
        return pare_fail(PARE_BAD_ARGUMENT, "--calib-share %.10g is a share of text: give --calib FILE with it",
                         o->calib_share);
    return check_number("--calib-share", s->calibration_share, 0, 0.99);
}

static pare_status check_numbers(const pare_recovery *s) {
    PARE_TRY(check_number("--rate", s->rate, 1e-12, 1e3));
    PARE_TRY(check_number("--epochs", s->epochs, 1e-6, 1e6));
    PARE_TRY(check_number("--rank", s->lora.rank, 1, 65536));
    PARE_TRY(check_number("--alpha", s->lora.alpha, 1e-6, 1e6));
    PARE_TRY(check_number("--dropout", s->lora.dropout, 0, 0.99));
    PARE_TRY(check_number("--clip", s->clip, 0, 1e12));
    PARE_TRY(check_number("--weight-decay", s->weight_decay, 0, 1e3));
    PARE_TRY(check_number("--beta1", s->beta1, 0, 0.999999));
    PARE_TRY(check_number("--beta2", s->beta2, 0, 0.99999999));
    PARE_TRY(check_number("--ce", s->ce, 0, 1e6));
    PARE_TRY(check_number("--kd", s->kd, 0, 1e6));
    PARE_TRY(check_number("--batch", s->batch, 1, 1e6));
    return check_number("--cutoff", s->cutoff, 2, 1 << 20);
}

/* One row for every two options that contradict each other. */
static pare_status check_kind(const pare_recover_options *o, const pare_recovery *s) {
    bool weighs = pare_option_given(o->size, o->ce) || pare_option_given(o->size, o->kd);
    bool lora = o->rank || o->alpha > 0.0 || o->dropout > 0.0 || o->target_count;
    const struct {
        bool wrong;
        const char *sentence;
    } rows[] = {
        {!o->teacher && weighs, "--ce and --kd weigh labels against a teacher: give --teacher MODEL with them"},
        {!o->teacher && o->teacher_cache, "--teacher-cache keeps what a teacher says: give --teacher MODEL with it"},
        {o->teacher && !(s->ce > 0.0) && !(s->kd > 0.0), "--ce 0 with --kd 0 leaves nothing to learn from: raise one"},
        {o->fresh && !o->full, "--fresh begins with random weights, all of which must be trained: give --full with it"},
        {o->full && lora, "--full trains all weights: leave out --rank, --alpha, --dropout and --targets"},
        {o->full && o->adapter, "--adapter writes LoRA factors, which --full has none of: leave out one of them"},
        {o->adapter && o->keep_sparsity,
         "--adapter cannot keep zeros, since an adapter is added to all weights: leave out one of --adapter and "
         "--keep-sparsity"},
        {o->adapter && o->remote_code,
         "--remote-code is of whole models: leave it out, or --adapter, whose modules are the model's"},
        {o->adapter && pare_output_is_gguf(o->output), "--adapter writes a folder: name one in place of a GGUF file"},
        {o->keep_sparsity && o->dropout > 0.0, "--keep-sparsity trains without dropout: leave out --dropout"},
        {o->steps && o->epochs != 0.0, "give either --steps or --epochs, not both"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].wrong) return pare_fail(PARE_BAD_ARGUMENT, "%s", rows[i].sentence);
    return PARE_OK;
}

/* Where zero is none. */
static double or_else(double given, double otherwise) {
    return given != 0.0 ? given : otherwise;
}

/* Of options of `size` bytes, where zero is a choice. */
static double or_zero(size_t size, double given, double otherwise) {
    return pare_option_given(size, given) ? given : otherwise;
}

/* Of numbers that data settle otherwise: then negative. */
static int64_t or_open(size_t size, int64_t given) {
    return pare_option_given(size, (double)given) ? given : -1;
}

/* given: 1 yes, -1 no, 0 neither. */
static bool answer(int given, bool otherwise) {
    return given ? given > 0 : otherwise;
}

static void read_training(const pare_recover_options *o, pare_recovery *s) {
    const pare_recover_preset *p = s->preset;
    s->train_on_prompt = answer(o->train_on_prompt, p->train_on_prompt);
    s->group_by_length = answer(o->group_by_length, p->group_by_length);
    s->cutoff = o->cutoff ? o->cutoff : p->cutoff;
    s->cutoff_given = o->cutoff != 0;
    s->pack = o->pack;
    s->full = o->full;
    s->fresh = o->fresh;
    s->keep_sparsity = o->keep_sparsity;
    s->lora.rank = o->rank ? o->rank : RANK;
    s->lora.alpha = or_else(o->alpha, ALPHA);
    s->lora.dropout = o->keep_sparsity || o->full ? 0.0 : or_zero(o->size, o->dropout, DROPOUT);
    s->lora.seed = s->seed = o->seed;
    s->teacher = o->teacher;
    s->teacher_cache = o->teacher_cache;
    s->ce = or_zero(o->size, o->ce, CE);
    s->kd = or_zero(o->size, o->kd, KD);
    s->rate = or_else(o->rate, p->rate);
    s->epochs = or_else(o->epochs, p->epochs);
    s->batch = o->batch ? o->batch : p->batch;
    s->micro_batch = o->micro_batch;
    s->steps = o->steps;
    s->clip = or_zero(o->size, o->clip, CLIP);
    s->weight_decay = or_zero(o->size, o->weight_decay, 0.0);
    s->beta1 = or_else(o->beta1, BETA1);
    s->beta2 = or_else(o->beta2, BETA2);
    s->epsilon = EPSILON;
    s->validate_every = o->validate_every ? o->validate_every : VALIDATE_EVERY;
    s->save_every = o->save_every ? o->save_every : SAVE_EVERY;
    s->asked_validation = or_open(o->size, o->validation);
    s->asked_warmup = or_open(o->size, o->warmup);
    s->asked_decay = or_open(o->size, o->decay);
}

static double text_share(const pare_recover_options *o) {
    return or_zero(o->size, o->calib_share, CALIBRATION_SHARE);
}

double pare_calibration_share(const pare_prune_options *o, const pare_recipe *recipe) {
    const char *source = o->calibration.source;
    bool text = !pare_recipe_trains(recipe) && !pare_calibration_is_self(source) && !pare_imatrix_is(source);
    return text && o->recover && !o->recover->calib ? text_share(o->recover) : 0.0;
}

static void read_files(const pare_recover_options *o, pare_recovery *s) {
    s->data = o->source_count ? o->sources[0].path : o->data;
    s->sources = o->source_count ? o->sources : NULL;
    s->source_count = o->source_count;
    s->calibration = o->calib;
    s->calibration_share = o->calib ? text_share(o) : 0.0;
    s->field = o->field;
    s->limit = o->limit;
    s->output = o->output;
    s->type = o->type;
    s->remote_code = o->remote_code;
    s->adapter = o->adapter;
    s->force = o->force;
    s->resume = o->resume;
    s->curve = o->curve;
    s->texts = o->texts;
    s->text_count = o->text_count;
    s->window = o->window ? o->window : WINDOW;
    s->max_windows = o->max_windows;
    s->continuations = o->continuations;
}

pare_status pare_recovery_resolve(const pare_recover_options *o, pare_recovery *out) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_recover_options, o));
    *out = (pare_recovery){.preset = pare_recover_preset_find(o->preset)};
    if (!out->preset)
        return pare_fail(PARE_BAD_ARGUMENT, "--preset %s: choose paper, lamini, llm-pruner or loraprune", o->preset);
    if (o->seed > INT64_MAX) /* JSON's integers end there */
        return pare_fail(PARE_BAD_ARGUMENT, "--seed %llu: give a number below 2^63", (unsigned long long)o->seed);
    read_training(o, out);
    read_files(o, out);
    PARE_TRY(check_kind(o, out));
    PARE_TRY(check_sources(o, out));
    PARE_TRY(choose_targets(o, out->lora.targets));
    PARE_TRY(choose_wording(o->wording, &out->wording));
    PARE_TRY(pare_page_resolve(o->page, o->output, &out->page));
    PARE_TRY(pare_card_resolve(o->card, o->output, &out->card));
    return check_numbers(out);
}
