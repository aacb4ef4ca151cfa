/* A program of a user's, in C and in C++ alike: prunes MODEL (with the token ids of a file) as options that were made
 * in a way named by the second word ask for, and prints the constants that came of it.
 *
 *     program init|zeroed|zero MODEL IDS */
#include <pare.h>
#include <stdio.h>
#include <string.h>

static int fail(void) {
    fprintf(stderr, "%s\n", pare_message());
    return 1;
}

static pare_prune_options zeroed(void) {
    pare_prune_options options;
    memset(&options, 0, sizeof options);
    return options;
}

/* Every other struct starts likewise; what is checked is that this compiles, and that the sizes are taken. */
static int starts(void) {
    pare_runtime runtime = PARE_RUNTIME_INIT;
    pare_calibration_options calibration = PARE_CALIBRATION_OPTIONS_INIT;
    pare_robust_options robust = PARE_ROBUST_OPTIONS_INIT;
    pare_recover_options recover = PARE_RECOVER_OPTIONS_INIT;
    pare_merge_options merge = PARE_MERGE_OPTIONS_INIT;
    pare_tasks_options tasks = PARE_TASKS_OPTIONS_INIT;
    pare_evaluate_options evaluate = PARE_EVALUATE_OPTIONS_INIT;
    pare_generate_options generate = PARE_GENERATE_OPTIONS_INIT;
    pare_bench_options bench = PARE_BENCH_OPTIONS_INIT;
    return runtime.size == sizeof runtime && !calibration.source && robust.size == sizeof robust &&
           recover.size == sizeof recover && recover.dropout < 0 && recover.clip < 0 && recover.weight_decay < 0 &&
           recover.warmup < 0 && recover.decay < 0 && recover.validation < 0 && !recover.preset && !recover.steps &&
           merge.size == sizeof merge && tasks.size == sizeof tasks && evaluate.size == sizeof evaluate &&
           generate.size == sizeof generate && bench.size == sizeof bench && !runtime.threads;
}

int main(int argc, char **argv) {
    pare_model *model;
    char *constants, *report;
    if (argc != 4 || !starts()) return 2;
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    if (strcmp(argv[1], "zeroed") == 0) options = zeroed();
    if (strcmp(argv[1], "zero") == 0) options.sigma = 0;
    options.method = "moreau";
    options.ratio = .2;
    options.dry_run = true;
    options.calibration.source = argv[3];
    if (pare_model_open(argv[2], &model) != PARE_OK) return fail();
    if (pare_recipe_constants(&options, &constants) != PARE_OK) return fail();
    if (pare_prune(model, &options, NULL, &report) != PARE_OK) return fail();
    const char *sigma = strstr(report, "\"sigma\"");
    printf("%s\n%.*s\n", constants, sigma ? (int)strcspn(sigma, ",\n}") : 0, sigma ? sigma : "");
    pare_text_free(constants);
    pare_text_free(report);
    pare_model_close(model);
    return 0;
}
