/* The JSON that pare leaves behind: pruning.json in the written model, the scores file, and the pieces they share. */
#ifndef PARE_REPORT_MANIFEST_H
#define PARE_REPORT_MANIFEST_H

#include "checkpoint/scan.h"
#include "select/select.h"
#include "support/json.h"

/* What a run used and did, for all its JSON. Strings are borrowed. */
typedef struct pare_record {
    const pare_model *model;
    const char *method;
    const char *base; /* the preset that the recipe was made from; NULL: none */
    bool repeatable;  /* the recipe says all about the method */
    json_t *recipe;   /* borrowed */
    uint64_t seed;
    uint32_t iterations;
    const pare_scan *scan;
    const char *calibration; /* NULL: the method needed none */
    bool imatrix;            /* it is an importance matrix */
    uint32_t sequences, length;
    const char *calibration_digest;
    uint64_t parameters_after;
    const pare_selection *selection;
    bool dropped;                 /* layers were named to be dropped */
    uint32_t added_biases;        /* bits of roles: those that the model had not, and got */
    json_t *permutation, *orders; /* of channels, and where each of them stood; or NULL; borrowed */
    json_t *latency;              /* times of halves, and what came of them; or NULL; borrowed */
    json_t *training;             /* of a method that trains while it prunes; or NULL; borrowed */
} pare_record;

/* [{"kv_heads_kept", "query_heads_kept", "ffn_channels_kept"}], and where there are some "experts_kept", with
 * "expert_channels_kept", a list for each of these, if they lose channels, per layer of the original; {"dropped": true}
 * for those that are gone. All these return new references. */
json_t *pare_report_layers(const pare_selection *selection);
/* [{"query_heads", "kv_heads", "ffn"}], and "experts" and "expert_ffn" where there are some, of the original, by the
 * names that `pare inspect` has for them. */
json_t *pare_report_widths(const pare_model *model);
/* The numbers of those that are gone. */
json_t *pare_report_dropped(const pare_selection *selection);
/* Kept channels of the residual stream, or null: all. */
json_t *pare_report_hidden(const pare_selection *selection);
/* {"source", "sequences", "length", "sha256"} or null. */
json_t *pare_report_calibration(const pare_record *record);
/* ["self_attn.o_proj", ...]: the matrices whose biases were added. */
json_t *pare_report_added_biases(const pare_record *record);
/* recipe.json, which --recipe takes: the method that it was made from, and every choice; NULL where the method is none
 * of a recipe file's (a salience of the caller's, layers by name). */
json_t *pare_report_recipe_file(const pare_record *record);
/* pruning.json */
json_t *pare_report_manifest(const pare_record *record);
/* Layers begin .. end - 1. */
typedef struct pare_layer_span {
    uint32_t begin, end;
} pare_layer_span;

/* {"layers": [{"heads": [..], "query_heads": [..], "ffn": [..], "layer": x}], "hidden": [..]}; layers that are not in
 * `scored` have empty lists. */
json_t *pare_report_scores(const pare_unit_scores *scores, const pare_model *model, pare_layer_span scored);

#endif
