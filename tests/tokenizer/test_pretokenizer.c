/* Pre-tokenizers split a text just as the tokenizers library does; the expected words were taken from it. */
#include "text/shared.h"
#include "tokenizer/pretokenizer.h"

#include <string.h>

static const char text[] = "I've  2 cats, x\xE1\xA0\x8Ey:\n\nNO 1234!! \xC3\xA9\xC2\xBD ";

static const struct {
    const char *json, *words; /* with a bar between words */
} cases[] = {
    /* clang-format off */
        {"{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}",
         "I|'ve| | 2| cats|,| x|""\xE1\xA0\x8E""|y|:|\n|\n|NO| 1234|!!| ""\xC3\xA9""|""\xC2\xBD""| "},
        {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}]}",
         " I|'ve| | 2| cats|,| x|""\xE1\xA0\x8E""|y|:|\n|\n|NO| 1234|!!| ""\xC3\xA9""|""\xC2\xBD""| "},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, \"behavior\": \"Isolated\", \"invert\": false}",
         "I|'ve| | |2| cats|,| x|""\xE1\xA0\x8E""y|:\n\n|NO| |123|4|!!| ""\xC3\xA9""|""\xC2\xBD""| "},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\s+\"}, \"behavior\": \"Removed\", \"invert\": false}",
         "I've|2|cats,|x""\xE1\xA0\x8E""y:|NO|1234!!|""\xC3\xA9""""\xC2\xBD"""},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\s\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}",
         "I've | |2 |cats, |x""\xE1\xA0\x8E""y:\n|\n|NO |1234!! |""\xC3\xA9""""\xC2\xBD"" "},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\s\"}, \"behavior\": \"MergedWithNext\", \"invert\": false}",
         "I've| | 2| cats,| x""\xE1\xA0\x8E""y:|\n|\nNO| 1234!!| ""\xC3\xA9""""\xC2\xBD""| "},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\s\"}, \"behavior\": \"Contiguous\", \"invert\": false}",
         "I've|  |2| |cats,| |x""\xE1\xA0\x8E""y:|\n\n|NO| |1234!!| |""\xC3\xA9""""\xC2\xBD""| "},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\w+\"}, \"behavior\": \"Removed\", \"invert\": true}",
         "I|ve|2|cats|x|y|NO|1234|""\xC3\xA9""""\xC2\xBD"""},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[\\\\w]+\"}, \"behavior\": \"Removed\", \"invert\": true}",
         "I|ve|2|cats|x|y|NO|1234|""\xC3\xA9"""},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\b|\\\\h{2}\"}, \"behavior\": \"Isolated\", \"invert\": false}",
         "I|'|ve|  |2| |cats|, |x|""\xE1\xA0\x8E""|y|:\n\n|NO| |1|23|4|!! |""\xC3\xA9""""\xC2\xBD""| "},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(?m:y.)|c{,1}a\"}, \"behavior\": \"Isolated\", \"invert\": false}",
         "I've  2 |ca|ts, x""\xE1\xA0\x8E""|y:|\n\nNO 1234!! ""\xC3\xA9""""\xC2\xBD"" "},
        {"{\"type\": \"Split\", \"pattern\": {\"String\": \", \"}, \"behavior\": \"MergedWithNext\", \"invert\": false}",
         "I've  2 cats|, x""\xE1\xA0\x8E""y:\n\nNO 1234!! ""\xC3\xA9""""\xC2\xBD"" "},
        {"{\"type\": \"Digits\", \"individual_digits\": true}",
         "I've  |2| cats, x""\xE1\xA0\x8E""y:\n\nNO |1|2|3|4|!! ""\xC3\xA9""|""\xC2\xBD""| "},
        {"{\"type\": \"Digits\", \"individual_digits\": false}",
         "I've  |2| cats, x""\xE1\xA0\x8E""y:\n\nNO |1234|!! ""\xC3\xA9""|""\xC2\xBD""| "},
        {"{\"type\": \"Punctuation\", \"behavior\": \"Contiguous\"}",
         "I|'|ve  2 cats|,| x""\xE1\xA0\x8E""y|:|\n\nNO 1234|!!| ""\xC3\xA9""""\xC2\xBD"" "},
        {"{\"type\": \"Whitespace\"}",
         "I|'|ve|2|cats|,|x|""\xE1\xA0\x8E""|y|:|NO|1234|!!|""\xC3\xA9""|""\xC2\xBD"""},
        {"{\"type\": \"WhitespaceSplit\"}",
         "I've|2|cats,|x""\xE1\xA0\x8E""y:|NO|1234!!|""\xC3\xA9""""\xC2\xBD"""},
        {"{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"c\"}",
         "I've  2 |ats, x""\xE1\xA0\x8E""y:\n\nNO 1234!! ""\xC3\xA9""""\xC2\xBD"" "},
        {"{\"type\": \"Metaspace\", \"replacement\": \"\\u2581\", \"prepend_scheme\": \"always\", \"split\": true}",
         """\xE2\x96\x81""I've|""\xE2\x96\x81""|""\xE2\x96\x81""2|""\xE2\x96\x81""cats,|""\xE2\x96\x81""x""\xE1\xA0\x8E""y:\n\nNO|""\xE2\x96\x81""1234!!|""\xE2\x96\x81""""\xC3\xA9""""\xC2\xBD""|""\xE2\x96\x81"""},
        {"{\"type\": \"Metaspace\", \"replacement\": \"\\u2581\", \"prepend_scheme\": \"never\", \"split\": true}",
         "I've|""\xE2\x96\x81""|""\xE2\x96\x81""2|""\xE2\x96\x81""cats,|""\xE2\x96\x81""x""\xE1\xA0\x8E""y:\n\nNO|""\xE2\x96\x81""1234!!|""\xE2\x96\x81""""\xC3\xA9""""\xC2\xBD""|""\xE2\x96\x81"""},
        {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"WhitespaceSplit\"}, {\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"first\", \"split\": false}]}",
         "_I've|2|cats,|x""\xE1\xA0\x8E""y:|NO|1234!!|""\xC3\xA9""""\xC2\xBD"""},
    /* clang-format on */
};

static pare_status join_word(void *user, const char *word, size_t bytes) {
    pare_buffer *joined = user;
    if (joined->bytes) PARE_TRY(pare_buffer_append(joined, "|", 1));
    return pare_buffer_append(joined, word, bytes);
}

static void test_splitting(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = json_loads(cases[i].json, 0, NULL);
        assert_non_null(json);
        pare_pretokenizer pretokenizer;
        pare_pattern_work pattern = {0};
        pare_pretokenizer_work work = {.pattern = &pattern};
        pare_buffer joined = {0};
        assert_ok(pare_pretokenizer_read("a file", json, &pretokenizer));
        assert_ok(pare_pretokenizer_run(&pretokenizer, &work, text, sizeof text - 1, true, join_word, &joined));
        assert_ok(pare_buffer_append(&joined, "", 1));
        if (strcmp(joined.data, cases[i].words) != 0)
            fail_msg("%s\n gives    %s\n and not  %s", cases[i].json, joined.data, cases[i].words);
        pare_buffer_free(&joined);
        pare_pretokenizer_work_free(&work);
        pare_pattern_work_free(&pattern);
        pare_pretokenizer_free(&pretokenizer);
        json_decref(json);
    }
}

/* What would change ids and is not known is refused, and named. */
static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *json, *named;
    } refused[] = {
        {"{\"type\": \"UnicodeScripts\"}", "UnicodeScripts"},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": \"Doubled\"}", "Doubled"},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a{1,3}+\"}}", "repetition count"},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[a[b]\"}}", "closing bracket"},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[[:punct:]]\"}}", "[:name:]"},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]\"}}",
         "nested that deep"},
        {"{\"type\": \"FixedLength\", \"length\": 0}", "length"},
        {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a\"}}", "(a"},
        {"{\"type\": \"Split\"}", "neither a String nor a Regex"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"__\"}", "replacement"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"last\"}", "prepend_scheme"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        json_t *json = json_loads(refused[i].json, 0, NULL);
        pare_pretokenizer pretokenizer;
        assert_non_null(json);
        if (pare_pretokenizer_read("tokenizer.json", json, &pretokenizer) == PARE_OK)
            fail_msg("accepted: %s", refused[i].json);
        if (!strstr(pare_message(), refused[i].named) || !strstr(pare_message(), "tokenizer.json"))
            fail_msg("%s: the message does not name it: %s", refused[i].json, pare_message());
        json_decref(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_splitting), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
