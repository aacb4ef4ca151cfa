/* Text that is printed into memory. What open_memstream has no room for it drops, and says nothing of it: neither
 * ferror nor fclose tells. Needs nothing else of the library, since the program prints so, too. */
#ifndef PARE_SUPPORT_TEXT_STREAM_H
#define PARE_SUPPORT_TEXT_STREAM_H

#include <stdio.h>

/* A stream whose text, ended by a zero, is at *text once fclose has succeeded: *bytes long, freed with free(). Where
 * memory was lacking at any time, ferror tells once the piece was written out, fclose fails, and *text is NULL. NULL:
 * there is not even memory for the stream, and *text is NULL. */
FILE *pare_text_stream(char **text, size_t *bytes);

#endif
