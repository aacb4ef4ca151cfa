/* A salience that the library's caller brings. */
#include "importance/salience.h"

#include <math.h>
#include <string.h>

enum { MODULE = 64 };

/* What stands before ".weight" in the name of a tensor: "q_proj". */
static void module_of(const char *tensor, char module[MODULE]) {
    static const char suffix[] = ".weight";
    size_t length = strlen(tensor), tail = sizeof suffix - 1;
    if (length > tail && strcmp(tensor + length - tail, suffix) == 0) length -= tail;
    size_t begin = length;
    while (begin > 0 && tensor[begin - 1] != '.')
        begin--;
    size_t count = length - begin < MODULE - 1 ? length - begin : MODULE - 1;
    memcpy(module, tensor + begin, count);
    module[count] = 0;
}

static pare_status check_scores(const pare_own_salience *own, const pare_matrix_view *matrix, const float *scores) {
    for (int64_t i = 0; i < matrix->rows * matrix->columns; i++)
        if (!(scores[i] >= 0.0f && isfinite(scores[i])))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the salience %s gave %g for row %lld, column %lld of %s: scores must be finite numbers "
                             "from 0 up",
                             own->name, (double)scores[i], (long long)(i / matrix->columns),
                             (long long)(i % matrix->columns), matrix->tensor);
    return PARE_OK;
}

static pare_status whole(const pare_salience *salience, const pare_salience_matrix *matrix, const float *squares,
                         float *scores) {
    const pare_own_salience *own = salience->context;
    char module[MODULE];
    const char *tensor = matrix->name ? matrix->name : "";
    module_of(tensor, module);
    pare_matrix_view view = {.tensor = tensor,
                             .module = module,
                             .layer = matrix->layer,
                             .rows = matrix->rows,
                             .columns = matrix->columns,
                             .weights = matrix->weight,
                             .inputs = own->reads & PARE_READS_INPUTS ? matrix->inputs : NULL,
                             .outputs = own->reads & PARE_READS_OUTPUTS ? matrix->outputs : NULL,
                             .mean = own->reads & PARE_READS_MOMENTS ? matrix->mean : NULL,
                             .variance = own->reads & PARE_READS_MOMENTS ? matrix->variance : NULL,
                             .gradient = own->reads & PARE_READS_GRADIENT ? matrix->gradient : NULL,
                             .squares = own->reads & PARE_READS_SQUARES ? squares : NULL};
    for (int64_t i = 0; i < view.rows * view.columns; i++)
        scores[i] = NAN; /* what the callback leaves out is found below */
    pare_status status = own->fill(own->user, &view, scores);
    bool known = status >= PARE_OK && status <= PARE_CHECK_FAILED;
    if (status != PARE_OK)
        return pare_fail(known ? status : PARE_CHECK_FAILED, "the salience %s gave up on %s with status %d", own->name,
                         tensor, (int)status);
    return check_scores(own, &view, scores);
}

pare_status pare_salience_own(const pare_own_salience *own, pare_salience *out) {
    static const struct {
        unsigned reads, needs;
    } all[] = {{PARE_READS_INPUTS, PARE_NEEDS_INPUTS},
               {PARE_READS_OUTPUTS, PARE_NEEDS_OUTPUTS},
               {PARE_READS_MOMENTS, PARE_NEEDS_MOMENTS},
               {PARE_READS_GRADIENT, PARE_NEEDS_GRADIENT},
               {PARE_READS_SQUARES, PARE_NEEDS_SQUARES}};
    unsigned left = own->reads;
    if (!own->name || !*own->name || !own->fill)
        return pare_fail(PARE_BAD_ARGUMENT, "a salience of one's own needs a name and a function");
    *out = (pare_salience){.name = "own", .formula = own->name, .whole = whole, .context = own};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (left & all[i].reads) out->needs |= all[i].needs;
        left &= ~all[i].reads;
    }
    if (left)
        return pare_fail(PARE_BAD_ARGUMENT, "the salience %s reads something unknown (%#x): join PARE_READS_* alone",
                         own->name, left);
    return PARE_OK;
}
