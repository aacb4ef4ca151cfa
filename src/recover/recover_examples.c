/* Files to train on become one list of examples, each file's behind those of the one before. */
#include "calibrate/calibration.h"
#include "model/companions.h"
#include "recover/recover_job.h"
#include "support/memory.h"
#include "train/picture_examples.h"

#include <math.h>

/* Of calibration text. More than a training is likely to go through would only take time and memory. */
enum { MOST_ROWS = 10000 };

/* As many rows of calibration text as all steps have places for, if none holds more than one example. */
static uint32_t calibration_rows(const pare_recover_job *job, double share) {
    const pare_recovery *s = &job->settings;
    pare_recovery_source first = pare_recovery_source_at(s, 0);
    double places = s->steps ? (double)s->steps * s->batch : s->epochs * (double)job->parts[0].examples / first.share;
    double rows = ceil(places * share);
    return s->pack || !(rows < MOST_ROWS) ? MOST_ROWS : (uint32_t)rows;
}

static pare_status read_text(pare_recover_job *job, const pare_recovery_source *source, pare_examples *out) {
    const pare_recovery *s = &job->settings;
    const pare_tokenizer *tokenizer;
    bool text = source->calibration;
    pare_examples_request request = {.path = source->path,
                                     .field = text ? s->calibration_field : s->field,
                                     .style = &job->style,
                                     .cutoff = s->cutoff,
                                     .train_on_prompt = text || s->train_on_prompt,
                                     .limit = text ? calibration_rows(job, source->share) : s->limit};
    PARE_TRY(pare_calibration_tokenizer(job->model, source->path, &tokenizer));
    PARE_TRY(pare_examples_read(tokenizer, &request, out));
    pare_examples_say(out, source->path, &job->style, job->runtime);
    pare_status status = pare_examples_check(out, source->path, job->model);
    if (status != PARE_OK) pare_examples_free(out);
    return status;
}

static void note_part(pare_recover_job *job, size_t index, const pare_recovery_source *source,
                      const pare_examples *examples) {
    job->parts[index] = (pare_recovery_part){.file = source->path,
                                             .share = source->share,
                                             .calibration = source->calibration,
                                             .examples = examples->count,
                                             .shortened = examples->shortened,
                                             .left_out = examples->dropped,
                                             .odd_rows = examples->odd.count,
                                             .not_utf8 = examples->malformed};
}

static pare_status add_source(pare_recover_job *job, size_t index) {
    pare_recovery_source source = pare_recovery_source_at(&job->settings, index);
    pare_examples examples;
    PARE_TRY(read_text(job, &source, &examples));
    note_part(job, index, &source, &examples);
    if (!index) {
        job->examples = examples;
        return PARE_OK;
    }
    pare_status status = pare_examples_append(&job->examples, &examples);
    pare_examples_free(&examples);
    return status;
}

pare_status pare_recover_read_examples(pare_recover_job *job) {
    const pare_recovery *s = &job->settings;
    size_t sources = pare_recovery_sources(s);
    PARE_TRY(pare_alloc(&job->parts, sources, sizeof *job->parts, "files to train on"));
    if (pare_reads_pictures(&job->model->config)) {
        pare_recovery_source source = pare_recovery_source_at(s, 0);
        PARE_TRY(pare_picture_examples_read(job->model, s->data, s->limit, job->teacher && !(s->ce > 0.0), job->runtime,
                                            &job->examples, job->pictures_digest));
        note_part(job, 0, &source, &job->examples);
        return PARE_OK;
    }
    const char *folder;
    PARE_TRY(pare_model_companions(job->model, &folder));
    PARE_TRY(pare_chat_style_open(folder, s->wording, &job->style));
    for (size_t i = 0; i < sources; i++)
        PARE_TRY(add_source(job, i));
    return PARE_OK;
}
