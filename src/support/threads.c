#include "support/threads.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>

/* Of what belongs to the process, OpenBLAS's number of threads above all, and of the cores: one at a time computes. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local struct {
    int depth;
    int threads, dynamic, blas; /* of the caller */
} outer;

void pare_threads_begin(int threads) {
    if (outer.depth++ == 0) {
        pthread_mutex_lock(&turn);
        outer.threads = omp_get_max_threads();
        outer.dynamic = omp_get_dynamic();
        outer.blas = openblas_get_num_threads();
    }
    omp_set_num_threads(threads);
    omp_set_dynamic(0);
}

void pare_threads_end(void) {
    if (--outer.depth > 0) return;
    openblas_set_num_threads(outer.blas); /* first: some builds of it set OpenMP's number, too */
    omp_set_num_threads(outer.threads);
    omp_set_dynamic(outer.dynamic);
    pthread_mutex_unlock(&turn);
}
