/* The commands that are tried: each with every file that it writes. They run in a folder of their own, beside one with
 * what they read. */
#ifndef PARE_TESTS_FAULT_COMMAND_H
#define PARE_TESTS_FAULT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fault_command {
    const char *name;
    const char *words;   /* with blanks between; what follows the program's name */
    const char *targets; /* what it writes, with blanks between; "": nothing but standard output */
    bool force;          /* a target that is there is replaced with --force alone */
    bool keeps;          /* out.progress may stay when it fails (--resume) */
    bool grows;          /* targets gain rows, and keep them when the run fails */
} fault_command;

extern const fault_command fault_commands[];
extern const size_t fault_command_count;

/* What makes the files that commands read, in their folder; in this order, with names of what they write ("": already
 * run). */
extern const char *const fault_preparations[];
extern const size_t fault_preparation_count;

#endif
