/* A Moreau iteration on disk between two steps, to be continued by another process. Of ranks the first alone has the
 * file; all call these alike. */
#ifndef PARE_CALIBRATE_MOREAU_FILE_H
#define PARE_CALIBRATE_MOREAU_FILE_H

#include "calibrate/moreau.h"
#include "support/digest.h"

/* Bytes of the file after `steps_done` steps. */
uint64_t pare_moreau_file_bytes(const pare_model *model, const pare_moreau_state *state, int32_t steps_done);

/* Writes the state after its whole steps (steps_done, trace, level, displacement, mean so far) to `path`, beside it
 * first and then in the place of what was there. key: 64 lower-case hexadecimal digits that name all that the result
 * depends on (model, method and its constants, calibration, seed, which tensors move). */
pare_status pare_moreau_save(const pare_model *model, const pare_moreau_state *state, const char *path,
                             const char *key);

/* Reads it back into a new state of the same shape; state->steps_done is the first step to run. Nothing in the file is
 * believed before its key, its sizes and its digest are right; until then the state is left as it was. */
pare_status pare_moreau_load(const pare_model *model, const pare_moreau *moreau, const char *path, const char *key,
                             pare_moreau_state *state);

#endif
