/* Where pages go, and whether there are cards. */
#include "options/resolve.h"

pare_status pare_page_resolve(const pare_page_options *o, const char *output, pare_page_job *out) {
    *out = (pare_page_job){0};
    if (!o) return PARE_OK;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_page_options, o));
    *out = (pare_page_job){.wanted = !o->none && (o->file || o->figures || output),
                           .file = o->file,
                           .figures = o->figures,
                           .command = o->command};
    return pare_run_page_check(out);
}

pare_status pare_card_resolve(const pare_card_options *o, const char *output, pare_card_job *out) {
    *out = (pare_card_job){.wanted = output != NULL};
    if (!o) return PARE_OK;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_card_options, o));
    *out = (pare_card_job){.wanted = output && !o->none, .command = o->command};
    return PARE_OK;
}
