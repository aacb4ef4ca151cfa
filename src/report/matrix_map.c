#include "report/matrix_map.h"
#include "checkpoint/view.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* A row of the pruned matrix, spread over the columns of the dense one, and of the dense one; and what is told of both.
 */
typedef struct row_room {
    float *stored, *row, *dense, *told;
} row_room;

static void room_free(row_room *room) {
    pare_free(room->stored);
    pare_free(room->row);
    pare_free(room->dense);
    pare_free(room->told);
}

static pare_status room_new(size_t stored, size_t columns, row_room *out) {
    *out = (row_room){0};
    PARE_TRY(pare_alloc(&out->stored, stored, sizeof *out->stored, "the map"));
    PARE_TRY(pare_alloc(&out->row, columns, sizeof *out->row, "the map"));
    PARE_TRY(pare_alloc(&out->dense, columns, sizeof *out->dense, "the map"));
    return pare_alloc(&out->told, columns, sizeof *out->told, "the map");
}

static pare_status read_row(const pare_named_matrix *matrix, int64_t row, float *out) {
    pare_tensor_values(matrix->tensor, (uint64_t)(row * matrix->columns), (size_t)matrix->columns, out);
    for (int64_t i = 0; i < matrix->columns; i++)
        if (!isfinite(out[i]))
            return pare_fail(PARE_NUMERIC_ERROR, "%s is no number in row %lld, column %lld; the file is damaged",
                             matrix->tensor->name, (long long)row, (long long)i);
    return PARE_OK;
}

/* The value that a map of this kind tells of a weight. */
static float told(pare_matrix_map_kind kind, float w, float dense) {
    switch (kind) {
    case PARE_MAP_KEPT:
        return w != 0.0f ? 1.0f : 0.0f;
    case PARE_MAP_DENSE:
        return fabsf(dense);
    case PARE_MAP_CHANGE:
        return w != 0.0f ? fabsf(w - dense) : 0.0f;
    case PARE_MAP_MAGNITUDE:
    case PARE_MAP_KINDS:
        break;
    }
    return fabsf(w);
}

static void add_row(pare_matrix_map *map, int64_t row, const row_room *room) {
    int64_t columns = map->of[PARE_MAP_KEPT].columns;
    for (int kind = 0; kind < PARE_MAP_KINDS; kind++) {
        if (!map->has[kind]) continue;
        for (int64_t i = 0; i < columns; i++)
            room->told[i] = told((pare_matrix_map_kind)kind, room->row[i], room->dense[i]);
        pare_density_map_add(&map->of[kind], row, room->told);
    }
}

/* Of a pair: row `row` of the dense matrix, and the pruned one's where its next row, *next, is that one. */
static pare_status read_pair(const pare_matrix_map *map, int64_t row, int64_t *next, const row_room *room) {
    const pare_matrix_pair *pair = &map->pair;
    PARE_TRY(read_row(&pair->dense, row, room->dense));
    memset(room->row, 0, (size_t)pair->dense.columns * sizeof *room->row);
    if (*next >= map->matrix.rows || (pair->rows && pair->rows[*next] != row)) return PARE_OK;
    PARE_TRY(read_row(&map->matrix, (*next)++, room->stored));
    for (int64_t i = 0; i < map->matrix.columns; i++)
        room->row[pair->columns ? pair->columns[i] : i] = room->stored[i];
    return PARE_OK;
}

static pare_status read_rows(pare_matrix_map *map) {
    int64_t rows = map->of[PARE_MAP_KEPT].rows, columns = map->of[PARE_MAP_KEPT].columns, next = 0;
    row_room room;
    pare_status status = room_new((size_t)map->matrix.columns, (size_t)columns, &room);
    for (int64_t row = 0; row < rows && status == PARE_OK; row++) {
        status = map->against ? read_pair(map, row, &next, &room) : read_row(&map->matrix, row, room.row);
        if (status == PARE_OK) add_row(map, row, &room);
        if (status == PARE_OK && row % 256 == 0) status = pare_interrupted();
    }
    room_free(&room);
    return status;
}

static pare_status make(pare_matrix_map *map) {
    const pare_named_matrix *shape = map->against ? &map->pair.dense : &map->matrix;
    for (int kind = 0; kind < PARE_MAP_KINDS; kind++) {
        map->has[kind] = map->against || kind == PARE_MAP_KEPT || kind == PARE_MAP_MAGNITUDE;
        if (kind == PARE_MAP_CHANGE && map->pair.rescaled) map->has[kind] = false;
        if (map->has[kind]) PARE_TRY(pare_density_map_new(shape->rows, shape->columns, &map->of[kind]));
    }
    PARE_TRY(read_rows(map));
    for (int kind = 0; kind < PARE_MAP_KINDS; kind++)
        if (map->has[kind]) pare_density_map_finish(&map->of[kind]);
    return PARE_OK;
}

pare_status pare_matrix_map_make(const pare_matrix_source *source, const char *name, const pare_matrix_source *against,
                                 pare_matrix_map *out) {
    *out = (pare_matrix_map){.model = pare_checkpoint_directory(source->checkpoint)};
    PARE_TRY(pare_matrix_find(source, name, &out->matrix));
    if (against) {
        out->against = pare_checkpoint_directory(against->checkpoint);
        PARE_TRY(pare_matrix_pair_find(against, source, &out->matrix, &out->pair));
    }
    return make(out);
}

void pare_matrix_map_free(pare_matrix_map *map) {
    for (int kind = 0; kind < PARE_MAP_KINDS; kind++)
        pare_density_map_free(&map->of[kind]);
    pare_matrix_pair_free(&map->pair);
    *map = (pare_matrix_map){0};
}
