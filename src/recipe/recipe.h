/* A method is a recipe: one choice on each axis (docs/design.md 1). A preset is a row of presets.c. */
#ifndef PARE_RECIPE_RECIPE_H
#define PARE_RECIPE_RECIPE_H

#include "calibrate/moreau.h"
#include "importance/scores.h"

#include <jansson.h>

/* What is measured on calibration data. */
typedef enum pare_signal {
    PARE_SIGNAL_NONE,
    PARE_SIGNAL_GRADIENT, /* dL/dw of the calibration batch */
    PARE_SIGNAL_MOREAU    /* the Moreau gradient of it */
} pare_signal;

struct pare_recipe {
    const char *name;
    const char *summary;
    pare_signal signal;
    pare_moreau moreau;            /* constants, where the signal is the Moreau gradient */
    const pare_salience *salience; /* NULL: units are scored at random */
    pare_reduction reduction;
};

/* The recipe of `options->method` with the options' constants in place of the published ones. Fails on an unknown name
 * and on values that make no sense; constants that the method does not have are ignored. */
pare_status pare_recipe_resolve(const pare_prune_options *options, pare_recipe *out);

/* The options that are given but have no meaning for the recipe, by index; NULL after the last. */
const char *pare_recipe_ignored(const pare_prune_options *options, const pare_recipe *recipe, size_t index);

/* {"signal", "salience", "reduction", "unit", "selection", and the constants}; a new reference. */
json_t *pare_recipe_json(const pare_recipe *recipe);

#endif
