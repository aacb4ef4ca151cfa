/* pare_map: a matrix is found, measured and drawn. */
#include "report/matrix_map_picture.h"
#include "run/run.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct map_job {
    pare_run run;
    const char *path;
    const pare_map_options *asked;
    pare_matrix_source source, against;
    pare_matrix_map map;
} map_job;

static pare_status check(const pare_map_options *o) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_map_options, o));
    if (!o->matrix || !*o->matrix) return pare_fail(PARE_BAD_ARGUMENT, "name the matrix to draw");
    if (o->picture && pare_canvas_format_of(o->picture) == PARE_CANVAS_FORMATS)
        return pare_fail(PARE_BAD_ARGUMENT, "%s: a picture's name must end in .png or .svg", o->picture);
    return PARE_OK;
}

static pare_status open_models(void *context) {
    map_job *j = context;
    PARE_TRY(pare_matrix_source_open(j->path, &j->source));
    pare_paths_read(&j->run.paths, "the model", pare_checkpoint_directory(j->source.checkpoint), PARE_PATH_DATA);
    if (j->asked->against) {
        PARE_TRY(pare_matrix_source_open(j->asked->against, &j->against));
        pare_paths_read(&j->run.paths, "--against", pare_checkpoint_directory(j->against.checkpoint), PARE_PATH_DATA);
    }
    pare_paths_write(&j->run.paths, "-o", j->asked->picture, PARE_PATH_FILE);
    return pare_run_open(&j->run, NULL, NULL, false, 0);
}

static pare_status measure(void *context) {
    map_job *j = context;
    return pare_matrix_map_make(&j->source, j->asked->matrix, j->asked->against ? &j->against : NULL, &j->map);
}

static pare_status draw(void *context) {
    map_job *j = context;
    void *bytes;
    size_t size;
    if (!j->asked->picture) return PARE_OK;
    PARE_TRY(pare_matrix_map_draw(&j->map, pare_canvas_format_of(j->asked->picture), &bytes, &size));
    pare_status status = pare_run_write_bytes(&j->run, bytes, size, j->asked->picture);
    free(bytes);
    return status;
}

pare_status pare_map(const char *path, const pare_map_options *options, char **report) {
    static const pare_job_stage stages[] = {{"open", open_models}, {"measure", measure}, {"draw", draw}};
    map_job j = {.path = path, .asked = options};
    *report = NULL;
    PARE_TRY(check(options));
    pare_run_begin(&j.run);
    pare_status status = pare_run_stages(&j.run, stages, sizeof stages / sizeof *stages, &j);
    if (status == PARE_OK) status = pare_json_text(pare_report_matrix_map(&j.map, options->picture), report);
    status = pare_run_commit(&j.run, status, report);
    pare_matrix_map_free(&j.map);
    pare_matrix_source_close(&j.source);
    pare_matrix_source_close(&j.against);
    pare_run_end(&j.run);
    return status;
}
