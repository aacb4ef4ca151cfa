/* pare_sweep_summary: what a sweep measured, read again, summed up and drawn. */
#include "report/sweep.h"
#include "run/run.h"
#include "support/file.h"
#include "support/json.h"

#include <stdlib.h>
#include <string.h>

static pare_status check_picture(const char *picture) {
    size_t length = picture ? strlen(picture) : 0;
    if (!picture || (length > 4 && strcmp(picture + length - 4, ".svg") == 0)) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s: the picture of a sweep is an SVG, so its name must end in .svg", picture);
}

static pare_status draw(pare_run *run, const pare_sweep *sweep, const char *picture) {
    char *svg = pare_sweep_svg(sweep);
    if (!svg)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the picture of the sweep; end other programs");
    pare_status status = pare_run_write_text(run, svg, picture);
    free(svg);
    return status;
}

pare_status pare_sweep_summary(const char *document, const char *picture, char **summary) {
    pare_run run;
    pare_sweep sweep;
    *summary = NULL;
    PARE_TRY(check_picture(picture));
    pare_run_begin(&run);
    pare_paths_write(&run.paths, "the picture", picture, PARE_PATH_FILE);
    pare_status status = pare_sweep_read(document, &sweep);
    if (status == PARE_OK) status = pare_run_open(&run, NULL, NULL, false, 0);
    if (status == PARE_OK && picture) status = draw(&run, &sweep, picture);
    if (status == PARE_OK) status = pare_json_text_of(pare_report_sweep(&sweep), "the summary of the sweep", summary);
    status = pare_run_commit(&run, status, summary);
    pare_sweep_free(&sweep);
    pare_run_end(&run);
    return status;
}
