#include "prune/procedure.h"

#include <stddef.h>

/* The first that applies; the last always does. */
static const pare_procedure *const procedures[] = {&pare_named_layers, &pare_training, &pare_weights, &pare_units};

const pare_procedure *pare_procedure_of(const pare_job *asked) {
    size_t i = 0;
    while (!procedures[i]->applies(asked))
        i++;
    return procedures[i];
}
