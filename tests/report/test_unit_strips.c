/* Scores in a report that lose units, put them on the wrong side of the cut, or draw a cut where there is none. */
#include "report/unit_strips.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { LAYERS = 2, HEADS = 4, CHANNELS = 1000, HIDDEN = 6 };

typedef struct one {
    double heads[LAYERS][HEADS], ffn[LAYERS][CHANNELS], hidden[HIDDEN], layer[LAYERS];
    double *head_lists[LAYERS], *ffn_lists[LAYERS];
    uint32_t kept_heads[HEADS], kept_channels[CHANNELS];
    pare_kept kept[LAYERS];
    pare_widths widths[LAYERS];
    double *expert_lists[LAYERS]; /* there are none */
    pare_unit_scores scores;
    pare_selection selection;
    pare_model model;
} one;

/* Layer 0 keeps heads 1 and 3 and the channels with the highest scores; layer 1 keeps all. */
static one *new_one(void) {
    one *o = calloc(1, sizeof *o);
    assert_non_null(o);
    for (int i = 0; i < LAYERS; i++) {
        o->head_lists[i] = o->heads[i];
        o->ffn_lists[i] = o->ffn[i];
        o->widths[i] = (pare_widths){.heads = HEADS, .kv_heads = HEADS, .ffn = CHANNELS};
        o->kept[i] = (pare_kept){.heads = HEADS, .kv_heads = HEADS, .ffn = CHANNELS};
    }
    for (uint32_t i = 0; i < CHANNELS; i++)
        o->ffn[0][i] = exp(0.01 * (double)((i * 7919) % CHANNELS));
    uint32_t count = 0;
    for (uint32_t i = 0; i < CHANNELS; i++)
        if ((i * 7919) % CHANNELS >= CHANNELS / 4) o->kept_channels[count++] = i;
    memcpy(o->heads[0], (double[]){1.5, 2.5, 0.25, 4.123456789}, sizeof o->heads[0]);
    memcpy(o->kept_heads, (uint32_t[]){1, 3}, 2 * sizeof(uint32_t));
    o->kept[0] = (pare_kept){.kv_heads = 2,
                             .heads = 2,
                             .ffn = count,
                             .kv_head = o->kept_heads,
                             .head = o->kept_heads,
                             .ffn_channel = o->kept_channels};
    o->scores = (pare_unit_scores){.layers = LAYERS,
                                   .heads = o->head_lists,
                                   .query = o->head_lists,
                                   .ffn = o->ffn_lists,
                                   .expert = o->expert_lists,
                                   .hidden = o->hidden,
                                   .layer = o->layer};
    o->selection = (pare_selection){.layers = LAYERS, .layer = o->kept, .hidden = HIDDEN};
    o->model.config = (pare_config){.layers = LAYERS, .hidden = HIDDEN, .widths = o->widths};
    return o;
}

static json_t *strips_of(const one *o) {
    json_t *json = pare_report_unit_strips(&o->scores, &o->model, &o->selection);
    char place[PARE_JSON_PLACE];
    assert_int_equal(pare_json_fault(json, place), PARE_JSON_WHOLE);
    return json;
}

static double sum(const json_t *strip, const char *name) {
    double total = 0.0;
    const json_t *list = json_object_get(strip, name);
    for (size_t i = 0; i < json_array_size(list); i++)
        total += json_number_value(json_array_get(list, i));
    return total;
}

static void few_units_are_shown_one_by_one(void **state) {
    (void)state;
    one *o = new_one();
    json_t *json = strips_of(o), *heads = json_object_get(json, "heads"), *strip = json_array_get(heads, 0);
    assert_int_equal(json_array_size(heads), 1); /* nothing went from layer 1 */
    char *text = json_dumps(strip, JSON_COMPACT | JSON_REAL_PRECISION(6));
    assert_string_equal(text, "{\"layer\":0,\"values\":[1.5,2.5,0.25,4.123],\"kept\":[0,1,0,1],\"removed\":[1,0,1,0],"
                              "\"cut\":1.936}"); /* sqrt(1.5 * 2.5) */
    free(text);
    assert_null(json_object_get(json, "query_heads"));
    assert_null(json_object_get(json, "hidden"));
    assert_null(json_object_get(json, "layers"));
    json_decref(json);
    free(o);
}

static void many_units_are_counted(void **state) {
    (void)state;
    one *o = new_one();
    o->ffn[0][0] = 0.0; /* goes, as (0 * 7919) % CHANNELS < CHANNELS / 4 */
    json_t *json = strips_of(o), *strip = json_array_get(json_object_get(json, "ffn"), 0);
    size_t bins = json_array_size(json_object_get(strip, "values"));
    double cut = json_number_value(json_object_get(strip, "cut"));
    assert_true(bins > 40 && bins <= 48);
    assert_true(fabs(sum(strip, "kept") - 750.0) < 0.5 && fabs(sum(strip, "removed") - 250.0) < 0.5);
    assert_true(fabs(cut / exp(2.495) - 1.0) < 1e-3); /* between exp(2.49) and exp(2.50) */
    assert_true(fabs(json_number_value(json_array_get(json_object_get(strip, "values"), 0))) < 1e-12);
    for (size_t i = 0; i < bins; i++) {
        double value = json_number_value(json_array_get(json_object_get(strip, "values"), i));
        bool kept = json_integer_value(json_array_get(json_object_get(strip, "kept"), i)) > 0;
        bool removed = json_integer_value(json_array_get(json_object_get(strip, "removed"), i)) > 0;
        if (value > 1.3 * cut) assert_true(kept && !removed);
        if (value < cut / 1.3) assert_true(removed && !kept);
    }
    json_decref(json);
    free(o);
}

static void a_cut_divides(void **state) {
    (void)state;
    one *o = new_one();
    o->heads[0][0] = 3.0; /* goes, and is above head 1, which stays */
    o->kept[1].dropped = true;
    o->layer[0] = -2.0;
    o->layer[1] = -4.0;
    json_t *json = strips_of(o), *layers = json_object_get(json, "layers");
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(json, "heads"), 0), "cut")));
    char *text = json_dumps(layers, JSON_COMPACT | JSON_REAL_PRECISION(6));
    assert_string_equal(text, "[{\"layer\":0,\"values\":[-2.0,-4.0],\"kept\":[1,0],\"removed\":[0,1],\"cut\":-3.0}]");
    free(text);
    json_decref(json);
    free(o);
}

static void scores_that_are_all_alike(void **state) {
    (void)state;
    one *o = new_one();
    for (int i = 0; i < CHANNELS; i++)
        o->ffn[0][i] = 0.0;
    json_t *json = strips_of(o), *strip = json_array_get(json_object_get(json, "ffn"), 0);
    assert_true(fabs(sum(strip, "kept") + sum(strip, "removed") - CHANNELS) < 0.5);
    json_decref(json);
    free(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_units_are_shown_one_by_one),
        cmocka_unit_test(many_units_are_counted),
        cmocka_unit_test(a_cut_divides),
        cmocka_unit_test(scores_that_are_all_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
