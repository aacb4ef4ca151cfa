/* /proc/self/cgroup, a line per hierarchy: "ID:CONTROLLERS:PATH", controllers with commas between; "0::PATH" is the
 * unified one. PATH counts from the root of the cgroup namespace, and may climb out of it with "/..".
 *
 * /proc/self/mountinfo, a line per mount: "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS TAGS... - TYPE SOURCE OPTIONS".
 * ROOT is the group that lies at the folder POINT, as PATH counts; "\040" and the like stand for blanks in both. TYPE
 * is cgroup2, or cgroup with the controllers among the options. */
#include "support/cgroup_walk.h"
#include "support/kernel_file.h"

#include <limits.h>
#include <string.h>

typedef struct mount {
    char *root, *point;
    bool unified;
} mount;

typedef struct walk {
    const char *root, *controller;
    pare_cgroup_fn visit;
    void *user;
} walk;

/* Whether a list with commas between has `word`. */
static bool lists(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; *at; at += *at == ',') {
        size_t here = strcspn(at, ",");
        if (here == length && strncmp(at, word, length) == 0) return true;
        at += here;
    }
    return false;
}

static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool octal = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        *to = octal ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0')) : *from;
        from += octal ? 4 : 1;
    }
    *to = '\0';
}

static bool parse_mount(char *line, const char *controller, mount *out) {
    enum { ROOT = 3, POINT = 4, FIRST = 6 };
    char *fields[FIRST], *rest = line;
    for (int i = 0; i < FIRST; i++)
        if (!(fields[i] = strsep(&rest, " "))) return false;
    char *field = strsep(&rest, " ");
    while (field && strcmp(field, "-") != 0)
        field = strsep(&rest, " ");
    char *type = strsep(&rest, " "), *options = type && strsep(&rest, " ") ? strsep(&rest, " ") : NULL;
    if (!type || fields[ROOT][0] != '/' || fields[POINT][0] != '/') return false;
    out->unified = strcmp(type, "cgroup2") == 0;
    if (!out->unified && (strcmp(type, "cgroup") != 0 || !options || !lists(options, controller))) return false;
    unescape(out->root = fields[ROOT]);
    unescape(out->point = fields[POINT]);
    return true;
}

/* The process's path in the hierarchy; false if it is in none. */
static bool own_path(const walk *w, bool unified, char path[PARE_KERNEL_LINE]) {
    char line[PARE_KERNEL_LINE];
    FILE *file = pare_kernel_open(w->root, "/proc/self/cgroup", NULL);
    if (!file) return false;
    bool found = false;
    while (!found && pare_kernel_line(file, line)) {
        char *rest = line, *id = strsep(&rest, ":"), *controllers = strsep(&rest, ":");
        found = rest && rest[0] == '/' &&
                (unified ? strcmp(id, "0") == 0 && !*controllers : lists(controllers, w->controller));
        if (found) memcpy(path, rest, strlen(rest) + 1);
    }
    fclose(file);
    return found;
}

/* Steps over the leading "/.." of *path and counts them. */
static int climb(const char **path) {
    int levels = 0;
    for (; strncmp(*path, "/..", 3) == 0 && ((*path)[3] == '/' || !(*path)[3]); *path += 3)
        levels++;
    return levels;
}

/* What lies between the mounted group and the process's own: "" if they are one. NULL if the mount does not hold it. A
 * mount of a group above the namespace holds it in a folder whose name cannot be known: the top alone is looked at. */
static const char *below(const char *mounted, const char *path) {
    size_t length = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    if (strncmp(path, mounted, length) == 0 && (path[length] == '/' || !path[length])) {
        const char *rest = path + length, *at = rest;
        if (!climb(&at)) return strcmp(rest, "/") == 0 ? "" : rest;
    }
    int mounted_up = climb(&mounted), own_up = climb(&path);
    return !*mounted && own_up < mounted_up ? "" : NULL;
}

static void visit_mount(const walk *w, const mount *at, const char *path) {
    char folder[PATH_MAX];
    const char *rest = below(at->root, path);
    if (!rest || strstr(rest, "/../")) return;
    const char *point = strcmp(at->point, "/") == 0 ? "" : at->point;
    size_t top = strlen(w->root) + strlen(point);
    int length = snprintf(folder, sizeof folder, "%s%s%s", w->root, point, rest);
    if (length < 0 || (size_t)length >= sizeof folder) return;
    for (bool own = true;; own = false) {
        w->visit(w->user, &(pare_cgroup){.folder = folder, .unified = at->unified, .own = own});
        char *slash = strrchr(folder + top, '/');
        if (!slash) break;
        *slash = '\0';
    }
}

void pare_cgroup_walk(const char *root, const char *controller, pare_cgroup_fn visit, void *user) {
    walk w = {root, controller, visit, user};
    char line[PARE_KERNEL_LINE], path[PARE_KERNEL_LINE];
    FILE *file = pare_kernel_open(root, "/proc/self/mountinfo", NULL);
    if (!file) return;
    mount at;
    while (pare_kernel_line(file, line))
        if (parse_mount(line, controller, &at) && own_path(&w, at.unified, path)) visit_mount(&w, &at, path);
    fclose(file);
}
