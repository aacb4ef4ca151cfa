/* Copies of a file with a byte changed, a part cut off, taken out or put in. */
#ifndef PARE_TESTS_MUTATE_H
#define PARE_TESTS_MUTATE_H

#include "support/random.h"

#include <string.h>

/* data: [bytes + 1], bytes at least 1. Returns how many bytes are left. */
static inline size_t mutate(unsigned char *data, size_t bytes, pare_random *random) {
    size_t at = (size_t)pare_random_below(random, bytes), rest = bytes - at;
    switch (pare_random_below(random, 6)) {
    case 0:
        return at;
    case 1:
        data[at] = (unsigned char)pare_random_next(random);
        break;
    case 2:
        data[at] ^= (unsigned char)(1 << pare_random_below(random, 8));
        break;
    case 3:
        memset(data + at, (int)pare_random_below(random, 2) * 255, rest < 4 ? rest : 4);
        break;
    case 4:
        memmove(data + at, data + at + 1, rest - 1);
        return bytes - 1;
    default:
        memmove(data + at + 1, data + at, rest);
        return bytes + 1;
    }
    return bytes;
}

#endif
