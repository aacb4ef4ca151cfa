/* Options of a run that only some methods have a use for: one row each. Settings are in keys.c. */
#include "options/resolve.h"
#include "support/json.h"

#include <string.h>

static bool searches_widths(const pare_recipe *r) {
    return pare_recipe_searches(r) && r->mode == PARE_MODE_BLOCK;
}

static bool removes_units(const pare_recipe *r) {
    return r->mode != PARE_MODE_ELEMENT;
}

/* What ranks heads and channels by a score can rank single weights by it; the default has a sparse twin. */
static bool takes_weights(const pare_recipe *r) {
    bool learnt = pare_recipe_trains(r) || pare_recipe_gates(r);
    bool scored = r->mode == PARE_MODE_BLOCK && r->choice == PARE_CHOOSE_SCORES && !learnt;
    return pare_recipe_is_element(r) || scored || strcmp(r->name, PARE_DEFAULT_METHOD) == 0;
}

static bool spares_layers(const pare_recipe *r) {
    return r->mode != PARE_MODE_CHANNEL;
}

/* Attention and FFN may have ranges of their own. */
static bool has_parts(const pare_recipe *r) {
    return r->mode == PARE_MODE_BLOCK || r->mode == PARE_MODE_ELEMENT;
}

static bool changes_widths(const pare_recipe *r) {
    return r->mode == PARE_MODE_BLOCK || r->mode == PARE_MODE_CHANNEL;
}

static bool goes_in_rounds(const pare_recipe *r) {
    return removes_units(r) && !pare_recipe_trains(r);
}

static bool scores_units(const pare_recipe *r) {
    return removes_units(r) && r->choice != PARE_CHOOSE_OBS;
}

static bool can_resume(const pare_recipe *r) {
    return removes_units(r) || pare_recipe_needs_data(r);
}

static bool reads_windows(const pare_recipe *r) {
    return pare_recipe_needs_data(r) && !pare_recipe_trains(r);
}

/* What works layer by layer takes windows of all documents joined in any case. */
static bool draws_windows(const pare_recipe *r) {
    return reads_windows(r) && removes_units(r) && !pare_recipe_repairs(r);
}

static bool gives_round_to(const pare_prune_options *o) {
    return o->round_to > 1;
}

static bool gives_calibration(const pare_prune_options *o) {
    return o->calibration.source != NULL;
}

static bool gives_protocol(const pare_prune_options *o) {
    return o->protocol != NULL;
}

static bool gives_field(const pare_prune_options *o) {
    return o->calibration.field != NULL;
}

static bool gives_stream(const pare_prune_options *o) {
    return o->calibration.stream;
}

static bool gives_samples(const pare_prune_options *o) {
    return o->calibration.samples != 0;
}

static bool gives_length(const pare_prune_options *o) {
    return o->calibration.length != 0;
}

static bool gives_displace(const pare_prune_options *o) {
    return o->displace != PARE_DISPLACE_ALL;
}

/* given: NULL where a run that has no use for the option is refused. */
static const struct {
    const char *option;
    bool (*applies)(const pare_recipe *recipe);
    bool (*given)(const pare_prune_options *options);
} rows[] = {
    {"--ratio", removes_units, NULL},
    {"--params", removes_units, NULL},
    {"--bytes", removes_units, NULL},
    {"--latency", searches_widths, NULL},
    {"--latency-table", searches_widths, NULL},
    {"--sparsity", takes_weights, NULL},
    {"--pattern", takes_weights, NULL},
    {"--targets", pare_recipe_is_element, NULL},
    {"--skip", pare_recipe_is_element, NULL},
    {"--layers", spares_layers, NULL},
    {"--attention-layers", has_parts, NULL},
    {"--ffn-layers", has_parts, NULL},
    {"--iterations", goes_in_rounds, NULL},
    {"--round-to", changes_widths, gives_round_to},
    {"--calib", pare_recipe_needs_data, gives_calibration},
    {"--protocol", reads_windows, gives_protocol},
    {"--field", pare_recipe_needs_data, gives_field},
    {"--calib-stream", draws_windows, gives_stream},
    {"--samples", pare_recipe_needs_data, gives_samples},
    {"--length", reads_windows, gives_length},
    {"--displace", pare_recipe_steps, gives_displace},
    {"--scores", scores_units, NULL},
    {"--densities", pare_recipe_is_element, NULL},
    {"--archive", pare_recipe_is_element, NULL},
    {"--resume", can_resume, NULL},
};

enum { ROWS = sizeof rows / sizeof *rows };

/* A recovery has a share of calibration text, and an importance matrix is made of it, whatever the method reads. */
static bool is_unused(const pare_prune_options *options, const pare_recipe *recipe, size_t row) {
    bool of_text = rows[row].given == gives_calibration || rows[row].given == gives_field;
    bool of_windows = of_text || rows[row].given == gives_samples || rows[row].given == gives_length;
    if (options->imatrix && of_windows) return false;
    if (!rows[row].given || !rows[row].given(options) || rows[row].applies(recipe)) return false;
    return !of_text || !(pare_calibration_share(options, recipe) > 0.0);
}

const char *pare_recipe_unused(const pare_prune_options *options, const pare_recipe *recipe, size_t index) {
    for (size_t i = 0; i < ROWS; i++)
        if (is_unused(options, recipe, i) && index-- == 0) return rows[i].option;
    return NULL;
}

json_t *pare_recipe_uses(const pare_recipe *recipe) {
    json_t *json = json_object();
    for (size_t i = 0; i < ROWS; i++)
        pare_json_put(json, rows[i].option + strlen("--"), json_boolean(rows[i].applies(recipe)));
    return json;
}
