/* What files of /proc and /sys say. Nothing in them is trusted: what is not as expected counts as absent. */
#ifndef PARE_SUPPORT_KERNEL_FILE_H
#define PARE_SUPPORT_KERNEL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* "max", and every number that 64 bits do not hold. */
#define PARE_KERNEL_UNLIMITED UINT64_MAX

enum { PARE_KERNEL_LINE = 8192 };

/* The file of path pieces joined as they are (the last one NULL); NULL if it cannot be opened. Closed with fclose. */
FILE *pare_kernel_open(const char *first, ...);

/* The next line without its newline. Lines that `line` does not hold are passed over. */
bool pare_kernel_line(FILE *file, char line[PARE_KERNEL_LINE]);

/* The decimal number, or "max", that *text begins with behind blanks; *text is then what follows it. False for
 * anything else: a sign, a letter, nothing, or something that clings to the number. */
bool pare_kernel_number(const char **text, uint64_t *out);

/* The numbers, `count` at most, in the first line of folder/name; how many there were. */
int pare_kernel_numbers(const char *folder, const char *name, uint64_t *out, int count);

/* The number behind the word `key` (such as "MemAvailable:") in the first line of root/name that begins with it. */
bool pare_kernel_field(const char *root, const char *name, const char *key, uint64_t *out);

/* a * b, or PARE_KERNEL_UNLIMITED. */
uint64_t pare_kernel_scale(uint64_t a, uint64_t b);

#endif
