#include "tokenizer/tokenizer_json.h"
#include "support/memory.h"
#include "tokenizer/json_read.h"

enum { MOST_GAPS = 1 << 16 }; /* ids without a token, beyond as many as there are tokens */

static pare_status refuse_template(const char *path) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: its post-processor's template is not sound; fetch the file again", path);
}

static pare_status put_in_front(const char *path, json_int_t id, pare_tokenizer_json *out) {
    if (id < 0 || id > UINT32_MAX) return refuse_template(path);
    if (out->front_count == PARE_FRONT_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%s puts more than %d tokens in front of a text, which pare does not know",
                         path, PARE_FRONT_MAX);
    out->front[out->front_count++] = (uint32_t)id;
    return PARE_OK;
}

static pare_status put_behind(const char *path, json_int_t id, pare_tokenizer_json *out) {
    if (out->template_eos >= 0)
        return pare_fail(PARE_UNSUPPORTED, "%s puts more than one token behind a text, which pare does not know", path);
    out->template_eos = id;
    return id < 0 ? refuse_template(path) : PARE_OK;
}

/* A piece of a template: a special token, or the text's own place, which *behind notes. */
static pare_status read_piece(const char *path, const json_t *json, const json_t *piece, bool *behind,
                              pare_tokenizer_json *out) {
    if (!json_is_object(piece)) return refuse_template(path);
    const json_t *special = json_object_get(piece, "SpecialToken");
    if (!special) {
        *behind = true;
        return PARE_OK;
    }
    const char *name = json_string_value(json_object_get(special, "id"));
    const json_t *token = name ? json_object_get(json_object_get(json, "special_tokens"), name) : NULL;
    const json_t *ids = json_object_get(token, "ids");
    if (!json_array_size(ids)) return refuse_template(path);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id)) return refuse_template(path);
        PARE_TRY(*behind ? put_behind(path, json_integer_value(id), out)
                         : put_in_front(path, json_integer_value(id), out));
    }
    return PARE_OK;
}

/* TemplateProcessing: "single" is a list of {"SpecialToken": {"id": name}} and {"Sequence": ...}; the names' ids are
 * under "special_tokens". What stands before the sequence is put in front of every text, what stands after it behind.
 */
static pare_status read_template(const char *path, const json_t *json, pare_tokenizer_json *out) {
    const json_t *single = json_object_get(json, "single");
    bool behind = false;
    out->has_template = true;
    if (!json_array_size(single)) return refuse_template(path);
    for (size_t i = 0; i < json_array_size(single); i++)
        PARE_TRY(read_piece(path, json, json_array_get(single, i), &behind, out));
    return PARE_OK;
}

/* RobertaProcessing and BertProcessing: "cls" and "sep" are [name, id], in front and behind. */
static pare_status read_pair(const char *path, const json_t *json, pare_tokenizer_json *out) {
    const json_t *cls = json_array_get(json_object_get(json, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(json, "sep"), 1);
    out->has_template = true;
    if (json_is_integer(cls)) PARE_TRY(put_in_front(path, json_integer_value(cls), out));
    return json_is_integer(sep) ? put_behind(path, json_integer_value(sep), out) : PARE_OK;
}

static pare_status read_post_processor(const char *path, const json_t *json, pare_tokenizer_json *out) {
    pare_json_steps list;
    out->template_eos = -1;
    PARE_TRY(pare_json_steps_read(path, json, "post-processor", "processors", &list));
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < list.count; i++) {
        const char *type = list.steps[i].type;
        const json_t *step = list.steps[i].json;
        if (strcmp(type, "TemplateProcessing") == 0) {
            status = read_template(path, step, out);
        } else if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) {
            status = read_pair(path, step, out);
        } else if (strcmp(type, "ByteLevel") != 0) {
            status =
                pare_fail(PARE_UNSUPPORTED, "%s has a post-processor of type %s, which pare does not know", path, type);
        }
    }
    pare_json_steps_free(&list);
    bool beyond = out->template_eos >= (int64_t)out->size;
    for (size_t i = 0; i < out->front_count; i++)
        beyond |= out->front[i] >= out->size;
    if (status == PARE_OK && beyond) status = refuse_template(path);
    return status;
}

static pare_status refuse_model(const char *path, const char *type) {
    return pare_fail(PARE_UNSUPPORTED,
                     "%s has a model of type %s; pare reads BPE and Unigram models, which language models that write "
                     "text have: take the tokenizer that the model was trained with",
                     path, type ? type : "unknown");
}

/* Files of early versions name no type: merges tell a BPE model, a list of pieces a Unigram one. */
static pare_status read_model(pare_tokenizer_json *out, const char *path, const json_t *model) {
    const char *type = json_string_value(json_object_get(model, "type"));
    bool spelled = out->pretokenizer.byte_level;
    if (!type && json_is_array(json_object_get(model, "vocab"))) type = "Unigram";
    if (!type && json_object_get(model, "merges")) type = "BPE";
    if (type && strcmp(type, "BPE") == 0) return pare_json_model_read(path, model, spelled, &out->bpe, &out->size);
    if (!type || strcmp(type, "Unigram") != 0) return refuse_model(path, type);
    PARE_TRY(pare_json_unigram_read(path, model, &out->unigram));
    out->is_unigram = true;
    out->size = out->unigram.count;
    return spelled ? pare_pretokenizer_spell(&out->pretokenizer) : PARE_OK;
}

static pare_status read_parts(pare_tokenizer_json *out, const char *path, const json_t *json) {
    const json_t *model = json_object_get(json, "model");
    if (!json_is_object(model))
        return pare_fail(PARE_FORMAT_ERROR, "%s has no model; it is not a tokenizer.json of Hugging Face tokenizers",
                         path);
    PARE_TRY(pare_normalizer_read(path, json_object_get(json, "normalizer"), &out->normalizer));
    PARE_TRY(pare_pretokenizer_read(path, json_object_get(json, "pre_tokenizer"), &out->pretokenizer));
    PARE_TRY(read_model(out, path, model));
    PARE_TRY(pare_added_tokens_read(path, json_object_get(json, "added_tokens"), &out->normalizer, &out->added));
    for (size_t i = 0; i < out->added.count; i++)
        if (out->added.tokens[i].id >= out->size) out->size = out->added.tokens[i].id + 1;
    const json_t *vocabulary = json_object_get(model, "vocab");
    size_t tokens = json_object_size(vocabulary) + json_array_size(vocabulary) + out->added.count;
    if (out->size > MOST_GAPS + 2 * tokens)
        return pare_fail(PARE_FORMAT_ERROR, "%s has ids up to %u for %zu tokens; fetch the file again", path,
                         out->size - 1, tokens);
    return read_post_processor(path, json_object_get(json, "post_processor"), out);
}

pare_status pare_tokenizer_json_init(pare_tokenizer_json *out, const char *path, const json_t *json) {
    *out = (pare_tokenizer_json){0};
    pare_bpe_init(&out->bpe);
    pare_status status = read_parts(out, path, json);
    if (status != PARE_OK) pare_tokenizer_json_free(out);
    return status;
}

void pare_tokenizer_json_free(pare_tokenizer_json *tokenizer) {
    pare_added_tokens_free(&tokenizer->added);
    pare_normalizer_free(&tokenizer->normalizer);
    pare_pretokenizer_free(&tokenizer->pretokenizer);
    pare_bpe_free(&tokenizer->bpe);
    pare_unigram_free(&tokenizer->unigram);
}

int64_t pare_tokenizer_json_find(const pare_tokenizer_json *tokenizer, const json_t *vocabulary, const char *text) {
    for (size_t i = 0; i < tokenizer->added.count; i++)
        if (strcmp(tokenizer->added.tokens[i].text, text) == 0) return tokenizer->added.tokens[i].id;
    const json_t *id = json_object_get(vocabulary, text);
    return json_is_integer(id) ? json_integer_value(id) : -1;
}

/* One text on its way through the tokenizer. */
typedef struct encoding {
    const pare_tokenizer_json *tokenizer;
    pare_encode_work *work;
    pare_pattern_work pattern;
    pare_pretokenizer_work pretokenizer;
    pare_buffer repaired, normal[2];
    pare_id_list *out;
} encoding;

static pare_status encode_word(void *user, const char *word, size_t bytes) {
    encoding *e = user;
    if (e->tokenizer->is_unigram)
        return pare_unigram_encode(&e->tokenizer->unigram, &e->work->unigram, word, bytes, e->out);
    return pare_bpe_encode(&e->tokenizer->bpe, &e->work->bpe, word, bytes, e->out);
}

/* A stretch between two added tokens of the raw text: normalised, divided by the added tokens that are looked for in
 * normalised text, split into words. first: it begins the whole text. */
static pare_status encode_stretch(encoding *e, const char *text, size_t bytes, bool first) {
    const pare_tokenizer_json *t = e->tokenizer;
    const char *normal;
    size_t normal_bytes;
    PARE_TRY(pare_normalizer_run(&t->normalizer, &e->pattern, text, bytes, e->normal, &normal, &normal_bytes));
    pare_section_scan scan = {&t->added, &t->added.normalized, normal, normal_bytes, 0, 0, {0}};
    pare_section section;
    while (pare_section_next(&scan, &section)) {
        if (section.token)
            PARE_TRY(pare_id_list_add(e->out, section.token->id));
        else
            PARE_TRY(pare_pretokenizer_run(&t->pretokenizer, &e->pretokenizer, normal + section.start,
                                           section.end - section.start, first && section.start == 0, encode_word, e));
    }
    return PARE_OK;
}

static pare_status encode_text(encoding *e, const char *text, size_t bytes) {
    if (pare_utf8_valid(text, bytes) != bytes) {
        PARE_TRY(pare_utf8_repair(text, bytes, &e->repaired));
        text = e->repaired.data;
        bytes = e->repaired.bytes;
    }
    const pare_added_tokens *added = &e->tokenizer->added;
    pare_section_scan scan = {added, &added->raw, text, bytes, 0, 0, {0}};
    pare_section section;
    while (pare_section_next(&scan, &section)) {
        if (section.token)
            PARE_TRY(pare_id_list_add(e->out, section.token->id));
        else
            PARE_TRY(encode_stretch(e, text + section.start, section.end - section.start, section.start == 0));
    }
    return PARE_OK;
}

pare_status pare_tokenizer_json_encode(const pare_tokenizer_json *tokenizer, pare_encode_work *work, const char *text,
                                       size_t bytes, pare_id_list *out) {
    encoding e = {.tokenizer = tokenizer, .work = work, .out = out};
    e.pretokenizer.pattern = &e.pattern;
    pare_status status = encode_text(&e, text, bytes);
    pare_pattern_work_free(&e.pattern);
    pare_pretokenizer_work_free(&e.pretokenizer);
    pare_buffer_free(&e.repaired);
    pare_buffer_free(e.normal);
    pare_buffer_free(e.normal + 1);
    return status;
}
