#include "run/resume.h"
#include "checkpoint/temporary.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

pare_status pare_resume_key_of_text(const char *text, char key[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, text, strlen(text));
    pare_digest_finish(digest, key);
    return PARE_OK;
}

pare_status pare_resume_key(json_t *identity, char key[PARE_DIGEST_TEXT]) {
    char *text;
    PARE_TRY(pare_json_text_of(identity, "what the run depends on", &text));
    pare_status status = pare_resume_key_of_text(text, key);
    pare_free(text);
    return status;
}

void pare_resume_keep(pare_resume *resume, const char *folder) {
    resume->folder = folder;
    pare_interrupted_keeps(folder);
}

pare_status pare_resume_open(pare_resume *resume) {
    struct stat found;
    const char *folder = resume->folder;
    if (!folder || pare_peer_rank()) return PARE_OK;
    bool made = mkdir(folder, 0700) == 0, there = !made && errno == EEXIST && lstat(folder, &found) == 0;
    if (there && S_ISLNK(found.st_mode))
        return pare_fail(PARE_FILE_ERROR,
                         "%s is a link, and progress is kept in a folder of its own: remove the link, or give another "
                         "OUT",
                         folder);
    if (!made && !(there && S_ISDIR(found.st_mode)))
        return pare_fail(PARE_FILE_ERROR, "cannot make the folder %s for --resume: %s", folder, strerror(errno));
    PARE_TRY(pare_folder_lock(folder, &resume->lock));
    resume->locked = resume->lock >= 0;
    return PARE_OK;
}

void pare_resume_remove(const char *folder, const pare_runtime *runtime) {
    if (rmdir(folder) == 0 || errno == ENOENT) return;
    char note[PATH_MAX + 200]; /* where there is no memory it is said, too */
    snprintf(note, sizeof note, "the progress in %s could not be removed: %s", folder, strerror(errno));
    pare_runtime_note(runtime, note);
}

void pare_resume_close(pare_resume *resume) {
    pare_interrupted_keeps(NULL);
    if (resume->locked) close(resume->lock);
    *resume = (pare_resume){0};
}
