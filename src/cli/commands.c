/* All commands. */
#include "command.h"

#include <string.h>

static const pare_command *const commands[] = {
    &pare_command_prune,   &pare_command_recover, &pare_command_merge, &pare_command_export,   &pare_command_convert,
    &pare_command_sweep,   &pare_command_robust,  &pare_command_eval,  &pare_command_classify, &pare_command_generate,
    &pare_command_inspect, &pare_command_imatrix, &pare_command_bench, &pare_command_report};

const pare_command *pare_command_at(size_t index) {
    return index < sizeof commands / sizeof *commands ? commands[index] : NULL;
}

const pare_command *pare_command_find(const char *name) {
    for (size_t i = 0; pare_command_at(i); i++)
        if (strcmp(pare_command_at(i)->syntax.name, name) == 0) return pare_command_at(i);
    return NULL;
}

const char *pare_command_name(size_t index) {
    const pare_command *command = pare_command_at(index);
    return command ? command->syntax.name : NULL;
}
