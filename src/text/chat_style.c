#include "text/chat_style.h"
#include "support/file.h"
#include "support/memory.h"
#include "text/chat_template.h"
#include "tokenizer/json_read.h"

#include <stdlib.h>

const char *pare_template_name(size_t index) {
    static const char *const names[PARE_TEMPLATE_CHAT] = {"auto", "alpaca", "none"};
    if (index < PARE_TEMPLATE_CHAT) return names[index];
    const pare_chat_format *format = pare_chat_format_at(index - PARE_TEMPLATE_CHAT);
    return format ? format->name : NULL;
}

const char *pare_wording_name(size_t index) {
    return pare_template_name(index);
}

static char *copy(const char *text) {
    return pare_format("%s", text ? text : "");
}

/* A token of tokenizer_config.json or special_tokens_map.json: a string, or an object with it under "content". */
static const char *token_of(const json_t *json, const char *key) {
    const json_t *value = json_object_get(json, key);
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

/* The template under "chat_template": a string, or the one named "default" of a list. */
static const char *template_of(const json_t *json) {
    const json_t *value = json_object_get(json, "chat_template");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && strcmp(name, "default") == 0) return json_string_value(json_object_get(entry, "template"));
    }
    return json_string_value(value);
}

/* The later of two that are there counts. */
static void take_template(pare_chat_style *style, char **text, const char *path, const char *found) {
    if (!found) return;
    free(style->template_path);
    free(*text);
    style->template_path = copy(path);
    *text = copy(found);
}

static pare_status read_json(pare_chat_style *style, const char *directory, const char *name, char **text) {
    char *path = pare_path_join(directory, name);
    json_t *json = NULL;
    pare_status status = pare_file_exists(path) ? pare_json_load(path, JSON_DECODE_INT_AS_REAL, &json) : PARE_OK;
    if (status == PARE_FORMAT_ERROR) { /* of no concern until there are chats */
        take_template(style, text, path, "");
        status = PARE_OK;
    }
    if (status == PARE_OK && json) {
        const char *bos = token_of(json, "bos_token"), *eos = token_of(json, "eos_token");
        if (bos && !style->bos) style->bos = copy(bos);
        if (eos && !style->eos) style->eos = copy(eos);
        take_template(style, text, path, template_of(json));
    }
    json_decref(json);
    free(path);
    return status;
}

/* The template's text as it stands, or NULL; freed with free(). */
static pare_status read_folder(pare_chat_style *style, const char *directory, char **text) {
    enum { LARGEST_TEMPLATE = 1 << 24 };
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json", "chat_template.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        PARE_TRY(read_json(style, directory, names[i], text));
    char *path = pare_path_join(directory, "chat_template.jinja"), *jinja = NULL;
    pare_status status = pare_file_exists(path) ? pare_file_read(path, LARGEST_TEMPLATE, &jinja, NULL) : PARE_OK;
    take_template(style, text, path, jinja);
    pare_free(jinja);
    free(path);
    return status;
}

/* The format that was asked for, or the one whose marks the template has; NULL: none. */
static const pare_chat_format *choose(size_t wording, const char *text) {
    if (wording >= PARE_TEMPLATE_CHAT) return pare_chat_format_at(wording - PARE_TEMPLATE_CHAT);
    if (wording != PARE_TEMPLATE_AUTO || !text) return NULL;
    for (size_t i = 0; pare_chat_format_at(i); i++)
        if (pare_chat_template_fits(pare_chat_format_at(i), text)) return pare_chat_format_at(i);
    return NULL;
}

static pare_status settle(pare_chat_style *style, size_t wording, const char *text) {
    const pare_chat_format *chosen = choose(wording, text);
    style->wording = wording < PARE_TEMPLATE_CHAT ? (pare_template)wording : PARE_TEMPLATE_CHAT;
    style->unknown = wording == PARE_TEMPLATE_AUTO && text && !chosen;
    if (!style->bos) style->bos = copy(NULL);
    if (!style->eos) style->eos = copy(NULL);
    if (!chosen) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&style->format, 1, sizeof *style->format, "a chat format"));
    *style->format = *chosen;
    if (text && pare_chat_template_fits(chosen, text)) return pare_chat_template_adapt(style, text);
    return PARE_OK;
}

pare_status pare_chat_style_open(const char *directory, size_t wording, pare_chat_style *out) {
    char *text = NULL, *normal = NULL;
    *out = (pare_chat_style){0};
    pare_status status = read_folder(out, directory, &text);
    if (text) normal = pare_chat_template_normalize(text);
    if (status == PARE_OK) status = settle(out, wording, normal);
    free(normal);
    free(text);
    if (status != PARE_OK) pare_chat_style_free(out);
    return status;
}

pare_status pare_chat_style_template(const char *directory, char **text) {
    pare_chat_style style = {0};
    *text = NULL;
    pare_status status = read_folder(&style, directory, text);
    pare_chat_style_free(&style);
    if (status == PARE_OK) return pare_whole();
    free(*text);
    *text = NULL;
    return status;
}

const char *pare_chat_style_name(const pare_chat_style *style) {
    if (style->format) return style->format->name;
    return style->wording == PARE_TEMPLATE_NONE ? "none" : "alpaca";
}

void pare_chat_style_free(pare_chat_style *style) {
    pare_free(style->format);
    free(style->template_path);
    free(style->system);
    free(style->header);
    free(style->bos);
    free(style->eos);
    free(style->literals[0]);
    free(style->literals[1]);
    *style = (pare_chat_style){0};
}
