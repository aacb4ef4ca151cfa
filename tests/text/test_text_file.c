/* Files as they are read: unpacked, in UTF-8, with line feeds; and one sentence for each that cannot be. Expected texts
 * are Python's open(errors="replace"), written out. */
#include "byte_fixture.h"
#include "text/text_file.h"

#include <zlib.h>

static void expect_text(const char *data, size_t bytes, const char *expected, size_t malformed) {
    char *path = write_file("text.txt", data, bytes);
    pare_text_file file;
    assert_ok(pare_text_file_open(path, &file));
    assert_int_equal(file.bytes, strlen(expected));
    assert_memory_equal(file.text, expected, file.bytes);
    assert_int_equal(file.encoding.malformed, malformed);
    pare_text_file_close(&file);
    remove_file(path);
}

static void refused(const char *name, const char *data, size_t bytes, const char *words) {
    char *path = write_file(name, data, bytes);
    pare_text_file file;
    assert_int_not_equal(pare_text_file_open(path, &file), PARE_OK);
    if (!strstr(pare_message(), path) || !strstr(pare_message(), words))
        fail_msg("the message does not say \"%s\": %s", words, pare_message());
    remove_file(path);
}

#define TEXT(literal) literal, sizeof(literal) - 1

static void test_lines(void **state) {
    (void)state;
    expect_text(TEXT("a\nb"), "a\nb", 0);
    expect_text(TEXT("a\r\nb\rc\r\r\n\r"), "a\nb\nc\n\n\n", 0);
    expect_text(TEXT("\xEF\xBB\xBF"
                     "a\xC3\xA9"),
                "a\xC3\xA9", 0);
    expect_text(TEXT("\xEF\xBB\xBF"
                     "a\r\n"),
                "a\n", 0);
}

/* One U+FFFD for each longest beginning of a character, and one for each byte that begins none. */
static void test_malformed(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *expected;
        size_t malformed;
    } cases[] = {{"\xFF", "\xEF\xBF\xBD", 1},
                 {"\xC3(", "\xEF\xBF\xBD(", 1},
                 {"\xE2\x82", "\xEF\xBF\xBD", 1},
                 {"\xF0\x9F\x98", "\xEF\xBF\xBD", 1},
                 {"\xF0\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3},
                 {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3},
                 {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD", 2}};
    enum { FILLED = 4000 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[FILLED + 32], expected[FILLED + 32];
        memset(data, 'x', FILLED);
        memset(expected, 'x', FILLED);
        strcpy(data + FILLED, cases[i].bytes);
        strcpy(expected + FILLED, cases[i].expected);
        expect_text(data, strlen(data), expected, cases[i].malformed);
    }
}

static size_t gzip_of(const char *text, size_t bytes, unsigned char *out, size_t room) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)text;
    stream.avail_in = (uInt)bytes;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return room - stream.avail_out;
}

/* Two members are one text; every beginning, and every byte that is another one, is refused or unpacks to the same. */
static void test_gzip(void **state) {
    (void)state;
    static const char text[] = "{\"text\": \"one\"}\r\n{\"text\": \"two\"}\n";
    static const char doubled[] =
        "{\"text\": \"one\"}\n{\"text\": \"two\"}\n{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
    unsigned char packed[512];
    size_t one = gzip_of(TEXT(text), packed, 256), both = one + gzip_of(TEXT(text), packed + one, 256);
    expect_text((char *)packed, both, doubled, 0);
    for (size_t bytes = 2; bytes < one; bytes++)
        refused("cut.gz", (char *)packed, bytes, "is cut off");
    packed[one - 6] ^= 0x10; /* of the checksum */
    refused("damaged.gz", (char *)packed, one, "is damaged");
    packed[one - 6] ^= 0x10;
    packed[one] = 'x';
    refused("more.gz", (char *)packed, one + 1, "something else behind it");
    packed[one] = 0;
    packed[one + 1] = 0;
    expect_text((char *)packed, one + 2, "{\"text\": \"one\"}\n{\"text\": \"two\"}\n", 0);
}

/* A megabyte of memory holds what 64 MiB of text are packed into; they come out through a scratch file. */
static void test_large_gzip(void **state) {
    (void)state;
    size_t bytes = (size_t)64 << 20;
    char *text = malloc(bytes);
    unsigned char *packed = malloc(1 << 20);
    assert_true(text && packed);
    memset(text, 'a', bytes);
    size_t used = gzip_of(text, bytes, packed, 1 << 20);
    char *path = write_file("large.gz", packed, used);
    pare_text_file file;
    assert_ok(pare_text_file_open(path, &file));
    assert_int_equal(file.bytes, bytes);
    assert_memory_equal(file.text, text, bytes);
    assert_non_null(file.unpacked.mapped);
    pare_text_file_close(&file);
    remove_file(path);
    free(text);
    free(packed);
}

static void test_refused(void **state) {
    (void)state;
    refused("a.txt", TEXT("\xFF\xFEh\0i\0"), "UTF-16, not UTF-8, as its bytes from offset 0");
    refused("a.txt", TEXT("h\0e\0l\0l\0o\0 \0t\0o\0"), "UTF-16LE, not UTF-8, as its bytes from offset 1");
    refused("a.txt", TEXT("\0h\0e\0l\0l\0o\0 \0t\0o"), "iconv -f UTF-16BE");
    refused("a.txt", TEXT("h\0\0\0e\0\0\0l\0\0\0"), "iconv -f UTF-32LE");
    refused("a.txt", TEXT("un caf\xE9, un \xE9l\xE8ve et une fen\xEAtre"), "offset 6 is 0xE9");
    refused("a.txt", TEXT("un caf\xE9, un \xE9l\xE8ve et une fen\xEAtre"), "iconv -f ISO-8859-1");
    refused("a.TSV", TEXT("a\tb"), "name it .txt");
    refused("a.csv.gz", TEXT("a,b"), "read_csv");
    refused("a.bin", TEXT("PAR1...."), "read_parquet");
    refused("a.txt", TEXT("\x89PNG\r\n\x1A\n...."), "a PNG picture");
    refused("a.txt", TEXT("\xFF\xD8\xFF\xE0"), "a model that reads pictures");
    refused("a.jsonl", TEXT("PK\x03\x04.."), "unzip");
    refused("a.jsonl", TEXT("\x28\xB5\x2F\xFD.."), "zstd -d");
    refused("a.jsonl", TEXT("BZh91AY&SY"), "bzip2 -dk");
    refused("a.txt", TEXT("%PDF-1.7"), "pdftotext");
    refused("a.txt", TEXT("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
    refused("a.txt", "", 0, "is empty");
    refused("a.txt", TEXT("\xEF\xBB\xBF"), "is empty");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_malformed),
                                       cmocka_unit_test(test_gzip), cmocka_unit_test(test_large_gzip),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
