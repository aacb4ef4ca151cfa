/* The preset table: every published method is one row. */
#include "recipe/recipe.h"

#include <string.h>

/* Published constants (MoreauPruner, appendix; spec 3.1). No constants were published for the element-wise l1 variant:
 * it takes those of the group-sparse one. */
#define PLAIN_MOREAU                                                                                                   \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .eta = 0.0, .prox = PARE_PROX_NONE }
#define GROUP_MOREAU                                                                                                   \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_GROUP }
#define L1_MOREAU                                                                                                      \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_L1 }

static const pare_recipe presets[] = {
    {.name = "moreau-gs",
     .summary = "MoreauPruner-GS: gradient of the group-sparse Moreau envelope (the default)",
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
    {.name = "taylor",
     .summary = "LLM-Pruner: first-order Taylor expansion, element-wise (param_first, sum)",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_first_order},
    {.name = "magnitude-l1",
     .summary = "sum of |w|, averaged over the coupled tensors; needs no data",
     .salience = &pare_salience_absolute,
     .reduction = PARE_REDUCE_MEAN},
    {.name = "magnitude-l2",
     .summary = "sum of w^2, averaged over the coupled tensors; needs no data",
     .salience = &pare_salience_square,
     .reduction = PARE_REDUCE_MEAN},
    {.name = "random", .summary = "uniform random scores, by seed: the baseline to beat"},
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
