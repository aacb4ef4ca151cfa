/* The ranks of a job, for programs: what they have to agree about before the first call. */
#include "model/agreement.h"
#include "support/digest.h"
#include "support/path.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Of all bytes of a file. */
static pare_status file_digest(const char *path, char text[PARE_DIGEST_TEXT]) {
    enum { PIECE = 65536 };
    unsigned char piece[PIECE];
    pare_digest *digest;
    FILE *file = fopen(path, "rbe");
    if (!file) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", path, strerror(errno));
    pare_status status = pare_digest_new(&digest);
    if (status == PARE_OK) {
        for (size_t bytes; (bytes = fread(piece, 1, sizeof piece, file)) > 0;)
            pare_digest_add(digest, piece, bytes);
        pare_digest_finish(digest, text);
        if (ferror(file)) status = pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", path, strerror(errno));
    }
    fclose(file);
    return status;
}

static pare_status agree_file(const char *path) {
    char text[PARE_DIGEST_TEXT];
    if (strcmp(path, "self") == 0 || pare_path_is_folder(path)) return PARE_OK;
    PARE_TRY(file_digest(path, text));
    char *what = pare_format("bytes in %s (by their digest)", path);
    pare_status status = what ? pare_peer_agree(what, text) : pare_whole();
    free(what);
    return status;
}

pare_status pare_machines_agree(const pare_model *model, const pare_runtime *runtime, const char *const *files,
                                size_t count) {
    pare_backend *backend;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_backend_open(runtime, false, &backend));
    pare_status status = pare_ranks_agree(model, backend);
    pare_backend_close(backend);
    for (size_t i = 0; i < count && status == PARE_OK; i++)
        status = agree_file(files[i]);
    return status;
}

pare_status pare_machines_tell(void *data, size_t bytes, int from) {
    return pare_peer_broadcast(data, bytes, from);
}

void pare_machines_apart(bool apart) {
    pare_peer_set_apart(apart);
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
