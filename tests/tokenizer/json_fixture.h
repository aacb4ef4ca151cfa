/* A small tokenizer.json of each kind. */
#ifndef PARE_TESTS_TEXT_JSON_FIXTURE_H
#define PARE_TESTS_TEXT_JSON_FIXTURE_H

#include "text/shared.h"

/* Byte-level in LLaMA-3's way; only a few bytes are in the vocabulary. "Ġ" stands for a space. */
static const char json_byte_level[] =
    "{\"added_tokens\": [{\"id\": 15, \"content\": \"<s>\", \"special\": true, \"normalized\": false},"
    " {\"id\": 16, \"content\": \"[w]\", \"single_word\": true, \"lstrip\": true, \"rstrip\": true,"
    " \"normalized\": true, \"special\": false}],"
    " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Replace\","
    " \"pattern\": {\"Regex\": \"q{2,}\"}, \"content\": \"q\"}]},"
    " \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\":"
    " \"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|\\\\s+(?!\\\\S)|\\\\s+\"}, \"behavior\": \"Isolated\","
    " \"invert\": false}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]},"
    " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\","
    " \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"special_tokens\": {\"<s>\": {\"id\":"
    " \"<s>\", \"ids\": [15], \"tokens\": [\"<s>\"]}}},"
    " \"decoder\": {\"type\": \"ByteLevel\"},"
    " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"ignore_merges\": true,"
    " \"vocab\": {\"x\": 0, \"xx\": 1, \"xxxx\": 2, \"\xC4\xA0\": 3, \"a\": 4, \"b\": 5, \"ab\": 6,"
    " \"\xC4\xA0"
    "ab\": 7, \"\xC3\x83\": 8, \"\xC2\xA9\": 9, \"\xC3\x83\xC2\xA9\": 10, \"q\": 11, \"whole\": 12,"
    " \"w\": 13, \"\xC4\x8A\": 14},"
    " \"merges\": [\"x x\", \"xx xx\", [\"a\", \"b\"], [\"\xC4\xA0\", \"ab\"], [\"\xC3\x83\", \"\xC2\xA9\"]]}}";

/* As converted SentencePiece models are written, but without byte tokens. */
static const char json_spaces[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}],"
    " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"_\"},"
    " {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"_\"}]},"
    " \"pre_tokenizer\": null, \"post_processor\": null,"
    " \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"_\"},"
    " \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" "
    "\","
    " \"start\": 1, \"stop\": 0}]},"
    " \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": true, \"byte_fallback\": true,"
    " \"vocab\": {\"<unk>\": 0, \"_\": 1, \"a\": 2, \"b\": 3, \"_a\": 4, \"x\": 5, \"xx\": 6, \"xxxx\": 7, \"__\": 8},"
    " \"merges\": [\"_ a\", \"x x\", \"xx xx\", \"_ _\"]}}";

static inline char *json_fixture_write(const char *text, size_t bytes) {
    char *path = pare_format("/tmp/pare-test-%ld-tokenizer.json", (long)getpid());
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline pare_tokenizer *json_fixture_open(const char *text) {
    char *path = json_fixture_write(text, strlen(text));
    pare_tokenizer *tokenizer;
    assert_ok(pare_tokenizer_open(path, &tokenizer));
    unlink(path);
    free(path);
    return tokenizer;
}

#endif
