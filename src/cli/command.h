/* The commands of the program: one file each. */
#ifndef PARE_CLI_COMMAND_H
#define PARE_CLI_COMMAND_H

#include "options.h"

typedef struct pare_command {
    pare_syntax syntax;
    const char *summary;                         /* one line in the list of commands */
    const char *const *synopsis;                 /* lines after "pare NAME", NULL after the last */
    const char *description;                     /* a paragraph */
    const char *const *examples;                 /* command lines, NULL after the last */
    bool lists_methods;                          /* the help ends with the methods */
    bool lists_presets;                          /* and with the presets of recoveries */
    bool spread;                                 /* several ranks share its work (docs/machines.md) */
    int (*run)(const pare_arguments *arguments); /* returns the exit code */
} pare_command;

extern const pare_command pare_command_prune, pare_command_recover, pare_command_merge, pare_command_sweep,
    pare_command_robust, pare_command_eval, pare_command_classify, pare_command_generate, pare_command_inspect,
    pare_command_bench, pare_command_report, pare_command_export, pare_command_convert, pare_command_imatrix;

/* In the order of the help; NULL after the last. */
const pare_command *pare_command_at(size_t index);
const pare_command *pare_command_find(const char *name);
/* The commands' names, NULL after the last. */
const char *pare_command_name(size_t index);

#endif
