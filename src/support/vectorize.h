/* Marks a loop function to be compiled for several instruction sets; the best one is chosen when the program starts.
 * Products are never fused with sums (-ffp-contract=off), so every version gives the same bits. Sanitizer builds keep
 * one version, since instrumented resolvers would run before the sanitizer is ready; so does clang, whose OpenMP
 * outlining does not see the attribute, and so does gcc before 12, which knows no levels of x86-64 here. */
#ifndef PARE_SUPPORT_VECTORIZE_H
#define PARE_SUPPORT_VECTORIZE_H

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__) &&           \
    __GNUC__ >= 12
#define PARE_VECTORIZE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PARE_VECTORIZE
#endif

#endif
