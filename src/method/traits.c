/* The rows of signal.h, survivors.h and allocation.h as tables. */
#include "method/allocation.h"
#include "method/signal.h"
#include "method/survivors.h"

#include <stddef.h>

#define NAME(name, text, traits) text,
#define TRAITS(name, text, traits) traits,
#define TABLES(kind, ROWS)                                                                                             \
    const char *const pare_##kind##_names[] = {ROWS(NAME) NULL};                                                       \
    static const unsigned kind##_traits[] = {ROWS(TRAITS)};                                                            \
    bool pare_##kind##_has(pare_##kind kind, unsigned traits) {                                                        \
        return (kind##_traits[kind] & traits) != 0;                                                                    \
    }

TABLES(signal, PARE_SIGNALS)
TABLES(compensation, PARE_COMPENSATIONS)
TABLES(refinement, PARE_REFINEMENTS)
TABLES(allocation, PARE_ALLOCATIONS)

pare_signal pare_signal_with(unsigned traits) {
    size_t signal = 0;
    while ((signal_traits[signal] & traits) != traits)
        signal++;
    return (pare_signal)signal;
}
