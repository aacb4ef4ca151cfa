/* Numbers of files that have their lowest byte first, at any address. */
#ifndef PARE_SUPPORT_LITTLE_ENDIAN_H
#define PARE_SUPPORT_LITTLE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>

/* bytes: at most 8. */
static inline uint64_t pare_little_endian(const unsigned char *at, size_t bytes) {
    uint64_t number = 0;
    while (bytes-- > 0)
        number = number << 8 | at[bytes];
    return number;
}

#endif
