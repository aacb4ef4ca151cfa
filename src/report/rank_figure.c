#include "report/rank_figure.h"
#include "report/chart.h"
#include "report/chart_ink.h"
#include "report/csv.h"
#include "support/file.h"
#include "support/memory.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PANELS = 8, LAYERS_SHOWN = 3, NAME = 160 };

/* What is drawn against what. */
typedef struct comparison {
    const pare_robust_ranks *x, *y; /* the same one: before and after its change */
    char title[NAME], name[NAME], label_x[NAME], label_y[NAME];
} comparison;

typedef struct panel {
    double *x, *y;
    char title[NAME];
    pare_chart_series series;
} panel;

static const pare_projection_ranks *find(const pare_robust_ranks *ranks, uint32_t layer, const char *name) {
    for (size_t i = 0; i < ranks->projection_count; i++)
        if (ranks->projections[i].layer == layer && strcmp(ranks->projections[i].name, name) == 0)
            return &ranks->projections[i];
    return NULL;
}

static const uint32_t *ranks_y(const comparison *c, const pare_projection_ranks *p) {
    if (c->x == c->y) return p->list.after;
    const pare_projection_ranks *other = find(c->y, p->layer, p->name);
    return other && other->list.count == p->list.count ? other->list.before : NULL;
}

static void spread(const uint32_t *ranks, uint32_t count, double *out) {
    for (uint32_t i = 0; i < count; i++)
        out[i] = ranks[i];
}

/* Of ranks without ties: 1 - 6 sum d^2 / (n (n^2 - 1)); that of the scores, where these are known. */
static double correlation_of(const comparison *c, const pare_projection_ranks *p) {
    const uint32_t *other = ranks_y(c, p);
    double n = p->list.count, squares = 0.0;
    if (c->x == c->y) return p->correlation;
    if (!other || n < 2.0) return NAN;
    for (uint32_t i = 0; i < p->list.count; i++) {
        double apart = (double)p->list.before[i] - (double)other[i];
        squares += apart * apart;
    }
    return 1.0 - 6.0 * squares / (n * (n * n - 1.0));
}

static const char *short_name(const char *projection) {
    const char *dot = strchr(projection, '.');
    return dot ? dot + 1 : projection;
}

static pare_status make_panel(const comparison *c, const pare_projection_ranks *p, panel *out, pare_chart *chart) {
    const uint32_t *other = ranks_y(c, p);
    double correlation = correlation_of(c, p);
    PARE_TRY(pare_alloc(&out->x, p->list.count, sizeof *out->x, "a figure"));
    PARE_TRY(pare_alloc(&out->y, p->list.count, sizeof *out->y, "a figure"));
    spread(p->list.before, p->list.count, out->x);
    if (other) spread(other, p->list.count, out->y);
    out->series =
        (pare_chart_series){.count = other ? p->list.count : 0, .x = out->x, .y = out->y, .look = PARE_LOOK_DOTS};
    snprintf(out->title, sizeof out->title, isfinite(correlation) ? "%s: rank correlation %.4f" : "%s",
             short_name(p->name), correlation);
    *chart = (pare_chart){.kind = PARE_CHART_SCATTER,
                          .title = out->title,
                          .x = {.label = c->label_x, .whole = true},
                          .y = {.label = c->label_y, .whole = true},
                          .series = &out->series,
                          .series_count = 1,
                          .diagonal = true};
    return PARE_OK;
}

/* The correlations of all layers and projections. */
typedef struct overview {
    double *values;
    const char *columns[PANELS]; /* names of projections, and what is shown of them */
    char shown[PANELS][16];
    const char **rows;
    char (*row_names)[24];
} overview;

static void overview_free(overview *o) {
    pare_free(o->values);
    pare_free(o->rows);
    pare_free(o->row_names);
}

/* The names of projections that there are, in the order of the first layer that has them. */
static size_t name_columns(const pare_robust_ranks *ranks, const char **columns) {
    size_t count = 0;
    for (size_t i = 0; i < ranks->projection_count; i++) {
        size_t at = 0;
        while (at < count && strcmp(columns[at], ranks->projections[i].name) != 0)
            at++;
        if (at == count && count < PANELS - 1) columns[count++] = ranks->projections[i].name;
    }
    return count;
}

static pare_status make_overview(const comparison *c, uint32_t layers, overview *o, pare_chart *chart) {
    size_t columns = name_columns(c->x, o->columns);
    PARE_TRY(pare_alloc(&o->values, layers * columns, sizeof *o->values, "a figure"));
    PARE_TRY(pare_alloc(&o->rows, layers, sizeof *o->rows, "a figure"));
    PARE_TRY(pare_alloc(&o->row_names, layers, sizeof *o->row_names, "a figure"));
    for (uint32_t row = 0; row < layers; row++) {
        snprintf(o->row_names[row], sizeof *o->row_names, "layer %u", row);
        o->rows[row] = o->row_names[row];
        for (size_t column = 0; column < columns; column++) {
            const pare_projection_ranks *p = find(c->x, row, o->columns[column]);
            o->values[row * columns + column] = p ? correlation_of(c, p) : NAN;
        }
    }
    for (size_t column = 0; column < columns; column++) {
        const char *name = short_name(o->columns[column]);
        snprintf(o->shown[column], sizeof *o->shown, "%.*s", (int)strcspn(name, "_"), name);
        o->columns[column] = o->shown[column];
    }
    *chart = (pare_chart){.kind = PARE_CHART_HEAT,
                          .title = "Rank correlation in every layer",
                          .cells = {.rows = layers,
                                    .columns = columns,
                                    .values = o->values,
                                    .row_names = o->rows,
                                    .column_names = o->columns,
                                    .label = "rank correlation"}};
    return PARE_OK;
}

static pare_status put_panels(const comparison *c, uint32_t layer, const pare_chart *charts, size_t count,
                              pare_figure_put *put, void *context) {
    char *title = pare_format("Ranks of channels in layer %u: %s (0: the least important)", layer, c->title);
    char *name = pare_format("%s-layer%u.svg", c->name, layer);
    char *svg = title ? pare_chart_panels_svg(title, charts, count, 4) : NULL;
    pare_status status = pare_whole();
    if (status == PARE_OK && !svg) status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a figure of ranks");
    if (status == PARE_OK) status = put(context, name, svg);
    free(title);
    free(name);
    free(svg);
    return status;
}

static pare_status put_layer(const comparison *c, const pare_chart *summary, uint32_t layer, pare_figure_put *put,
                             void *context) {
    panel panels[PANELS] = {0};
    pare_chart charts[PANELS];
    size_t count = 0;
    pare_status status = PARE_OK;
    for (size_t i = 0; i < c->x->projection_count && count < PANELS - 1 && status == PARE_OK; i++) {
        if (c->x->projections[i].layer != layer) continue;
        status = make_panel(c, &c->x->projections[i], &panels[count], &charts[count]);
        count++;
    }
    charts[count] = *summary;
    if (status == PARE_OK) status = put_panels(c, layer, charts, count + 1, put, context);
    for (size_t i = 0; i < PANELS; i++) {
        pare_free(panels[i].x);
        pare_free(panels[i].y);
    }
    return status;
}

static pare_status put_comparison(const comparison *c, uint32_t layers, pare_figure_put *put, void *context) {
    uint32_t first = c->x->projections[0].layer, last = c->x->projections[c->x->projection_count - 1].layer;
    uint32_t shown[LAYERS_SHOWN] = {first, (first + last) / 2, last};
    overview o = {0};
    pare_chart chart;
    pare_status status = make_overview(c, layers, &o, &chart);
    for (int i = 0; i < LAYERS_SHOWN && status == PARE_OK; i++)
        if (i == 0 || shown[i] != shown[i - 1]) status = put_layer(c, &chart, shown[i], put, context);
    overview_free(&o);
    return status;
}

static void make_safe(char *name) {
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("-_.=", *name)) *name = '_';
}

static comparison before_and_after(const pare_robust_ranks *r) {
    comparison c = {.x = r, .y = r, .label_x = "rank before", .label_y = "rank after"};
    snprintf(c.title, sizeof c.title, "%s before and after %s", r->method, r->change);
    snprintf(c.name, sizeof c.name, "ranks-%s-%s", r->method, r->change);
    make_safe(c.name);
    return c;
}

static comparison two_methods(const pare_robust_ranks *x, const pare_robust_ranks *y) {
    comparison c = {.x = x, .y = y};
    snprintf(c.title, sizeof c.title, "%s against %s", x->method, y->method);
    snprintf(c.name, sizeof c.name, "ranks-%s-%s", x->method, y->method);
    snprintf(c.label_x, sizeof c.label_x, "rank by %s", x->method);
    snprintf(c.label_y, sizeof c.label_y, "rank by %s", y->method);
    make_safe(c.name);
    return c;
}

static void write_csv(FILE *out, const pare_robust_ranks *r) {
    for (size_t i = 0; i < r->projection_count; i++) {
        const pare_projection_ranks *p = &r->projections[i];
        for (uint32_t channel = 0; channel < p->list.count; channel++) {
            pare_csv_name(out, r->method);
            fprintf(out, ",%s,%u,%s,", r->change, p->layer, p->name);
            if (isfinite(p->correlation)) fprintf(out, "%.9g", p->correlation);
            fprintf(out, ",%u,%u,%u\n", channel, p->list.before[channel], p->list.after[channel]);
        }
    }
}

static pare_status put_csv(const pare_robust_results *r, pare_figure_put *put, void *context) {
    pare_ink_sheet sheet;
    char *text = NULL;
    if (pare_ink_begin(&sheet)) {
        fputs("method,change,layer,projection,rank_correlation,channel,before,after\n", sheet.out);
        for (size_t i = 0; i < r->rank_count; i++)
            write_csv(sheet.out, &r->ranks[i]);
        text = pare_ink_end(&sheet);
    }
    pare_status status = text ? put(context, "ranks.csv", text)
                              : pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the table of ranks");
    free(text);
    return status;
}

pare_status pare_rank_figures(const pare_robust_results *r, pare_figure_put *put, void *context) {
    for (size_t i = 0; i < r->rank_count; i++) {
        const pare_robust_ranks *x = &r->ranks[i];
        if (!x->projection_count) continue;
        comparison c = before_and_after(x);
        PARE_TRY(put_comparison(&c, r->layers, put, context));
        for (size_t j = i + 1; j < r->rank_count; j++) {
            const pare_robust_ranks *y = &r->ranks[j];
            if (x->change != r->ranks[0].change || y->change != x->change || !y->projection_count) continue;
            c = two_methods(x, y);
            PARE_TRY(put_comparison(&c, r->layers, put, context));
        }
    }
    return put_csv(r, put, context);
}
