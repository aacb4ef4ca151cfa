/* Lets a loop that looks for the least of something use vectors, although that visits its terms in another order: the
 * least is the same. clang refuses it for floating-point numbers and warns, so it is not asked. */
#ifndef PARE_SELECT_SWAP_SIMD_H
#define PARE_SELECT_SWAP_SIMD_H

#ifdef __clang__
#define PARE_LEAST_IN(variable)
#else
#define PARE_PRAGMA(text) _Pragma(#text)
#define PARE_LEAST_IN(variable) PARE_PRAGMA(omp simd reduction(min : variable))
#endif

#endif
