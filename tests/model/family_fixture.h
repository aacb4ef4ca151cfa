/* Tiny models of families and a backend in fp32 on one thread, for tests that look at several of them. */
#ifndef PARE_TESTS_FAMILY_FIXTURE_H
#define PARE_TESTS_FAMILY_FIXTURE_H

#include "families.h"

typedef struct fixture {
    families all;
    pare_backend *backend;
} fixture;

static inline int fixture_open(void **state, families all) {
    fixture *f = *state = calloc(1, sizeof *f);
    f->all = all;
    return pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &f->backend) != PARE_OK;
}

static inline int fixture_close(void **state) {
    fixture *f = *state;
    pare_backend_close(f->backend);
    families_free(&f->all);
    free(f);
    return 0;
}

static inline family_model open_named(const fixture *f, const char *name) {
    return family_open(family_case(&f->all, name), (family_form){.dtype = PARE_DTYPE_F32});
}

#endif
