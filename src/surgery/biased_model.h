/* A model that gets biases where it had none, all zero, so that a repair can use them: config.json says that it has
 * them (model/config_write.h), its weights stay where they are. */
#ifndef PARE_SURGERY_BIASED_MODEL_H
#define PARE_SURGERY_BIASED_MODEL_H

#include "model/config_write.h"
#include "surgery/staged_model.h"

/* The family whose class holds the model with these biases beside its own, and whose tensors have the same names and
 * shapes: its own, or another one. roles: in, bits of the biases that are wanted and not there; out, all that come with
 * them. NULL: there is none. */
const pare_family *pare_biased_family(const pare_model *model, uint32_t *roles);

/* The model as one of that family, with these biases, in a folder of its own, which links to the files of `model` (a
 * temporary one's are copied); these must stay where they are until it is freed with pare_temporary_model_free. */
pare_status pare_biased_model_new(const pare_model *model, const pare_family *family, uint32_t roles,
                                  const char *scratch, const pare_runtime *runtime, pare_temporary_model *out);

#endif
