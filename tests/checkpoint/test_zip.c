/* ZIP files whose records lie, and damaged copies of files of torch: refused in one sentence, or read as they were. */
#define ONE_FILE "file.bin"
#include "one_file.h"

#include "checkpoint/torch_file.h"
#include "checkpoint/zip.h"
#include "stored_zip.h"
#include "support/memory.h"

#define DATA PARE_SOURCE_DIR "/tests/data/pytorch/"

static const stored_entry sound[] = {{"a/data.pkl", "N.", 2}, {"a/data/0", "0123456789", 10}, {"a/version", "3", 1}};

static pare_status open_zip(const stored_zip *zip, pare_mapping *file, pare_zip *out) {
    tiny_write_file(folder, ONE_FILE, zip->data, zip->bytes);
    assert_int_equal(pare_mapping_open(path, file), PARE_OK);
    return pare_zip_read(file, out);
}

static void expect(const stored_zip *zip, pare_status expected, const char *word) {
    uint64_t before = pare_memory_current();
    pare_mapping file;
    pare_zip read;
    pare_status status = open_zip(zip, &file, &read);
    expect_status(status, expected, word);
    pare_zip_free(&read);
    pare_mapping_close(&file);
    assert_int_equal(pare_memory_current(), before);
}

/* Writes `value` over `bytes` bytes at `at`. */
static void put(stored_zip *zip, size_t at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        zip->data[at + (size_t)i] = (unsigned char)(value >> (8 * i));
}

/* Makes room for `count` bytes before the end record, or at it. */
static void insert(stored_zip *zip, size_t at, const void *data, size_t count) {
    memmove(zip->data + at + count, zip->data + at, zip->bytes - at);
    memcpy(zip->data + at, data, count);
    zip->bytes += count;
}

static void finds_the_entries(void **state) {
    (void)state;
    stored_zip zip = stored_zip_make(sound, 3);
    pare_mapping file;
    pare_zip read;
    assert_int_equal(open_zip(&zip, &file, &read), PARE_OK);
    assert_true(pare_zip_is(&file));
    assert_int_equal(read.count, 3);
    for (int i = 0; i < 3; i++) {
        const pare_zip_entry *entry = pare_zip_find(&read, sound[i].name);
        assert_non_null(entry);
        assert_int_equal(entry->bytes, sound[i].bytes);
        assert_memory_equal(file.data + entry->begin, sound[i].data, sound[i].bytes);
    }
    assert_null(pare_zip_find(&read, "a/data/1"));
    assert_null(pare_zip_find(&read, "a/data"));
    pare_zip_free(&read);
    pare_mapping_close(&file);
    /* A comment behind the end, and one that looks like an end. */
    static const char comment[] = "PK\5\6 no end";
    put(&zip, zip.end + 20, sizeof comment, 2);
    insert(&zip, zip.bytes, comment, sizeof comment);
    expect(&zip, PARE_OK, "");
}

typedef enum where { LOCAL, CENTRAL, END } where;

static void fields_that_lie_are_refused(void **state) {
    (void)state;
    static const struct {
        where where;
        int entry;
        size_t at;
        uint64_t value;
        int bytes;
        pare_status status;
        const char *word;
    } lies[] = {
        {END, 0, 0, 0, 1, PARE_FORMAT_ERROR, "no end record"},
        {END, 0, 20, 1, 2, PARE_FORMAT_ERROR, "no end record"},
        {END, 0, 4, 1, 2, PARE_FORMAT_ERROR, "several volumes"},
        {END, 0, 6, 1, 2, PARE_FORMAT_ERROR, "several volumes"},
        {END, 0, 8, 2, 2, PARE_FORMAT_ERROR, "several volumes"},
        {END, 0, 8, 0x00020002, 4, PARE_FORMAT_ERROR, "bytes behind its last entry"},
        {END, 0, 8, 0x00040004, 4, PARE_FORMAT_ERROR, "more entries than"},
        {END, 0, 8, 0xffffffff, 4, PARE_FORMAT_ERROR, "more entries than"},
        {END, 0, 12, 0, 4, PARE_FORMAT_ERROR, "not where its end record says"},
        {END, 0, 12, 0xffffffff, 4, PARE_FORMAT_ERROR, "not where its end record says"},
        {END, 0, 16, 0, 4, PARE_FORMAT_ERROR, "not where its end record says"},
        {END, 0, 16, 0xffffffff, 4, PARE_FORMAT_ERROR, "not where its end record says"},
        {CENTRAL, 0, 0, 0, 1, PARE_FORMAT_ERROR, "breaks off"},
        {CENTRAL, 1, 8, 1, 2, PARE_FORMAT_ERROR, "entry a/data/0 of the ZIP file is encrypted"},
        {CENTRAL, 1, 10, 8, 2, PARE_UNSUPPORTED, "entry a/data/0 of the ZIP file is compressed"},
        {CENTRAL, 1, 20, 9, 4, PARE_FORMAT_ERROR, "another size than its own"},
        {CENTRAL, 1, 24, 11, 4, PARE_FORMAT_ERROR, "another size than its own"},
        {CENTRAL, 1, 24, 0xffffffff, 4, PARE_FORMAT_ERROR, "lacks its sizes of 64 bits"},
        {CENTRAL, 1, 28, 0, 2, PARE_FORMAT_ERROR, "name is empty"},
        {CENTRAL, 1, 28, 0xffff, 2, PARE_FORMAT_ERROR, "breaks off"},
        {CENTRAL, 1, 30, 0xffff, 2, PARE_FORMAT_ERROR, "breaks off"},
        {CENTRAL, 1, 32, 0xffff, 2, PARE_FORMAT_ERROR, "breaks off"},
        {CENTRAL, 1, 42, 1, 4, PARE_FORMAT_ERROR, "has no local header"},
        {CENTRAL, 1, 42, 0xfffffffe, 4, PARE_FORMAT_ERROR, "has no local header"},
        {CENTRAL, 1, 42, 0xffffffff, 4, PARE_FORMAT_ERROR, "lacks its sizes of 64 bits"},
        {CENTRAL, 1, 42, 0, 4, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {CENTRAL, 1, 46, 7, 1, PARE_FORMAT_ERROR, "control characters"},
        {CENTRAL, 1, 46, 'b', 1, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {LOCAL, 1, 0, 0, 1, PARE_FORMAT_ERROR, "has no local header"},
        {LOCAL, 1, 6, 1, 2, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {LOCAL, 1, 8, 8, 2, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {LOCAL, 1, 22, 11, 4, PARE_FORMAT_ERROR, "another size in its local header"},
        {LOCAL, 1, 26, 7, 2, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {LOCAL, 1, 26, 0xffff, 2, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {LOCAL, 1, 28, 0xffff, 2, PARE_FORMAT_ERROR, "described otherwise by its local header"},
        {LOCAL, 1, 28, 1, 2, PARE_FORMAT_ERROR, "entry a/version of the ZIP file lies inside another one"},
        {LOCAL, 2, 28, 1, 2, PARE_FORMAT_ERROR, "reaches beyond the entries' part"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        stored_zip zip = stored_zip_make(sound, 3);
        size_t record = lies[i].where == END     ? zip.end
                        : lies[i].where == LOCAL ? zip.local[lies[i].entry]
                                                 : zip.central[lies[i].entry];
        put(&zip, record + lies[i].at, lies[i].value, lies[i].bytes);
        expect(&zip, lies[i].status, lies[i].word);
    }
    stored_zip larger = stored_zip_make(sound, 3);
    put(&larger, larger.central[1] + 20, 0xffff0000ffff, 8);
    put(&larger, larger.central[1] + 24, 0xffff, 4);
    expect(&larger, PARE_FORMAT_ERROR, "reaches beyond the entries' part");
    static const stored_entry twice[] = {{"a/x", "1", 1}, {"a/x", "2", 1}};
    stored_zip doubled = stored_zip_make(twice, 2);
    expect(&doubled, PARE_FORMAT_ERROR, "entry a/x of the ZIP file is there twice");
    /* Both entries of the directory are the same one of the file. */
    put(&doubled, doubled.central[1] + 42, 0, 4);
    expect(&doubled, PARE_FORMAT_ERROR, "lies inside another one");
}

/* The end record of 64 bits and its locator, in front of the plain one. */
static stored_zip with_end64(void) {
    stored_zip zip = stored_zip_make(sound, 3), more = {0};
    stored_put(&more, 0x06064b50, 4);
    stored_put(&more, 44, 8);
    stored_put(&more, 0, 4);
    stored_put(&more, 0, 8);
    stored_put(&more, 3, 8);
    stored_put(&more, 3, 8);
    stored_put(&more, zip.end - zip.directory, 8);
    stored_put(&more, zip.directory, 8);
    stored_put(&more, 0x07064b50, 4);
    stored_put(&more, 0, 4);
    stored_put(&more, zip.end, 8);
    stored_put(&more, 1, 4);
    insert(&zip, zip.end, more.data, more.bytes);
    put(&zip, zip.end + 76 + 8, 0xffffffff, 4);
    put(&zip, zip.end + 76 + 12, UINT64_MAX, 8);
    return zip;
}

static void records_of_64_bits_are_checked_alike(void **state) {
    (void)state;
    static const struct {
        size_t at; /* behind the end of the directory */
        uint64_t value;
        int bytes;
        const char *word;
    } lies[] = {
        {0, 0, 1, "not where its locator says"},
        {4, 45, 8, "another length than it says"},
        {4, UINT64_MAX, 8, "another length than it says"},
        {16, 1, 4, "several volumes"},
        {24, 2, 8, "several volumes"},
        {40, UINT64_MAX, 8, "not where its end record says"},
        {48, UINT64_MAX, 8, "not where its end record says"},
        {48, 0, 8, "not where its end record says"},
        {64, UINT64_MAX, 8, "not where its locator says"},
        {64, 0, 8, "not where its locator says"},
        {72, 2, 4, "not where its locator says"},
        {76 + 8, 0x00020002, 4, "contradict each other"},
        {76 + 12, 7, 4, "contradict each other"},
        {76 + 16, 7, 4, "contradict each other"},
    };
    stored_zip zip = with_end64();
    expect(&zip, PARE_OK, "");
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        zip = with_end64();
        put(&zip, zip.end + lies[i].at, lies[i].value, lies[i].bytes);
        expect(&zip, PARE_FORMAT_ERROR, lies[i].word);
    }
    zip = with_end64();
    put(&zip, zip.end + 24, UINT64_MAX, 8);
    put(&zip, zip.end + 32, UINT64_MAX, 8);
    expect(&zip, PARE_FORMAT_ERROR, "more entries than");
}

static void files_that_are_no_state_dict_say_so(void **state) {
    (void)state;
    static const struct {
        stored_entry entries[3];
        const char *word;
    } files[] = {
        {{{"a/x", "", 0}, {"a/y", "", 0}, {"a/z", "", 0}}, "without data.pkl"},
        {{{"data.pkl", "N.", 2}, {"a/b/data.pkl", "N.", 2}, {"a/z", "", 0}}, "without data.pkl"},
        {{{"a/data.pkl", "N.", 2}, {"b/data.pkl", "N.", 2}, {"a/z", "", 0}}, "two pickles"},
        {{{"a/data.pkl", "N.", 2}, {"a/constants.pkl", "N.", 2}, {"a/z", "", 0}}, "a program of TorchScript"},
        {{{"a/data.pkl", "N.", 2}, {"a/byteorder", "big", 3}, {"a/z", "", 0}}, "big-endian"},
        {{{"a/data.pkl", "N.", 2}, {"a/byteorder", "little", 6}, {"a/z", "", 0}}, "no dict of tensors"},
    };
    pare_safetensors file;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        stored_zip zip = stored_zip_make(files[i].entries, 3);
        tiny_write_file(folder, ONE_FILE, zip.data, zip.bytes);
        assert_int_not_equal(pare_torch_file_open(path, &file), PARE_OK);
        if (!strstr(pare_message(), files[i].word)) fail_msg("%s: %s", files[i].word, pare_message());
    }
    char tar[512] = "././@PaxHeader";
    memcpy(tar + 257, "ustar", 5);
    tiny_write_file(folder, ONE_FILE, tar, sizeof tar);
    assert_int_equal(pare_torch_file_open(path, &file), PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), "a TAR file"));
}

/* Every tensor that is read lies in the file or its image, and its bytes can be read. */
static uint64_t read_all(const pare_safetensors *file) {
    uint64_t sum = 0;
    for (size_t i = 0; i < file->count; i++)
        for (uint64_t k = 0; k < file->tensors[i].bytes; k++)
            sum += ((const unsigned char *)file->tensors[i].data)[k];
    return sum;
}

static void open_damaged(const void *data, size_t bytes, size_t *accepted) {
    uint64_t before = pare_memory_current();
    pare_safetensors file;
    tiny_write_file(folder, ONE_FILE, data, bytes);
    pare_status status = pare_torch_file_open(path, &file);
    if (status == PARE_OK) {
        (*accepted)++;
        (void)read_all(&file);
    } else if (status != PARE_FORMAT_ERROR && status != PARE_UNSUPPORTED) {
        fail_msg("status %d: %s", status, pare_message());
    } else if (!strstr(pare_message(), path) || strchr(pare_message(), '\n')) {
        fail_msg("no sentence that names the file: %s", pare_message());
    }
    pare_safetensors_close(&file);
    assert_int_equal(pare_memory_current(), before);
}

/* 300 copies of each: bytes set at random, a length put over another, a piece cut out, moved, or the end cut off. */
static void damage(const char *from, bool refuses_cuts) {
    pare_mapping file;
    uint64_t random = 1;
    size_t accepted = 0, cut = 0;
    assert_int_equal(pare_mapping_open(from, &file), PARE_OK);
    unsigned char *copy = malloc(file.bytes);
    assert_non_null(copy);
    for (int i = 0; i < 300; i++) {
        static const uint64_t odd[] = {0, 1, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX};
        size_t bytes = file.bytes, at = tiny_random(&random) % bytes, to = tiny_random(&random) % bytes;
        size_t most = bytes - (at > to ? at : to), length = tiny_random(&random) % 64;
        memcpy(copy, file.data, bytes);
        length = length < most ? length : most;
        if (i % 4 == 0) copy[at] = (unsigned char)tiny_random(&random);
        if (i % 4 == 1) memcpy(copy + at, &odd[i / 4 % 6], bytes - at < 8 ? bytes - at : 8);
        if (i % 4 == 2) memmove(copy + to, copy + at, length);
        if (i % 4 == 3) open_damaged(copy, at, &cut);
        open_damaged(copy, bytes, &accepted);
    }
    if (refuses_cuts) assert_int_equal(cut, 0);
    assert_in_range(accepted, 75, 299); /* those that were only cut, and what hits numbers alone; not all */
    free(copy);
    pare_mapping_close(&file);
}

static void damaged_copies_never_harm(void **state) {
    (void)state;
    damage(DATA "kinds/zip.pt", true);
    damage(DATA "kinds/legacy.pt", true);
    damage(DATA "zip/pytorch_model.bin", true);
}

/* All bits of all records but the numbers: those of the pickle in front of a legacy file, and the directory. */
static void every_turned_bit_of_a_small_file(void **state) {
    (void)state;
    pare_mapping file;
    size_t accepted = 0;
    assert_int_equal(pare_mapping_open(DATA "kinds/legacy.pt", &file), PARE_OK);
    unsigned char *copy = malloc(file.bytes);
    assert_non_null(copy);
    memcpy(copy, file.data, file.bytes);
    for (size_t at = 0; at < 1400 && at < file.bytes; at++) {
        copy[at] ^= (unsigned char)(1u << at % 8);
        open_damaged(copy, file.bytes, &accepted);
        copy[at] ^= (unsigned char)(1u << at % 8);
    }
    assert_in_range(accepted, 1, 1200);
    free(copy);
    pare_mapping_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_entries),
        cmocka_unit_test(fields_that_lie_are_refused),
        cmocka_unit_test(records_of_64_bits_are_checked_alike),
        cmocka_unit_test(files_that_are_no_state_dict_say_so),
        cmocka_unit_test(damaged_copies_never_harm),
        cmocka_unit_test(every_turned_bit_of_a_small_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
