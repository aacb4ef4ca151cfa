#include "document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const json_t *pare_document_at(const json_t *document, const char *path) {
    const json_t *value = document;
    while (value && *path) {
        char key[64];
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        value = json_object_get(value, key);
        path += length + (path[length] == '.');
    }
    return value;
}

double pare_document_number(const json_t *document, const char *path, double fallback) {
    const json_t *value = pare_document_at(document, path);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

uint64_t pare_document_count(const json_t *document, const char *path) {
    const json_t *value = pare_document_at(document, path);
    if (json_is_array(value)) return json_array_size(value);
    return json_is_integer(value) && json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
}

const char *pare_document_text(const json_t *document, const char *path) {
    const char *text = json_string_value(pare_document_at(document, path));
    return text ? text : "";
}

static pare_shown show(const char *format, ...) __attribute__((format(printf, 1, 2)));

static pare_shown show(const char *format, ...) {
    pare_shown shown;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(shown.text, sizeof shown.text, format, arguments);
    va_end(arguments);
    return shown;
}

pare_shown pare_document_show(const json_t *document, const char *path, const char *format) {
    char reason[80];
    const json_t *value = pare_document_at(document, path);
    snprintf(reason, sizeof reason, "%.64s_reason", path);
    if (json_is_number(value)) return show(format, json_number_value(value));
    return show("%s", pare_document_at(document, reason) ? "too large" : "-");
}

pare_layer_width pare_document_width(const json_t *layers, size_t index) {
    const json_t *layer = json_array_get(layers, index);
    const json_t *channels = pare_document_at(layer, "expert_channels_kept");
    bool kept = pare_document_at(layer, "ffn_channels_kept") != NULL;
    return (pare_layer_width){
        .query_heads = pare_document_count(layer, kept ? "query_heads_kept" : "query_heads"),
        .kv_heads = pare_document_count(layer, kept ? "kv_heads_kept" : "kv_heads"),
        .ffn = pare_document_count(layer, kept ? "ffn_channels_kept" : "ffn"),
        .experts = pare_document_count(layer, kept ? "experts_kept" : "experts"),
        .expert_ffn =
            channels ? json_array_size(json_array_get(channels, 0)) : pare_document_count(layer, "expert_ffn"),
    };
}

static bool same_width(pare_layer_width a, pare_layer_width b) {
    return a.query_heads == b.query_heads && a.kv_heads == b.kv_heads && a.ffn == b.ffn && a.experts == b.experts &&
           a.expert_ffn == b.expert_ffn;
}

static void print_width(pare_layer_width width) {
    printf("%llu heads, %llu KV heads", (unsigned long long)width.query_heads, (unsigned long long)width.kv_heads);
    if (width.experts) printf(", %llu experts", (unsigned long long)width.experts);
    if (width.expert_ffn) printf(" of %llu channels", (unsigned long long)width.expert_ffn);
    if (width.ffn || !width.experts)
        printf(", %sFFN %llu", width.experts ? "shared " : "", (unsigned long long)width.ffn);
    putchar('\n');
}

void pare_document_print_widths(const json_t *layers, const char *indent) {
    size_t count = json_array_size(layers);
    for (size_t begin = 0, end; begin < count; begin = end) {
        pare_layer_width width = pare_document_width(layers, begin);
        for (end = begin + 1; end < count && same_width(width, pare_document_width(layers, end)); end++)
            ;
        if (end - begin > 1)
            printf("%slayers %zu-%zu: ", indent, begin, end - 1);
        else
            printf("%slayer %zu: ", indent, begin);
        if (!width.query_heads && !width.ffn && pare_document_at(json_array_get(layers, begin), "dropped"))
            puts("dropped");
        else
            print_width(width);
    }
}
