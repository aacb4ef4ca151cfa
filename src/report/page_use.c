/* What there is now, what it is good for, and how it came about: words, files and the command. */
#include "report/page_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void pare_page_warnings(pare_page *page, const json_t *json) {
    const json_t *warnings = pare_page_at(json, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));
        if (!text) continue;
        pare_page_put(page, "<p class=\"note\">");
        pare_page_text(page, text);
        pare_page_put(page, "</p>\n");
    }
}

static void begin_entry(pare_page *page, const char *name) {
    pare_page_put(page, "<dt>");
    pare_page_text(page, name);
    pare_page_put(page, "</dt><dd>");
}

static void write_entry(pare_page *page, const char *name, const char *text) {
    if (!text || !*text) return;
    begin_entry(page, name);
    pare_page_text(page, text);
    pare_page_put(page, "</dd>\n");
}

/* Key/value heads that are gone, of all, in %; NaN where it is not known. */
static double smaller_cache(const json_t *json) {
    const json_t *layers = pare_page_at(json, "layers"), *before = pare_page_at(json, "model.layers");
    double kept = 0.0, all = 0.0;
    for (size_t i = 0; i < json_array_size(before); i++) {
        all += pare_page_number(json_array_get(before, i), "kv_heads");
        kept += (double)pare_page_size(json_array_get(layers, i), "kv_heads_kept");
    }
    return json_array_size(before) == json_array_size(layers) ? 100.0 * (1.0 - kept / all) : NAN;
}

/* A token is given to as many experts as before. */
static void write_fewer_experts(pare_page *page, double share) {
    begin_entry(page, "What will be faster");
    pare_page_say(
        page,
        "reading the model, and whatever waited for memory: its weights take about %.3g %% less, in any engine "
        "and on any machine",
        share);
    pare_page_put(page, "</dd>\n");
    write_entry(page, "What will not", "the work for each token: it is given to as many experts as before");
}

/* Smaller matrices are less work everywhere; zeros are the report's to explain. */
static void write_speed(pare_page *page, const json_t *json) {
    const char *said = pare_page_string(json, "output.speed");
    double before = pare_page_number(json, "parameters.before"), after = pare_page_number(json, "parameters.after"),
           cache = smaller_cache(json);
    if (said || !(before > 0.0) || !(after < before)) {
        write_entry(page, "What will be faster", said);
        return;
    }
    const char *mode = pare_page_string(json, "recipe.mode");
    if (mode && strcmp(mode, "expert") == 0) {
        write_fewer_experts(page, 100.0 * (1.0 - after / before));
        return;
    }
    bool images = json_is_object(pare_page_at(json, "images")) && !json_array_size(pare_page_at(json, "texts"));
    begin_entry(page, "What will be faster");
    pare_page_say(
        page,
        "what is gone is not computed, in any engine and on any machine: about %.3g %% less work, and less memory "
        "for weights, with each %s",
        100.0 * (1.0 - after / before), images ? "image" : "token");
    if (cache > 0.0 && !images) pare_page_say(page, "; the cache of keys and values is %.3g %% smaller", cache);
    pare_page_put(page, "</dd>\n");
    write_entry(page, "What will not",
                images
                    ? "what these widths are no part of: reading and resizing images, the projection of their patches, "
                      "and the classifier"
                    : "what these widths are no part of: splitting text into tokens, drawing tokens, and "
                      "what the embedding and the head cost, if the hidden size is as it was");
}

static void write_files(pare_page *page, const json_t *files) {
    if (!json_array_size(files)) return;
    begin_entry(page, "Files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        if (i) pare_page_put(page, ", ");
        pare_page_text(page, json_string_value(json_array_get(files, i)));
    }
    pare_page_put(page, "</dd>\n");
}

/* The command that does it all again. */
static void write_command(pare_page *page, const json_t *json) {
    const char *command = pare_page_string(json, "command");
    if (!command) return;
    pare_page_heading(page, "Once more");
    pare_page_put(page, "<p>The command that does it again:</p>\n<pre>");
    pare_page_text(page, command);
    pare_page_put(page, "</pre>\n");
}

static void write_output(pare_page *page, const json_t *json) {
    double bytes = pare_page_number(json, "output.bytes");
    pare_page_heading(page, "What there is now");
    pare_page_put(page, "<dl>\n");
    write_entry(page, "Folder", pare_page_string(json, "output.path"));
    if (bytes > 0.0) write_entry(page, "Size", pare_page_bytes(page, bytes));
    write_entry(page, "What loads it", pare_page_string(json, "output.load"));
    write_speed(page, json);
    write_files(page, pare_page_at(json, "output.files"));
    pare_page_put(page, "</dl>\n");
}

void pare_page_use(pare_page *page, const json_t *json) {
    if (json_object_size(pare_page_at(json, "output"))) write_output(page, json);
    write_command(page, json);
    pare_page_release(page);
}

/* A value of a setting on one line; lists in lists as they are. */
static void write_value(pare_page *page, const json_t *value, bool outermost) {
    enum { MOST = 400 };
    char *shown = json_is_string(value) || json_is_real(value) ? NULL : pare_json_shown(value, MOST);
    if (json_is_real(value))
        pare_page_say(page, "%.6g", json_real_value(value));
    else if (json_is_array(value) && outermost)
        for (size_t i = 0; i < json_array_size(value) && i < MOST; i++) {
            if (i) pare_page_put(page, ", ");
            write_value(page, json_array_get(value, i), false);
        }
    else
        pare_page_text(page, shown ? shown : json_string_value(value));
    free(shown);
}

void pare_page_settings(pare_page *page, const json_t *json, const char *member) {
    json_t *settings = json_object_get(json, member), *value;
    const char *name;
    if (!json_object_size(settings)) return;
    pare_page_charts_end(page);
    pare_page_put(page, "<details><summary>All settings</summary><div class=\"wide\"><table>\n");
    json_object_foreach(settings, name, value) {
        pare_page_row(page);
        pare_page_cell(page, "%s", name);
        pare_page_put(page, "<td>");
        write_value(page, value, true);
        pare_page_put(page, "</td>");
        pare_page_row_end(page);
    }
    pare_page_put(page, "</table></div></details>\n");
}
