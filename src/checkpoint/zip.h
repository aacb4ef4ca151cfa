/* The entries of a ZIP file that are stored as they are, so that they can be used where they lie in its mapping. */
#ifndef PARE_CHECKPOINT_ZIP_H
#define PARE_CHECKPOINT_ZIP_H

#include "support/file.h"

typedef struct pare_zip_entry {
    const char *name; /* [name_bytes], in the mapping, without a NUL; printable */
    uint32_t name_bytes;
    uint64_t header; /* of the local header, from the beginning of the file */
    uint64_t begin, bytes;
} pare_zip_entry;

typedef struct pare_zip {
    pare_zip_entry *entries; /* [count], by name */
    size_t count;
} pare_zip;

/* True if the file begins as a ZIP file with an entry does. */
bool pare_zip_is(const pare_mapping *file);

/* Reads the central directory, ZIP64 included, and checks it against the file: it is where the end says, to the byte;
 * every entry is stored (neither compressed nor encrypted), its local header has the same name and kind, entries lie
 * before the directory and do not overlap, and no name occurs twice. Checksums are not compared: that would read all of
 * a file that is mapped. On failure *out is empty. */
pare_status pare_zip_read(const pare_mapping *file, pare_zip *out);
void pare_zip_free(pare_zip *zip);

/* NULL if there is none. */
const pare_zip_entry *pare_zip_find(const pare_zip *zip, const char *name);

#endif
