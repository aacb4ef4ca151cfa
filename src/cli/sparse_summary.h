/* What a pruning run did to single weights, for people. */
#ifndef PARE_CLI_SPARSE_SUMMARY_H
#define PARE_CLI_SPARSE_SUMMARY_H

#include <jansson.h>

/* sparsity: of the report; NULL prints nothing. */
void pare_sparse_summary_print(const json_t *sparsity);

#endif
