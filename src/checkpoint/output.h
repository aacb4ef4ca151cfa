/* A model directory that appears whole or not at all: everything is written into a temporary folder beside the target,
 * synced, and renamed into place at the end. Or a GGUF file, where the target's name ends with .gguf: of the temporary
 * folder this one file is put into place. */
#ifndef PARE_CHECKPOINT_OUTPUT_H
#define PARE_CHECKPOINT_OUTPUT_H

#include "support/status.h"

typedef struct pare_output pare_output;

/* True if what is written there is a GGUF file: the name ends with .gguf. */
bool pare_output_is_gguf(const char *target);

/* Checks that `target` may be written, and that no other run writes it (output_lock.h), removes what runs that were
 * killed have left beside it, and makes TARGET.pare-XXXXXX there (temporary.h). Refused, with nothing changed:
 *   - a target that exists, unless `force`; with `force`, one that is no folder, or neither empty nor that of
 *     a model or adapter (has no config.json or adapter_config.json); of a GGUF file, one that is no GGUF file;
 *   - a target that is `source`, lies in it, or has it inside (compared as the file system does, through links);
 *   - a parent folder that is missing or not writable, or a file system with less than `needed` bytes free.
 * source: the model directory that is read, which also gives the files to carry over. Ended by pare_output_commit or
 * pare_output_abandon. */
pare_status pare_output_begin(const char *target, const char *source, bool force, uint64_t needed, pare_output **out);

/* The temporary folder, to be filled. */
const char *pare_output_path(const pare_output *output);

/* Where in that folder the GGUF file is to be written. */
const char *pare_output_file(const pare_output *output);

/* A new file `name` in the folder, synced. */
pare_status pare_output_write_text(const pare_output *output, const char *name, const char *text);

/* Copies what belongs to a model beside weights and config from the source: tokenizer, vocabulary, chat template,
 * generation settings, licence and notices. */
pare_status pare_output_carry_over(const pare_output *output);

/* Syncs the folder and puts it in the target's place at one stroke; what was there before is removed when that is on
 * the disk. If it fails the folder is abandoned. `output` is freed either way. */
pare_status pare_output_commit(pare_output *output);

/* Removes the temporary folder wholly and frees `output`, which may be NULL. Keeps this thread's message. */
void pare_output_abandon(pare_output *output);

#endif
