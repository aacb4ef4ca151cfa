#include "importance/salience.h"

#include <string.h>

static const pare_salience *const all[] = {
    &pare_salience_first_order, &pare_salience_vectorize, &pare_salience_second_order, &pare_salience_mixed,
    &pare_salience_absolute,    &pare_salience_square,    &pare_salience_activation,
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
