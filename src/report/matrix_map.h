/* Where the weights of a matrix lie: what a mask keeps, how large |w| is, and, beside the dense model, what was there
 * before and how far it moved. As numbers, as JSON, and as a picture. */
#ifndef PARE_REPORT_MATRIX_MAP_H
#define PARE_REPORT_MATRIX_MAP_H

#include "report/matrix_pair.h"
#include "select/density_map.h"
#include "support/json.h"

typedef enum pare_matrix_map_kind {
    PARE_MAP_KEPT,      /* 1 where the weight is not zero */
    PARE_MAP_MAGNITUDE, /* |w| */
    PARE_MAP_DENSE,     /* |w| of the dense model */
    PARE_MAP_CHANGE,    /* how far what is left moved: |w - dense w|; 0 where nothing is left */
    PARE_MAP_KINDS
} pare_matrix_map_kind;

typedef struct pare_matrix_map {
    const char *model, *against; /* folders; against NULL: by itself */
    pare_named_matrix matrix;
    pare_matrix_pair pair;               /* empty without a dense one */
    bool has[PARE_MAP_KINDS];            /* what can be told: change and dense beside a dense one alone */
    pare_density_map of[PARE_MAP_KINDS]; /* all in the rows and columns of the dense matrix, where there is one */
} pare_matrix_map;

/* against: NULL, or the model that `source` was pruned from. Refuses weights that are no numbers. Free with
 * pare_matrix_map_free in any case; before the sources. */
pare_status pare_matrix_map_make(const pare_matrix_source *source, const char *name, const pare_matrix_source *against,
                                 pare_matrix_map *out);
void pare_matrix_map_free(pare_matrix_map *map);

/* The member of the report and the title of the panel. */
const char *pare_matrix_map_word(pare_matrix_map_kind kind);
const char *pare_matrix_map_title(pare_matrix_map_kind kind);

/* picture: its file, or NULL. */
json_t *pare_report_matrix_map(const pare_matrix_map *map, const char *picture);

#endif
