/* A pruning run. Strings and pointers are borrowed. */
#ifndef PARE_REPORT_PRUNING_H
#define PARE_REPORT_PRUNING_H

#include "model/config_write.h"
#include "repair/stage_fit.h"
#include "report/manifest.h"
#include "report/parts.h"
#include "report/ranks.h"
#include "select/target.h"

typedef struct pare_pruning_results {
    const pare_record *record;
    const pare_model *model; /* that the method was applied to */
    bool became_other;       /* that is of another family than the one that was named, for the sake of biases */
    const pare_target *target;
    const pare_goal *goal;          /* of the last round */
    const pare_selection *composed; /* of all rounds, from `model` */
    const double *ratios;           /* [ratio_count], one for each layer; or NULL: the goal's */
    size_t ratio_count;
    double calibration_loss; /* NaN: none was measured */
    bool zeroes;             /* weights became zero in matrices that keep their shape */
    uint32_t keep, of;       /* their pattern; of = 0: none */
    const char *output;      /* NULL: nothing is written */
    bool archive;
    pare_config_kind kind;
    const pare_file_list *files;
    const char *const *ignored;     /* options that the method has no use for, NULL after the last */
    const char *const *lacking;     /* for each of them the option that it lacks, or NULL */
    const json_t *traces;           /* of every round */
    float *const *gates;            /* of the last round, as pare_report_gates has them; or NULL */
    const json_t *repairs;          /* of the last; or NULL */
    const json_t *rebuilt;          /* pare_report_rebuilt; or NULL */
    const json_t *experts;          /* {"chosen", "layers"}: tokens that reach each, before and after; or NULL */
    const json_t *search;           /* of each round of a search of widths; or NULL */
    const char *part_name;          /* what the way of pruning has to say of itself; or NULL */
    json_t *part;                   /* a reference, which is taken */
    const pare_unit_scores *scores; /* of the last round, or NULL: there are none */
    const pare_model *scored;       /* whose units these are */
    const pare_selection *scored_selection; /* from it */
    const pare_plan *plan;                  /* of the memory */
    const pare_text_pair *texts;
    size_t text_count;
    const pare_stage_cost *times;
    size_t time_count;
    const pare_rank_cost *ranks; /* [rank_count] that shared the work */
    size_t rank_count;
} pare_pruning_results;

/* Appends what is to be said of experts (pruning_experts.c). */
void pare_report_expert_warnings(const pare_pruning_results *results, json_t *warnings);

/* results: pare_pruning_results. */
json_t *pare_report_pruning(const void *results);

/* Errors of a stage's output while its units went one after the other. */
typedef struct pare_stage_curve {
    const double *errors;  /* [count] after each; NULL: none was measured */
    uint32_t count, units; /* that went, of all */
} pare_stage_curve;

/* [{"attention": {"error", "damping", "readers", "curve"}, "ffn"}], with "inputs_of_layer" {"experts", "unreached",
 * "expert"} where experts took what the layer sees (layerwise/experts.h), of fits [layers][PARE_STAGES] and curves
 * likewise. curve: {"units", "removed": [..], "error": [..]}, thinned. */
json_t *pare_report_fits(pare_stage_fit (*fits)[PARE_STAGES], pare_stage_curve (*curves)[PARE_STAGES], uint32_t layers);
/* [{"attention": {"before", "after"}, "ffn"}], of rebuilt [layers][PARE_STAGES]. */
json_t *pare_report_rebuilt(pare_rebuilt (*rebuilt)[PARE_STAGES], uint32_t layers);

#endif
