/* The ranks of a job, for programs: what they have to agree about before the first call. */
#include "support/digest.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <stdio.h>
#include <string.h>

/* The words as one text; where they are too many to be shown, their digest stands behind the first of them. */
static pare_status agree_words(const char *const *words, size_t count) {
    enum { SHOWN = 120 };
    char text[SHOWN + PARE_DIGEST_TEXT + 1], all[PARE_DIGEST_TEXT];
    pare_digest *digest;
    size_t used = 0;
    PARE_TRY(pare_digest_new(&digest));
    for (size_t i = 0; i < count; i++) {
        pare_digest_add(digest, words[i], strlen(words[i]) + 1);
        if (used < SHOWN) {
            int length = snprintf(text + used, SHOWN - used, "%s%s", i ? " " : "", words[i]);
            used = length < 0 || used + (size_t)length >= SHOWN ? SHOWN : used + (size_t)length;
        }
    }
    pare_digest_finish(digest, all);
    if (used >= SHOWN) snprintf(text + SHOWN - 1, sizeof text - SHOWN + 1, " %s", all);
    return pare_peer_agree("command line", count ? text : "");
}

pare_status pare_machines_join(const char *const *words, size_t count) {
    PARE_TRY(pare_peer_open());
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_agree("version of pare", pare_version()));
    return agree_words(words, count);
}

int pare_machines_rank(void) {
    return pare_peer_rank();
}

int pare_machines_count(void) {
    return pare_peer_count();
}

const char *pare_machines_host(void) {
    return pare_peer_host(pare_peer_rank());
}

int pare_machines_launched_rank(void) {
    return pare_peer_launched().rank;
}

pare_status pare_machines_memory(uint64_t *bytes) {
    uint64_t here = 0;
    *bytes = 0;
    if (pare_peer_count() == 1) return PARE_OK;
    for (int rank = 0; rank < pare_peer_count(); rank++)
        here += strcmp(pare_peer_host(rank), pare_machines_host()) == 0;
    uint64_t own = pare_runtime_limit(NULL) / here;
    for (int rank = 0; rank < pare_peer_count(); rank++) {
        uint64_t other = own;
        PARE_TRY(pare_peer_broadcast(&other, sizeof other, rank));
        if (other && (!*bytes || other < *bytes)) *bytes = other;
    }
    return PARE_OK;
}

pare_status pare_machines_leave(void) {
    double nothing = 0.0;
    PARE_TRY(pare_peer_reduce(&nothing, 1));
    pare_peer_close();
    return PARE_OK;
}

void pare_machines_abort(int code) {
    pare_peer_abort(code);
}
