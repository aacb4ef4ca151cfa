/* Pictures as a model reads them: a sequence is one picture, its tokens are those of the model's own and then its
 * patches, and every one of its ids is the picture's number in the model's album. What the head predicts at the first
 * token is the picture's label. */
#ifndef PARE_MODEL_PATCHES_H
#define PARE_MODEL_PATCHES_H

#include "image/album.h"
#include "model/block.h"
#include "model/ends.h"
#include "model/pass.h"

/* The model's album, made on first use as the preprocessor_config.json of its folder says. */
pare_status pare_model_album(const pare_model *model, pare_album **out);
/* Ids of `from` mean the same for `model` from now on: both have one album. For a model that was made from the other;
 * nothing for models of text. */
pare_status pare_model_share_album(const pare_model *model, const pare_model *from);
/* Gives `other` the model's album, and refuses one that has other classes, makes another number of tokens of a picture,
 * or takes other pictures, or prepares them otherwise. Both read pictures. option: which named `other`, "--against". */
pare_status pare_model_match_pictures(const pare_model *model, const pare_model *other, const char *option);

/* The label of the picture that an id stands for; -1: none. */
int32_t pare_patches_label(const pare_model *model, uint32_t id);

/* rows: float [count, embedding_width], the pixels of each patch as [channels, patch_height, patch_width]; zeros for
 * the model's own tokens. */
void pare_patches_rows(const pare_source *source, const pare_embedded *tokens, float *rows);
/* x: float [count, d] of projected patches; the bias is added, and the model's own tokens are put in their places. */
pare_status pare_patches_finish(const pare_source *source, const pare_embedded *tokens, float *x);

/* From what a pass has for the gradient of its first block's input: those of the bias and of the model's own tokens, to
 * whoever wants them. */
pare_status pare_patches_backward(pare_pass *pass, const pare_gradient_sink *sink);

#endif
