#include "sweep_share.h"

#include "json_text.h"
#include "outcome.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

size_t pare_sweep_share_round(const bool *known, size_t first, size_t points) {
    int open = 0;
    size_t last = first;
    for (; last < points && open < pare_machines_count(); last++)
        open += !known[last];
    return last;
}

static int no_memory(void) {
    pare_terminal_fail("there is not enough memory for the row of a point");
    return PARE_EXIT_FAILED;
}

/* Numbers with as many digits as they need to be read back as they were. */
int pare_sweep_share_row(int owner, json_t **row) {
    enum { DIGITS = 17 };
    bool own = owner == pare_machines_rank();
    if (pare_machines_count() == 1) return PARE_EXIT_DONE;
    char *text = own ? pare_json_text_make(*row, "the row of a point", JSON_REAL_PRECISION(DIGITS)) : NULL;
    uint64_t bytes = text ? strlen(text) + 1 : 0;
    int code = pare_outcome_exit(pare_machines_tell(&bytes, sizeof bytes, owner));
    if (code == PARE_EXIT_DONE && !own) text = bytes ? malloc(bytes) : NULL;
    if (code == PARE_EXIT_DONE && !text) code = no_memory();
    if (code == PARE_EXIT_DONE) code = pare_outcome_exit(pare_machines_tell(text, bytes, owner));
    if (code == PARE_EXIT_DONE && !own) {
        *row = json_loads(text, 0, NULL);
        if (!*row) code = no_memory();
    }
    free(text);
    return code;
}
