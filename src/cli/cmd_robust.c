#include "command.h"
static int run(const pare_arguments *a) {
    (void)a;
    return 0;
}
static const char *const synopsis[] = {"MODEL", NULL};
const pare_command pare_command_robust = {.syntax = {"robust", PARE_IN_ROBUST},
                                          .summary = "x",
                                          .synopsis = synopsis,
                                          .description = "x",
                                          .examples = synopsis,
                                          .run = run};
