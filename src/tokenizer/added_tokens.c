#include "tokenizer/added_tokens.h"
#include "support/memory.h"
#include "tokenizer/json_read.h"

enum { LARGEST_ID = 1 << 24 };

static pare_status read_token(const char *path, const json_t *json, pare_added_token *out) {
    const json_t *id = json_object_get(json, "id");
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= LARGEST_ID)
        return pare_fail(PARE_FORMAT_ERROR, "%s has an added token whose id is not a number below %d", path,
                         LARGEST_ID);
    out->id = (uint32_t)json_integer_value(id);
    PARE_TRY(pare_json_copy_string(path, json, "content", &out->text, &out->bytes));
    PARE_TRY(pare_json_boolean(path, json, "special", false, &out->special));
    PARE_TRY(pare_json_boolean(path, json, "normalized", !out->special, &out->normalized));
    PARE_TRY(pare_json_boolean(path, json, "lstrip", false, &out->left));
    PARE_TRY(pare_json_boolean(path, json, "rstrip", false, &out->right));
    return pare_json_boolean(path, json, "single_word", false, &out->single_word);
}

static pare_status normalise_token(pare_added_token *token, const pare_normalizer *normalizer) {
    static const pare_normalizer none = {0};
    pare_buffer buffers[2] = {{0}};
    pare_pattern_work work = {0};
    const char *text;
    pare_status status = pare_normalizer_run(token->normalized ? normalizer : &none, &work, token->text, token->bytes,
                                             buffers, &text, &token->found_bytes);
    if (status == PARE_OK) status = pare_alloc(&token->found, token->found_bytes, 1, "the tokenizer's added tokens");
    if (status == PARE_OK) memcpy(token->found, text, token->found_bytes);
    pare_pattern_work_free(&work);
    pare_buffer_free(buffers);
    pare_buffer_free(buffers + 1);
    return status;
}

static pare_status enter_token(pare_added_tokens *added, size_t index, const pare_normalizer *normalizer) {
    pare_added_token *token = added->tokens + index;
    pare_prefix_trie *trie = token->normalized ? &added->normalized : &added->raw;
    PARE_TRY(normalise_token(token, normalizer));
    return pare_prefix_trie_add(trie, token->found, token->found_bytes, (int32_t)index);
}

pare_status pare_added_tokens_read(const char *path, const json_t *json, const pare_normalizer *normalizer,
                                   pare_added_tokens *out) {
    *out = (pare_added_tokens){0};
    if (json && !json_is_null(json) && !json_is_array(json))
        return pare_fail(PARE_FORMAT_ERROR, "%s: \"added_tokens\" is not a list", path);
    size_t count = json_array_size(json);
    pare_status status = pare_alloc(&out->tokens, count, sizeof *out->tokens, "the tokenizer's added tokens");
    for (size_t i = 0; status == PARE_OK && i < count; i++) {
        out->count = i + 1;
        status = read_token(path, json_array_get(json, i), out->tokens + i);
        if (status == PARE_OK) status = enter_token(out, i, normalizer);
    }
    if (status != PARE_OK) pare_added_tokens_free(out);
    return status;
}

void pare_added_tokens_free(pare_added_tokens *added) {
    for (size_t i = 0; i < added->count; i++) {
        pare_free(added->tokens[i].text);
        pare_free(added->tokens[i].found);
    }
    pare_free(added->tokens);
    pare_prefix_trie_free(&added->raw);
    pare_prefix_trie_free(&added->normalized);
    *added = (pare_added_tokens){0};
}

static bool is_inside_word(const pare_section_scan *scan, size_t start, size_t end) {
    uint32_t code;
    if (pare_utf8_decode_last(scan->text, start, &code) && pare_is_word(code)) return true;
    return pare_utf8_decode(scan->text + end, scan->bytes - end, &code) && pare_is_word(code);
}

/* Widens the section over the spaces that its token takes, but not over what was given out already. */
static void take_spaces(const pare_section_scan *scan, pare_section *section) {
    uint32_t code;
    size_t length;
    while (section->token->left && section->start > scan->done &&
           (length = pare_utf8_decode_last(scan->text, section->start, &code)) && pare_is_space(code))
        section->start -= length;
    while (section->token->right &&
           (length = pare_utf8_decode(scan->text + section->end, scan->bytes - section->end, &code)) &&
           pare_is_space(code))
        section->end += length;
}

static void find_token(pare_section_scan *scan) {
    while (scan->from < scan->bytes) {
        size_t length;
        int32_t index;
        size_t at = pare_prefix_trie_search(scan->trie, scan->text, scan->bytes, scan->from, &length, &index);
        if (at == scan->bytes) break;
        scan->from = at + length;
        pare_section found = {at, at + length, scan->added->tokens + index};
        if (found.token->single_word && is_inside_word(scan, found.start, found.end)) continue;
        take_spaces(scan, &found);
        scan->found = found;
        return;
    }
    scan->from = scan->bytes;
}

bool pare_section_next(pare_section_scan *scan, pare_section *section) {
    if (!scan->found.token) find_token(scan);
    size_t end = scan->found.token ? scan->found.start : scan->bytes;
    if (scan->done < end) {
        *section = (pare_section){scan->done, end, NULL};
        scan->done = end;
        return true;
    }
    if (!scan->found.token) return false;
    *section = scan->found;
    scan->done = scan->found.end;
    scan->found = (pare_section){0};
    return true;
}
