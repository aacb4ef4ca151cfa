#include "report/matrix_map.h"

static const struct {
    const char *word, *title;
} kinds[PARE_MAP_KINDS] = {
    [PARE_MAP_KEPT] = {"kept", "Kept"},
    [PARE_MAP_MAGNITUDE] = {"magnitude", "|W|"},
    [PARE_MAP_DENSE] = {"dense_magnitude", "|W| before"},
    [PARE_MAP_CHANGE] = {"change", "Change of what is kept"},
};

const char *pare_matrix_map_word(pare_matrix_map_kind kind) {
    return kinds[kind].word;
}

const char *pare_matrix_map_title(pare_matrix_map_kind kind) {
    return kinds[kind].title;
}

static json_t *line_json(const pare_density_lines *lines, int64_t at) {
    return pare_json_of({"index", json_integer(at)}, {"mean", pare_json_real(lines->mean[at])});
}

static json_t *lines_json(const pare_density_lines *lines) {
    json_t *means = json_array();
    for (int64_t i = 0; i < lines->count; i++)
        pare_json_append(means, pare_json_real(lines->mean[i]));
    double ratio = lines->expected_sd > 0.0 ? lines->sd / lines->expected_sd : 0.0;
    return pare_json_of({"count", json_integer(lines->count)}, {"length", json_integer(lines->length)},
                        {"sd", pare_json_real(lines->sd)}, {"expected_sd", pare_json_real(lines->expected_sd)},
                        {"ratio", pare_json_real(ratio)}, {"chi_square", pare_json_real(lines->chi_square)},
                        {"degrees", json_integer(lines->degrees)}, {"z", pare_json_real(lines->z)},
                        {"empty", json_integer(lines->empty)}, {"least", line_json(lines, lines->least)},
                        {"most", line_json(lines, lines->most)}, {"means", means});
}

static json_t *bins_json(const pare_density_map *map) {
    json_t *rows = json_array();
    for (int64_t i = 0; i < map->bin_rows; i++) {
        json_t *row = json_array();
        for (int64_t j = 0; j < map->bin_columns; j++)
            pare_json_append(row, pare_json_real((double)map->bins[i * map->bin_columns + j]));
        pare_json_append(rows, row);
    }
    return rows;
}

static json_t *density_json(const pare_density_map *map) {
    return pare_json_of({"mean", pare_json_real(map->mean)}, {"sd", pare_json_real(map->sd)},
                        {"largest", pare_json_real(map->largest)}, {"zeros", pare_json_count(map->zeros)},
                        {"rows", lines_json(&map->by_row)}, {"columns", lines_json(&map->by_column)},
                        {"bins", bins_json(map)});
}

static json_t *matrix_json(const pare_named_matrix *matrix) {
    return pare_json_of({"name", pare_json_name(matrix->tensor->name)},
                        {"shape", pare_json_list_of(json_integer(matrix->rows), json_integer(matrix->columns))},
                        {"dtype", pare_json_string(pare_dtype_name(matrix->tensor->dtype))});
}

json_t *pare_report_matrix_map(const pare_matrix_map *map, const char *picture) {
    json_t *json = pare_json_of({"pare", pare_json_string(pare_version())}, {"model", pare_json_name(map->model)},
                                {"matrix", matrix_json(&map->matrix)});
    if (map->against) {
        pare_json_put(json, "against", pare_json_name(map->against));
        pare_json_put(json, "dense_matrix", matrix_json(&map->pair.dense));
        if (map->pair.rescaled)
            pare_json_put(
                json, "note",
                pare_json_string("the norm before this matrix was folded into it when the model was written as "
                                 "another class, so that its weights cannot be compared with those before"));
    }
    for (int kind = 0; kind < PARE_MAP_KINDS; kind++)
        if (map->has[kind]) pare_json_put(json, kinds[kind].word, density_json(&map->of[kind]));
    if (picture) pare_json_put(json, "picture", pare_json_name(picture));
    return json;
}
