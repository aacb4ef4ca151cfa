#include "support/read_ahead.h"
#include "support/memory.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* REQUEST: what MADV_WILLNEED reads of a range at least, before it forgets about the rest; AHEAD: asked for, while STEP
 * is awaited. */
enum { WISHES = 1024, REQUEST = 128 << 10, STEP = 2 << 20, AHEAD = 16 << 20, STACK = 256 << 10 };

typedef struct wish {
    uintptr_t begin, end;
    bool release;
} wish;

struct pare_read_ahead {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    wish list[WISHES];
    size_t first, count; /* of the wishes, round in a circle */
    bool busy, stop;
};

static uintptr_t smaller(uintptr_t a, uintptr_t b) {
    return a < b ? a : b;
}

static bool stopping(pare_read_ahead *r) {
    pthread_mutex_lock(&r->lock);
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return stop;
}

/* Kernels before 5.14 have no way to wait for pages; there the requests must do. */
static void read_range(pare_read_ahead *r, uintptr_t begin, uintptr_t end) {
    uintptr_t asked = begin;
    for (uintptr_t at = begin; at < end && !stopping(r); at = smaller(at + STEP, end)) {
        for (; asked < smaller(at + AHEAD, end); asked = smaller(asked + REQUEST, end))
            madvise((void *)asked, smaller(asked + REQUEST, end) - asked, MADV_WILLNEED);
        madvise((void *)at, smaller(at + STEP, end) - at, MADV_POPULATE_READ);
    }
}

static void release_range(uintptr_t begin, uintptr_t end) {
    if (begin < end) madvise((void *)begin, end - begin, MADV_PAGEOUT);
}

static void *work(void *context) {
    pare_read_ahead *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        r->busy = r->count > 0;
        if (!r->busy) {
            pthread_cond_broadcast(&r->changed);
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        wish next = r->list[r->first];
        r->first = (r->first + 1) % WISHES;
        r->count--;
        pthread_mutex_unlock(&r->lock);
        if (next.release)
            release_range(next.begin, next.end);
        else
            read_range(r, next.begin, next.end);
        pthread_mutex_lock(&r->lock);
    }
    r->busy = false;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Signals are for the threads that were there before. */
static bool start(pare_read_ahead *r) {
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&r->thread, &attributes, work, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

pare_read_ahead *pare_read_ahead_new(void) {
    pare_read_ahead *r;
    if (pare_alloc(&r, 1, sizeof *r, "reading ahead") != PARE_OK) return NULL;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    if (start(r)) return r;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    pare_free(r);
    return NULL;
}

void pare_read_ahead_free(pare_read_ahead *r) {
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    pare_free(r);
}

static void ask(pare_read_ahead *r, wish wanted) {
    if (!r || wanted.begin >= wanted.end) return;
    pthread_mutex_lock(&r->lock);
    if (r->count < WISHES) {
        r->list[(r->first + r->count++) % WISHES] = wanted;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
}

void pare_read_ahead_want(pare_read_ahead *r, const void *data, uint64_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    ask(r, (wish){.begin = at / page * page, .end = at + bytes});
}

void pare_read_ahead_release(pare_read_ahead *r, const void *data, uint64_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    ask(r, (wish){.begin = (at + page - 1) / page * page, .end = (at + bytes) / page * page, .release = true});
}

void pare_read_ahead_wait(pare_read_ahead *r) {
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    while (r->count || r->busy)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}
