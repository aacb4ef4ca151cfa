#include "run/origin.h"
#include "checkpoint/gguf.h"
#include "report/front_matter.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST_CARD = 1 << 24, LONGEST = 200 };

static const char hub[] = "https://huggingface.co/";

/* Takes the text; NULL unless it is a word that YAML reads as itself. */
static char *plain(char *text) {
    if (text && strlen(text) <= LONGEST && pare_front_matter_is_plain(text)) return text;
    free(text);
    return NULL;
}

/* A value of another kind says nothing. */
static char *word_of(const pare_gguf *file, const char *key) {
    char *text = NULL;
    return pare_gguf_string(file, key, &text) == PARE_OK ? plain(text) : NULL;
}

/* ORG/NAME of the address of a model on the Hub. */
static char *id_of(const pare_gguf *file) {
    static const char *const keys[] = {"general.repo_url", "general.source.repo_url", "general.base_model.0.repo_url"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char *address = word_of(file, keys[i]), *id = NULL;
        bool there = address && strncmp(address, hub, sizeof hub - 1) == 0;
        const char *name = there ? address + sizeof hub - 1 : "", *slash = strchr(name, '/');
        if (slash && slash > name && slash[1] && !strchr(slash + 1, '/')) id = plain(pare_format("%s", name));
        free(address);
        if (id) return id;
    }
    return NULL;
}

static pare_status read_gguf(const char *path, pare_origin *out) {
    pare_gguf file;
    PARE_TRY(pare_gguf_open(path, &file));
    out->licence = word_of(&file, "general.license");
    out->licence_name = word_of(&file, "general.license.name");
    out->licence_link = word_of(&file, "general.license.link");
    out->id = id_of(&file);
    pare_gguf_close(&file);
    return pare_whole();
}

static pare_status read_card(const char *path, pare_origin *out) {
    pare_front_matter matter = {0};
    const char *body;
    char *text;
    size_t bytes;
    if (!pare_file_exists(path)) return PARE_OK;
    PARE_TRY(pare_file_read(path, LARGEST_CARD, &text, &bytes));
    pare_status status = pare_front_matter_read(text, &matter, &body);
    if (status == PARE_OK) {
        out->licence = plain(pare_front_matter_value(&matter, "license"));
        out->licence_name = plain(pare_front_matter_value(&matter, "license_name"));
        out->licence_link = plain(pare_front_matter_value(&matter, "license_link"));
    }
    pare_front_matter_free(&matter);
    pare_free(text);
    return status == PARE_OK ? pare_whole() : status;
}

pare_status pare_origin_read(const char *model, pare_origin *out) {
    *out = (pare_origin){0};
    PARE_TRY(pare_whole());
    char *card = pare_path_join(model, "README.md");
    if (!card) return pare_whole();
    pare_status status = pare_gguf_is(model) ? read_gguf(model, out) : read_card(card, out);
    free(card);
    return status == PARE_OUT_OF_MEMORY ? status : PARE_OK;
}

void pare_origin_free(pare_origin *origin) {
    free(origin->licence);
    free(origin->licence_name);
    free(origin->licence_link);
    free(origin->id);
    *origin = (pare_origin){0};
}

pare_status pare_origin_card(const pare_origin *origin, char **card) {
    const char *const rows[][2] = {{"license", origin->licence},
                                   {"license_name", origin->licence_name},
                                   {"license_link", origin->licence_link},
                                   {"base_model", origin->id}};
    char *text = pare_format("---\n");
    bool any = false;
    *card = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i][1]) continue;
        char *more = pare_format("%s%s: %s\n", text ? text : "", rows[i][0], rows[i][1]);
        free(text);
        text = more;
        any = true;
    }
    pare_status status = pare_whole();
    size_t bytes = text ? strlen(text) : 0;
    if (status == PARE_OK && any) status = pare_alloc(card, bytes + sizeof "---\n", 1, "the model card");
    if (*card) {
        memcpy(*card, text, bytes);
        memcpy(*card + bytes, "---\n", sizeof "---\n");
    }
    free(text);
    return status;
}
