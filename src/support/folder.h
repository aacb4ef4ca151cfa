/* What lies in a folder. */
#ifndef PARE_SUPPORT_FOLDER_H
#define PARE_SUPPORT_FOLDER_H

#include <dirent.h>
#include <stdbool.h>

/* The next entry but for . and .., or NULL at the end. A folder whose disk fails has no end: then *error is errno's
 * value (it stays as it is otherwise), and what was listed is not all. */
struct dirent *pare_folder_next(DIR *folder, int *error);

#endif
