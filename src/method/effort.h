/* How much work a method may cost: values that replace the preset's where nobody has set them, row by row. */
#ifndef PARE_METHOD_EFFORT_H
#define PARE_METHOD_EFFORT_H

#include "method/recipe.h"

/* Of what is asked besides the recipe: whether one search of widths can serve it. */
typedef struct pare_effort_target {
    bool rounds; /* more than one */
    bool shares; /* a share for each layer */
} pare_effort_target;

/* normal, quick, high. */
extern const char *const pare_effort_names[];

/* True if the method of this preset, or the recipe that was made of one, has rows. */
bool pare_effort_offers(const pare_recipe *recipe);
/* Refuses an effort that the method does not have, naming those that do; otherwise sets what its rows say of keys that
 * were not given (pare_recipe.given). Behind all that was. */
pare_status pare_effort_apply(const pare_effort_target *target, pare_recipe *recipe);
/* Calibration sequences where nobody says how many; 0: the method's. */
uint32_t pare_effort_samples(const pare_recipe *recipe);
/* {"level", "changes": {key: value}} of what the effort has set; NULL with the normal one. A new reference. */
json_t *pare_effort_json(const pare_recipe *recipe);

#endif
