#include "image_rows.h"

#include "document.h"
#include "message.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static pare_shown change_of(const double values[2], bool share) {
    pare_shown shown = {""};
    if (!isfinite(values[0]) || !isfinite(values[1])) return shown;
    if (!share) return pare_change_show(values[0], values[1]);
    snprintf(shown.text, sizeof shown.text, "%+.2f points", 100 * (values[1] - values[0]));
    return shown;
}

void pare_image_rows(const json_t *images, const char *key, const char *what, pare_image_row_fn row, void *context) {
    static const struct {
        const char *member, *title;
        bool share;
    } rows[] = {{"top1", "top-1", true},
                {"top5", "top-5", true},
                {"loss", "loss", false},
                {"kl", "KL divergence", false},
                {"agreement", "same label", true}};
    const json_t *sides[] = {pare_document_at(images, "before"), pare_document_at(images, key)};
    for (size_t i = 0; sides[1] && i < sizeof rows / sizeof *rows; i++) {
        char name[160], shown[2][32];
        double values[2];
        if (!pare_document_at(sides[1], rows[i].member)) continue;
        for (int side = 0; side < 2; side++) {
            values[side] = pare_document_number(sides[side], rows[i].member, NAN);
            if (!isfinite(values[side]))
                snprintf(shown[side], sizeof *shown, "%s", pare_document_at(sides[side], rows[i].member) ? "-" : "");
            else if (rows[i].share)
                snprintf(shown[side], sizeof *shown, "%.2f %%", 100 * values[side]);
            else
                snprintf(shown[side], sizeof *shown, "%.4f", values[side]);
        }
        snprintf(name, sizeof name, "%s%s, %s", rows[i].title, what, pare_document_text(images, "file"));
        row(context, name, shown[0], shown[1], change_of(values, rows[i].share).text);
    }
}
