/* The preset table: every published method is one row. */
#include "recipe/recipe.h"

#include <string.h>

/* Published constants (MoreauPruner, appendix; spec 3.1). No constants were published for the element-wise l1 variant:
 * it takes those of the group-sparse one. The released loop has no use for rho. */
#define PLAIN_MOREAU                                                                                                   \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .prox = PARE_PROX_NONE, .tail = 1 }
#define GROUP_MOREAU                                                                                                   \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_GROUP,       \
        .tail = 1                                                                                                      \
    }
#define L1_MOREAU                                                                                                      \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_L1, .tail = 1 }
#define RELEASED_MOREAU                                                                                                \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .prox = PARE_PROX_RELEASED,                \
        .tail = PARE_RELEASED_TAIL, .unpulled = true                                                                   \
    }
#define RELEASED_GROUP_MOREAU                                                                                          \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_RELEASED,    \
        .tail = PARE_RELEASED_TAIL, .unpulled = true                                                                   \
    }
#define SMOOTH(passes)                                                                                                 \
    { .steps = passes, .draws = 1, .sigma = 0.05 }

static const pare_recipe presets[] = {
    {.name = "best",
     .summary =
         "pare's own: greedy removal by what the loss feels of the error, then all readers refitted (the default)",
     .choice = PARE_CHOOSE_OBS,
     .compensation = PARE_COMPENSATE_LS,
     .metric = PARE_METRIC_FISHER,
     .dense = 0.5,
     .readers = 1.0,
     .damping = 0.1,
     .reader_damping = 0.1,
     .fraction = 0.0625,
     .final_norm = true},
    {.name = "moreau-gs",
     .summary = "MoreauPruner-GS: gradient of the group-sparse Moreau envelope",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = GROUP_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau",
     .summary = "MoreauPruner: gradient of the Moreau envelope",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = PLAIN_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau-l1",
     .summary = "MoreauPruner with an element-wise l1 threshold",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = L1_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau-released",
     .summary = "MoreauPruner as its code has it: no proximal term, mean of the last five iterates",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = RELEASED_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau-gs-released",
     .summary = "MoreauPruner-GS as its code has it, behind the published tables: see docs/methods.md",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = RELEASED_GROUP_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "taylor-rownorm",
     .summary = "what moreau-gs-released comes down to: Taylor with every row of the gradient at unit length",
     .signal = PARE_SIGNAL_SMOOTH_ROWS,
     .moreau = SMOOTH(10),
     .salience = &pare_salience_first_order},
    {.name = "smoothgrad",
     .summary = "SmoothGrad: mean of |w g| over 100 passes with weight noise",
     .signal = PARE_SIGNAL_SMOOTH,
     .moreau = SMOOTH(100),
     .salience = &pare_salience_first_order},
    {.name = "taylor",
     .summary = "LLM-Pruner: first-order Taylor expansion, element-wise (param_first, sum)",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_first_order},
    {.name = "taylor-second",
     .summary = "LLM-Pruner param_second: w^2 times the mean squared gradient of the samples",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_second_order},
    {.name = "taylor-mix",
     .summary = "LLM-Pruner param_mix: first and second order together",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_mixed},
    {.name = "taylor-vector",
     .summary = "LLM-Pruner vectorize: the absolute value taken after the sum",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_vectorize},
    {.name = "wanda-structured",
     .summary = "Wanda summed over units: |w| times the norm of its input; needs no gradient",
     .signal = PARE_SIGNAL_INPUTS,
     .salience = &pare_salience_activation},
    {.name = "magnitude-l1",
     .summary = "sum of |w|, averaged over the coupled tensors; needs no data",
     .salience = &pare_salience_absolute,
     .reduction = PARE_REDUCE_MEAN},
    {.name = "magnitude-l2",
     .summary = "sum of w^2, averaged over the coupled tensors; needs no data",
     .salience = &pare_salience_square,
     .reduction = PARE_REDUCE_MEAN},
    {.name = "random", .summary = "uniform random scores, by seed: the baseline to beat"},
    {.name = "obs",
     .summary = "greedy optimal brain surgery: units go by the exact error they leave, the rest is refitted",
     .choice = PARE_CHOOSE_OBS,
     .compensation = PARE_COMPENSATE_LS,
     .damping = 1e-2,
     .reader_damping = 1e-2,
     .fraction = 0.0625},
    {.name = "layer-first",
     .summary = "keeps the first layers and drops the rest, as LLM-Pruner's layer mode does",
     .signal = PARE_SIGNAL_DEPTH,
     .mode = PARE_MODE_LAYER},
    {.name = "layer-influence",
     .summary = "drops the layers that change the hidden state least (ShortGPT's block influence)",
     .signal = PARE_SIGNAL_INFLUENCE,
     .mode = PARE_MODE_LAYER},
    {.name = "layer-removal",
     .summary = "drops the layers without which the calibration loss is lowest",
     .signal = PARE_SIGNAL_REMOVAL,
     .mode = PARE_MODE_LAYER},
};

enum { PRESETS = sizeof presets / sizeof *presets };

const pare_recipe *pare_recipe_find(const char *name) {
    for (size_t i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0) return &presets[i];
    return NULL;
}

const char *pare_recipe_name(size_t index) {
    return index < PRESETS ? presets[index].name : NULL;
}

const char *pare_recipe_summary(size_t index) {
    return index < PRESETS ? presets[index].summary : NULL;
}
