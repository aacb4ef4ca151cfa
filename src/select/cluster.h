/* Groups of what is alike. */
#ifndef PARE_SELECT_CLUSTER_H
#define PARE_SELECT_CLUSTER_H

#include "support/status.h"

#include <stdint.h>

/* From n groups of one to `count`: the two whose members are nearest to each other on average become one, again and
 * again; of equals those with the lowest numbers. distance: double [n, n], symmetric. group: [n] the lowest member of
 * each one's group. 1 <= count <= n. PARE_NUMERIC_ERROR if a distance is not finite. */
pare_status pare_cluster_average(const double *distance, int64_t n, int64_t count, uint32_t *group);

#endif
