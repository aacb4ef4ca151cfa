/* SPDX-License-Identifier: Apache-2.0
 *
 * pare: prunes trained transformers.
 *
 * One header, one library. Everything here
 *   - returns a pare_status; on anything but PARE_OK, pare_message() is one sentence for a person;
 *   - never prints, never exits, never changes its input files.
 * Handles are opaque and belong to the caller, who frees them with the function named beside the one that made them.
 *
 * What is guaranteed: the same inputs, options, seed and number of threads give the same bits on the same kind of CPU
 * with the same build; another number of threads gives the same choice of what is pruned; random draws are the same
 * everywhere. An output appears whole or not at all.
 *
 * What is not: the bits of another kind of CPU (AVX2, AVX-512 and AMX add in different orders), of another version of
 * pare or of its libraries, or with another --memory, which may change the size of pieces; so do not test against
 * stored results. Reports may get new members, and messages other words; their present members and pare_status stay
 * within one minor version. The layout of structs does not: `size` tells (PARE_..._INIT). 0.x promises no stable
 * interface.
 *
 * Threads: every call uses threads inside, as many as pare_runtime says. One call at a time may use a handle, reading
 * included (a model opens its tokenizer when it is first wanted). Calls of several threads may overlap where each has
 * handles of its own: opening, describing, encoding run side by side, and what computes takes turns, so that results are
 * those of one thread. A call that computes must not wait for another thread's, as a progress function could.
 * pare_message() and pare_trace() are the calling thread's own.
 *
 * What belongs to the whole process: while a call runs, OpenMP's number of threads and its `dynamic` (of the calling
 * thread) and OpenBLAS's number of threads are the call's; when it returns, they are what they were. pare_interrupt()
 * stops whatever calls run, and may be called from a signal handler and from any thread. Memory limits, and the peaks in
 * reports, count all that pare holds in the process. Locale, signals, environment and working folder are left alone.
 *
 * Notation: L layers, d hidden size, H query heads, K key/value heads, h head size, F FFN width, V vocabulary size.
 */
#ifndef PARE_H
#define PARE_H

#include "pare/base.h"
#include "pare/evaluate.h"
#include "pare/init.h"
#include "pare/machines.h"
#include "pare/model.h"
#include "pare/prune.h"
#include "pare/recover.h"
#include "pare/report.h"

#endif
