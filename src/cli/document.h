/* Reading the library's JSON reports. Nothing here fails: what is missing or of another type gives the fallback. */
#ifndef PARE_CLI_DOCUMENT_H
#define PARE_CLI_DOCUMENT_H

#include "message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The value at a path of keys such as "bytes.before", or NULL. */
const json_t *pare_document_at(const json_t *document, const char *path);

double pare_document_number(const json_t *document, const char *path, double fallback);
uint64_t pare_document_count(const json_t *document, const char *path);
/* Never NULL; "" is the fallback. */
const char *pare_document_text(const json_t *document, const char *path);

/* The number by a format of printf's with one double; "too large" for one that is null with a reason (perplexities that
 * no number holds), "-" where there is none. */
pare_shown pare_document_show(const json_t *document, const char *path, const char *format)
    __attribute__((format(printf, 3, 0)));

/* Widths of one layer. */
typedef struct pare_layer_width {
    uint64_t query_heads, kv_heads, ffn, experts, expert_ffn; /* expert_ffn 0: not said */
} pare_layer_width;

/* The widths of element `index` of a report's "widths" (numbers) or "layers" (lists of what is kept). */
pare_layer_width pare_document_width(const json_t *layers, size_t index);

/* One line per run of equal layers: "layers 0-31: 32 heads, 8 KV heads, FFN 11008", each after `indent`. */
void pare_document_print_widths(const json_t *layers, const char *indent);

#endif
