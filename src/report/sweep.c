#include "report/sweep.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const measures[] = {"perplexity", "accuracy"};

double pare_sweep_number(const json_t *value) {
    if (json_is_number(value)) return json_number_value(value);
    const char *text = json_string_value(value);
    char *end;
    if (!text) return NAN;
    double begin = strtod(text, &end);
    if (end == text || *end != ':') return NAN;
    const char *second = end + 1;
    double past = strtod(second, &end);
    return end == second || *end || !(past > begin) ? NAN : begin + (past - 1.0 - begin) / 2.0;
}

char *pare_sweep_word(const json_t *value) {
    if (json_is_string(value)) return pare_format("%s", json_string_value(value));
    if (json_is_integer(value)) return pare_format("%lld", (long long)json_integer_value(value));
    return pare_format("%g", json_number_value(value));
}

static pare_status fail_document(void) {
    return pare_fail(PARE_FORMAT_ERROR, "this is no document of a sweep: give what pare sweep prints with --json, or "
                                        "writes with --json-file");
}

static pare_status read_axes(pare_sweep *s) {
    const json_t *over = json_object_get(json_object_get(s->document, "sweep"), "over");
    size_t all = json_array_size(over);
    if (!all || all > PARE_SWEEP_AXES) return fail_document();
    for (size_t i = 0; i < all; i++) {
        const char *name = json_string_value(json_array_get(over, i));
        if (!name) return fail_document();
        if (all > 1 && strcmp(name, "seed") == 0)
            s->seeds = true;
        else
            s->axes[s->axis_count++] = name;
    }
    return PARE_OK;
}

/* The text of a column "MEASURE after TEXT"; NULL: it is another one. */
static const char *text_of(const char *column, const char *measure) {
    static const char after[] = " after ";
    size_t length = strlen(measure);
    bool own = strncmp(column, measure, length) == 0 && strncmp(column + length, after, sizeof after - 1) == 0;
    return own ? column + length + sizeof after - 1 : NULL;
}

/* Columns of the first row; jansson keeps their order. */
static pare_status read_texts(pare_sweep *s, const json_t *row) {
    const char *name, *text;
    json_t *value;
    PARE_TRY(pare_alloc(&s->texts, json_object_size(row), sizeof *s->texts, "the sweep"));
    PARE_TRY(pare_alloc(&s->before, json_object_size(row), sizeof *s->before, "the sweep"));
    for (size_t i = 0; i < sizeof measures / sizeof *measures && !s->text_count; i++) {
        s->measure = measures[i];
        json_object_foreach((json_t *)(uintptr_t)row, name, value) {
            if ((text = text_of(name, s->measure))) s->texts[s->text_count++] = text;
        }
    }
    return s->text_count ? PARE_OK
                         : pare_fail(PARE_BAD_ARGUMENT, "the sweep has no perplexities to show: give it --text FILE");
}

static json_t *axis_json(const json_t *row, const char *axis) {
    const json_t *value = json_object_get(row, axis);
    return value ? pare_json_same(value) : json_null();
}

/* What runs of one point have in common; freed with pare_free. */
static pare_status key_of(const pare_sweep *s, const json_t *row, char **key) {
    json_t *list = json_array();
    for (size_t i = 0; i < s->axis_count; i++)
        pare_json_append(list, axis_json(row, s->axes[i]));
    pare_status status = pare_json_dump(list, "a row of the sweep", JSON_COMPACT, key);
    json_decref(list);
    return status;
}

/* places: the point of each row, by keys that are seen once. */
static pare_status group_rows(pare_sweep *s, const json_t *rows, size_t *places) {
    json_t *known = json_object();
    pare_status status = PARE_OK;
    for (size_t i = 0; i < json_array_size(rows) && status == PARE_OK; i++) {
        const json_t *row = json_array_get(rows, i);
        char *key = NULL;
        status = json_is_object(row) ? key_of(s, row, &key) : fail_document();
        const json_t *at = key ? json_object_get(known, key) : NULL;
        places[i] = at ? (size_t)json_integer_value(at) : s->count;
        if (!at && key) {
            s->points[s->count].row = row;
            pare_json_put(known, key, pare_json_count(s->count++));
        }
        s->points[places[i]].runs++;
        pare_free(key);
    }
    json_decref(known);
    return status;
}

static double column(const pare_sweep *s, const json_t *row, const char *when, const char *text) {
    char name[512];
    snprintf(name, sizeof name, "%s %s %.480s", s->measure, when, text);
    const json_t *value = json_object_get(row, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* values: room for one of each row; order: for two. Rows of a point lie together in `order`. */
static void average(pare_sweep *s, const json_t *rows, const size_t *places, size_t *order, double *values) {
    size_t count = json_array_size(rows), first = 0;
    size_t *next = order + count;
    for (size_t p = 0; p < s->count; p++) {
        next[p] = first;
        first += s->points[p].runs;
    }
    for (size_t i = 0; i < count; i++)
        order[next[places[i]]++] = i;
    for (size_t t = 0; t < s->text_count; t++) {
        for (size_t i = 0; i < count; i++)
            values[i] = column(s, json_array_get(rows, order[i]), "before", s->texts[t]);
        s->before[t] = pare_spread_of(values, count).mean; /* a text that the model writes is another for each seed */
        for (size_t i = 0; i < count; i++)
            values[i] = column(s, json_array_get(rows, order[i]), "after", s->texts[t]);
        for (size_t p = 0; p < s->count; p++)
            s->points[p].after[t] = pare_spread_of(values + next[p] - s->points[p].runs, s->points[p].runs);
    }
}

static pare_status read_points(pare_sweep *s, const json_t *rows) {
    size_t count = json_array_size(rows), *work;
    double *values = NULL;
    PARE_TRY(pare_alloc(&s->points, count + 1, sizeof *s->points, "the sweep"));
    PARE_TRY(pare_alloc(&s->storage, count * s->text_count, sizeof *s->storage, "the sweep"));
    for (size_t i = 0; i < count; i++)
        s->points[i].after = s->storage + i * s->text_count;
    PARE_TRY(pare_alloc(&work, 3 * count, sizeof *work, "the sweep"));
    pare_status status = pare_alloc(&values, count, sizeof *values, "the sweep");
    if (status == PARE_OK) status = group_rows(s, rows, work);
    if (status == PARE_OK) average(s, rows, work, work + count, values);
    pare_free(work);
    pare_free(values);
    return status;
}

pare_status pare_sweep_read(const char *text, pare_sweep *out) {
    *out = (pare_sweep){.document = json_loads(text, 0, NULL)};
    const json_t *rows = json_object_get(out->document, "rows");
    if (!json_is_array(rows) || !json_is_object(json_array_get(rows, 0))) return fail_document();
    PARE_TRY(read_axes(out));
    PARE_TRY(read_texts(out, json_array_get(rows, 0)));
    return read_points(out, rows);
}

void pare_sweep_free(pare_sweep *s) {
    pare_free(s->texts);
    pare_free(s->before);
    pare_free(s->points);
    pare_free(s->storage);
    json_decref(s->document);
    *s = (pare_sweep){0};
}

json_t *pare_report_sweep(const pare_sweep *s) {
    json_t *over = json_array(), *texts = json_array(), *points = json_array(), *before = json_array();
    for (size_t i = 0; i < s->axis_count; i++)
        pare_json_append(over, pare_json_string(s->axes[i]));
    for (size_t t = 0; t < s->text_count; t++) {
        pare_json_append(texts, pare_json_string(s->texts[t]));
        pare_json_append(before, pare_json_measured(s->before[t]));
    }
    for (size_t p = 0; p < s->count; p++) {
        json_t *point = json_object(), *values = json_array();
        for (size_t i = 0; i < s->axis_count; i++)
            pare_json_put(point, s->axes[i], axis_json(s->points[p].row, s->axes[i]));
        for (size_t t = 0; t < s->text_count; t++)
            pare_json_append(values, pare_json_of({"mean", pare_json_measured(s->points[p].after[t].mean)},
                                                  {"sd", pare_json_measured(s->points[p].after[t].sd)}));
        pare_json_put(point, "runs", pare_json_count(s->points[p].runs));
        pare_json_put(point, "values", values);
        pare_json_append(points, point);
    }
    return pare_json_of({"over", over}, {"measure", pare_json_string(s->measure)}, {"texts", texts}, {"before", before},
                        {"points", points});
}
