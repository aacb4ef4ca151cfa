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
