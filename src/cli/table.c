#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct pare_table {
    const char *alignment;
    size_t columns;
    char **cells;
    size_t count, room;
};

static void *checked(void *memory) {
    if (memory) return memory;
    fputs("pare: there is not enough memory for the result on standard output\n", stderr);
    exit(1);
}

pare_table *pare_table_new(const char *alignment) {
    pare_table *table = checked(calloc(1, sizeof *table));
    table->alignment = alignment;
    table->columns = strlen(alignment);
    return table;
}

void pare_table_free(pare_table *table) {
    if (!table) return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void pare_table_cell(pare_table *table, const char *format, ...) {
    if (table->count == table->room) {
        table->room = table->room ? 2 * table->room : 32;
        table->cells = checked(realloc(table->cells, table->room * sizeof *table->cells));
    }
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) text = NULL;
    va_end(arguments);
    table->cells[table->count++] = checked(text);
}

/* Columns that UTF-8 text takes, all characters counted as one wide. */
static int width(const char *text) {
    int characters = 0;
    for (; *text; text++)
        characters += ((unsigned char)*text & 0xc0) != 0x80;
    return characters;
}

static int column_width(const pare_table *table, size_t column) {
    int widest = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        int own = width(table->cells[i]);
        if (own > widest) widest = own;
    }
    return widest;
}

static void print_cell(FILE *out, const char *text, char alignment, int wide, int last) {
    int gap = wide - width(text);
    if (alignment == 'r')
        fprintf(out, "%*s%s", gap, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : gap, "");
    fputs(last ? "\n" : "  ", out);
}

void pare_table_print(const pare_table *table, FILE *out) {
    for (size_t row = 0; row + table->columns <= table->count; row += table->columns)
        for (size_t c = 0; c < table->columns; c++)
            print_cell(out, table->cells[row + c], table->alignment[c], column_width(table, c),
                       c + 1 == table->columns);
}

static void print_markdown_rule(const pare_table *table, FILE *out) {
    for (size_t c = 0; c < table->columns; c++)
        fputs(table->alignment[c] == 'r' ? "|---:" : "|:---", out);
    fputs("|\n", out);
}

static void print_markdown_cell(FILE *out, const char *text) {
    fputs("| ", out);
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
    fputc(' ', out);
}

void pare_table_print_markdown(const pare_table *table, FILE *out) {
    for (size_t row = 0; row + table->columns <= table->count; row += table->columns) {
        for (size_t c = 0; c < table->columns; c++)
            print_markdown_cell(out, table->cells[row + c]);
        fputs("|\n", out);
        if (!row) print_markdown_rule(table, out);
    }
}
