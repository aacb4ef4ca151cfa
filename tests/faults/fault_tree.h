/* What lies in a folder, in a form in which two runs of one command are equal: times, sizes of texts that have them,
 * and memory are left out. */
#ifndef PARE_TESTS_FAULT_TREE_H
#define PARE_TESTS_FAULT_TREE_H

#include <stdbool.h>
#include <stddef.h>

/* A line per file and folder, "PATH KIND DIGEST", in the order of their names; freed with free(). Names that begin with
 * `passed` (or NULL) are left out. path: a folder, or a file, whose own line it then is; "" if it is not there. */
char *fault_tree(const char *path, const char *passed);

/* The same of a text, as standard output is one: only its digest. */
char *fault_text(const char *text);

/* The whole file, with a zero behind it; NULL if it cannot be read. Freed with free(). */
char *fault_read(const char *path, size_t *bytes);

/* Copies a file or a folder. */
void fault_copy(const char *from, const char *to);

/* The first line that only one of both has, for people; "" if they are equal. Freed with free(). */
char *fault_difference(const char *expected, const char *found);

#endif
