/* 'pare help models': the families, from the library's rows. */
#ifndef PARE_CLI_HELP_MODELS_H
#define PARE_CLI_HELP_MODELS_H

/* Returns the exit code. */
int pare_help_print_models(void);

#endif
