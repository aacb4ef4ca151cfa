#include "method/survivors.h"

#include <stddef.h>

#define NAME(name, text, traits) text,
#define TRAITS(name, text, traits) traits,
const char *const pare_compensation_names[] = {PARE_COMPENSATIONS(NAME) NULL};
const char *const pare_refinement_names[] = {PARE_REFINEMENTS(NAME) NULL};
static const unsigned of_compensations[] = {PARE_COMPENSATIONS(TRAITS)};
static const unsigned of_refinements[] = {PARE_REFINEMENTS(TRAITS)};

bool pare_compensation_has(pare_compensation compensation, unsigned traits) {
    return (of_compensations[compensation] & traits) != 0;
}

bool pare_refinement_has(pare_refinement refinement, unsigned traits) {
    return (of_refinements[refinement] & traits) != 0;
}
