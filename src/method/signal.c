#include "method/signal.h"

#include <stddef.h>

#define NAME(name, text, traits) text,
#define TRAITS(name, text, traits) traits,
const char *const pare_signal_names[] = {PARE_SIGNALS(NAME) NULL};
static const unsigned all_traits[] = {PARE_SIGNALS(TRAITS)};

bool pare_signal_has(pare_signal signal, unsigned traits) {
    return (all_traits[signal] & traits) != 0;
}

pare_signal pare_signal_with(unsigned traits) {
    size_t signal = 0;
    while ((all_traits[signal] & traits) != traits)
        signal++;
    return (pare_signal)signal;
}
