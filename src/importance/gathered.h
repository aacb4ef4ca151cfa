/* Rows of a tensor, gathered until it can be scored as a whole. */
#ifndef PARE_IMPORTANCE_GATHERED_H
#define PARE_IMPORTANCE_GATHERED_H

#include "importance/scores.h"

/* Takes rows [first, first + rows) of the matrix and what is known of them; they must come in order. *complete: all
 * are there, and scores->gathered.scores holds the salience's scores until pare_gathered_free. */
pare_status pare_gathered_add(pare_index_scores *scores, const pare_salience_matrix *matrix, int64_t first,
                              int64_t rows, const pare_row_signals *signals, bool *complete);
void pare_gathered_free(pare_gathered *gathered);

#endif
