#include "run/page.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char inside[] = "report.html";

void pare_run_page_name(pare_run *run, const pare_page_job *page) {
    if (page->wanted) pare_paths_write(&run->paths, "--report", page->file, PARE_PATH_FILE);
    if (page->wanted) pare_paths_write(&run->paths, "--figures", page->figures, PARE_PATH_SCRATCH);
}

pare_status pare_run_page_check(const pare_page_job *page) {
    return page->wanted && page->figures ? pare_page_folder_check(page->figures) : PARE_OK;
}

static void say(const pare_runtime *runtime) {
    char *sentence = pare_format("the page of the report was left out: %s", pare_message());
    pare_runtime_note(runtime, sentence);
    free(sentence);
    pare_whole(); /* a note that could not be made is no failure */
}

/* The list of files as it is with the page among them. */
static void name_inside(json_t *json, size_t bytes) {
    json_t *output = json_object_get(json, "output"), *files = json_object_get(output, "files"), *file;
    json_t *list = json_array();
    size_t i;
    bool named = false;
    json_array_foreach(files, i, file) {
        const char *name = json_string_value(file);
        if (!named && name && strcmp(name, inside) > 0) pare_json_append(list, pare_json_string(inside));
        named |= name && strcmp(name, inside) > 0;
        pare_json_append(list, pare_json_same(file));
    }
    if (!named) pare_json_append(list, pare_json_string(inside));
    json_int_t before = json_integer_value(json_object_get(output, "bytes"));
    pare_json_put(output, "files", list);
    pare_json_put(output, "bytes", json_integer(before + (json_int_t)bytes));
}

static pare_status write_page(pare_run *run, const pare_page_job *page, json_t *json, pare_page_files *files) {
    char *html = NULL;
    pare_page_figures figures = {0};
    pare_status status =
        pare_page_render(&(pare_page_document){.json = json}, 1, &html, page->figures ? &figures : NULL);
    if (status == PARE_OK) status = pare_page_files_write(page->file, html, page->figures, &figures, files);
    if (status == PARE_OK && !page->file && run->output) {
        status = pare_output_write_text(run->output, inside, html);
        if (status == PARE_OK) name_inside(json, strlen(html));
    }
    free(html);
    pare_page_figures_free(&figures);
    return status;
}

/* A page that was begun must not get into the output. */
static void remove_inside(const pare_run *run) {
    char *path = run->output ? pare_path_join(pare_output_path(run->output), inside) : NULL;
    if (path) unlink(path);
    free(path);
}

static pare_status make(pare_run *run, const pare_page_job *page, char **report, pare_page_files *files) {
    char *text = NULL;
    json_t *json = json_loads(*report, 0, NULL);
    if (!json) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the page");
    if (page->command) pare_json_put(json, "command", pare_json_name(page->command));
    pare_status status = page->wanted ? write_page(run, page, json, files) : PARE_OK;
    if (status == PARE_OK) status = pare_json_text(pare_json_same(json), &text);
    json_decref(json);
    if (status != PARE_OK) return status;
    pare_free(*report);
    *report = text;
    return PARE_OK;
}

void pare_run_page_make(pare_run *run, const pare_page_job *page, const pare_runtime *runtime, char **report,
                        pare_page_files *files) {
    *files = (pare_page_files){0};
    if (!page->wanted && !page->command) return;
    if (make(run, page, report, files) == PARE_OK) return;
    pare_json_missing_forget();
    pare_page_files_drop(files);
    remove_inside(run);
    say(runtime);
}

void pare_run_page_place(pare_page_files *files, const pare_runtime *runtime) {
    if (pare_page_files_place(files) != PARE_OK) say(runtime);
    pare_page_files_drop(files);
}
