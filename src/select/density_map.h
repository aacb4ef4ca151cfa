/* How a value of every weight of a matrix (1 where it is kept, |w|, how far it moved) lies over its rows and columns.
 */
#ifndef PARE_SELECT_DENSITY_MAP_H
#define PARE_SELECT_DENSITY_MAP_H

#include "select/element_mask.h"

enum { PARE_DENSITY_EVERY = 448 }; /* matrices of no more rows and columns are kept whole, too */

/* Means of rows, or of columns, and how far they vary beside what they would if all values were drawn alike and
 * independently: the mean of `length` of them has a standard deviation of expected_sd = sd of the values /
 * sqrt(length); of a mask with density p that is the binomial one, sqrt(p (1 - p) / length). */
typedef struct pare_density_lines {
    double *mean; /* [count] */
    int64_t count, length;
    double sd, expected_sd;
    double chi_square; /* sum of ((mean - overall) / expected_sd)^2, of `degrees` degrees of freedom */
    int64_t degrees;
    double z;            /* the same as a standard normal deviate (Wilson and Hilferty 1931); 0 where nothing varies */
    int64_t least, most; /* the lines with the smallest and the largest mean */
    int64_t empty;       /* lines of zeros alone */
} pare_density_lines;

typedef struct pare_density_map {
    int64_t rows, columns, bin_rows, bin_columns; /* at most PARE_DENSITY_BINS each */
    double mean, sd, largest;                     /* of all values */
    uint64_t zeros;
    float *bins;  /* [bin_rows, bin_columns] means of tiles: of rows i R / bin_rows up to (i + 1) R / bin_rows */
    float *every; /* [rows, columns], or NULL */
    pare_density_lines by_row, by_column;
    double squares, *tile; /* while it is made: sums */
} pare_density_map;

/* Free with pare_density_map_free in any case. */
pare_status pare_density_map_new(int64_t rows, int64_t columns, pare_density_map *out);
void pare_density_map_free(pare_density_map *map);

/* values: [columns] of row `row`, none negative; every row once, in any order. Then pare_density_map_finish. */
void pare_density_map_add(pare_density_map *map, int64_t row, const float *values);
void pare_density_map_finish(pare_density_map *map);

#endif
