/* How long a token takes at other widths: a generator over the model's own first rows and columns, whose numbers do not
 * matter. */
#ifndef PARE_GENERATE_TOKEN_TIME_H
#define PARE_GENERATE_TOKEN_TIME_H

#include "generate/generate.h"

/* Seconds per token of one sequence, the least of some, behind a few tokens of its beginning. widths: [layers],
 * none of them above the model's own. limit: bytes of anonymous memory; 0: none set. */
pare_status pare_token_time(const pare_model *model, const pare_backend *backend, const pare_widths *widths,
                            uint64_t limit, double *seconds);

#endif
