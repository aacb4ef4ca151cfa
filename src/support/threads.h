/* The settings of OpenMP and OpenBLAS that work in a call is done with, and the caller's own once it is over. */
#ifndef PARE_SUPPORT_THREADS_H
#define PARE_SUPPORT_THREADS_H

/* Work of this thread is shared by so many, no fewer and no more, until as many pare_threads_end as there were
 * pare_threads_begin; until then other threads of the process that begin wait. Then OpenMP's number of threads and its `dynamic`, and OpenBLAS's number of threads, which belong
 * to the process, are what they were before the first. */
void pare_threads_begin(int threads);
void pare_threads_end(void);

#endif
