/* Numbers and foreign text as a person reads them. */
#ifndef PARE_CLI_MESSAGE_H
#define PARE_CLI_MESSAGE_H

#include <stdint.h>

/* A short text by value: the result can be used at once as an argument. */
typedef struct pare_shown {
    char text[88];
} pare_shown;

/* 'text' in quotes on one line: control characters become '?', a long text is cut. */
pare_shown pare_quote(const char *text);

pare_shown pare_count_show(uint64_t count);                 /* 1,312,384 */
pare_shown pare_count_of(uint64_t count, const char *what); /* 1 step, 1,312 steps */
pare_shown pare_bytes_show(uint64_t bytes);                 /* 2.51 MiB */
pare_shown pare_quantity_show(double quantity);             /* 6.74 G, 12.3 */
pare_shown pare_seconds_show(double seconds);               /* 0.31 s, 12.4 s, 3:07 min, 2:15 h */
pare_shown pare_change_show(double before, double after);   /* -16.2 % */

#endif
