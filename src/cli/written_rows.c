#include "written_rows.h"

#include "document.h"

#include <math.h>
#include <stdio.h>

static const struct {
    const char *member, *name;
} rows[PARE_WRITTEN_ROWS] = {{"repeated_4grams", "repeated 4-grams"}, {"ended", "texts that come to an end"}};

const char *pare_written_row_name(size_t index) {
    return rows[index].name;
}

pare_written_share pare_written_share_show(const json_t *continuations, size_t index) {
    pare_written_share shown = {"-"};
    double share = pare_document_number(continuations, rows[index].member, NAN);
    if (isfinite(share)) snprintf(shown.text, sizeof shown.text, "%.2f %%", 100 * share);
    return shown;
}

bool pare_written_row_of(const json_t *text, const char *after, size_t index, pare_written_row *out) {
    const json_t *first = pare_document_at(text, "before.continuations");
    const json_t *last = pare_document_at(pare_document_at(text, after), "continuations");
    *out = (pare_written_row){.name = rows[index].name};
    snprintf(out->before, sizeof out->before, "%s", pare_written_share_show(first, index).text);
    snprintf(out->after, sizeof out->after, "%s", pare_written_share_show(last, index).text);
    return first && last;
}
