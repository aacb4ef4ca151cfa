#include "inspect_map.h"
#include "document.h"
#include "outcome.h"
#include "table.h"

#include <stdio.h>

static const struct {
    const char *member, *title;
} maps[] = {
    {"dense_magnitude", "|W| before"}, {"kept", "kept"}, {"magnitude", "|W|"}, {"change", "change of the kept"}};

static void add_lines(pare_table *table, const char *title, const json_t *map, const char *lines) {
    const json_t *of = pare_document_at(map, lines);
    pare_table_cell(table, "%s", title);
    pare_table_cell(table, "%s", lines);
    pare_table_cell(table, "%.4g", pare_document_number(map, "mean", 0));
    pare_table_cell(table, "%.3g", pare_document_number(of, "sd", 0));
    pare_table_cell(table, "%.3g", pare_document_number(of, "expected_sd", 0));
    pare_table_cell(table, "%.2f", pare_document_number(of, "ratio", 0));
    pare_table_cell(table, "%.1f", pare_document_number(of, "z", 0));
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(of, "empty")).text);
}

static void show(const pare_arguments *arguments, const json_t *report) {
    static const char *const titles[] = {"map", "lines", "mean", "sd", "by chance", "ratio", "z", "empty"};
    const json_t *shape = pare_document_at(report, "matrix.shape");
    printf("matrix        %s [%lld, %lld]\n", pare_document_text(report, "matrix.name"),
           (long long)json_integer_value(json_array_get(shape, 0)),
           (long long)json_integer_value(json_array_get(shape, 1)));
    if (arguments->against)
        printf("before        %s of %s\n", pare_document_text(report, "dense_matrix.name"), arguments->against);
    if (pare_document_at(report, "note")) printf("note          %s\n", pare_document_text(report, "note"));
    printf("zeros         %.2f %%\n\n", 100 * (1 - pare_document_number(report, "kept.mean", 0)));
    pare_table *table = pare_table_new("llrrrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        const json_t *map = pare_document_at(report, maps[i].member);
        if (!map || !(pare_document_number(map, "largest", 0) > 0)) continue;
        add_lines(table, maps[i].title, map, "rows");
        add_lines(table, "", map, "columns");
    }
    pare_table_print(table, stdout);
    pare_table_free(table);
    puts("\nsd: of the means of rows and of columns; by chance: if all weights were alike and independent;\n"
         "z: how unlike chance, as a normal deviate");
    if (arguments->output) printf("picture       %s\n", arguments->output);
}

int pare_inspect_map(const pare_arguments *arguments) {
    if (!arguments->output && !arguments->json)
        return pare_outcome_usage("inspect", "--map draws a picture: name it with -o FILE.png or -o FILE.svg, or give "
                                             "--json for its numbers alone");
    pare_map_options options = PARE_MAP_OPTIONS_INIT;
    options.matrix = arguments->map;
    options.against = arguments->against;
    options.picture = arguments->output;
    char *report = NULL;
    pare_status status = pare_map(arguments->model, &options, &report);
    return pare_outcome_deliver(status, report, arguments, show);
}
