/* Settings of the whole process that a program may choose and a library may not. */
#ifndef PARE_CLI_PROCESS_H
#define PARE_CLI_PROCESS_H

#include <stdbool.h>

/* Three things, measured with `pare bench` and on tiny models (docs/speed.md).
 *
 * Large temporary buffers come back to the allocator's heap instead of the kernel, which would have to clear their
 * pages again for every matrix product.
 *
 * Threads of the OpenMP runtime spin for milliseconds before they sleep, which starves them when anything else runs on
 * the machine (a prune of a tiny model took 40 times as long beside one busy process). The runtime reads how long to
 * spin from the environment as it is loaded, so the program starts itself anew with a short spin, or with none where
 * other programs run as it starts, unless the user has set one.
 *
 * OpenBLAS chooses its kernels by the CPU's model, and takes one that it does not know, being older, for the first with
 * 64 bits. Where such a CPU has AVX-512 or AVX2 the same new start names the kernels for that, unless the user has
 * named some, or has held oneDNN to less than AVX-512. False: there is no memory to name them, and numbers would end in
 * other digits. */
bool pare_process_prepare(char **arguments);

#endif
