/* A damaged or hostile archive: whatever its header, masks and counts say, it is refused in one sentence or read as it
 * is. */
#include "checkpoint/archive.h"
#define ONE_FILE PARE_ARCHIVE_NAME
#include "one_file.h"
#include "support/memory.h"

static pare_status open_archive(pare_safetensors *out) {
    return pare_archive_open(path, (uint64_t)1 << 26, out);
}

static void expect_refusal(pare_status expected, const char *word) {
    pare_safetensors file;
    uint64_t before = pare_memory_current();
    pare_status status = open_archive(&file);
    expect_status(status, expected, word);
    assert_null(file.tensors);
    assert_null(file.mapping.path);
    assert_null(file.image.data);
    assert_int_equal(pare_memory_current(), before);
}

/* "s" is sparse, [2, 35]: elements 0, 1 and 69 are values; "d" is dense. */
#define DENSE "\"d\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}"
#define MASK "\"s.bitmask\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[8,24]}"
#define VALUES "\"s.values\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}"
#define SPARSE(listed) "\"pare_sparse\":\"{\\\"version\\\":1,\\\"tensors\\\":{" listed "}}\""
#define LISTED(shape, zeros) "\\\"s\\\":{\\\"shape\\\":" shape ",\\\"zeros\\\":" zeros "}"
#define HEADER(metadata) "{\"__metadata__\":{\"format\":\"pt\"," metadata "}," DENSE "," MASK "," VALUES "}"

static const char sound[] = HEADER(SPARSE(LISTED("[2,35]", "67"))) " ";
static const unsigned char data[] = {1,  2, 3, 4, 5, 6, 7, 8, 3,  0,  0, 0,   0,  0,  0, 0,
                                     32, 0, 0, 0, 0, 0, 0, 0, 11, 12, 0, 128, 15, 16, 0, 0};

static void check_unchanged(const pare_safetensors *file) {
    unsigned char expected[140] = {11, 12, 0, 128};
    expected[138] = 15;
    expected[139] = 16;
    assert_int_equal(file->count, 2);
    const pare_tensor *dense = &file->tensors[0], *sparse = &file->tensors[1];
    assert_int_equal(dense->bytes, 8);
    assert_int_equal(dense->dtype, PARE_DTYPE_BF16);
    assert_memory_equal(dense->data, data, 8);
    assert_int_equal(sparse->bytes, sizeof expected);
    assert_int_equal(sparse->dtype, PARE_DTYPE_BF16);
    assert_int_equal(sparse->rank, 2);
    assert_int_equal(sparse->shape[0], 2);
    assert_int_equal(sparse->shape[1], 35);
    assert_memory_equal(sparse->data, expected, sizeof expected);
}

static void write_sound(void) {
    tiny_write_safetensors(folder, ONE_FILE, sound, data, sizeof data);
}

static void reads_a_sound_archive(void **state) {
    (void)state;
    write_sound();
    for (int in_file = 0; in_file < 2; in_file++) {
        pare_safetensors file;
        assert_int_equal(pare_archive_open(path, in_file ? 100 : 1000, &file), PARE_OK);
        assert_int_equal(file.image.in_file, in_file);
        check_unchanged(&file);
        assert_string_equal(file.tensors[0].name, "d");
        assert_string_equal(file.tensors[1].name, "s");
        pare_safetensors_close(&file);
    }
}

static void says_where_there_is_no_room(void **state) {
    (void)state;
    write_sound();
    const char *set = getenv("TMPDIR");
    char *before = set ? pare_format("%s", set) : NULL;
    setenv("TMPDIR", "/nonexistent", 1);
    pare_safetensors file;
    pare_status status = pare_archive_open(path, 0, &file);
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
    assert_int_equal(status, PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "set TMPDIR"));
    assert_null(file.tensors);
}

static void survives_every_turned_bit(void **state) {
    (void)state;
    size_t front = 8 + strlen(sound), accepted = 0;
    unsigned char file[8 + sizeof sound + sizeof data] = {0};
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)strlen(sound) >> (8 * i));
    memcpy(file + 8, sound, strlen(sound));
    memcpy(file + front, data, sizeof data);
    for (size_t bit = 0; bit < 8 * (front + 24); bit++) {
        bool in_dense = bit >= 8 * front && bit < 8 * (front + 8);
        if (in_dense) continue;
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
        tiny_write_file(folder, ONE_FILE, file, front + sizeof data);
        pare_safetensors opened;
        pare_status status = open_archive(&opened);
        if (status == PARE_OK) {
            assert_true(bit < 8 * front);
            check_unchanged(&opened);
            accepted++;
        } else if (status != PARE_FORMAT_ERROR && status != PARE_UNSUPPORTED) {
            fail_msg("bit %zu: status %d: %s", bit, status, pare_message());
        }
        pare_safetensors_close(&opened);
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    /* Letters of "format", "pt" and the dense tensor's name may turn into others; nothing else may pass. */
    assert_in_range(accepted, 1, 8 * strlen("formatptd") + 8);
}

static void refuses_every_truncation(void **state) {
    (void)state;
    write_sound();
    for (off_t length = (off_t)(8 + strlen(sound) + sizeof data) - 1; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        expect_refusal(PARE_FORMAT_ERROR, "");
    }
    assert_int_equal(unlink(path), 0);
    expect_refusal(PARE_FILE_ERROR, "cannot read");
}

typedef struct hazard {
    const char *header;
    const char *word;
} hazard;

static void refuses(const hazard *hazards, size_t count, pare_status status) {
    for (size_t i = 0; i < count; i++) {
        tiny_write_safetensors(folder, ONE_FILE, hazards[i].header, data, sizeof data);
        expect_refusal(status, hazards[i].word);
    }
}

static void refuses_metadata_that_lies(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {"{" DENSE "," MASK "," VALUES "}", "no readable pare_sparse"},
        {HEADER("\"pare_sparse\":\"\""), "no readable pare_sparse"},
        {HEADER("\"pare_sparse\":\"[]\""), "no readable pare_sparse"},
        {HEADER("\"pare_sparse\":\"{\\\"version\\\":-1}\""), "no readable pare_sparse"},
        {HEADER("\"pare_sparse\":7"), "not an object of strings"},
        {HEADER("\"pare_sparse\":\"{\\\"version\\\":1}\""), "does not list"},
        {HEADER("\"pare_sparse\":\"{\\\"version\\\":1,\\\"tensors\\\":[]}\""), "does not list"},
        {HEADER(SPARSE("")), "1 tensors of dtype U8, but 0"},
        {HEADER(SPARSE("\\\"s\\\":7")), "not described"},
        {HEADER(SPARSE("\\\"s\\\":{\\\"shape\\\":[70]}")), "not described"},
        {HEADER(SPARSE("\\\"\\\":{\\\"shape\\\":[70],\\\"zeros\\\":67}")), "without a name"},
        {HEADER(SPARSE("\\\"t\\\":{\\\"shape\\\":[70],\\\"zeros\\\":67}")), "lacks its bitmask"},
        {HEADER(SPARSE(LISTED("[70]", "67") "," LISTED("[70]", "67"))), "no readable pare_sparse"},
        {HEADER(SPARSE(LISTED("[70]", "\\\"67\\\""))), "not described"},
        {HEADER(SPARSE(LISTED("[70]", "-1"))), "not described"},
        {HEADER(SPARSE(LISTED("70", "67"))), "no shape"},
        {HEADER(SPARSE(LISTED("[-70]", "67"))), "natural number"},
        {HEADER(SPARSE(LISTED("[70]", "71"))), "more zeros"},
        {HEADER(SPARSE(LISTED("[70]", "9223372036854775807"))), "more zeros"},
        {HEADER(SPARSE(LISTED("[64]", "61"))), "bitmask of another size"},
        {HEADER(SPARSE(LISTED("[129]", "126"))), "bitmask of another size"},
        {HEADER(SPARSE(LISTED("[9223372036854775807]", "67"))), "bitmask of another size"},
        {HEADER(SPARSE(LISTED("[9223372036854775807,2]", "67"))), "too large"},
        {HEADER(SPARSE(LISTED("[4294967296,4294967296]", "67"))), "too large"},
        {HEADER(SPARSE(LISTED("[0]", "0"))), "bitmask of another size"},
        {HEADER(SPARSE(LISTED("[70]", "70"))), "another number of values"},
        {HEADER(SPARSE(LISTED("[70]", "65"))), "another number of values"},
        {HEADER(SPARSE(LISTED("[70]", "66"))), "another number of ones"},
        {HEADER(SPARSE(LISTED("[69]", "66"))), "after its last element"},
        {"{\"__metadata__\":{" SPARSE(
             LISTED("[70]", "67")) "}," DENSE "," VALUES
                                   ",\"s.bitmask\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[8,24]}}",
         "lacks its bitmask"},
        {"{\"__metadata__\":{" SPARSE(
             LISTED("[70]", "67")) "}," DENSE "," MASK
                                   ",\"s.values\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[24,32]}}",
         "lacks its bitmask or its values"},
    };
    refuses(hazards, sizeof hazards / sizeof *hazards, PARE_FORMAT_ERROR);
    static const hazard unknown[] = {
        {HEADER("\"pare_sparse\":\"{\\\"version\\\":2,\\\"tensors\\\":{}}\""), "version 2"},
        {HEADER(SPARSE(LISTED("[1,1,1,1,70]", "67"))), "5 dimensions"},
    };
    refuses(unknown, sizeof unknown / sizeof *unknown, PARE_UNSUPPORTED);
}

static void refuses_values_after_the_last(void **state) {
    (void)state;
    unsigned char changed[sizeof data];
    memcpy(changed, data, sizeof data);
    changed[sizeof data - 1] = 1;
    tiny_write_safetensors(folder, ONE_FILE, sound, changed, sizeof changed);
    expect_refusal(PARE_FORMAT_ERROR, "after its last value");
}

/* A sparse tensor may not hide behind a dense one of its name. */
static void refuses_a_name_in_both_forms(void **state) {
    (void)state;
    tiny_write_safetensors(folder, ONE_FILE,
                           "{\"__metadata__\":{" SPARSE(LISTED(
                               "[70]", "67")) "},"
                                              "\"s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}," MASK
                                              "," VALUES "}",
                           data, sizeof data);
    pare_checkpoint *checkpoint;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "tensor s is in both"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_sound_archive),        cmocka_unit_test(says_where_there_is_no_room),
        cmocka_unit_test(survives_every_turned_bit),    cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_metadata_that_lies),   cmocka_unit_test(refuses_values_after_the_last),
        cmocka_unit_test(refuses_a_name_in_both_forms),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
