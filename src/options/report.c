/* pare_report_page, pare_report_write, pare_report_check: pages of reports that are there already. */
#include "options/resolve.h"
#include "report/page.h"
#include "run/page_files.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"

#include <stdlib.h>
#include <string.h>

/* Larger files are no reports. */
static const uint64_t LARGEST = UINT64_C(1) << 30;

typedef struct reading {
    json_t **owned;            /* [count] */
    pare_page_document *shown; /* [count] */
    size_t count;
} reading;

static void end(reading *r) {
    for (size_t i = 0; r->owned && i < r->count; i++)
        json_decref(r->owned[i]);
    free(r->owned);
    free(r->shown);
    *r = (reading){0};
}

static pare_status parse(const char *text, size_t bytes, const char *name, json_t **out) {
    json_error_t error;
    *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (*out && (json_is_object(*out))) return PARE_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for %s", name);
    if (*out)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s is JSON, but no report of pare's; give what a command printed with "
                         "--json, or a pruning.json or recovery.json",
                         name);
    return pare_fail(PARE_FORMAT_ERROR, "%s is no JSON (line %d, column %d); give what a command printed with --json",
                     name, error.line, error.column);
}

static pare_status read_one(const pare_report_document *document, json_t **out) {
    char *text = NULL;
    size_t bytes = 0;
    const char *name = document->name ? document->name : "the report";
    if (document->json) return parse(document->json, strlen(document->json), name, out);
    PARE_TRY(pare_file_read(document->name, LARGEST, &text, &bytes));
    pare_status status = parse(text, bytes, name, out);
    pare_free(text);
    return status;
}

static pare_status begin(const pare_report_document *documents, size_t count, const char *command, reading *r) {
    if (!count) return pare_fail(PARE_BAD_ARGUMENT, "there is no report to make a page of");
    *r = (reading){calloc(count, sizeof *r->owned), calloc(count, sizeof *r->shown), count};
    if (!r->owned || !r->shown) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for %zu reports", count);
    for (size_t i = 0; i < count; i++) {
        PARE_TRY(read_one(&documents[i], &r->owned[i]));
        if (command && !json_object_get(r->owned[i], "command"))
            pare_json_put(r->owned[i], "command", pare_json_name(command));
        r->shown[i] = (pare_page_document){documents[i].name, r->owned[i]};
    }
    return PARE_OK;
}

pare_status pare_report_page(const pare_report_document *documents, size_t count, char **html) {
    reading r = {0};
    char *text = NULL;
    *html = NULL;
    pare_status status = begin(documents, count, NULL, &r);
    if (status == PARE_OK) status = pare_page_render(r.shown, r.count, &text, NULL);
    if (status == PARE_OK) status = pare_alloc(html, strlen(text) + 1, 1, "the page");
    if (status == PARE_OK) strcpy(*html, text);
    free(text);
    end(&r);
    return status;
}

static pare_status write_files(const reading *r, const pare_page_options *options) {
    char *html = NULL;
    pare_page_figures figures = {0};
    pare_page_files files = {0};
    pare_status status = pare_page_render(r->shown, r->count, &html, options->figures ? &figures : NULL);
    if (status == PARE_OK) status = pare_page_files_write(options->file, html, options->figures, &figures, &files);
    if (status == PARE_OK) status = pare_page_files_place(&files);
    pare_page_files_drop(&files);
    pare_page_figures_free(&figures);
    free(html);
    return status;
}

pare_status pare_report_write(const pare_report_document *documents, size_t count, const pare_page_options *options) {
    reading r = {0};
    PARE_TRY(pare_report_check(options, NULL, 0));
    pare_status status = begin(documents, count, options->command, &r);
    if (status == PARE_OK) status = write_files(&r, options);
    end(&r);
    return status;
}

pare_status pare_report_check(const pare_page_options *options, const pare_named_file *others, size_t count) {
    pare_paths paths = {0};
    PARE_TRY(PARE_OPTIONS_CHECK(pare_page_options, options));
    if (!options->file && !options->figures)
        return pare_fail(PARE_BAD_ARGUMENT, "there is no place for the page: name a file (-o, --report)");
    pare_paths_write(&paths, "the page", options->file, PARE_PATH_FILE);
    for (size_t i = 0; i < count; i++)
        if (others[i].written)
            pare_paths_write(&paths, others[i].name, others[i].path, PARE_PATH_FILE);
        else
            pare_paths_read(&paths, others[i].name, others[i].path, PARE_PATH_DATA);
    pare_status status = pare_paths_check(&paths);
    pare_paths_free(&paths);
    if (status == PARE_OK && options->file) status = pare_staged_check(options->file);
    if (status == PARE_OK && options->figures) status = pare_page_folder_check(options->figures);
    return status;
}
