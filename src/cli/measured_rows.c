#include "measured_rows.h"

#include "document.h"
#include "message.h"
#include "written_rows.h"

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

/* What a model says of a text that the dense one says, too. */
static void compare(const json_t *text, const char *key, const char *what, pare_measured_row_fn row, void *context) {
    const json_t *sides[] = {pare_document_at(text, "before"), pare_document_at(text, key)};
    const char *file = pare_document_text(text, "file");
    char name[160];
    pare_shown kl[2] = {0}, same[2] = {0};
    for (int side = 0; side < 2; side++) {
        if (!pare_document_at(sides[side], "kl")) continue;
        kl[side] = pare_document_show(sides[side], "kl", "%.4f");
        snprintf(same[side].text, sizeof same[side].text, "%.2f %%",
                 100 * pare_document_number(sides[side], "top1", NAN));
    }
    if (!*kl[1].text) return;
    snprintf(name, sizeof name, "KL divergence%s, %s", what, file);
    row(context, name, kl[0].text, kl[1].text, "");
    snprintf(name, sizeof name, "same first choice%s, %s", what, file);
    row(context, name, same[0].text, same[1].text, "");
}

void pare_text_rows(const json_t *text, const char *key, const char *what, pare_measured_row_fn row, void *context) {
    const json_t *sides[] = {pare_document_at(text, "before"), pare_document_at(text, key)};
    const char *file = pare_document_text(text, "file");
    char name[160];
    const double values[] = {pare_document_number(sides[0], "perplexity", NAN),
                             pare_document_number(sides[1], "perplexity", NAN)};
    snprintf(name, sizeof name, "perplexity%s, %s", what, file);
    row(context, name, pare_document_show(sides[0], "perplexity", "%.3f").text,
        pare_document_show(sides[1], "perplexity", "%.3f").text, change_of(values, false).text);
    compare(text, key, what, row, context);
    const json_t *written[] = {pare_document_at(sides[0], "continuations"),
                               pare_document_at(sides[1], "continuations")};
    for (size_t i = 0; written[0] && written[1] && i < PARE_WRITTEN_ROWS; i++) {
        snprintf(name, sizeof name, "%s%s, %s", pare_written_row_name(i), what, file);
        row(context, name, pare_written_share_show(written[0], i).text, pare_written_share_show(written[1], i).text,
            "");
    }
}

void pare_image_rows(const json_t *images, const char *key, const char *what, pare_measured_row_fn row, void *context) {
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
