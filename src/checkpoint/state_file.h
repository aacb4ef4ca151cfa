/* A part of a run's state in a file of its own, to be taken up by another process: a layer that was gone through, the
 * states behind it, the sums of a pass. What a part holds is said once, by a function that puts every piece through
 * pare_state_pass: the same function counts the bytes, writes them, and reads them back.
 *
 * Of ranks (support/peer.h) the first alone has the file: all of them call the functions below alike, what it reads
 * goes to all, and what a rank has for itself it sends to be written. Any number of them takes up what any other has
 * left. */
#ifndef PARE_CHECKPOINT_STATE_FILE_H
#define PARE_CHECKPOINT_STATE_FILE_H

#include "checkpoint/sealed.h"
#include "support/dtype.h"

enum { PARE_STATE_NAME = 32 };

typedef struct pare_state_place {
    const char *path;
    const char *what; /* it is, with its article, below PARE_STATE_NAME characters: "a reconstructed layer" */
    const char *anew; /* what is done where it is deleted: "train that layer anew" */
    const char *key;  /* 64 hexadecimal digits: what it belongs to */
    uint32_t number;  /* of the layer or pass */
} pare_state_place;

typedef enum pare_state_act { PARE_STATE_COUNTS, PARE_STATE_WRITES, PARE_STATE_READS } pare_state_act;

typedef struct pare_state_file {
    const pare_state_place *place;
    pare_state_act act;
    pare_sealed *out;        /* where it is written; NULL else, and on ranks that have no file */
    const unsigned char *in; /* what is left of it where it is read; likewise */
    uint64_t bytes;          /* that went through; where it is read: that are left */
} pare_state_file;

typedef pare_status (*pare_state_fn)(void *context, pare_state_file *file);

/* `data` is counted, written, or replaced by what is in the file; refused where that has fewer bytes left. */
pare_status pare_state_pass(pare_state_file *file, void *data, uint64_t bytes);
/* Numbers, which must be finite where they are read. */
pare_status pare_state_numbers(pare_state_file *file, void *data, pare_dtype dtype, uint64_t count);
pare_status pare_state_doubles(pare_state_file *file, double *data, uint64_t count);
/* Numbers of which a rank may have a part: [total] on each, or [own] of them, those of the ranks one behind the other.
 * Any number of ranks reads what any other has written. */
pare_status pare_state_spread(pare_state_file *file, void *data, pare_dtype dtype, uint64_t own, uint64_t total);
/* The same of numbers that are in memory. */
pare_status pare_state_finite(const pare_state_file *file, const void *data, pare_dtype dtype, uint64_t count);
/* Where it is read, by one process: those bytes in place, for whoever wants them in another form. */
pare_status pare_state_view(pare_state_file *file, uint64_t bytes, const void **data);
static inline bool pare_state_reads(const pare_state_file *file) {
    return file->act == PARE_STATE_READS;
}
/* A value that the run settles: what is read must be the same. */
pare_status pare_state_same(pare_state_file *file, uint64_t value);
/* As a u32; what a flag was before it is read is not looked at. */
pare_status pare_state_flag(pare_state_file *file, bool *flag);
/* "PATH WHY; delete it to ANEW" as PARE_FORMAT_ERROR. */
pare_status pare_state_refuse(const pare_state_place *place, const char *why);

/* Counts, then writes: the file is replaced at one stroke, or stays as it was. */
pare_status pare_state_save(const pare_state_place *place, pare_state_fn describe, void *context);
/* Whether the first rank has such a file. */
pare_status pare_state_there(const char *path, bool *there);
/* If there is such a file, *found, and `describe` has read it. Nothing in it is believed before its key, its sizes and
 * its digest are right; a file that is not this part of this run is refused. */
pare_status pare_state_load(const pare_state_place *place, pare_state_fn describe, void *context, bool *found);
#endif
