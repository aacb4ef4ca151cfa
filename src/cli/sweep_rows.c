#include "sweep_rows.h"

#include "../support/text_stream.h"
#include "json_text.h"
#include "message.h"
#include "outcome.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char first_words[] = "# pare sweep ";

static int fail_foreign(const char *path) {
    pare_terminal_fail("%s holds rows of another sweep (another model or other options, as it says in front), or "
                       "something else; give another file, or delete it",
                       path);
    return PARE_EXIT_FAILED;
}

/* The JSON file is replaced at one stroke, which no device or pipe may be. */
static int check_replaceable(const char *path) {
    struct stat file;
    if (!path || stat(path, &file) != 0 || S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)) return PARE_EXIT_DONE;
    pare_terminal_fail("cannot write %s: --json-file replaces the file with every row, and this is not a regular file; "
                       "give another, or take --json for the output",
                       path);
    return PARE_EXIT_FAILED;
}

static int fail_memory(void) {
    pare_terminal_fail("there is not enough memory for the rows of this sweep");
    return PARE_EXIT_FAILED;
}

/* The whole file, or NULL: *missing says whether there is none. Freed with free(). */
static char *read_file(const char *path, bool *missing) {
    char *text = NULL;
    size_t size = 0;
    int byte;
    struct stat status;
    bool there = stat(path, &status) == 0;
    *missing = there ? !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) : errno == ENOENT;
    if (*missing) return NULL; /* a terminal or a pipe takes rows, but has none to give */
    FILE *in = fopen(path, "r"), *out = in ? pare_text_stream(&text, &size) : NULL;
    while (out && (byte = getc(in)) != EOF)
        putc(byte, out);
    bool whole = in && !ferror(in);
    if (out) fclose(out);
    if (in) fclose(in);
    if (whole && text) return text;
    free(text);
    return NULL;
}

static bool same_point(const pare_sweep_rows *rows, const json_t *a, const json_t *b) {
    for (size_t i = 0; i < rows->axes; i++) {
        const char *name = json_string_value(json_array_get(rows->names, i));
        const json_t *x = json_object_get(a, name), *y = json_object_get(b, name);
        if (!x || !y) return false;
        bool numbers = json_is_number(x) && json_is_number(y);
        if (numbers ? json_number_value(x) != json_number_value(y) : !json_equal(x, y)) return false;
    }
    return true;
}

/* A row that says where it is measured: others (a cell that is empty, or no text) belong to no point. */
static bool has_point(const pare_sweep_rows *rows, const json_t *row) {
    for (size_t i = 0; i < rows->axes; i++)
        if (!json_object_get(row, json_string_value(json_array_get(rows->names, i)))) return false;
    return true;
}

static json_t *find_in(const pare_sweep_rows *rows, const json_t *list, const json_t *point) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (same_point(rows, json_array_get(list, i), point)) return json_array_get(list, i);
    return NULL;
}

json_t *pare_sweep_rows_find(const pare_sweep_rows *rows, const json_t *point) {
    return find_in(rows, rows->rows, point);
}

/* One cell, quoted where it must be. */
static void print_cell(FILE *out, const json_t *value, bool first) {
    if (!first) putc(',', out);
    if (json_is_integer(value)) fprintf(out, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) fprintf(out, "%.15g", json_real_value(value));
    const char *text = json_string_value(value);
    if (!text) return;
    bool quoted = text[strcspn(text, ",\"\r\n")] != 0;
    if (quoted) putc('"', out);
    for (; *text; text++) {
        if (*text == '"') putc('"', out);
        putc(*text, out);
    }
    if (quoted) putc('"', out);
}

/* Freed with free(); NULL without memory. row NULL: the line of names. */
static char *csv_line(const pare_sweep_rows *rows, const json_t *row) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = pare_text_stream(&text, &size);
    for (size_t i = 0; out && i < json_array_size(rows->names); i++) {
        const json_t *name = json_array_get(rows->names, i);
        print_cell(out, row ? json_object_get(row, json_string_value(name)) : name, i == 0);
    }
    if (out) putc('\n', out);
    if (out) fclose(out);
    return text;
}

/* rows->head: "# pare sweep {...}", and the line of names. */
static int make_head(pare_sweep_rows *rows) {
    char *columns = pare_json_text_make(rows->names, "the names of the columns", JSON_COMPACT);
    char *identity = columns ? pare_json_text_make(rows->identity, "the sweep", JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    char *names = identity ? csv_line(rows, NULL) : NULL;
    int code = identity ? PARE_EXIT_DONE : PARE_EXIT_FAILED;
    if (identity && (!names || asprintf(&rows->head, "%s%s\n%s", first_words, identity, names) < 0)) {
        rows->head = NULL;
        code = fail_memory();
    }
    free(columns);
    free(identity);
    free(names);
    return code;
}

/* The next cell of a line into `cell`, which has room for the rest of it; returns what follows its comma, or NULL. */
static const char *read_cell(const char *at, char *cell) {
    bool quoted = *at == '"';
    if (quoted) at++;
    while (*at && *at != '\n' && (quoted || *at != ',')) {
        if (quoted && *at == '"' && *++at != '"') {
            quoted = false;
            continue;
        }
        *cell++ = *at++;
    }
    *cell = 0;
    return *at == ',' ? at + 1 : NULL;
}

/* A line of the CSV as a row; NULL if it has not as many cells as there are columns, or no point. */
static json_t *read_row(const pare_sweep_rows *rows, const char *line) {
    json_t *row = json_object();
    char *cell = malloc(strcspn(line, "\n") + 1);
    size_t count = json_array_size(rows->names), i = 0;
    for (; cell && line && i < count; i++) {
        line = read_cell(line, cell);
        if (*cell) pare_json_put(row, json_string_value(json_array_get(rows->names, i)), pare_sweep_json(cell));
    }
    free(cell);
    if (i == count && !line && has_point(rows, row)) return row;
    json_decref(row);
    return NULL;
}

/* Rows of the file; a last line without an end is cut off. */
static int read_csv(pare_sweep_rows *rows) {
    bool missing;
    char *text = read_file(rows->csv, &missing);
    const char *head = rows->head;
    int code = PARE_EXIT_DONE;
    size_t length = strlen(head);
    if (!text || !*text)
        code = missing || text ? PARE_EXIT_DONE : pare_outcome_cannot_write(rows->csv);
    else if (strncmp(text, head, strlen(text)) == 0 && strlen(text) < length) /* stopped while it began */
        code = truncate(rows->csv, 0) == 0 ? PARE_EXIT_DONE : pare_outcome_cannot_write(rows->csv);
    else if (strncmp(text, head, length) != 0)
        code = fail_foreign(rows->csv);
    else {
        char *at = text + length, *end;
        for (; (end = strchr(at, '\n')); at = end + 1) {
            json_t *row = read_row(rows, at);
            if (row) pare_json_append(rows->in_csv, row);
        }
        if (*at && truncate(rows->csv, at - text) != 0) code = pare_outcome_cannot_write(rows->csv);
    }
    free(text);
    return code;
}

static int read_json(pare_sweep_rows *rows) {
    bool missing;
    char *text = read_file(rows->json, &missing);
    if (!text || !*text) {
        free(text);
        return missing || text ? PARE_EXIT_DONE : pare_outcome_cannot_write(rows->json);
    }
    json_t *document = json_loads(text, 0, NULL), *list = json_object_get(document, "rows");
    bool same = json_equal(json_object_get(document, "sweep"), rows->identity) && json_is_array(list);
    for (size_t i = 0; same && i < json_array_size(list); i++) {
        json_t *row = json_array_get(list, i);
        if (has_point(rows, row)) pare_json_append(rows->in_json, pare_json_same(row));
    }
    json_decref(document);
    free(text);
    return same ? PARE_EXIT_DONE : fail_foreign(rows->json);
}

int pare_sweep_rows_open(const char *csv, const char *json, json_t *identity, json_t *names, size_t axes,
                         pare_sweep_rows *out) {
    *out = (pare_sweep_rows){.csv = csv,
                             .json = json,
                             .identity = identity,
                             .names = names,
                             .axes = axes,
                             .rows = json_array(),
                             .in_csv = json_array(),
                             .in_json = json_array()};
    int code = make_head(out);
    if (code == PARE_EXIT_DONE) code = check_replaceable(json);
    if (code == PARE_EXIT_DONE && csv) code = pare_file_lock_take(csv, false, &out->csv_lock);
    if (code == PARE_EXIT_DONE && json) code = pare_file_lock_take(json, true, &out->json_lock);
    if (code == PARE_EXIT_DONE && csv) code = read_csv(out);
    if (code == PARE_EXIT_DONE && json) code = read_json(out);
    pare_json_extend(out->rows, out->in_json);
    for (size_t i = 0; i < json_array_size(out->in_csv); i++) {
        json_t *row = json_array_get(out->in_csv, i);
        if (!find_in(out, out->rows, row)) pare_json_append(out->rows, pare_json_same(row));
    }
    return code;
}

void pare_sweep_rows_close(pare_sweep_rows *rows) {
    pare_file_unlock(&rows->csv_lock);
    pare_file_unlock(&rows->json_lock);
    json_decref(rows->identity);
    json_decref(rows->names);
    json_decref(rows->rows);
    json_decref(rows->in_csv);
    json_decref(rows->in_json);
    free(rows->head);
    *rows = (pare_sweep_rows){0};
}

/* All of the text at the end of the file, or the file as it was. file: -1 with errno set if it cannot be opened. */
static int write_durably(const char *path, int file, const char *text) {
    if (file < 0) return pare_outcome_cannot_write(path);
    off_t before = lseek(file, 0, SEEK_END);
    size_t length = strlen(text), done = 0;
    while (done < length) {
        ssize_t part = write(file, text + done, length - done);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) break;
        done += (size_t)part;
    }
    bool whole = done == length && (fsync(file) == 0 || errno == EINVAL); /* a terminal or a pipe has no disk */
    int code = whole ? PARE_EXIT_DONE : pare_outcome_cannot_write(path);
    if (!whole && before >= 0 && ftruncate(file, before) != 0) code = PARE_EXIT_FAILED;
    return code;
}

/* The name of the file in its folder; a folder that has no disk under it is none to be synced. */
static int sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    int length = slash ? (int)(slash - path) + (slash == path) : 1;
    if (asprintf(&folder, "%.*s", length, slash ? path : ".") < 0) return fail_memory();
    int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = opened >= 0 && (fsync(opened) == 0 || errno == EINVAL);
    int code = synced ? PARE_EXIT_DONE : pare_outcome_cannot_write(path);
    if (opened >= 0) close(opened);
    free(folder);
    return code;
}

static int append_csv(pare_sweep_rows *rows, json_t *row) {
    bool first = access(rows->csv, F_OK) != 0 || json_array_size(rows->in_csv) == 0;
    bool missing = true;
    char *text = first ? read_file(rows->csv, &missing) : NULL, *line = csv_line(rows, row), *all = NULL;
    bool headed = !first || (text && *text);
    if (!line || asprintf(&all, "%s%s", headed ? "" : rows->head, line) < 0) all = NULL;
    int file = all ? open(rows->csv, O_APPEND | O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    int code = all ? write_durably(rows->csv, file, all) : fail_memory();
    if (file >= 0) close(file);
    if (code == PARE_EXIT_DONE && !headed) code = sync_folder(rows->csv);
    if (code == PARE_EXIT_DONE) pare_json_append(rows->in_csv, pare_json_same(row));
    free(text);
    free(line);
    free(all);
    return code;
}

/* A new file. What a sweep that was killed has left under its name is removed: the lock is ours. */
static int open_beside(const char *beside) {
    unlink(beside);
    return open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int replace_json(pare_sweep_rows *rows, json_t *row) {
    char *beside = NULL;
    pare_json_append(rows->in_json, pare_json_same(row));
    json_t *document = pare_json_of({"sweep", pare_json_same(rows->identity)}, {"rows", pare_json_same(rows->in_json)});
    char *text = pare_json_text_make(document, rows->json, JSON_INDENT(1));
    json_decref(document);
    if (!text) return PARE_EXIT_FAILED;
    if (asprintf(&beside, "%s.pare-new", rows->json) < 0) {
        free(text);
        return fail_memory();
    }
    int file = open_beside(beside), code = write_durably(rows->json, file, text);
    if (file >= 0) close(file);
    if (code == PARE_EXIT_DONE && rename(beside, rows->json) != 0) code = pare_outcome_cannot_write(rows->json);
    if (code != PARE_EXIT_DONE && file >= 0) unlink(beside);
    if (code == PARE_EXIT_DONE) code = sync_folder(rows->json);
    free(text);
    free(beside);
    return code;
}

int pare_sweep_rows_add(pare_sweep_rows *rows, json_t *row) {
    int code = PARE_EXIT_DONE;
    if (!find_in(rows, rows->rows, row)) pare_json_append(rows->rows, pare_json_same(row));
    /* The JSON first: a sweep that is stopped between both takes the row from there, where numbers have all digits. */
    if (rows->json && !find_in(rows, rows->in_json, row)) code = replace_json(rows, row);
    if (code == PARE_EXIT_DONE && rows->csv && !find_in(rows, rows->in_csv, row)) code = append_csv(rows, row);
    return code;
}
