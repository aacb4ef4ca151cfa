/* Files: read-only mappings, whole small files, and their digests. */
#ifndef PARE_SUPPORT_FILE_H
#define PARE_SUPPORT_FILE_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pare_mapping {
    const unsigned char *data; /* NULL when the file is empty */
    uint64_t bytes;
    char *path;
} pare_mapping;

/* Maps a regular file read-only. Fails with a sentence that names it if it cannot be opened, is no regular file,
 * or is the pointer that Git LFS leaves in a file's place. */
pare_status pare_mapping_open(const char *path, pare_mapping *out);
void pare_mapping_close(pare_mapping *mapping);
/* Fails as pare_mapping_open would. */
pare_status pare_file_check(const char *path);

/* The size of a regular file; 0 where there is none. */
uint64_t pare_file_bytes(const char *path);

/* The first bytes of a file, [most], and how many there are: 0 where there is none that can be read. */
size_t pare_file_begin(const char *path, void *bytes, size_t most);

/* The file's text with a NUL after it (freed with pare_free); refuses files above `limit` bytes. bytes may be NULL. */
pare_status pare_file_read(const char *path, uint64_t limit, char **text, size_t *bytes);

/* True if `path` exists (of any kind), and where that cannot be told: whoever opens it then says why not. NULL does
 * not. */
bool pare_file_exists(const char *path);
/* Whether this value of errno says that there is no such file. */
bool pare_file_absent(int error);

/* True if the folder has an entry of that name. */
bool pare_folder_has(const char *folder, const char *name);

/* directory + "/" + name, in memory freed with free(). NULL without memory, and where one of them is NULL. */
char *pare_path_join(const char *directory, const char *name);

/* The folder that `path` lies in, "." where it names none; freed with free(). NULL, noted, without memory. */
char *pare_path_parent(const char *path);

/* printf into memory freed with free(). NULL without memory, which is noted (pare_lost). What opens or creates a file
 * refuses a NULL name with PARE_OUT_OF_MEMORY. */
char *pare_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
