/* Pictures as windows (model/patches.h): read once into the model's album, then found there by their numbers. */
#ifndef PARE_CALIBRATE_PICTURES_H
#define PARE_CALIBRATE_PICTURES_H

#include "image/set.h"
#include "model/model.h"
#include "text/corpus.h"

/* Pictures drawn by the seed from `path` (image/set.h), `count` of them or as many as there are; damaged ones are
 * passed over, and noted. Free with pare_windows_free. */
pare_status pare_pictures_sample(const pare_model *model, const char *path, uint32_t count, uint64_t seed,
                                 pare_windows *out);
/* `limit` pictures (0: all), evenly spread over the set and in its order: its first ones may be all of one class. Where
 * some cannot be read, as many others take their place, behind them. */
pare_status pare_pictures_stream(const pare_model *model, const char *path, uint32_t limit, pare_windows *out);

/* All pictures of `set` that can be read; found: [of the set] their numbers in it, *count of them. path: what the set
 * is called. */
pare_status pare_pictures_take(const pare_model *model, const char *path, const pare_image_set *set, uint32_t *found,
                               uint32_t *count, pare_windows *out);

/* SHA-256 of their pixels and labels, in the order of the windows. */
pare_status pare_pictures_digest(const pare_model *model, const pare_windows *windows, char text[65]);

/* Windows of `count` noise pictures, for a model that is compared with another. */
pare_status pare_pictures_noise(const pare_model *model, uint32_t count, pare_windows *out);

/* What the head predicts in these windows: labels, or next tokens. */
uint64_t pare_windows_predictions(const pare_model *model, const pare_windows *windows);

#endif
