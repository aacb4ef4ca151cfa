/* Prunes single weights, or heads and channels, by a salience of one's own. This one is Wanda's, |w| ||x||, which pare
 * also has built in: both remove the same weights. Change `score`, and it is yours.
 *
 *   03_own_salience MODEL OUT sparsity 0.5 [TEXT]
 *   03_own_salience MODEL OUT ratio 0.25 [TEXT]
 *
 * TEXT is what it is calibrated on; without one the model writes some. */
#include <math.h>
#include <pare.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How important is every weight of the matrix? The least important ones go. */
static pare_status score(void *user, const pare_matrix_view *matrix, float *scores) {
    unsigned *calls = user;
    for (int64_t row = 0; row < matrix->rows; row++)
        for (int64_t column = 0; column < matrix->columns; column++) {
            int64_t at = row * matrix->columns + column;
            scores[at] = fabsf(matrix->weights[at]) * matrix->inputs[column];
        }
    ++*calls;
    return PARE_OK;
}

int main(int argc, char **argv) {
    unsigned calls = 0;
    pare_model *model;
    char *report = NULL;
    if (argc < 5 || argc > 6 || (strcmp(argv[3], "sparsity") != 0 && strcmp(argv[3], "ratio") != 0)) {
        fprintf(stderr, "usage: 03_own_salience MODEL OUT sparsity|ratio SHARE [TEXT]\n");
        return 2;
    }
    pare_own_salience own = {.name = "weight times input", .reads = PARE_READS_INPUTS, .fill = score, .user = &calls};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.salience = &own;
    options.output = argv[2];
    options.calibration.source = argc > 5 ? argv[5] : NULL;
    options.calibration.samples = 32; /* of 128 tokens */
    if (strcmp(argv[3], "ratio") == 0)
        options.ratio = atof(argv[4]);
    else
        options.sparsity = (pare_sparsity){.given = true, .share = atof(argv[4])};
    pare_status status = pare_model_open(argv[1], &model);
    if (status == PARE_OK) {
        status = pare_prune(model, &options, NULL, &report);
        pare_model_close(model);
    }
    if (status != PARE_OK) {
        fprintf(stderr, "03_own_salience: %s\n", pare_message());
        return 1;
    }
    printf("%u matrices scored; the pruned model is in %s\n", calls, argv[2]);
    pare_text_free(report);
    return 0;
}
