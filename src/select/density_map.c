#include "select/density_map.h"
#include "support/memory.h"
#include "support/order.h"

#include <math.h>
#include <string.h>

/* Of a difference of squares, where all values are the same. */
static const double ROUNDING = 1e-12;

pare_status pare_density_map_new(int64_t rows, int64_t columns, pare_density_map *out) {
    *out = (pare_density_map){.rows = rows,
                              .columns = columns,
                              .bin_rows = pare_smaller(rows, PARE_DENSITY_BINS),
                              .bin_columns = pare_smaller(columns, PARE_DENSITY_BINS),
                              .by_row = {.count = rows, .length = columns},
                              .by_column = {.count = columns, .length = rows}};
    size_t bins = (size_t)(out->bin_rows * out->bin_columns);
    PARE_TRY(pare_alloc(&out->bins, bins, sizeof *out->bins, "the map"));
    PARE_TRY(pare_alloc(&out->tile, bins, sizeof *out->tile, "the map"));
    PARE_TRY(pare_alloc(&out->by_row.mean, (size_t)rows, sizeof *out->by_row.mean, "the map"));
    PARE_TRY(pare_alloc(&out->by_column.mean, (size_t)columns, sizeof *out->by_column.mean, "the map"));
    if (rows > PARE_DENSITY_EVERY || columns > PARE_DENSITY_EVERY) return PARE_OK;
    return pare_alloc(&out->every, (size_t)(rows * columns), sizeof *out->every, "the map");
}

void pare_density_map_free(pare_density_map *map) {
    pare_free(map->bins);
    pare_free(map->tile);
    pare_free(map->every);
    pare_free(map->by_row.mean);
    pare_free(map->by_column.mean);
    *map = (pare_density_map){0};
}

/* The tile of line i, where tile t begins at line t * lines / tiles. */
static int64_t tile_of(int64_t i, int64_t lines, int64_t tiles) {
    return ((i + 1) * tiles - 1) / lines;
}

void pare_density_map_add(pare_density_map *map, int64_t row, const float *values) {
    double *tiles = map->tile + tile_of(row, map->rows, map->bin_rows) * map->bin_columns;
    double sum = 0.0;
    for (int64_t tile = 0; tile < map->bin_columns; tile++) {
        int64_t end = (tile + 1) * map->columns / map->bin_columns;
        double part = 0.0;
        for (int64_t j = tile * map->columns / map->bin_columns; j < end; j++) {
            double value = values[j];
            part += value;
            map->squares += value * value;
            map->by_column.mean[j] += value;
            map->zeros += value == 0.0;
            map->largest = value > map->largest ? value : map->largest;
        }
        tiles[tile] += part;
        sum += part;
    }
    map->by_row.mean[row] = sum;
    if (map->every) memcpy(map->every + row * map->columns, values, (size_t)map->columns * sizeof *values);
}

/* A chi-square value of `degrees` degrees of freedom as a standard normal deviate. */
static double deviate(double chi_square, double degrees) {
    double spread = 2.0 / (9.0 * degrees);
    return (cbrt(chi_square / degrees) - (1.0 - spread)) / sqrt(spread);
}

/* Sums become means. */
static void finish_lines(pare_density_lines *lines, double mean, double sd) {
    double squares = 0.0;
    for (int64_t i = 0; i < lines->count; i++) {
        lines->empty += lines->mean[i] == 0.0;
        lines->mean[i] /= (double)lines->length;
        double off = lines->mean[i] - mean;
        squares += off * off;
        if (lines->mean[i] < lines->mean[lines->least]) lines->least = i;
        if (lines->mean[i] > lines->mean[lines->most]) lines->most = i;
    }
    lines->sd = sqrt(squares / (double)lines->count);
    lines->expected_sd = sd / sqrt((double)lines->length);
    lines->degrees = lines->count - 1;
    if (lines->degrees == 0 || !(sd > 0.0)) return;
    lines->chi_square = squares / (lines->expected_sd * lines->expected_sd);
    lines->z = deviate(lines->chi_square, (double)lines->degrees);
}

void pare_density_map_finish(pare_density_map *map) {
    double count = (double)map->rows * (double)map->columns, sum = 0.0;
    for (int64_t i = 0; i < map->bin_rows; i++)
        for (int64_t j = 0; j < map->bin_columns; j++) {
            int64_t high = (i + 1) * map->rows / map->bin_rows - i * map->rows / map->bin_rows;
            int64_t wide = (j + 1) * map->columns / map->bin_columns - j * map->columns / map->bin_columns;
            int64_t at = i * map->bin_columns + j;
            sum += map->tile[at];
            map->bins[at] = (float)(map->tile[at] / ((double)high * (double)wide));
        }
    map->mean = sum / count;
    double mean_square = map->squares / count, variance = mean_square - map->mean * map->mean;
    map->sd = variance > ROUNDING * mean_square ? sqrt(variance) : 0.0;
    finish_lines(&map->by_row, map->mean, map->sd);
    finish_lines(&map->by_column, map->mean, map->sd);
}
