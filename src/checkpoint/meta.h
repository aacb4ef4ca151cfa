/* Models in Meta's own format, which Mistral's is like: params.json and consolidated.00.pth, consolidated.01.pth, ...
 * (or consolidated.safetensors), as the tensors of the Hugging Face class of the same model. */
#ifndef PARE_CHECKPOINT_META_H
#define PARE_CHECKPOINT_META_H

#include "checkpoint/meta_params.h"
#include "checkpoint/safetensors.h"

/* True for the names of such files. */
bool pare_meta_is_name(const char *name);

/* True if the folder has params.json and consolidated.00.pth or consolidated.safetensors. */
bool pare_meta_is_folder(const char *folder);

/* *names: [*count] the files of the folder that make the model, freed with pare_meta_names_free. safetensors: those, in
 * place of .pth. Fails if one of a row is missing. */
pare_status pare_meta_list(const char *folder, bool safetensors, char ***names, size_t *count);
void pare_meta_names_free(char **names, size_t count);

typedef struct pare_meta_view pare_meta_view;

typedef struct pare_meta {
    pare_tensor *tensors; /* [count]; data and views live as long as this and the files do */
    pare_meta_view *views;
    const void **parts;
    size_t count;
} pare_meta;

/* What the files hold together, under the names of transformers: rows of queries and keys in its order, parts that lie
 * in several files side by side. Nothing is copied: what is not as it is stored has a view (view.h). All files must
 * have the same tensors with the same shapes and dtypes, norms with the same values. On failure *out is empty. */
pare_status pare_meta_compose(const pare_meta_params *params, const pare_safetensors *files, size_t file_count,
                              pare_meta *out);
void pare_meta_free(pare_meta *meta);

#endif
