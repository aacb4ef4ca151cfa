/* Which class of a model a folder's name means. */
#ifndef PARE_IMAGE_LABELS_H
#define PARE_IMAGE_LABELS_H

#include "support/status.h"

/* labels: [folders], of class folders in `root`, sorted. names: [count] or NULL. A folder is the class of its name,
 * exactly, or in other case and with spaces for underscores, or of the first of a class's names that commas divide
 * ("tench, Tinca tinca"). Where none is that, all may be labels in decimal digits; else, where there are as many as
 * classes, they are taken in their order, and *note (freed with free(); NULL: none) says so. Fails with one sentence
 * that names the folder otherwise. count 0: nothing is known of classes, they are numbered in their order. */
pare_status pare_image_labels(const char *root, char *const *folders, uint32_t folder_count, const char *const *names,
                              uint32_t count, int32_t *labels, char **note);

#endif
