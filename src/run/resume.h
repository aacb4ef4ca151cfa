/* What a run that can be taken up again needs: the folder OUT.progress, in which one run at a time works, and the key
 * of all that its result depends on. */
#ifndef PARE_RUN_RESUME_H
#define PARE_RUN_RESUME_H

#include "support/digest.h"
#include "support/json.h"

typedef struct pare_resume {
    const char *folder; /* borrowed; NULL: nothing is kept */
    bool locked;
    int lock; /* on the folder */
    char key[PARE_DIGEST_TEXT];
} pare_resume;

/* SHA-256 of what a result depends on. Frees the reference, which may be NULL. */
pare_status pare_resume_key(json_t *identity, char key[PARE_DIGEST_TEXT]);
pare_status pare_resume_key_of_text(const char *text, char key[PARE_DIGEST_TEXT]);

/* An interruption of this thread's work says from now on that it is kept in that folder, if it is there. NULL: nothing
 * is. */
void pare_resume_keep(pare_resume *resume, const char *folder);
/* Makes the folder, or takes the one that is there; PARE_BAD_ARGUMENT if another run works in it. Nothing happens
 * without one, and on ranks that are not the first. */
pare_status pare_resume_open(pare_resume *resume);
/* Removes the folder when all that pare kept in it is gone; a note says so where it has to stay. */
void pare_resume_remove(const char *folder, const pare_runtime *runtime);
/* Gives the lock up; the folder stays. */
void pare_resume_close(pare_resume *resume);

#endif
