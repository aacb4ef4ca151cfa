/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Several processes, on one machine or on many, that do one call
 * together: the ranks of a job that an MPI launcher has started (docs/machines.md). */
#ifndef PARE_MACHINES_H
#define PARE_MACHINES_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Joins the other ranks, if the environment says that a launcher (mpirun, srun) has started more than one of this
 * process; otherwise does nothing, and MPI is not even loaded. To be called once, by the thread that makes the calls
 * that are to be spread, before the first of them; every rank then makes the same calls with the same arguments, and
 * what is delivered is the same in all. Ranks have to agree about pare's version and `words` [count] (the command line;
 * may be NULL with 0). PARE_UNSUPPORTED where MPI cannot be loaded, PARE_BAD_ARGUMENT, naming rank, host and
 * difference, where they do not agree. */
PARE_API pare_status pare_machines_join(const char *const *words, size_t count);

/* Before, and without a launcher: rank 0 of 1. Only rank 0 is to write files. */
PARE_API int pare_machines_rank(void);
PARE_API int pare_machines_count(void);

/* This rank's host, as the system names it. Valid until the process ends. */
PARE_API const char *pare_machines_host(void);

/* The rank that the launcher's environment names, joined or not: whose complaint about a failed join is to be shown is
 * 0. */
PARE_API int pare_machines_launched_rank(void);

/* The bytes that memory_limit 0 of pare_runtime means, divided by this host's ranks, where that is least: so that all
 * ranks plan alike. All ranks call it, after pare_machines_join; *bytes is 0 without others. */
PARE_API pare_status pare_machines_memory(uint64_t *bytes);

/* All ranks have the same model (by parts of its tensors), number format, instruction set, number of threads and files
 * [count]; folders and "self" are passed over. PARE_BAD_ARGUMENT on all of them, naming rank, host and difference, if
 * not. Calls that are spread ask so, but pare_robust not about files. All call it; nothing happens without others. */
PARE_API pare_status pare_machines_agree(const pare_model *model, const pare_runtime *runtime, const char *const *files,
                                         size_t count);

/* data: [bytes] of rank `from`, then of all. All ranks call it; nothing happens without others. */
PARE_API pare_status pare_machines_tell(void *data, size_t bytes, int from);

/* From here on (true), until they are together again (false), this rank's calls are its own and are not spread. */
PARE_API void pare_machines_apart(bool apart);

/* Waits for the others, which must leave too, and parts. */
PARE_API pare_status pare_machines_leave(void);

/* Ends all ranks at once with this exit code; does not return where there are others. */
PARE_API void pare_machines_abort(int code);

#ifdef __cplusplus
}
#endif

#endif
