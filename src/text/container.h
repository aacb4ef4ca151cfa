/* Files that hold text in a form pare does not read. */
#ifndef PARE_TEXT_CONTAINER_H
#define PARE_TEXT_CONTAINER_H

#include "support/status.h"

/* Refuses, with the command that makes a text of it, what its first bytes or its name show to be an archive, a table,
 * a document or a database. */
pare_status pare_container_refuse(const char *path, const char *data, size_t bytes);

/* Whether the name ends so, whatever its case, with or without .gz behind it. ending: ".csv". */
bool pare_name_ends_with(const char *path, const char *ending);

#endif
