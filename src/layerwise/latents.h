/* Attention over latents in the walk (model/block_latent.h): what makes queries, keys and values of a latent reads that
 * latent, normed, which is no kind of input of the layer; and the matrix that makes the latent of the queries is no
 * role, but reads what all of attention reads. What latents show is gathered in a run of its own, from in front of the
 * layer up to them. */
#ifndef PARE_LAYERWISE_LATENTS_H
#define PARE_LAYERWISE_LATENTS_H

#include "layerwise/layerwise.h"

typedef enum pare_latent_input { PARE_LATENT_QUERIES, PARE_LATENT_KEYS, PARE_LATENT_INPUTS } pare_latent_input;

/* Of a role that reads one (pare_reads_latent). */
static inline pare_latent_input pare_latent_input_of(pare_role role) {
    return role == PARE_ROLE_Q ? PARE_LATENT_QUERIES : PARE_LATENT_KEYS;
}

static inline pare_role pare_latent_role(pare_latent_input input) {
    return input == PARE_LATENT_QUERIES ? PARE_ROLE_Q : PARE_ROLE_V;
}

struct pare_layer_latents {
    pare_input_statistics inputs[PARE_LATENT_INPUTS];
    float *gram_room[PARE_LATENT_INPUTS];
    double *down_outputs; /* [rank] sums of squares of what makes the queries' latent; NULL: not wanted */
};

/* True if weights go of what reads a latent, or makes that of the queries. */
bool pare_layerwise_prunes_latents(const pare_layerwise_request *request, uint32_t layer);
/* Of the latter alone. */
bool pare_layerwise_prunes_query_down(const pare_layerwise_request *request, uint32_t layer);

/* Its rank, where the layer has one and something pruned reads it; else 0. */
int64_t pare_layerwise_latent_width(const pare_layerwise_request *request, uint32_t layer, pare_latent_input input);

/* 0, and nothing, where no layer does. */
uint64_t pare_layerwise_latents_bytes(const pare_layerwise_request *request);
pare_status pare_layerwise_latents_new(pare_layerwise *l);
void pare_layerwise_latents_free(pare_layerwise *l);

/* What the latents of the layer in hand show, with its weights as they now are; the stream stands in front of it. Kept
 * until it is forgotten. */
pare_status pare_layerwise_latents_watch(pare_layerwise *l, const pare_element_needs *needs);
void pare_layerwise_latents_forget(pare_layerwise *l);
/* Of what makes the queries' latent: room for its outputs' norms; and a micro-batch's, of what it reads. */
pare_status pare_layerwise_query_down_watch(pare_layerwise *l, uint32_t layer);
pare_status pare_layerwise_query_down_see(pare_layerwise *l, const pare_inputs *inputs);
/* What one of them is shown, into l->sums (sums.c). */
pare_status pare_layerwise_sum_latent(pare_layerwise *l, pare_latent_input input);

/* "the latent of layer 3's queries" */
const char *pare_latent_input_name(uint32_t layer, pare_latent_input input, char *name, size_t size);

#endif
