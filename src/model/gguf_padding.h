/* Layers that lack a half, as llama.cpp's architecture deci holds them. It reads layers without heads, and layers
 * without an FFN; but it takes its size of heads from the first layer, leaves out attention together with an FFN that
 * is not there, and does not bring a last layer without one to the tokens that are asked for (src/models/deci.cpp).
 * What it needs there becomes one head, or one channel, of zeros, which adds nothing. */
#ifndef PARE_MODEL_GGUF_PADDING_H
#define PARE_MODEL_GGUF_PADDING_H

#include "model/model.h"

/* widths: [layers] with what is to be added. */
void pare_gguf_pad_widths(const pare_config *config, pare_widths *widths);

#endif
