#include "importance/salience.h"

#include <string.h>

static const pare_salience *const all[] = {
    &pare_salience_first_order, &pare_salience_vectorize, &pare_salience_second_order, &pare_salience_mixed,
    &pare_salience_absolute,    &pare_salience_square,    &pare_salience_activation,   &pare_salience_inverse,
    &pare_salience_gblm,        &pare_salience_gradient,  &pare_salience_pruner_zero,  &pare_salience_ria,
    &pare_salience_ri,          &pare_salience_stochria,  &pare_salience_lp,           &pare_salience_symwanda,
    &pare_salience_owanda,      &pare_salience_symmetric, &pare_salience_fluctuation,
};

enum { COUNT = sizeof all / sizeof *all };

const pare_salience *pare_salience_find(const char *name) {
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    return NULL;
}

const char *pare_salience_name(size_t index) {
    return index < COUNT ? all[index]->name : NULL;
}
