#include "method/allocation.h"

#include <stddef.h>

#define NAME(name, text, traits) text,
#define TRAITS(name, text, traits) traits,
const char *const pare_allocation_names[] = {PARE_ALLOCATIONS(NAME) NULL};
static const unsigned of_allocations[] = {PARE_ALLOCATIONS(TRAITS)};

bool pare_allocation_has(pare_allocation allocation, unsigned traits) {
    return (of_allocations[allocation] & traits) != 0;
}
