/* The calibration set of a run, from a file or written by the model itself. */
#ifndef PARE_CALIBRATE_CALIBRATION_H
#define PARE_CALIBRATE_CALIBRATION_H

#include "model/source.h"
#include "support/work.h"
#include "text/corpus.h"

/* What of a source is wanted, where the options leave it open. */
typedef struct pare_calibration_request {
    const pare_calibration_options *options;
    uint32_t usual;   /* samples, 0: 10; an id file gives all it has */
    uint32_t batches; /* sets of samples, one after the other; 0: 1 */
    bool mid_text;    /* text that the model writes is kept from the middle on only, as far as its positions reach */
    size_t wording;   /* pare_template_name: of instructions and chats */
    uint64_t seed;
} pare_calibration_request;

/* windows: pictures (pictures.h), or ids below the model's vocabulary size, at least 2 and at most max_positions of
 * them each; free with pare_windows_free. digest: their SHA-256 (pare_windows_digest). */
pare_status pare_calibration_load(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                                  const pare_calibration_request *request, pare_windows *windows, char digest[65]);
/* How many these will be and how long, without a look into the source: of text and "self". No ids. */
pare_windows pare_calibration_shape(const pare_model *model, const pare_calibration_request *request);
/* What loading has to do: nothing to speak of unless the model writes. */
pare_work pare_calibration_work(const pare_model *model, const pare_calibration_request *request);

/* Evaluation windows: pare_windows_stream of a text, or the pictures of a set; what was skipped goes to the runtime.
 * Free with pare_windows_free. */
pare_status pare_calibration_stream(const pare_model *model, const char *name, uint32_t window, uint32_t limit,
                                    const pare_runtime *runtime, pare_windows *windows);
/* How many these will be, about, without a look into it; of "self" where nobody says how many, PARE_SELF_WINDOWS. 0: of
 * pictures, unless there is a limit. */
enum { PARE_SELF_WINDOWS = 64 };
int64_t pare_calibration_windows(const pare_model *model, const char *name, uint32_t window, uint32_t limit);
/* Of windows of text, or of pictures. */
pare_status pare_calibration_digest(const pare_model *model, const pare_windows *windows, char digest[65]);
/* Ranks that share windows have to have the same ones. */
pare_status pare_calibration_agree(const pare_model *model, const pare_windows *windows);
/* Refuses what the model does not read: a folder for one of text, "self" for one of pictures. option: "--calib". */
pare_status pare_calibration_check_source(const pare_model *model, const char *option, const char *source);

/* What evaluation reads: "--text", or "--images". */
const char *pare_calibration_option(const pare_model *model);

/* "self": text that the model writes. NULL counts as "self". */
bool pare_calibration_is_self(const char *source);

/* Refuses windows shorter than 2 or longer than the model's max_positions. name: the file, or "self". */
pare_status pare_calibration_check_length(const pare_model *model, const char *name, uint32_t length);

/* Refuses ids that the model has no embedding of, and lengths as above. */
pare_status pare_calibration_check(const pare_model *model, const char *name, const pare_windows *windows);

/* The tokenizer that texts from `name` are to be read with: NULL for a model that has none, if `name` is one of
 * JSON and so may hold ready ids. */
pare_status pare_calibration_tokenizer(const pare_model *model, const char *name, const pare_tokenizer **out);

#endif
