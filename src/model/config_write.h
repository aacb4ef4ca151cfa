/* The config.json of a model with new sizes. */
#ifndef PARE_MODEL_CONFIG_WRITE_H
#define PARE_MODEL_CONFIG_WRITE_H

#include "model/family.h"

/* What loads a model with these widths. */
typedef enum pare_config_kind {
    PARE_CONFIG_LLAMA,   /* all layers alike, heads divide the hidden size: any engine that knows LLaMA */
    PARE_CONFIG_MISTRAL, /* all layers alike; transformers checks of a LLaMA that heads divide the hidden size, but not
                            of a Mistral without sliding window, which computes the same */
    PARE_CONFIG_PER_LAYER, /* layers differ: pare; stock engines refuse the lists below, rather than load it wrongly */
    PARE_CONFIG_OWN,       /* another family's own class */
    PARE_CONFIG_OTHER      /* the class of another family, which computes the same (family.h: others) */
} pare_config_kind;

/* What the class asks of this model's number of heads. */
pare_heads_rule pare_config_heads_rule(const pare_config *original);
/* True if heads times their size are the hidden size in every class that holds the model, and heads can go with hidden
 * channels: all layers are alike, and nothing else goes by the number of heads. */
bool pare_config_ties_heads(const pare_config *original);
/* Query heads that go at a time where they are tied, with as many hidden channels as these have dimensions. */
uint32_t pare_config_tied_heads(const pare_config *original);
/* True if the family's own class holds a model of these widths. */
bool pare_config_holds(const pare_config *original, uint32_t hidden, const pare_widths *widths);
/* True if its own class or another one does. */
bool pare_config_fits(const pare_config *original, uint32_t hidden, const pare_widths *widths);

/* Bits of the roles that a model has when it is written as another family: that one's own, and the biases that its
 * options allow and the model has. */
uint32_t pare_config_roles_as(const pare_config *original, const pare_family *family);
pare_config_kind pare_config_kind_of(const pare_config *original, const pare_config_sizes *sizes);

/* True if the switches of a family can give a model these biases (bits of roles; out: all that come with them and are
 * not there yet). */
bool pare_config_offers(const pare_config *original, const pare_family *family, uint32_t *biases);
/* True if all layers have the same widths. */
bool pare_config_is_even(const pare_config *original);
/* *text: config.json of the same model as one of `family`, its own or another one that computes the same, with these
 * biases switched on; freed with free(). */
pare_status pare_config_write_biased(const pare_config *original, const pare_family *family, uint32_t biases,
                                     char **text);

/* *text: the original's config.json with these sizes in place of its own and head_dim stated, everything else kept,
 * unknown members too; freed with free(). What pare found out is said: tie_word_embeddings as the tensors have it,
 * rope_parameters (transformers 5) and the same as rope_theta and rope_scaling (before), values that the file left to
 * the class. Lists with one entry per layer (layer_types) lose those of dropped layers.
 *   LLAMA:     num_attention_heads, num_key_value_heads and intermediate_size are numbers.
 *   MISTRAL:   so they are; model_type "mistral", architectures ["MistralForCausalLM"], sliding_window null,
 *              attention_bias and mlp_bias left out, max_position_embeddings stated (Mistral's default is another).
 *   PER_LAYER: each of the three is a list of one number per layer, and "pare_per_layer_widths" is true. 0: the layer
 *              has no attention, or no FFN. */
pare_status pare_config_write(const pare_config *original, const pare_config_sizes *sizes, char **text,
                              pare_config_kind *kind);

/* *text: config.json as it is, for a model of the same sizes, with what pare found out said where the file contradicts
 * its tensors or older engines would read other rotary positions from it; NULL where it may stay as it is. */
pare_status pare_config_restate(const pare_config *config, char **text);

#endif
