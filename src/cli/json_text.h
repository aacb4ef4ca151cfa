/* JSON that the program makes itself leaves it whole, or one sentence comes in its place. */
#ifndef PARE_CLI_JSON_TEXT_H
#define PARE_CLI_JSON_TEXT_H

#include "../support/json_build.h"

/* As jansson prints it with these flags; freed with free(). NULL after a sentence that calls it `what`. */
char *pare_json_text_make(const json_t *document, const char *what, size_t flags);

/* The same to standard output, with a newline. Returns the exit code. */
int pare_json_text_print(const json_t *document, const char *what, size_t flags);

#endif
