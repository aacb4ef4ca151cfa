#include "fault_tree.h"
#include "tiny_model.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>

char *fault_read(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    struct stat found;
    if (!file || fstat(fileno(file), &found) != 0 || !S_ISREG(found.st_mode)) {
        if (file) fclose(file);
        return NULL;
    }
    char *data = calloc((size_t)found.st_size + 1, 1);
    tiny_check(data != NULL, "calloc");
    *bytes = fread(data, 1, (size_t)found.st_size, file);
    fclose(file);
    return data;
}

static uint64_t digest(const char *data, size_t bytes) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
    return hash;
}

/* What differs from run to run. */
static bool passes(const char *key) {
    static const char *const keys[] = {"seconds",           "stages", "bytes",          "training_seconds",
                                       "tokens_per_second", "memory", "anonymous_peak", "files",
                                       "resumed",           "date",   "end_time",       "command"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strstr(key, keys[i])) return true;
    return false;
}

static void strip(json_t *value) {
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    json_object_foreach_safe(value, next, key, member) {
        if (passes(key))
            json_object_del(value, key);
        else
            strip(member);
    }
    json_array_foreach(value, i, member) strip(member);
}

/* Numbers and blanks of a text are one letter each. */
static size_t mask(char *text, size_t bytes) {
    size_t kept = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        bool number = isdigit((unsigned char)c) || (c == '.' && kept && text[kept - 1] == '#');
        c = number ? '#' : c == '-' ? ' ' : isspace((unsigned char)c) ? ' ' : c;
        if ((c == '#' || c == ' ') && kept && text[kept - 1] == c) continue;
        text[kept++] = c;
    }
    return kept;
}

static bool ends_with(const char *name, const char *end) {
    size_t length = strlen(name), bytes = strlen(end);
    return length >= bytes && strcmp(name + length - bytes, end) == 0;
}

/* Takes `data`. */
static uint64_t normal_digest(const char *name, char *data, size_t bytes) {
    bool masked = ends_with(name, ".md") || ends_with(name, ".csv") || !*name;
    json_t *json = ends_with(name, ".json") || !*name ? json_loadb(data, bytes, 0, NULL) : NULL;
    uint64_t hash;
    if (json) {
        strip(json);
        char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
        hash = digest(text, strlen(text));
        free(text);
    } else if (ends_with(name, ".html") || ends_with(name, ".svg")) { /* bars of seconds: whole is what ends */
        hash = strstr(data, "</html>") || strstr(data, "</svg>");
    } else {
        hash = digest(data, masked ? mask(data, bytes) : bytes);
    }
    json_decref(json);
    free(data);
    return hash;
}

char *fault_text(const char *text) {
    return pare_format("%016" PRIx64, normal_digest("", pare_format("%s", text), strlen(text)));
}

static void add(FILE *out, const char *root, const char *name, const char *passed);

static void add_folder(FILE *out, const char *root, const char *name, const char *passed) {
    struct dirent **entries;
    char *path = pare_path_join(root, name);
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *entry = entries[i]->d_name;
        char *inner = *name ? pare_path_join(name, entry) : pare_format("%s", entry);
        bool dots = strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0;
        if (!dots && !(passed && strncmp(inner, passed, strlen(passed)) == 0)) add(out, root, inner, passed);
        free(inner);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    free(path);
}

static void add(FILE *out, const char *root, const char *name, const char *passed) {
    struct stat found;
    size_t bytes;
    char *path = *name ? pare_path_join(root, name) : pare_format("%s", root);
    if (lstat(path, &found) == 0 && S_ISDIR(found.st_mode)) {
        if (*name) fprintf(out, "%s folder\n", name);
        add_folder(out, root, name, passed);
    } else if (lstat(path, &found) == 0) {
        char *data = fault_read(path, &bytes);
        const char *shown = *name ? name : ".";
        if (data)
            fprintf(out, "%s file %016" PRIx64 "\n", shown, normal_digest(path, data, bytes));
        else
            fprintf(out, "%s other\n", shown);
    }
    free(path);
}

char *fault_tree(const char *path, const char *passed) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    tiny_check(out != NULL, "open_memstream");
    add(out, path, "", passed);
    fclose(out);
    return text;
}

void fault_copy(const char *from, const char *to) {
    struct stat found;
    struct dirent **entries;
    size_t bytes;
    tiny_check(stat(from, &found) == 0, from);
    if (!S_ISDIR(found.st_mode)) {
        char *data = fault_read(from, &bytes);
        FILE *file = fopen(to, "wb");
        tiny_check(data && file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0, to);
        free(data);
        return;
    }
    tiny_check(mkdir(to, 0755) == 0, to);
    int count = scandir(from, &entries, NULL, NULL);
    for (int i = 0; i < count; i++) {
        char *source = pare_path_join(from, entries[i]->d_name), *copy = pare_path_join(to, entries[i]->d_name);
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0) fault_copy(source, copy);
        free(source);
        free(copy);
        free(entries[i]);
    }
    free(entries);
}

/* Whether the line at `at` is one of the text's. */
static bool has_line(const char *text, const char *at, size_t length) {
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, at, length) == 0) return true;
    return false;
}

static char *missing_line(const char *in, const char *from, const char *said) {
    for (const char *line = from; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n") + 1;
        if (!has_line(in, line, length)) return pare_format("%s %.*s", said, (int)length - 1, line);
    }
    return NULL;
}

char *fault_difference(const char *expected, const char *found) {
    char *line = missing_line(expected, found, "unexpected:");
    if (!line) line = missing_line(found, expected, "missing:");
    return line ? line : pare_format("%s", "");
}
