/* The points of a sweep, shared by ranks (docs/machines.md): each is run whole by one of them, and its row goes to all,
 * in the order of points. */
#ifndef PARE_CLI_SWEEP_SHARE_H
#define PARE_CLI_SWEEP_SHARE_H

#include "options.h"

#include <jansson.h>

/* The end of the round that begins at point `first`: as many points that are not known as there are ranks. */
size_t pare_sweep_share_round(const bool *known, size_t first, size_t points);

/* *row: that of rank `owner`; on others it is made of what that one sends, and the caller's reference. Returns the exit
 * code. */
int pare_sweep_share_row(int owner, json_t **row);

#endif
