/* Manual pages (man(7), as groff and mandoc read it), made from the option table. */
#ifndef PARE_CLI_MANUAL_H
#define PARE_CLI_MANUAL_H

#include "command.h"

/* pare(1), or with a command that one's: pare-prune(1). */
void pare_manual_print(const pare_command *command);

#endif
