/* Prints the perplexity of a model on a text file:
 *
 *   02_evaluate MODEL TEXT */
#include <jansson.h>
#include <pare.h>
#include <stdio.h>

static int fail(void) {
    fprintf(stderr, "02_evaluate: %s\n", pare_message());
    return 1;
}

int main(int argc, char **argv) {
    pare_model *model;
    char *report;
    if (argc != 3) {
        fprintf(stderr, "usage: 02_evaluate MODEL TEXT\n");
        return 2;
    }
    const char *texts[] = {argv[2]};
    pare_evaluate_options options = PARE_EVALUATE_OPTIONS_INIT; /* in windows of 128 tokens */
    options.texts = texts;
    options.text_count = 1;
    if (pare_model_open(argv[1], &model) != PARE_OK) return fail();
    pare_status status = pare_evaluate(model, &options, NULL, &report);
    if (status == PARE_OK) {
        json_t *json = json_loads(report, 0, NULL);
        const json_t *text = json_array_get(json_object_get(json, "texts"), 0);
        printf("perplexity  %.3f over %lld tokens of %s\n", json_number_value(json_object_get(text, "perplexity")),
               (long long)json_integer_value(json_object_get(text, "tokens")), argv[2]);
        json_decref(json);
    }
    pare_text_free(report);
    pare_model_close(model);
    return status == PARE_OK ? 0 : fail();
}
