/* pare_classify: what a model takes pictures for. */
#include "calibrate/pictures.h"
#include "evaluate/logits_compare.h"
#include "evaluate/pictures.h"
#include "image/set.h"
#include "model/config_vision.h"
#include "model/patches.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "train/adapter_open.h"

#include <math.h>
#include <stdlib.h>

typedef struct classifying {
    const pare_model *model;
    pare_image_set *set;
    pare_windows windows;
    char **names; /* [windows.count] of the pictures' files */
    char **classes;
    struct answer {
        int64_t label;
        double probability;
    } * answers;    /* [windows.count] */
    double unsound; /* a logit that is not finite, or 0 */
} classifying;

/* Reads all that can be read. */
static pare_status read_pictures(classifying *c, const pare_classify_options *o, const pare_runtime *runtime) {
    uint32_t *found, count = 0;
    PARE_TRY(pare_image_set_list(o->files, o->file_count, &c->set));
    uint32_t all = pare_image_set_count(c->set);
    PARE_TRY(pare_alloc(&c->names, all, sizeof *c->names, "names of pictures"));
    PARE_TRY(pare_alloc_uninitialized(&found, all, sizeof *found, "pictures"));
    pare_status status = pare_pictures_take(c->model, o->file_count > 1 ? "the pictures" : o->files[0], c->set, found,
                                            &count, &c->windows);
    for (uint32_t i = 0; i < count && status == PARE_OK; i++)
        c->names[i] = pare_image_set_name(c->set, found[i]);
    pare_free(found);
    if (status == PARE_OK) pare_runtime_note(runtime, c->windows.note);
    return status == PARE_OK ? pare_whole() : status;
}

/* The likeliest class. */
static void see_picture(void *context, size_t picture, const float *logits, const float *dense) {
    classifying *c = context;
    int64_t classes = c->model->config.vocabulary, best = pare_logits_likeliest(logits, classes);
    double sum = 0.0;
    (void)dense;
    for (int64_t i = 0; i < classes; i++) {
        if (!isfinite(logits[i])) c->unsound = (double)logits[i];
        sum += exp((double)logits[i] - (double)logits[best]);
    }
    c->answers[picture] = (struct answer){best, 1 / sum};
}

static pare_status compute(classifying *c, const pare_adapters *adapters, const pare_backend *backend,
                           const pare_runtime *runtime) {
    pare_evaluation evaluation = {.model = c->model,
                                  .adapters = adapters,
                                  .backend = backend,
                                  .runtime = runtime,
                                  .windows = &c->windows,
                                  .name = "the pictures",
                                  .stage = "classifying"};
    PARE_TRY(pare_alloc(&c->answers, c->windows.count, sizeof *c->answers, "answers"));
    PARE_TRY(pare_pictures_answer(&evaluation, NULL, see_picture, c));
    return pare_evaluation_check(&evaluation, "score of a class", c->unsound);
}

static json_t *answers(const classifying *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->windows.count; i++)
        pare_json_append(list, pare_json_of({"file", pare_json_name(c->names[i])},
                                            {"label", pare_json_string(c->classes[c->answers[i].label])},
                                            {"probability", pare_json_real(c->answers[i].probability)}));
    return list;
}

static void release(classifying *c) {
    for (size_t i = 0; c->names && i < c->windows.count; i++)
        free(c->names[i]);
    pare_free(c->names);
    pare_class_names_free(&c->model->config, c->classes);
    pare_free(c->answers);
    pare_windows_free(&c->windows);
    pare_image_set_close(c->set);
}

static pare_status check(const pare_model *model, const pare_classify_options *o, const pare_runtime *runtime) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_classify_options, o));
    PARE_TRY(pare_runtime_check(runtime));
    if (!pare_reads_pictures(&model->config))
        return pare_fail(PARE_BAD_ARGUMENT, "%s reads text; pictures are classified by vision transformers",
                         pare_checkpoint_directory(model->checkpoint));
    if (!o->file_count) return pare_fail(PARE_BAD_ARGUMENT, "there is no picture to classify; name files or folders");
    return PARE_OK;
}

pare_status pare_classify(const pare_model *model, const pare_classify_options *options, const pare_runtime *runtime,
                          char **report) {
    classifying c = {.model = model};
    pare_backend *backend = NULL;
    pare_trained *adapter = NULL;
    pare_lora_options lora;
    pare_runtime left;
    *report = NULL;
    PARE_TRY(check(model, options, runtime));
    pare_status status = pare_backend_open(runtime, false, &backend);
    if (status == PARE_OK) status = pare_class_names(&model->config, &c.classes);
    if (status == PARE_OK && options->adapter)
        status = pare_lora_open_adapter(model, backend, options->adapter, runtime, &lora, &left, &adapter);
    if (status == PARE_OK) status = read_pictures(&c, options, runtime);
    if (status == PARE_OK)
        status = compute(&c, adapter ? adapter->adapters : NULL, backend, options->adapter ? &left : runtime);
    if (status == PARE_OK) status = pare_json_text(answers(&c), report);
    release(&c);
    pare_trained_free(adapter);
    pare_backend_close(backend);
    return status;
}
