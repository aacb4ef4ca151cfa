#include "message.h"

#include "../support/controls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

pare_shown pare_quote(const char *text) {
    enum { LONGEST = 60 };
    pare_shown shown;
    size_t length = strlen(text), used = 0;
    shown.text[used++] = '\'';
    for (size_t i = 0; i < length && i < LONGEST; i++)
        shown.text[used++] = text[i];
    shown.text[used] = 0;
    pare_controls_hide(shown.text, "");
    snprintf(shown.text + used, sizeof shown.text - used, length > LONGEST ? "...'" : "'");
    return shown;
}

pare_shown pare_count_show(uint64_t count) {
    char digits[24];
    pare_shown shown;
    size_t length = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), used = 0;
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) shown.text[used++] = ',';
        shown.text[used++] = digits[i];
    }
    shown.text[used] = 0;
    return shown;
}

pare_shown pare_count_of(uint64_t count, const char *what) {
    pare_shown shown, number = pare_count_show(count);
    snprintf(shown.text, sizeof shown.text, "%.40s %.40s%s", number.text, what, count == 1 ? "" : "s");
    return shown;
}

/* Three significant digits, but never less than the whole number. */
static int decimals(double value) {
    return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

pare_shown pare_bytes_show(uint64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    pare_shown shown;
    if (bytes < 1024) {
        snprintf(shown.text, sizeof shown.text, "%u B", (unsigned)bytes);
        return shown;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1023.5 && unit < 5; unit++)
        value /= 1024;
    snprintf(shown.text, sizeof shown.text, "%.*f %s", decimals(value), value, units[unit]);
    return shown;
}

pare_shown pare_quantity_show(double quantity) {
    static const char *const units[] = {"", " k", " M", " G", " T"};
    pare_shown shown;
    size_t unit = 0;
    for (; fabs(quantity) >= 9999.5 && unit < 4; unit++)
        quantity /= 1000;
    snprintf(shown.text, sizeof shown.text, "%.*f%s", decimals(fabs(quantity)), quantity, units[unit]);
    return shown;
}

pare_shown pare_seconds_show(double seconds) {
    pare_shown shown;
    long whole = (long)fmin(fmax(seconds, 0), 1e9);
    if (seconds < 99.95)
        snprintf(shown.text, sizeof shown.text, "%.*f s", seconds < 9.995 ? 2 : 1, fmax(seconds, 0));
    else if (seconds < 3600)
        snprintf(shown.text, sizeof shown.text, "%ld:%02ld min", whole / 60, whole % 60);
    else
        snprintf(shown.text, sizeof shown.text, "%ld:%02ld h", whole / 3600, whole / 60 % 60);
    return shown;
}

pare_shown pare_change_show(double before, double after) {
    pare_shown shown = {""};
    if (before > 0) snprintf(shown.text, sizeof shown.text, "%+.1f %%", 100 * (after - before) / before);
    return shown;
}
