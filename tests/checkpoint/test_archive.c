/* Archives that do not give back every bit of the model, or are larger than they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/archive.h"
#include "checkpoint/scan.h"
#include "tiny_model.h"

static char *dense_folder, *folder;

static int make_folders(void **state) {
    (void)state;
    dense_folder = tiny_folder();
    folder = tiny_folder();
    return 0;
}

static int remove_folders(void **state) {
    (void)state;
    tiny_remove(dense_folder);
    tiny_remove(folder);
    free(dense_folder);
    free(folder);
    return 0;
}

/* One tensor of dense_folder/model.safetensors after the other. */
typedef struct source {
    json_t *header;
    unsigned char *data;
    size_t bytes;
    uint64_t random;
} source;

/* kept: of 1024 elements, how many are not +0. Their bits are anything: NaN with payloads, -0, subnormals. */
static void add(source *to, const char *name, pare_dtype dtype, json_t *shape, uint64_t count, unsigned kept) {
    size_t size = pare_dtype_size(dtype), bytes = size * count;
    to->data = realloc(to->data, to->bytes + bytes + 1);
    assert_non_null(to->data);
    for (uint64_t i = 0; i < count; i++) {
        static const uint32_t special[] = {0x80000000u, 0x7f800001u, 0xffc01234u,
                                           0x00000001u, 0x7c010000u, 0x80008000u};
        uint64_t random = tiny_random(&to->random);
        uint32_t bits = random >> 32 & 7 ? (uint32_t)random | 1u : special[random % 6];
        if (size == 2 && !(uint16_t)bits) bits >>= 16;
        if (tiny_random(&to->random) % 1024 >= kept) bits = 0;
        memcpy(to->data + to->bytes + i * size, &bits, size);
    }
    json_object_set_new(to->header, name,
                        json_pack("{s:s,s:o,s:[I,I]}", "dtype", pare_dtype_name(dtype), "shape", shape, "data_offsets",
                                  (json_int_t)to->bytes, (json_int_t)(to->bytes + bytes)));
    to->bytes += bytes;
}

static source begin(void) {
    return (source){.header = json_object(), .random = 3};
}

static void finish(source *from, const char *file) {
    char *text = json_dumps(from->header, JSON_COMPACT);
    tiny_write_safetensors(dense_folder, file, text, from->data, from->bytes);
    free(text);
    free(from->data);
    json_decref(from->header);
}

static void open_model(const char *directory, pare_checkpoint **out) {
    if (pare_checkpoint_open(directory, out) != PARE_OK) fail_msg("%s", pare_message());
}

static void expect_same(const pare_checkpoint *a, const pare_checkpoint *b) {
    assert_int_equal(pare_checkpoint_count(a), pare_checkpoint_count(b));
    for (size_t i = 0; i < pare_checkpoint_count(a); i++) {
        const pare_tensor *x = pare_checkpoint_at(a, i), *y = pare_checkpoint_at(b, i);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->rank, y->rank);
        assert_int_equal(x->count, y->count);
        assert_int_equal(x->bytes, y->bytes);
        for (int k = 0; k < x->rank; k++)
            assert_int_equal(x->shape[k], y->shape[k]);
        assert_ptr_equal(pare_checkpoint_find(b, x->name), y);
        if (x->bytes) assert_memory_equal(x->data, y->data, x->bytes);
    }
}

/* Writes the archive of dense_folder into folder and compares. Returns its bytes. */
static uint64_t round_trip(void) {
    pare_checkpoint *dense, *back;
    uint64_t bytes = 0;
    open_model(dense_folder, &dense);
    if (pare_archive_write(dense, folder, NULL, &bytes) != PARE_OK) fail_msg("%s", pare_message());
    open_model(folder, &back);
    expect_same(dense, back);
    assert_true(pare_checkpoint_is_archive(back));
    assert_false(pare_checkpoint_is_archive(dense));
    assert_int_equal(pare_checkpoint_file_count(back), 1);
    assert_non_null(strstr(pare_checkpoint_file(back, 0), PARE_ARCHIVE_NAME));
    assert_int_equal(pare_checkpoint_mapping(back, 0)->bytes, bytes);
    pare_checkpoint_close(back);
    pare_checkpoint_close(dense);
    return bytes;
}

static void gives_back_every_bit(void **state) {
    (void)state;
    static const unsigned shares[] = {0, 1, 100, 512, 930, 1024};
    static const uint64_t sizes[][2] = {{1, 1}, {1, 63}, {64, 1}, {5, 13}, {7, 129}, {33, 64}, {1100, 1000}};
    source from = begin();
    add(&from, "nothing", PARE_DTYPE_F32, json_pack("[i,i]", 0, 7), 0, 1024);
    for (pare_dtype dtype = PARE_DTYPE_F32; dtype <= PARE_DTYPE_BF16; dtype++)
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                if (sizes[i][0] > 1000 && shares[s] != 512) continue;
                char *name = pare_format("m.%s.%u.%zu", pare_dtype_name(dtype), shares[s], i);
                add(&from, name, dtype, json_pack("[I,I]", (json_int_t)sizes[i][0], (json_int_t)sizes[i][1]),
                    sizes[i][0] * sizes[i][1], shares[s]);
                free(name);
            }
    add(&from, "scalar \"quoted\\", PARE_DTYPE_F16, json_array(), 1, 0);
    add(&from, "four", PARE_DTYPE_BF16, json_pack("[i,i,i,i]", 2, 3, 4, 5), 120, 300);
    add(&from, "vector", PARE_DTYPE_F32, json_pack("[i]", 1000), 1000, 300);
    add(&from, "nothing either", PARE_DTYPE_BF16, json_pack("[i]", 0), 0, 1024);
    finish(&from, "model.safetensors");
    round_trip();
}

static void half_of_bf16_costs_9_bits(void **state) {
    (void)state;
    enum { ROWS = 1024, COLUMNS = 4096 };
    source from = begin();
    add(&from, "weight", PARE_DTYPE_BF16, json_pack("[i,i]", ROWS, COLUMNS), (uint64_t)ROWS * COLUMNS, 1024);
    for (size_t i = 0; i < from.bytes / 2; i++)
        if (i % 4 < 2) memset(from.data + 2 * i, 0, 2);
    finish(&from, "model.safetensors");
    uint64_t bytes = round_trip(), expected = (uint64_t)ROWS * COLUMNS * 2 * 9 / 16;
    assert_in_range(bytes, expected, expected + 512);
}

static void what_would_grow_stays_as_it_is(void **state) {
    (void)state;
    source from = begin();
    add(&from, "full", PARE_DTYPE_BF16, json_pack("[i]", 10000), 10000, 1024);
    add(&from, "nearly full", PARE_DTYPE_F16, json_pack("[i]", 10000), 10000, 1000);
    finish(&from, "model.safetensors");
    assert_in_range(round_trip(), 40000, 40512);
    pare_safetensors file;
    char *path = pare_path_join(folder, PARE_ARCHIVE_NAME);
    assert_int_equal(pare_safetensors_open(path, &file), PARE_OK);
    assert_int_equal(file.count, 2);
    pare_safetensors_close(&file);
    free(path);
}

/* "a.bitmask" beside "a" is a tensor like any other; a name of 510 bytes has no room for a suffix. */
static void keeps_names_apart(void **state) {
    (void)state;
    char name[511];
    memset(name, 'n', 510);
    name[510] = '\0';
    const char *names[] = {"a", "a.bitmask", "b", "b.values", "c", "a.values.bitmask", name};
    source from = begin();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add(&from, names[i], PARE_DTYPE_F32, json_pack("[i]", 500), 500, 100);
    finish(&from, "model.safetensors");
    assert_in_range(round_trip(), 4 * 2000, 7 * 2000);
}

static void reads_shards_and_scans_what_it_expanded(void **state) {
    (void)state;
    char *tiny = tiny_model_write((tiny_model){.shards = 3, .dtype = PARE_DTYPE_BF16, .scale = 1e-41});
    pare_checkpoint *dense, *back;
    pare_scan dense_scan, scan;
    open_model(tiny, &dense);
    assert_int_equal(pare_archive_write(dense, folder, NULL, NULL), PARE_OK);
    open_model(folder, &back);
    expect_same(dense, back);
    assert_int_equal(pare_checkpoint_scan(dense, NULL, &dense_scan), PARE_OK);
    assert_int_equal(pare_checkpoint_scan(back, NULL, &scan), PARE_OK);
    uint64_t zeros = 0;
    for (size_t i = 0; i < pare_checkpoint_count(back); i++) {
        assert_int_equal(scan.zeros[i], dense_scan.zeros[i]);
        zeros += scan.zeros[i];
    }
    assert_true(zeros > 1000);
    assert_string_not_equal(scan.digest, dense_scan.digest);
    pare_scan_free(&scan);
    pare_scan_free(&dense_scan);
    pare_checkpoint_close(back);
    pare_checkpoint_close(dense);
    tiny_remove(tiny);
    free(tiny);
}

static void finds_a_nan_that_it_expanded(void **state) {
    (void)state;
    source from = begin();
    add(&from, "a", PARE_DTYPE_F32, json_pack("[i]", 4000000), 4000000, 0);
    const uint32_t nan = 0x7fc00001u;
    memcpy(from.data + 4 * 3999998, &nan, 4);
    finish(&from, "model.safetensors");
    assert_in_range(round_trip(), 500000, 501000);
    pare_checkpoint *back;
    pare_scan scan;
    open_model(folder, &back);
    assert_int_equal(pare_checkpoint_scan(back, NULL, &scan), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "element 3999998 of tensor a is NaN"));
    pare_checkpoint_close(back);
}

static bool is_there(const char *name) {
    char *path = pare_path_join(dense_folder, name);
    bool found = pare_file_exists(path);
    free(path);
    return found;
}

static void replaces_the_dense_files(void **state) {
    (void)state;
    source from = begin();
    add(&from, "one", PARE_DTYPE_BF16, json_pack("[i,i]", 30, 40), 1200, 400);
    finish(&from, "model-1.safetensors");
    from = begin();
    add(&from, "two", PARE_DTYPE_BF16, json_pack("[i]", 50), 50, 1024);
    finish(&from, "model-2.safetensors");
    tiny_write_text(dense_folder, "model.safetensors.index.json",
                    "{\"weight_map\": {\"one\": \"model-1.safetensors\", \"two\": \"model-2.safetensors\"}}");
    pare_checkpoint *dense, *back;
    open_model(dense_folder, &dense);
    uint64_t bytes = 0;
    if (pare_archive_replace(dense_folder, NULL, &bytes) != PARE_OK) fail_msg("%s", pare_message());
    assert_in_range(bytes, 800, 2400);
    assert_false(is_there("model-1.safetensors"));
    assert_false(is_there("model-2.safetensors"));
    assert_false(is_there("model.safetensors.index.json"));
    open_model(dense_folder, &back);
    assert_true(pare_checkpoint_is_archive(back));
    expect_same(dense, back);
    pare_checkpoint_close(back);
    pare_checkpoint_close(dense);
    assert_int_equal(pare_archive_replace(dense_folder, NULL, NULL), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "it exists"));
    open_model(dense_folder, &back);
    pare_checkpoint_close(back);
}

static void dense_files_win(void **state) {
    (void)state;
    source from = begin();
    add(&from, "one", PARE_DTYPE_BF16, json_pack("[i]", 1200), 1200, 400);
    finish(&from, "model.safetensors");
    tiny_write_text(dense_folder, PARE_ARCHIVE_NAME, "damaged");
    pare_checkpoint *model;
    open_model(dense_folder, &model);
    assert_false(pare_checkpoint_is_archive(model));
    assert_int_equal(pare_archive_write(model, dense_folder, NULL, NULL), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "it exists"));
    assert_int_equal(pare_archive_write(model, "/nonexistent", NULL, NULL), PARE_FILE_ERROR);
    pare_checkpoint_close(model);
}

static void interrupted_writing_leaves_nothing(void **state) {
    (void)state;
    source from = begin();
    add(&from, "one", PARE_DTYPE_BF16, json_pack("[i]", 1200), 1200, 400);
    finish(&from, "model.safetensors");
    pare_checkpoint *model;
    open_model(dense_folder, &model);
    pare_interrupt();
    assert_int_equal(pare_archive_write(model, folder, NULL, NULL), PARE_INTERRUPTED);
    assert_int_equal(pare_archive_replace(dense_folder, NULL, NULL), PARE_INTERRUPTED);
    pare_interrupt_clear();
    pare_checkpoint_close(model);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_true(is_there("model.safetensors"));
    assert_false(is_there(PARE_ARCHIVE_NAME));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gives_back_every_bit),
        TEST(half_of_bf16_costs_9_bits),
        TEST(what_would_grow_stays_as_it_is),
        TEST(keeps_names_apart),
        TEST(reads_shards_and_scans_what_it_expanded),
        TEST(finds_a_nan_that_it_expanded),
        TEST(replaces_the_dense_files),
        TEST(dense_files_win),
        TEST(interrupted_writing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
