#include "report/robustness_table.h"
#include "report/chart_ink.h"
#include "report/csv.h"
#include "report/spread.h"
#include "support/memory.h"

#include <math.h>
#include <stdio.h>

/* Comparisons lie by change, method and ratio. */
typedef struct layout {
    size_t changes, each; /* each: comparisons of a change */
} layout;

static layout layout_of(const pare_robust_results *r) {
    layout l = {0};
    while (l.each < r->comparison_count && r->comparisons[l.each].change == r->comparisons[0].change)
        l.each++;
    l.changes = l.each ? r->comparison_count / l.each : 0;
    return l;
}

static double apart(const pare_robust_comparison *a, const pare_robust_comparison *b, uint32_t seed, size_t text) {
    return fabs(a->seeds[seed].texts[text].changed - b->seeds[seed].texts[text].changed);
}

static json_t *pair_json(const pare_robust_results *r, const pare_robust_comparison *a, const pare_robust_comparison *b,
                         double *values) {
    json_t *texts = json_array();
    for (size_t t = 0; t < r->text_count; t++) {
        for (uint32_t s = 0; s < r->seeds; s++)
            values[s] = apart(a, b, s, t);
        pare_json_append(texts, pare_json_of({"file", pare_json_name(r->texts[t])},
                                             {"difference", pare_report_spread(values, r->seeds)}));
    }
    return pare_json_of({"method", pare_json_string(a->method)}, {"ratio", pare_json_real(a->ratio)},
                        {"changes", pare_json_list_of(pare_json_string(a->change), pare_json_string(b->change))},
                        {"texts", texts});
}

json_t *pare_report_between(const pare_robust_results *r) {
    layout l = layout_of(r);
    double *values = NULL;
    json_t *list = json_array();
    bool room = pare_alloc(&values, r->seeds, sizeof *values, "the report") == PARE_OK;
    for (size_t i = 0; i < l.changes; i++)
        for (size_t j = i + 1; j < l.changes; j++)
            for (size_t k = 0; k < l.each; k++)
                pare_json_append(
                    list, room ? pair_json(r, &r->comparisons[i * l.each + k], &r->comparisons[j * l.each + k], values)
                               : NULL);
    pare_free(values);
    return list;
}

static void write_spread(FILE *out, const double *values, uint32_t seeds) {
    pare_spread spread = pare_spread_of(values, seeds);
    fputc(',', out);
    if (spread.finite) fprintf(out, "%.12g", spread.mean);
    if (seeds == 1) return;
    fputc(',', out);
    if (isfinite(spread.sd)) fprintf(out, "%.6g", spread.sd);
}

static double number_of(const pare_robust_text *text, int column) {
    const double numbers[] = {text->unpruned, text->pruned, text->changed, fabs(text->pruned - text->changed)};
    return numbers[column];
}

enum { COLUMNS = 4 };

static void write_names(FILE *out, const pare_robust_results *r, size_t text, const pare_robust_comparison *c) {
    pare_csv_name(out, r->texts[text]);
    fputc(',', out);
    pare_csv_name(out, c->method);
    fprintf(out, ",%g,", c->ratio);
}

static void write_comparison(FILE *out, const pare_robust_results *r, size_t text, const pare_robust_comparison *c,
                             double *values) {
    write_names(out, r, text, c);
    fputs(c->change, out);
    for (int column = 0; column < COLUMNS; column++) {
        for (uint32_t s = 0; s < r->seeds; s++)
            values[s] = number_of(&c->seeds[s].texts[text], column);
        write_spread(out, values, r->seeds);
    }
    fputc('\n', out);
}

static void write_pair(FILE *out, const pare_robust_results *r, size_t text, const pare_robust_comparison *a,
                       const pare_robust_comparison *b, double *values) {
    write_names(out, r, text, a);
    fprintf(out, "%s|%s", a->change, b->change);
    fputs(r->seeds > 1 ? ",,,,,," : ",,,", out);
    for (uint32_t s = 0; s < r->seeds; s++)
        values[s] = apart(a, b, s, text);
    write_spread(out, values, r->seeds);
    fputc('\n', out);
}

static void write_rows(FILE *out, const pare_robust_results *r, size_t text, double *values) {
    layout l = layout_of(r);
    for (size_t k = 0; k < l.each; k++) {
        for (size_t i = 0; i < l.changes; i++)
            write_comparison(out, r, text, &r->comparisons[i * l.each + k], values);
        for (size_t i = 0; i < l.changes; i++)
            for (size_t j = i + 1; j < l.changes; j++)
                write_pair(out, r, text, &r->comparisons[i * l.each + k], &r->comparisons[j * l.each + k], values);
    }
}

char *pare_robustness_csv(const pare_robust_results *r) {
    pare_ink_sheet sheet;
    double *values;
    if (pare_alloc(&values, r->seeds, sizeof *values, "the table") != PARE_OK) return NULL;
    if (!pare_ink_begin(&sheet)) {
        pare_free(values);
        return NULL;
    }
    fputs(r->seeds > 1 ? "text,method,ratio,change,unpruned,unpruned_sd,perplexity,perplexity_sd,changed,"
                         "changed_sd,difference,difference_sd\n"
                       : "text,method,ratio,change,unpruned,perplexity,changed,difference\n",
          sheet.out);
    for (size_t t = 0; t < r->text_count; t++)
        write_rows(sheet.out, r, t, values);
    pare_free(values);
    return pare_ink_end(&sheet);
}
