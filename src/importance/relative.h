/* Relative importance, what its variants share: |w| (column factor + row factor) ||x||^a, the factors being reciprocal
 * norms of the matrix's rows and columns. */
#ifndef PARE_IMPORTANCE_RELATIVE_H
#define PARE_IMPORTANCE_RELATIVE_H

#include "importance/salience.h"

/* row[rows], column[columns]: l_p norms of the absolute values, in fp64. order p: 0 counts what is not 0, INFINITY is
 * the largest; up to 64 otherwise (PARE_BAD_ARGUMENT). The same bits for any number of threads. */
pare_status pare_weight_norms(const pare_salience_matrix *matrix, double order, double *row, double *column);

/* Fills row and column factors with the reciprocals of these norms. */
pare_status pare_relative_prepare(const pare_salience_matrix *matrix, double order, pare_salience_factors *factors);
/* 1 / norm; 0 for 0, and small enough that two of them can be added. */
float pare_relative_reciprocal(double norm);
/* inputs[columns] = ||x||^a. PARE_BAD_ARGUMENT unless the exponent is >= 0. */
pare_status pare_relative_inputs(const pare_salience_matrix *matrix, pare_salience_factors *factors);

void pare_relative_elements(const float *weight, const pare_element_signals *signals, int64_t n, float *salience);

#endif
