/* The table of what was measured before and after. */
#include "report/page_parts.h"

#include <math.h>
#include <string.h>

typedef struct row {
    const char *name;
    double before, after, recovered;
} row;

static bool recovers(const json_t *json) {
    return json_is_object(pare_page_at(json, "recovery"));
}

static void write_value(pare_page *page, double value, bool whole) {
    if (isnan(value))
        pare_page_cell(page, "%s", "");
    else if (whole)
        pare_page_cell(page, "%s", pare_page_count(page, value));
    else
        pare_page_cell(page, "%.5g", value);
}

static void write_row(pare_page *page, const row *r, bool recovered, bool whole) {
    double last = recovered && isfinite(r->recovered) ? r->recovered : r->after;
    if (isnan(r->before) && isnan(r->after)) return;
    pare_page_row(page);
    pare_page_cell(page, "%s", r->name);
    write_value(page, r->before, whole);
    write_value(page, r->after, whole);
    if (recovered) write_value(page, r->recovered, whole);
    if (isfinite(r->before) && isfinite(last) && fabs(r->before) > 0.0)
        pare_page_cell(page, "%+.3g %%", 100.0 * (last / r->before - 1.0));
    else
        pare_page_cell(page, "%s", "");
    pare_page_row_end(page);
}

static row row_of(const json_t *pair, const char *name, const char *member) {
    char path[3][96];
    snprintf(path[0], sizeof path[0], "before%s%s", member ? "." : "", member ? member : "");
    snprintf(path[1], sizeof path[1], "after%s%s", member ? "." : "", member ? member : "");
    snprintf(path[2], sizeof path[2], "recovered%s%s", member ? "." : "", member ? member : "");
    return (row){name, pare_page_number(pair, path[0]), pare_page_number(pair, path[1]),
                 pare_page_number(pair, path[2])};
}

static void write_pair(pare_page *page, const json_t *pair, const char *name, const char *member, bool recovered,
                       bool whole) {
    row r = row_of(pair, name, member);
    write_row(page, &r, recovered, whole);
}

/* The pruned model with what it has lost beside it. */
static void write_adapted(pare_page *page, const json_t *text, const char *file) {
    row r = {pare_page_format(page, "perplexity with the residual adapter%s%s", *file ? ", " : "", file),
             pare_page_number(text, "before.perplexity"), pare_page_number(text, "adapted.perplexity"), NAN};
    if (isfinite(r.after)) write_row(page, &r, false, false);
}

/* Weights that are zero are no parameters less. */
static void write_zeros(pare_page *page, const json_t *json, bool recovered) {
    double removed = pare_page_number(json, "sparsity.removed");
    if (!(removed > 0.0)) return;
    row r = {"weights that are zero", NAN, removed, NAN};
    write_row(page, &r, recovered, true);
}

/* What evaluations before and after have of a text. */
static void write_measures(pare_page *page, const json_t *pair, const char *on, bool recovered) {
    static const struct {
        const char *member, *name;
    } measures[] = {{"perplexity", "perplexity"},
                    {"kl", "KL divergence from the dense model"},
                    {"top1", "same first choice, share"},
                    {"continuations.repeated_4grams", "continuations: repeated 4-grams, share"},
                    {"continuations.ended", "continuations that come to an end, share"}};
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        write_pair(page, pair, pare_page_format(page, "%s%s%s", measures[i].name, *on ? ", " : "", on),
                   measures[i].member, recovered, false);
}

static void write_images(pare_page *page, const json_t *images, bool recovered) {
    static const struct {
        const char *member, *name;
    } measures[] = {{"top1", "right label, share of images"},
                    {"top5", "right label among five, share"},
                    {"loss", "loss on images"},
                    {"kl", "KL divergence from the dense model, images"},
                    {"agreement", "same label as the dense model, share"}};
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        write_pair(page, images, measures[i].name, measures[i].member, recovered, false);
}

void pare_page_say_images(pare_page *page, const json_t *json) {
    const json_t *images = pare_page_at(json, "images");
    double before = 100.0 * pare_page_number(images, "before.top1"),
           after = 100.0 * pare_page_number(images, "after.top1"),
           last = 100.0 * pare_page_number(images, "recovered.top1");
    const char *file = pare_page_string(images, "file");
    if (!isfinite(before) || !isfinite(after)) return;
    pare_page_say(page, "The right label came first for %.4g %% of the images%s%s, and comes first for %.4g %% now",
                  before, file ? " of " : "", pare_page_base(file), isfinite(last) ? last : after);
    if (isfinite(last)) pare_page_say(page, " (%.4g %% before it was trained)", after);
    pare_page_put(page, ".");
}

void pare_page_before_after(pare_page *page, const json_t *json) {
    static const char *const two[] = {"", "before", "after", "change", NULL}, *const three[] = {"",       "before",
                                                                                                "pruned", "trained",
                                                                                                "change", NULL};
    bool recovered = recovers(json);
    const json_t *texts = pare_page_at(json, "texts");
    if (!pare_page_at(json, "parameters") && !json_array_size(texts) && !pare_page_at(json, "images")) return;
    pare_page_heading(page, "Before and after");
    pare_page_table(page, recovered ? three : two);
    write_pair(page, pare_page_at(json, "parameters"), "parameters", NULL, recovered, true);
    write_zeros(page, json, recovered);
    write_pair(page, pare_page_at(json, "bytes"), "bytes of weights", NULL, recovered, true);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i);
        const char *file = pare_page_string(text, "file");
        write_measures(page, text, file ? pare_page_base(file) : "", recovered);
        write_adapted(page, text, file ? pare_page_base(file) : "");
    }
    write_images(page, pare_page_at(json, "images"), recovered);
    pare_page_table_end(page);
    pare_page_release(page);
}
