/* Tokenizers, texts to calibrate, train and measure on, and tasks. */
#include "evaluate/task_file.h"
#include "fuzz/target.h"
#include "pare/model.h"
#include "text/chat_style.h"
#include "text/documents.h"
#include "text/examples.h"
#include "tiny_model.h"
#include "tokenizer/json_fixture.h"
#include "tokenizer/sentencepiece_fixture.h"

/* What a tokenizer says of texts: ids below its size, which have a text again. */
static pare_status use_tokenizer(const char *path) {
    static const char *const texts[] = {"xx  xxab a\n", "\xC3\xA9 <s>[w] 12 \xE2\x96\x81"};
    pare_tokenizer *tokenizer;
    PARE_TRY(pare_tokenizer_open(path, &tokenizer));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == PARE_OK; i++) {
        uint32_t *ids = NULL;
        size_t count = 0;
        char *back = NULL;
        status = pare_tokenizer_encode(tokenizer, texts[i], strlen(texts[i]), &ids, &count);
        for (size_t k = 0; status == PARE_OK && k < count; k++)
            fuzz_check(ids[k] < pare_tokenizer_size(tokenizer), "an id is below the tokenizer's size");
        if (status == PARE_OK) status = pare_tokenizer_decode(tokenizer, ids, count, &back, NULL);
        pare_text_free(back);
        pare_ids_free(ids);
    }
    pare_tokenizer_close(tokenizer);
    return status;
}

static pare_status read_tokenizer(const char *folder, const char *path) {
    (void)folder;
    return use_tokenizer(path);
}

static void seed_tokenizer_json(const char *folder) {
    tiny_write_text(folder, "byte-level", json_byte_level);
    tiny_write_text(folder, "spaces", json_spaces);
    tiny_write_text(folder, "unigram",
                    "{\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\"}, \"decoder\": "
                    "{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\"}, \"model\": {\"type\": \"Unigram\", "
                    "\"unk_id\": 0, \"vocab\": [[\"<unk>\", 0.0], [\"\xE2\x96\x81\", -2.0], [\"x\", -3.0], [\"xx\", "
                    "-3.5]]}}");
}

static void seed_sentencepiece(const char *folder) {
    static const fixture_piece pieces[] = {
        {"<unk>", 0, 2}, {"<s>", 0, 3},           {"</s>", 0, 3}, {"x", -1, 1},
        {"xx", -2, 1},   {"\xE2\x96\x81", -3, 1}, {"ab", -4, 1},  {"\xE2\x96\x81xx", -5, 1}};
    for (int type = 1; type <= 2; type++) {
        fixture_model model = {.pieces = pieces, .count = sizeof pieces / sizeof *pieces, .model_type = type};
        const fixture_bytes *bytes = fixture_build(&model);
        tiny_write_file(folder, type == 1 ? "unigram" : "bpe", bytes->data, bytes->count);
    }
}

static void write_class(const char *folder) {
    tiny_write_text(folder, "tokenizer_config.json", "{\"tokenizer_class\": \"GPT2Tokenizer\"}");
}

static void prepare_merges(const char *folder) {
    write_class(folder);
    tiny_write_text(folder, "merges.txt", "#version: 0.2\nx x\nxx xx\na b\n");
}

static void seed_vocabulary(const char *folder) {
    tiny_write_text(folder, "vocab",
                    "{\"x\": 0, \"xx\": 1, \"xxxx\": 2, \"a\": 3, \"b\": 4, \"ab\": 5, \"\xC4\xA0\": 6}");
}

static void prepare_vocabulary(const char *folder) {
    write_class(folder);
    tiny_write_text(folder, "vocab.json", "{\"x\": 0, \"xx\": 1, \"xxxx\": 2, \"a\": 3, \"b\": 4, \"ab\": 5}");
}

static void seed_merges(const char *folder) {
    tiny_write_text(folder, "merges", "#version: 0.2\nx x\nxx xx\na b\n");
}

static pare_status read_vocabulary(const char *folder, const char *path) {
    (void)path;
    return use_tokenizer(folder);
}

static void prepare_tokenizer(const char *folder) {
    tiny_write_text(folder, "tokenizer.json", json_byte_level);
}

static pare_status read_style(const char *folder, const char *path) {
    (void)path;
    pare_chat_style style;
    PARE_TRY(pare_chat_style_open(folder, 0, &style));
    pare_chat_style_free(&style);
    return use_tokenizer(folder);
}

static void seed_style(const char *folder) {
    tiny_write_text(folder, "chatml",
                    "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"[w]\"}, \"add_bos_token\": true, "
                    "\"chat_template\": \"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
                    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
                    "'<|im_start|>assistant\\n' }}{% endif %}\"}");
    tiny_write_text(folder, "list",
                    "{\"chat_template\": [{\"name\": \"default\", \"template\": \"{{ messages }}\"}], "
                    "\"added_tokens_decoder\": {\"16\": {\"content\": \"[w]\", \"special\": true}}}");
}

static pare_tokenizer *reader;

static void close_reader(void) {
    pare_tokenizer_close(reader);
}

static void prepare_rows(const char *folder) {
    prepare_tokenizer(folder);
    if (reader) return;
    tiny_check(pare_tokenizer_open(folder, &reader) == PARE_OK, pare_message());
    atexit(close_reader);
}

/* As calibration text, with and without a chat format, and as examples to train on. */
static pare_status read_rows(const char *folder, const char *path) {
    pare_chat_style style;
    pare_documents documents;
    pare_examples examples;
    fuzz_check(pare_chat_style_open(folder, 0, &style) == PARE_OK, "the folder has a style");
    pare_documents_request plain = {.path = path, .paragraphs = true}, chats = {.path = path, .style = &style};
    pare_examples_request request = {.path = path, .wording = PARE_TEMPLATE_ALPACA, .cutoff = 512};
    bool read = pare_documents_open(&plain, &documents) == PARE_OK;
    if (read) pare_documents_close(&documents);
    if (pare_documents_open(&chats, &documents) == PARE_OK) {
        for (size_t i = 0; i < documents.count; i++)
            fuzz_check(documents.list[i].start + documents.list[i].length <=
                           (documents.has_ids ? documents.ids.count : documents.bytes),
                       "a document lies in the text");
        pare_documents_close(&documents);
    }
    pare_status status = pare_examples_read(reader, &request, &examples);
    if (status == PARE_OK) pare_examples_free(&examples);
    pare_chat_style_free(&style);
    return read ? PARE_OK : status;
}

static void seed_rows(const char *folder) {
    tiny_write_text(folder, "lines", "{\"text\": \"xx ab\"}\n{\"text\": \"a \\u00e9\"}\n");
    tiny_write_text(folder, "list", "[{\"text\": \"xx ab\"}, {\"text\": \"x\", \"id\": 3}]");
    tiny_write_text(folder, "ids", "[[1, 2, 3], [4, 5]]");
    tiny_write_text(folder, "instructions",
                    "[{\"instruction\": \"ab\", \"input\": \"\", \"output\": \"xx\"}, {\"instruction\": \"a\", "
                    "\"input\": \"x\", \"output\": \"b\"}]");
    tiny_write_text(folder, "messages",
                    "{\"messages\": [{\"role\": \"user\", \"content\": \"ab\"}, {\"role\": \"assistant\", \"content\": "
                    "\"xx\"}]}\n");
    tiny_write_text(folder, "turns",
                    "[{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": "
                    "\"b\"}]}]");
    tiny_write_text(folder, "plain", "xx ab\n\na b\n");
}

/* As the file of each task, by each protocol. */
static pare_status read_task(const char *folder, const char *path) {
    (void)folder;
    pare_status status = PARE_OK, any = PARE_FORMAT_ERROR;
    for (size_t i = 0; pare_task_at(i); i++)
        for (int protocol = 0; protocol < 2; protocol++) {
            pare_task_file_request request = {
                .data = path, .alone = true, .protocol = (pare_task_protocol)protocol, .limit = 3};
            pare_task_file file;
            status = pare_task_file_open(pare_task_at(i), &request, &file);
            if (status != PARE_OK) continue;
            any = PARE_OK;
            pare_task_file_close(&file);
        }
    return any == PARE_OK ? any : status;
}

static void seed_task(const char *folder) {
    tiny_write_text(
        folder, "choices",
        "{\"id\": \"a\", \"question\": {\"stem\": \"x\", \"choices\": [{\"text\": \"a\", \"label\": \"A\"}, "
        "{\"text\": \"b\", \"label\": \"B\"}]}, \"answerKey\": \"B\"}\n");
    tiny_write_text(folder, "yes-no", "{\"question\": \"x\", \"passage\": \"ab\", \"answer\": true}\n");
    tiny_write_text(folder, "endings",
                    "{\"activity_label\": \"a\", \"ctx_a\": \"x\", \"ctx_b\": \"b\", \"ctx\": \"x b\", \"endings\": "
                    "[\"a\", \"b\", \"c\", \"d\"], \"label\": 2}\n");
    tiny_write_text(folder, "goals", "{\"goal\": \"x\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 0}\n");
    tiny_write_text(folder, "options",
                    "{\"sentence\": \"the _ x\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"1\"}\n");
}

const fuzz_target *const fuzz_text_targets[] = {
    &(const fuzz_target){
        .name = "tokenizer-json", .file = "tokenizer.json", .seed = seed_tokenizer_json, .read = read_tokenizer},
    &(const fuzz_target){
        .name = "tokenizer-model", .file = "tokenizer.model", .seed = seed_sentencepiece, .read = read_tokenizer},
    &(const fuzz_target){.name = "vocabulary",
                         .file = "vocab.json",
                         .prepare = prepare_merges,
                         .seed = seed_vocabulary,
                         .read = read_vocabulary},
    &(const fuzz_target){.name = "merges",
                         .file = "merges.txt",
                         .prepare = prepare_vocabulary,
                         .seed = seed_merges,
                         .read = read_vocabulary},
    &(const fuzz_target){.name = "chat-style",
                         .file = "tokenizer_config.json",
                         .prepare = prepare_tokenizer,
                         .seed = seed_style,
                         .read = read_style},
    &(const fuzz_target){
        .name = "rows", .file = "rows.txt", .prepare = prepare_rows, .seed = seed_rows, .read = read_rows},
    &(const fuzz_target){.name = "task", .file = "test.jsonl", .seed = seed_task, .read = read_task},
    NULL};
