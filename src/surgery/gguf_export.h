/* A model as a GGUF file, written and checked. */
#ifndef PARE_SURGERY_GGUF_EXPORT_H
#define PARE_SURGERY_GGUF_EXPORT_H

#include "model/gguf_general.h"
#include "surgery/gguf_check.h"

typedef struct pare_gguf_export {
    const pare_gguf_form *form;
    const pare_imatrix_file *imatrix; /* by which columns are weighed; or NULL */
    const char *name, *base, *id;     /* as pare_gguf_about has them */
    pare_gguf_licence licence;
} pare_gguf_export;

/* What there is to say of the file. */
typedef struct pare_gguf_exported {
    const char *architecture, *form;
    size_t matrices, narrow; /* as pare_gguf_plan has them */
    uint32_t positions;      /* context_length; fewer than the model's: see pare_gguf_target */
    pare_gguf_zeros zeros;   /* of a file that was written */
} pare_gguf_exported;

/* *bytes: of the file that would be written; out: what it would be. */
pare_status pare_gguf_export_need(const pare_model *model, const pare_gguf_export *what, uint64_t *bytes,
                                  pare_gguf_exported *out);

/* Writes `path`, new, and opens it again: every tensor must be the model's, to what its type rounds off, the file's
 * configuration must compute what the model's does, on one window and with the same weights, and its tokenizer must cut
 * text as the model's does. PARE_CHECK_FAILED otherwise. */
pare_status pare_gguf_export_write(const pare_model *model, const pare_gguf_export *what, const char *path,
                                   const pare_runtime *runtime, pare_gguf_exported *out);

#endif
