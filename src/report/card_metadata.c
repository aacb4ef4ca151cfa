/* The front matter of a card: what the Hub reads. */
#include "report/card_parts.h"
#include "report/chart_ink.h"
#include "support/file.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Between quotes, as JSON and YAML have a text; freed with pare_free. */
static pare_status quote(const char *text, char **quoted) {
    json_t *json = pare_json_string(text);
    pare_status status = pare_json_dump(json, "the model card", JSON_ENCODE_ANY, quoted);
    json_decref(json);
    return status;
}

/* KEY: VALUE, between quotes where it is no plain word. */
static pare_status put_text(pare_front_matter *matter, const char *name, const char *value) {
    char *quoted;
    PARE_TRY(quote(value, &quoted));
    char *line = pare_format("%s: %s\n", name, pare_front_matter_is_plain(value) ? value : quoted);
    pare_status status = line ? pare_front_matter_put(matter, name, line) : PARE_OK;
    free(line);
    pare_free(quoted);
    return status == PARE_OK ? pare_whole() : status;
}

static pare_status put_unless_there(pare_front_matter *matter, const char *name, const char *value) {
    return pare_front_matter_has(matter, name) ? PARE_OK : put_text(matter, name, value);
}

/* Relations and numbers of the model before are not those of this one. */
static pare_status put_base(pare_front_matter *matter, const char *id) {
    pare_front_matter_remove(matter, "model-index");
    if (!id) return PARE_OK;
    pare_front_matter_remove(matter, "base_model_relation");
    return put_text(matter, "base_model", id);
}

/* What a licence file says that it is. */
static const char *licence_of(const char *text) {
    if (text && strstr(text, "Apache License") && strstr(text, "Version 2.0")) return "apache-2.0";
    if (text && strstr(text, "MIT License")) return "mit";
    return "other";
}

static pare_status put_licence(pare_front_matter *matter, const json_t *report, const char *text) {
    const char *file = pare_card_licence_file(report, 0);
    if (pare_front_matter_has(matter, "license") || !text || !file) return PARE_OK;
    PARE_TRY(put_text(matter, "license", licence_of(text)));
    return strcmp(licence_of(text), "other") == 0 ? put_unless_there(matter, "license_link", file) : PARE_OK;
}

/* An adapter is another kind of thing than the model beside which it was trained. */
static void keep_for_adapter(pare_front_matter *matter) {
    static const char *const kept[] = {"license", "license_name", "license_link", "language", "base_model"};
    for (size_t i = matter->count; i--;) {
        bool keep = false;
        for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
            keep |= strcmp(matter->list[i].name, kept[k]) == 0;
        if (!keep) pare_front_matter_remove(matter, matter->list[i].name);
    }
}

static void write_quoted(pare_page *page, const char *text) {
    char *quoted;
    if (quote(text, &quoted) == PARE_OK)
        pare_page_put(page, quoted);
    else
        page->lost = true;
    pare_free(quoted);
}

static void write_metric(pare_page *page, const char *type, const char *name, double value) {
    if (isfinite(value)) fprintf(page->out, "    - type: %s\n      name: %s\n      value: %.6g\n", type, name, value);
}

/* What was measured last of a text or a set of pictures. False: nothing. */
static bool write_result(pare_page *page, const json_t *pair, bool images) {
    const json_t *recovered = json_object_get(pair, "recovered"),
                 *last = json_is_object(recovered) ? recovered : json_object_get(pair, "after");
    const char *file = pare_page_string(pair, "file"), *set = file ? pare_page_base(file) : "unnamed";
    double value = pare_page_number(last, images ? "top1" : "perplexity");
    if (!isfinite(value)) return false;
    fprintf(page->out, "  - task:\n      type: %s\n    dataset:\n      name: ",
            images ? "image-classification" : "text-generation");
    write_quoted(page, set);
    pare_page_put(page, "\n      type: ");
    write_quoted(page, set);
    pare_page_put(page, "\n    metrics:\n");
    write_metric(page, images ? "accuracy" : "perplexity", images ? "accuracy" : "perplexity", value);
    write_metric(page, "kl_divergence", "KL divergence from the dense model", pare_page_number(last, "kl"));
    return true;
}

static bool write_index(pare_page *page, const json_t *report) {
    const json_t *texts = pare_page_at(report, "texts");
    pare_page_put(page, "model-index:\n- name: ");
    write_quoted(page, pare_card_name(report));
    pare_page_put(page, "\n  results:\n");
    bool any = write_result(page, pare_page_at(report, "images"), true);
    for (size_t i = 0; i < json_array_size(texts); i++)
        any |= write_result(page, json_array_get(texts, i), false);
    return any;
}

static pare_status put_index(pare_front_matter *matter, const json_t *report) {
    pare_ink_sheet sheet;
    if (!pare_ink_begin(&sheet)) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the model card");
    pare_page page = {.out = sheet.out, .markdown = true};
    bool any = write_index(&page, report);
    char *text = pare_ink_end(&sheet);
    pare_status status = PARE_OK;
    if (!text || page.lost)
        status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the model card");
    else if (any)
        status = pare_front_matter_put(matter, "model-index", text);
    free(text);
    return status;
}

pare_status pare_card_metadata(const json_t *report, const pare_card_source *source, pare_front_matter *matter) {
    bool adapter = pare_card_is_adapter(report);
    if (adapter) keep_for_adapter(matter);
    PARE_TRY(put_base(matter, source->id));
    PARE_TRY(put_licence(matter, report, source->licence));
    PARE_TRY(put_unless_there(matter, "library_name", adapter ? "peft" : "transformers"));
    PARE_TRY(put_unless_there(matter, "pipeline_tag",
                              pare_card_is_vision(report) ? "image-classification" : "text-generation"));
    if (pare_page_string(report, "method")) {
        PARE_TRY(pare_front_matter_add(matter, "tags", "pruning"));
        PARE_TRY(pare_front_matter_add(matter, "tags", "compression"));
    }
    if (adapter) PARE_TRY(pare_front_matter_add(matter, "tags", "lora"));
    PARE_TRY(pare_front_matter_add(matter, "tags", "pare"));
    return put_index(matter, report);
}
