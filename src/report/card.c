#include "report/card.h"
#include "report/card_parts.h"
#include "report/chart_ink.h"
#include "support/digest.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char last_mark[] = "<!-- pare: as written, ";

const char *pare_card_name(const json_t *report) {
    const char *path = pare_page_string(report, "output.path");
    size_t length = path ? strlen(path) : 0;
    while (length > 1 && path[length - 1] == '/')
        length--;
    const char *name = path ? path + length : NULL;
    while (name && name > path && name[-1] != '/')
        name--;
    return name && *name ? name : "model";
}

bool pare_card_is_adapter(const json_t *report) {
    const char *kind = pare_page_string(report, "output.kind");
    return kind && strcmp(kind, "adapter") == 0;
}

bool pare_card_is_vision(const json_t *report) {
    const char *pipeline = pare_page_string(report, "output.pipeline");
    return pipeline && strcmp(pipeline, "image-classification") == 0;
}

static const char *kind_of(const json_t *report) {
    const pare_page_kind *kind = pare_page_kind_of(report);
    return kind == &pare_page_pruning ? "prune" : kind == &pare_page_recovery ? "recover" : "merge";
}

/* The line in `text` that begins so, or NULL. */
static char *find_line(char *text, const char *begin) {
    for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, begin, strlen(begin)) == 0) return line;
    return NULL;
}

static void cut(char *from, const char *to) {
    memmove(from, to, strlen(to) + 1);
}

static char *behind_line(char *line) {
    size_t length = strcspn(line, "\n");
    return line + length + (line[length] == '\n');
}

static char *trim(char *text) {
    text += strspn(text, " \t\r\n");
    for (size_t length = strlen(text); length && strchr(" \t\r\n", text[length - 1]);)
        text[--length] = 0;
    return text;
}

/* The card before without what pare says of this kind of run, without its last mark, and without the empty lines at
 * both ends. Works within `body`. */
static char *rest_of(char *body, const char *kind) {
    char begin[48], end[48], *line, *close;
    snprintf(begin, sizeof begin, "<!-- pare %s: up to", kind);
    snprintf(end, sizeof end, "<!-- pare %s: end -->", kind);
    while ((line = find_line(body, begin))) {
        close = find_line(line, end);
        char *after = behind_line(close ? close : line);
        cut(line, after + (close ? strspn(after, "\r\n") : 0));
    }
    while ((line = find_line(body, last_mark)))
        cut(line, behind_line(line));
    return trim(body);
}

/* The licence of Llama 3 asks for these words. */
static void write_built_with(pare_page *page, const pare_front_matter *matter) {
    char *licence = pare_front_matter_value(matter, "license"), *name = pare_front_matter_value(matter, "license_name");
    if ((licence && strncasecmp(licence, "llama", 5) == 0) || (name && strncasecmp(name, "llama", 5) == 0))
        pare_page_put(page, "Built with Llama.\n\n");
    free(licence);
    free(name);
}

static void write_section(pare_page *page, const json_t *report, const pare_card_source *source,
                          const pare_front_matter *matter, bool more) {
    const char *kind = kind_of(report), *model = pare_page_model(report);
    fprintf(page->out, "<!-- pare %s: up to the end mark pare writes anew -->\n# ", kind);
    pare_page_text(page, pare_card_name(report));
    pare_page_put(page, "\n\n");
    pare_page_kind_of(report)->say(page, report);
    if (source->method && *source->method) {
        pare_page_put(page, "\n");
        pare_page_say(page, "The method in short: %s", source->method);
        if (source->paper && *source->paper) pare_page_say(page, " (%s)", source->paper);
        pare_page_put(page, ".");
    }
    pare_page_put(page, "\n");
    pare_page_say(page, "Made by pare %s.", pare_version());
    pare_page_put(page, "\n\n");
    write_built_with(page, matter);
    pare_page_before_after(page, report);
    pare_card_use(page, report, model ? model : "BASE");
    if (more) pare_page_put(page, "What follows was said of the model before.\n\n");
    fprintf(page->out, "<!-- pare %s: end -->\n", kind);
}

static pare_status digest_of(const char *text, size_t bytes, char digits[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, text, bytes);
    pare_digest_finish(digest, digits);
    return PARE_OK;
}

/* The text with its last mark; frees it. */
static pare_status seal(char *text, char **out) {
    char digits[PARE_DIGEST_TEXT];
    pare_status status = text ? digest_of(text, strlen(text), digits)
                              : pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the model card");
    if (status == PARE_OK) *out = pare_format("%s%s%.16s -->\n", text, last_mark, digits);
    free(text);
    return status == PARE_OK ? pare_whole() : status;
}

static pare_status write_card(const json_t *report, const pare_card_source *source, const pare_front_matter *matter,
                              const char *rest, char **text) {
    pare_ink_sheet sheet;
    if (!pare_ink_begin(&sheet)) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the model card");
    pare_page page = {.out = sheet.out, .markdown = true};
    pare_front_matter_write(matter, sheet.out);
    fputc('\n', sheet.out);
    write_section(&page, report, source, matter, *rest != 0);
    fprintf(sheet.out, "\n%s%s", rest, *rest ? "\n\n" : "");
    pare_page_release(&page);
    char *whole = pare_ink_end(&sheet);
    if (page.lost) {
        free(whole);
        whole = NULL;
    }
    return seal(whole, text);
}

pare_status pare_card_make(const json_t *report, const pare_card_source *source, char **text) {
    pare_front_matter matter;
    const char *body;
    *text = NULL;
    pare_status status = pare_front_matter_read(source->card ? source->card : "", &matter, &body);
    char *kept = status == PARE_OK ? pare_format("%s", pare_card_is_adapter(report) ? "" : body) : NULL;
    if (status == PARE_OK) status = pare_card_metadata(report, source, &matter);
    if (status == PARE_OK && kept) status = write_card(report, source, &matter, rest_of(kept, kind_of(report)), text);
    free(kept);
    pare_front_matter_free(&matter);
    return status == PARE_OK ? pare_whole() : status;
}

bool pare_card_is_edited(const char *card) {
    char digits[PARE_DIGEST_TEXT];
    const char *mark = strstr(card, last_mark), *later;
    if (!mark) return strstr(card, "<!-- pare ") != NULL;
    while ((later = strstr(mark + 1, last_mark)))
        mark = later;
    if (digest_of(card, (size_t)(mark - card), digits) != PARE_OK) return true;
    const char *said = mark + sizeof last_mark - 1;
    return strncmp(said, digits, 16) != 0 || strcmp(said + 16, " -->\n") != 0;
}
