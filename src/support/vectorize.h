/* Marks a loop function to be compiled for several instruction sets; the best one is chosen when the program starts.
 * Sanitizer builds keep one version, since instrumented resolvers run before the sanitizer is ready. */
#ifndef PARE_SUPPORT_VECTORIZE_H
#define PARE_SUPPORT_VECTORIZE_H

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define PARE_VECTORIZE __attribute__((optimize("O3"), target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define PARE_VECTORIZE
#endif

#endif
