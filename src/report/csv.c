#include "report/csv.h"

#include <stdbool.h>
#include <string.h>

void pare_csv_name(FILE *out, const char *name) {
    bool quoted = strpbrk(name, ",\"\n\r") != NULL;
    if (quoted) fputc('"', out);
    for (; *name; name++) {
        if (*name == '"') fputc('"', out);
        fputc(*name, out);
    }
    if (quoted) fputc('"', out);
}
