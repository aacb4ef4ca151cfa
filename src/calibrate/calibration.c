#include "calibrate/calibration.h"
#include "calibrate/pictures.h"
#include "calibrate/self.h"
#include "checkpoint/imatrix.h"
#include "model/companions.h"
#include "support/digest.h"
#include "support/file.h"
#include "support/path.h"
#include "support/peer.h"
#include "support/runtime.h"
#include "text/json_form.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 10, LENGTH = 128, PICTURES = 256 };

bool pare_calibration_is_self(const char *source) {
    return !source || strcmp(source, "self") == 0;
}

const char *pare_calibration_option(const pare_model *model) {
    return pare_reads_pictures(&model->config) ? "--images" : "--text";
}

pare_status pare_calibration_check_source(const pare_model *model, const char *option, const char *source) {
    const char *folder = pare_checkpoint_directory(model->checkpoint);
    bool pictures = pare_reads_pictures(&model->config);
    if (pictures && pare_calibration_is_self(source))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s reads pictures, and cannot write them itself as a model of text can: name a folder of "
                         "them with %s DIR",
                         folder, option);
    if (pare_calibration_is_self(source)) return PARE_OK;
    if (!pare_path_is_folder(source) && pare_imatrix_is(source))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s is a GGUF file or an importance matrix, and text is read here: name a file of it", source);
    if (!pare_path_is_folder(source)) return pare_file_check(source);
    if (pictures) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s is a folder, and %s reads text: name a file of it", source, folder);
}

pare_status pare_calibration_check_length(const pare_model *model, const char *name, uint32_t length) {
    if (pare_reads_pictures(&model->config)) return PARE_OK;
    if (length < 2)
        return pare_fail(PARE_BAD_ARGUMENT, "%s: a window of %u token has nothing to predict; take 2 or more", name,
                         length);
    if (length <= model->config.max_positions) return PARE_OK;
    char *positions = pare_config_positions(&model->config, pare_checkpoint_directory(model->checkpoint));
    pare_fail(PARE_BAD_ARGUMENT, "%s: windows of %u tokens are longer than %s", name, length, positions);
    free(positions);
    return PARE_BAD_ARGUMENT;
}

int64_t pare_calibration_windows(const pare_model *model, const char *name, uint32_t window, uint32_t limit) {
    enum { TOKEN_BYTES = 4 }; /* of a token of text, about */
    if (pare_reads_pictures(&model->config)) return limit;
    if (pare_calibration_is_self(name)) return limit ? limit : PARE_SELF_WINDOWS;
    int64_t all = (int64_t)(pare_file_bytes(name) / TOKEN_BYTES / window);
    return limit && limit < all ? limit : all;
}

pare_status pare_calibration_check(const pare_model *model, const char *name, const pare_windows *windows) {
    PARE_TRY(pare_calibration_check_length(model, name, windows->length));
    if (pare_reads_pictures(&model->config)) return PARE_OK;
    for (size_t i = 0; i < (size_t)windows->count * windows->length; i++)
        if (windows->ids[i] >= model->config.vocabulary)
            return pare_fail(PARE_FORMAT_ERROR, "%s holds the token id %u, but the vocabulary of %s has only %u tokens",
                             name, windows->ids[i], pare_checkpoint_directory(model->checkpoint),
                             model->config.vocabulary);
    return PARE_OK;
}

pare_status pare_calibration_tokenizer(const pare_model *model, const char *name, const pare_tokenizer **out) {
    const char *folder;
    *out = NULL;
    PARE_TRY(pare_model_companions(model, &folder));
    if (pare_json_is_name(name) && !pare_tokenizer_exists(folder)) return PARE_OK;
    return pare_model_tokenizer(model, out);
}

/* Samples over all batches; 0 where an id file gives what it has. */
static uint32_t samples_of(const pare_calibration_request *request, uint32_t otherwise) {
    uint32_t samples = request->options->samples ? request->options->samples : otherwise;
    return samples * (request->batches ? request->batches : 1);
}

static uint32_t usual_of(const pare_calibration_request *request) {
    return request->usual ? request->usual : SAMPLES;
}

static pare_self_request self_of(const pare_model *model, const pare_calibration_request *request) {
    uint32_t positions = model->config.max_positions, length = LENGTH < positions ? LENGTH : positions;
    if (request->options->length) length = request->options->length;
    uint32_t lead = positions - length < length ? positions - length : length;
    return (pare_self_request){.sequences = samples_of(request, usual_of(request)),
                               .lead = request->mid_text ? lead : 0,
                               .length = length,
                               .seed = request->seed};
}

pare_windows pare_calibration_shape(const pare_model *model, const pare_calibration_request *request) {
    pare_self_request self = self_of(model, request);
    return (pare_windows){.count = self.sequences, .length = self.length};
}

pare_work pare_calibration_work(const pare_model *model, const pare_calibration_request *request) {
    pare_self_request self = self_of(model, request);
    return pare_calibration_is_self(request->options->source) ? pare_self_work(model, &self) : (pare_work){{0}};
}

static pare_status load(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                        const pare_calibration_request *request, pare_windows *windows) {
    const pare_calibration_options *options = request->options;
    if (pare_reads_pictures(&model->config)) {
        PARE_TRY(pare_calibration_check_source(model, "--calib", options->source));
        PARE_TRY(pare_pictures_sample(model, options->source, samples_of(request, PICTURES), request->seed, windows));
        pare_runtime_note(runtime, windows->note);
        return PARE_OK;
    }
    if (options->length) PARE_TRY(pare_calibration_check_length(model, "--length", options->length));
    if (pare_calibration_is_self(options->source)) {
        pare_self_request self = self_of(model, request);
        return pare_self_sample(model, backend, runtime, &self, windows);
    }
    const pare_tokenizer *tokenizer;
    pare_chat_style style;
    const char *folder;
    PARE_TRY(pare_calibration_tokenizer(model, options->source, &tokenizer));
    PARE_TRY(pare_model_companions(model, &folder));
    PARE_TRY(pare_chat_style_open(folder, request->wording, &style));
    pare_window_request sample = {.path = options->source,
                                  .field = options->field,
                                  .style = &style,
                                  .count = samples_of(request, 0),
                                  .usual = usual_of(request),
                                  .length = options->length,
                                  .seed = request->seed,
                                  .stream = options->stream};
    pare_status status = pare_windows_sample(tokenizer, &sample, windows);
    pare_chat_style_free(&style);
    if (status == PARE_OK) pare_runtime_note(runtime, windows->note);
    return status;
}

/* Without labels there is less to measure. */
static pare_status note_labels(const pare_model *model, const char *name, pare_windows *windows) {
    static const char none[] = "the pictures have no labels, so that accuracy and loss are not measured (put them into "
                               "one folder per class)";
    if (pare_windows_predictions(model, windows)) return PARE_OK;
    char *note = windows->note ? pare_format("%s; %s", windows->note, none) : pare_format("%s: %s", name, none);
    free(windows->note);
    windows->note = note;
    return pare_whole();
}

static pare_status stream_pictures(const pare_model *model, const char *name, uint32_t limit, pare_windows *windows) {
    PARE_TRY(pare_pictures_stream(model, name, limit, windows));
    pare_status status = note_labels(model, name, windows);
    if (status != PARE_OK) pare_windows_free(windows);
    return status;
}

pare_status pare_calibration_stream(const pare_model *model, const char *name, uint32_t window, uint32_t limit,
                                    const pare_runtime *runtime, pare_windows *windows) {
    const pare_tokenizer *tokenizer;
    *windows = (pare_windows){0};
    PARE_TRY(pare_calibration_check_source(model, "--images", name));
    if (pare_reads_pictures(&model->config)) {
        PARE_TRY(stream_pictures(model, name, limit, windows));
    } else {
        PARE_TRY(pare_calibration_tokenizer(model, name, &tokenizer));
        PARE_TRY(pare_windows_stream(tokenizer, name, NULL, window, limit, windows));
    }
    pare_runtime_note(runtime, windows->note);
    return PARE_OK;
}

pare_status pare_calibration_digest(const pare_model *model, const pare_windows *windows, char digest[65]) {
    return pare_reads_pictures(&model->config) ? pare_pictures_digest(model, windows, digest)
                                               : pare_windows_digest(windows, digest);
}

pare_status pare_calibration_agree(const pare_model *model, const pare_windows *windows) {
    char digest[PARE_DIGEST_TEXT];
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_calibration_digest(model, windows, digest));
    return pare_peer_agree("windows of text or pictures (by their digest)", digest);
}

pare_status pare_calibration_load(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                                  const pare_calibration_request *request, pare_windows *windows, char digest[65]) {
    *windows = (pare_windows){0};
    PARE_TRY(load(model, backend, runtime, request, windows));
    const char *name = pare_calibration_is_self(request->options->source) ? "self" : request->options->source;
    pare_status status = pare_calibration_check(model, name, windows);
    if (status == PARE_OK) status = pare_calibration_digest(model, windows, digest);
    if (status != PARE_OK) pare_windows_free(windows);
    return status;
}
