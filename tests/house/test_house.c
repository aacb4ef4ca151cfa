/* The shape of the house, as docs/conventions.md has it: rooms use what stands to their left, options are read in one
 * room, no file is long, and no more than three files go round in a circle of includes and calls. What calls what is
 * asked of the objects themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 2048, SYMBOLS = 16384, ROOMS = 64, LINES = 400, CIRCLE = 3, WORDS = FILES / 64 };

/* Names by number, in the order in which they came; `of` says what belongs to a name. */
typedef struct names {
    char (*list)[120];
    int *of, count, room;
} names;

static names names_new(int room) {
    names n = {calloc((size_t)room, sizeof *n.list), calloc((size_t)room, sizeof *n.of), 0, room};
    assert_true(n.list && n.of);
    return n;
}

static void names_free(names *n) {
    free(n->list);
    free(n->of);
}

static int find(const names *n, const char *name) {
    for (int i = 0; i < n->count; i++)
        if (strcmp(n->list[i], name) == 0) return i;
    return -1;
}

static int find_or_add(names *n, const char *name) {
    int at = find(n, name);
    if (at >= 0) return at;
    assert_true(n->count < n->room && strlen(name) < sizeof *n->list);
    strcpy(n->list[n->count], name);
    return n->count++;
}

/* A line of a file or of what a command says, without its end. */
typedef void line_fn(char *line, void *context);

static void each_line(FILE *from, line_fn *visit, void *context) {
    char line[4096];
    assert_non_null(from);
    while (fgets(line, sizeof line, from)) {
        line[strcspn(line, "\n")] = 0;
        visit(line, context);
    }
}

static void each_line_of(const char *command, line_fn *visit, void *context) {
    FILE *from = popen(command, "r");
    each_line(from, visit, context);
    assert_int_equal(pclose(from), 0);
}

static void each_line_in(const char *file, line_fn *visit, void *context) {
    char path[4096];
    snprintf(path, sizeof path, "%s/src/%s", PARE_SOURCE_DIR, file);
    FILE *from = fopen(path, "r");
    each_line(from, visit, context);
    fclose(from);
}

/* "room/file.c", for all files of all rooms. */
static void add_file(char *line, void *context) {
    find_or_add(context, line);
}

static names all_files(void) {
    names files = names_new(FILES);
    each_line_of("cd '" PARE_SOURCE_DIR "/src' && find . -name '*.[ch]' | sed 's,^[.]/,,' | LC_ALL=C sort", add_file,
                 &files);
    assert_true(files.count > 300);
    return files;
}

static void room_of(const char *file, char room[120]) {
    snprintf(room, 120, "%.*s", (int)strcspn(file, "/"), file);
}

/* The rooms in their order. */
static void add_rooms(char *line, void *context) {
    for (char *word = strtok(line, " ,."); word; word = strtok(NULL, " ,."))
        find_or_add(context, word);
}

static names rooms_in_order(void) {
    names rooms = names_new(ROOMS);
    each_line_of("tr '\\n' ' ' <'" PARE_SOURCE_DIR
                 "/docs/conventions.md' | sed 's/.*in this order: \\([a-z, ]*\\)[.].*/\\1/'",
                 add_rooms, &rooms);
    assert_true(rooms.count > 15);
    return rooms;
}

/* What a file includes of the house; NULL: nothing of it. */
static const char *included(char *line) {
    static const char include[] = "#include \"";
    if (strncmp(line, include, sizeof include - 1) != 0) return NULL;
    char *name = line + sizeof include - 1;
    name[strcspn(name, "\"")] = 0;
    return name;
}

typedef struct order_check {
    const names *rooms;
    const char *file, *room;
    int wrong;
} order_check;

static void check_order(char *line, void *context) {
    order_check *c = context;
    const char *name = included(line);
    char used[120];
    if (!name || !strchr(name, '/')) return;
    room_of(name, used);
    if (strcmp(used, "support") == 0 || find(c->rooms, used) <= find(c->rooms, c->room)) return;
    print_message("%s uses %s, which stands to its right\n", c->file, name);
    c->wrong++;
}

static void rooms_use_what_stands_left(void **state) {
    (void)state;
    names files = all_files(), rooms = rooms_in_order();
    int wrong = 0;
    for (int i = 0; i < files.count; i++) {
        char room[120];
        room_of(files.list[i], room);
        bool known = strcmp(room, "support") == 0 || find(&rooms, room) >= 0;
        if (!known) print_message("docs/conventions.md does not know the room %s\n", room);
        order_check c = {&rooms, files.list[i], room, !known};
        if (strcmp(room, "cli") != 0) each_line_in(files.list[i], check_order, &c);
        wrong += c.wrong;
    }
    assert_int_equal(wrong, 0);
    names_free(&files);
    names_free(&rooms);
}

static const char *const options[] = {"pare_prune_options", "pare_recover_options", "pare_merge_options",
                                      "pare_robust_options", "pare_evaluate_options"};
enum { OPTIONS = sizeof options / sizeof *options };

static void find_options(char *line, void *context) {
    for (int i = 0; i < OPTIONS; i++)
        if (strstr(line, options[i])) ++*(int *)context;
}

static void options_are_read_in_one_room(void **state) {
    (void)state;
    names files = all_files();
    int wrong = 0, read = 0;
    for (int i = 0; i < files.count; i++) {
        char room[120];
        int found = 0;
        room_of(files.list[i], room);
        each_line_in(files.list[i], find_options, &found);
        bool may = strcmp(room, "options") == 0 || strcmp(room, "cli") == 0;
        if (found && !may) print_message("%s knows options\n", files.list[i]);
        wrong += found && !may;
        read += found && may;
    }
    assert_int_equal(wrong, 0);
    assert_true(read > 0);
    names_free(&files);
}

static void count_line(char *line, void *context) {
    (void)line;
    ++*(int *)context;
}

static void files_are_short(void **state) {
    (void)state;
    names files = all_files();
    int wrong = 0;
    for (int i = 0; i < files.count; i++) {
        int lines = 0;
        each_line_in(files.list[i], count_line, &lines);
        if (lines > LINES) print_message("%s has %d lines\n", files.list[i], lines);
        wrong += lines > LINES;
    }
    assert_int_equal(wrong, 0);
    names_free(&files);
}

/* Who uses whom; reach[i] has a bit for every file that i uses, in the end by others, too. */
typedef struct graph {
    names files, symbols; /* symbols.of: the file that defines it, + 1 */
    uint64_t (*reach)[WORDS];
    int at; /* the file in hand */
} graph;

static void use(graph *g, int from, int to) {
    if (from != to) g->reach[from][to / 64] |= UINT64_C(1) << to % 64;
}

static bool uses(const graph *g, int from, int to) {
    return g->reach[from][to / 64] >> to % 64 & 1;
}

static void add_include(char *line, void *context) {
    graph *g = context;
    const char *name = included(line);
    char beside[256];
    if (!name) return;
    snprintf(beside, sizeof beside, "%.*s/%s", (int)(strrchr(g->files.list[g->at], '/') - g->files.list[g->at]),
             g->files.list[g->at], name);
    int to = find(&g->files, strchr(name, '/') ? name : beside);
    if (to < 0) to = find(&g->files, beside);
    if (to >= 0) use(g, g->at, to);
}

/* "PATH/src/room/file.c.o: name TYPE ...": a symbol that a file defines, or uses. */
static bool symbol_of(const graph *g, char *line, int *file, char **name, char *type) {
    char *colon = strstr(line, ".c.o: "), *source = strstr(line, "/src/");
    if (!colon || !source) return false;
    for (char *next; (next = strstr(source + 1, "/src/")) && next < colon;)
        source = next;
    colon[2] = 0;
    *file = find(&g->files, source + strlen("/src/"));
    *name = colon + strlen(".c.o: ");
    char *end = strchr(*name, ' ');
    if (*file < 0 || !end) return false;
    *end = 0;
    *type = end[1];
    return true;
}

static void add_definition(char *line, void *context) {
    graph *g = context;
    int file;
    char *name, type;
    if (!symbol_of(g, line, &file, &name, &type) || !strchr("TDBRVWi", type)) return;
    if (strncmp(name, "pare_", 5) == 0) g->symbols.of[find_or_add(&g->symbols, name)] = file + 1;
}

static void add_call(char *line, void *context) {
    graph *g = context;
    int file, symbol;
    char *name, type;
    if (!symbol_of(g, line, &file, &name, &type) || type != 'U') return;
    symbol = find(&g->symbols, name);
    if (symbol >= 0) use(g, file, g->symbols.of[symbol] - 1);
}

static void close_over(graph *g) {
    for (int k = 0; k < g->files.count; k++)
        for (int i = 0; i < g->files.count; i++)
            for (int word = 0; uses(g, i, k) && word < WORDS; word++)
                g->reach[i][word] |= g->reach[k][word];
}

static int circle_of(const graph *g, int file) {
    int size = 1;
    for (int other = 0; other < g->files.count; other++)
        size += other != file && uses(g, file, other) && uses(g, other, file);
    return size;
}

static void circles_are_small(void **state) {
    (void)state;
    static const char objects[] = "tr '\\n' '\\0' <'" PARE_OBJECTS "' | xargs -0 '" PARE_NM "' -A -P";
    graph g = {.files = all_files(), .symbols = names_new(SYMBOLS)};
    int wrong = 0;
    g.reach = calloc(FILES, sizeof *g.reach);
    assert_non_null(g.reach);
    for (g.at = 0; g.at < g.files.count; g.at++)
        each_line_in(g.files.list[g.at], add_include, &g);
    each_line_of(objects, add_definition, &g);
    each_line_of(objects, add_call, &g);
    assert_true(g.symbols.count > 500);
    close_over(&g);
    for (int i = 0; i < g.files.count; i++) {
        int size = circle_of(&g, i);
        if (size > CIRCLE) print_message("%s stands in a circle of %d files\n", g.files.list[i], size);
        wrong += size > CIRCLE;
    }
    assert_int_equal(wrong, 0);
    free(g.reach);
    names_free(&g.files);
    names_free(&g.symbols);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_use_what_stands_left),
        cmocka_unit_test(options_are_read_in_one_room),
        cmocka_unit_test(files_are_short),
        cmocka_unit_test(circles_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
