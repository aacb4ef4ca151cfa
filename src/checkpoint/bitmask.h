/* Tensors with many zeros as one bit per element and the elements that are not zero. An element is zero if none of its
 * bits is set: -0 is a value like any other. Bit i % 8 of byte i / 8 stands for element i; a mask is whole 64-bit
 * words, and its bits after the last element are clear. */
#ifndef PARE_CHECKPOINT_BITMASK_H
#define PARE_CHECKPOINT_BITMASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARE_BITMASK_WORD = 64, PARE_BITMASK_SLACK = 64 };

/* Bytes of the mask of `count` elements. */
static inline uint64_t pare_bitmask_bytes(uint64_t count) {
    return count / PARE_BITMASK_WORD * 8 + (count % PARE_BITMASK_WORD ? 8 : 0);
}

/* Elements that are not zero. size: bytes of an element, 2 or 4, here and below; nothing has to be aligned. */
uint64_t pare_bitmask_count(const unsigned char *data, size_t size, uint64_t count);

/* Set bits of a mask. */
uint64_t pare_bitmask_ones(const unsigned char *mask, uint64_t bytes);

/* True if the bits after those of `count` elements are clear. */
bool pare_bitmask_is_padded(const unsigned char *mask, uint64_t count);

/* The versions of one kernel set; all give the same bytes. */
typedef struct pare_bitmask_kernels {
    void (*make)(unsigned char *mask, const unsigned char *data, size_t size, uint64_t count);
    /* Returns how many elements are not zero. values: room for `count` elements and PARE_BITMASK_SLACK bytes more,
     * which may be overwritten. */
    uint64_t (*compress)(unsigned char *values, const unsigned char *data, size_t size, uint64_t count);
    /* Reads as many values as the mask has ones. The mask's padding must be clear. */
    void (*expand)(unsigned char *out, const unsigned char *mask, const unsigned char *values, size_t size,
                   uint64_t count);
} pare_bitmask_kernels;

extern const pare_bitmask_kernels pare_bitmask_plain;

/* AVX-512 with VBMI2; NULL where the CPU has none. */
const pare_bitmask_kernels *pare_bitmask_x86(void);

/* The fastest that this CPU can run. */
const pare_bitmask_kernels *pare_bitmask_best(void);

#endif
