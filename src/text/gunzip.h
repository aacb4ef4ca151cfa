/* gzip: one or more members, each a header that begins with 1F 8B, deflated data, and CRC-32 and size modulo 2^32 of
 * what they unpack to (RFC 1952). The size is checked by zlib after unpacking and used for nothing else. */
#ifndef PARE_TEXT_GUNZIP_H
#define PARE_TEXT_GUNZIP_H

#include "support/file.h"
#include "text/spill.h"

bool pare_is_gzip(const unsigned char *data, uint64_t bytes);

/* Adds all members' text. Fails, naming the file and the offset, where it is damaged, cut off or followed by anything
 * but zeros. */
pare_status pare_gunzip(const pare_mapping *file, pare_spill *out);

#endif
