/* Prunes a model and prints what came of it:
 *
 *   01_prune MODEL OUT [METHOD [RATIO]]      01_prune ../tiny-stories smaller best 0.25 */
#include <jansson.h>
#include <pare.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(void) {
    fprintf(stderr, "01_prune: %s\n", pare_message());
    return 1;
}

static double number(const json_t *report, const char *object, const char *key) {
    return json_number_value(json_object_get(json_object_get(report, object), key));
}

static void print(const char *text) {
    json_t *report = json_loads(text, 0, NULL);
    double before = number(report, "parameters", "before"), after = number(report, "parameters", "after");
    const json_t *output = json_object_get(report, "output");
    printf("method      %s\n", json_string_value(json_object_get(report, "method")));
    printf("parameters  %.0f -> %.0f (%.1f %% fewer)\n", before, after, 100.0 * (1.0 - after / before));
    printf("bytes       %.0f -> %.0f\n", number(report, "bytes", "before"), number(report, "bytes", "after"));
    printf("output      %s\n", json_string_value(json_object_get(output, "path")));
    json_decref(report);
}

int main(int argc, char **argv) {
    pare_model *model;
    char *report;
    if (argc < 3) {
        fprintf(stderr, "usage: 01_prune MODEL OUT [METHOD [RATIO]]\n");
        return 2;
    }
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.method = argc > 3 ? argv[3] : NULL; /* NULL: "best" */
    options.ratio = argc > 4 ? atof(argv[4]) : 0.25;
    options.output = argv[2];
    pare_runtime runtime = PARE_RUNTIME_INIT; /* all cores, 80 % of the memory that is available */
    if (pare_model_open(argv[1], &model) != PARE_OK) return fail();
    pare_status status = pare_prune(model, &options, &runtime, &report);
    if (status == PARE_OK) print(report);
    pare_text_free(report);
    pare_model_close(model);
    return status == PARE_OK ? 0 : fail();
}
