#include "support/kernel_file.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

FILE *pare_kernel_open(const char *first, ...) {
    char path[PATH_MAX] = "";
    size_t used = 0;
    va_list pieces;
    va_start(pieces, first);
    for (const char *piece = first; piece; piece = va_arg(pieces, const char *)) {
        size_t length = strlen(piece);
        if (length >= sizeof path - used) {
            va_end(pieces);
            return NULL;
        }
        memcpy(path + used, piece, length + 1);
        used += length;
    }
    va_end(pieces);
    return fopen(path, "re");
}

bool pare_kernel_line(FILE *file, char line[PARE_KERNEL_LINE]) {
    bool whole = true;
    while (fgets(line, PARE_KERNEL_LINE, file)) {
        char *end = strchr(line, '\n');
        bool begins = whole;
        whole = end || feof(file);
        if (end) *end = '\0';
        if (begins && whole) return true;
    }
    return false;
}

bool pare_kernel_number(const char **text, uint64_t *out) {
    const char *at = *text + strspn(*text, " \t");
    uint64_t value = 0;
    if (strncmp(at, "max", 3) == 0) {
        value = PARE_KERNEL_UNLIMITED;
        at += 3;
    } else {
        if (*at < '0' || *at > '9') return false;
        for (; *at >= '0' && *at <= '9'; at++)
            if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
                __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
                value = PARE_KERNEL_UNLIMITED;
                at += strspn(at, "0123456789");
                break;
            }
    }
    if (*at && !strchr(" \t\n", *at)) return false;
    *text = at;
    *out = value;
    return true;
}

int pare_kernel_numbers(const char *folder, const char *name, uint64_t *out, int count) {
    char line[PARE_KERNEL_LINE];
    FILE *file = pare_kernel_open(folder, "/", name, NULL);
    if (!file) return 0;
    int found = 0;
    if (pare_kernel_line(file, line))
        for (const char *at = line; found < count && pare_kernel_number(&at, &out[found]);)
            found++;
    fclose(file);
    return found;
}

bool pare_kernel_field(const char *root, const char *name, const char *key, uint64_t *out) {
    char line[PARE_KERNEL_LINE];
    size_t length = strlen(key);
    FILE *file = pare_kernel_open(root, "/", name, NULL);
    if (!file) return false;
    bool found = false;
    while (!found && pare_kernel_line(file, line))
        found = strncmp(line, key, length) == 0 && (line[length] == ' ' || line[length] == '\t');
    fclose(file);
    const char *at = line + length;
    return found && pare_kernel_number(&at, out);
}

uint64_t pare_kernel_scale(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? PARE_KERNEL_UNLIMITED : product;
}
