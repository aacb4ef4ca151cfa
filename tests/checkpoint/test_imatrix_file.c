/* Importance matrices as files: what is written comes back, old files are read, and of damaged ones a sentence is left.
 */
#define ONE_FILE "model.imatrix"

#include "checkpoint/imatrix.h"
#include "gguf_builder.h"
#include "one_file.h"
#include "support/memory.h"

enum { F32 = 0, F16 = 1, WIDTH = 24, HEAD = 40, CHUNKS = 3, LENGTH = 7 };

static const char *const names[] = {"blk.0.attn_q.weight", "blk.0.ffn_down.weight", "output.weight"};
static const int64_t widths[] = {WIDTH, HEAD, WIDTH};
enum { NAMES = sizeof names / sizeof *names };

static double value_of(size_t name, int64_t i) {
    return (double)(name + 1) * 0.37 + (double)i * 1.25;
}

static pare_gguf_metadata image_of(double first) {
    pare_imatrix_row rows[NAMES];
    double squares[NAMES][HEAD];
    pare_gguf_metadata image;
    for (size_t n = 0; n < NAMES; n++) {
        for (int64_t i = 0; i < widths[n]; i++)
            squares[n][i] = value_of(n, i);
        rows[n] = (pare_imatrix_row){.name = names[n], .width = widths[n], .squares = squares[n]};
    }
    squares[0][0] = first;
    pare_status status = pare_imatrix_image(rows, NAMES, "wiki.txt", CHUNKS, LENGTH, &image);
    assert_int_equal(status, first < 1e38 ? PARE_OK : PARE_NUMERIC_ERROR);
    return image;
}

static pare_status take_all(const pare_imatrix_file *file) {
    double sums[HEAD], tokens;
    for (size_t n = 0; n < NAMES; n++) {
        pare_status status = pare_imatrix_take(file, names[n], widths[n], sums, &tokens);
        if (status != PARE_OK) return status;
    }
    return PARE_OK;
}

/* Opened, and all taken: a status, and a sentence unless it is PARE_OK. */
static pare_status read_all(const void *bytes, size_t count) {
    pare_imatrix_file file;
    tiny_write_file(folder, ONE_FILE, bytes, count);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    pare_status status = pare_imatrix_open(path, &file);
    if (status == PARE_OK) status = take_all(&file);
    if (status != PARE_OK && (!*pare_message() || strchr(pare_message(), '\n') || !strstr(pare_message(), "imatrix")))
        fail_msg("no sentence that names the file: '%s'", pare_message());
    pare_imatrix_close(&file);
    assert_in_range(pare_memory_peak() - before, 0, 1 << 20); /* of a file of 2 KiB */
    assert_int_equal(pare_memory_current(), before);
    return status;
}

static void what_is_written_comes_back(void **state) {
    (void)state;
    pare_gguf_metadata image = image_of(value_of(0, 0));
    pare_imatrix_file file;
    double sums[HEAD], tokens;
    tiny_write_file(folder, ONE_FILE, image.bytes, image.size);
    assert_true(pare_imatrix_is(path));
    assert_int_equal(pare_imatrix_open(path, &file), PARE_OK);
    assert_int_equal(file.count, NAMES);
    assert_int_equal(file.chunks, CHUNKS);
    assert_int_equal(file.chunk_length, LENGTH);
    for (size_t n = 0; n < NAMES; n++) {
        assert_int_equal(pare_imatrix_take(&file, names[n], widths[n], sums, &tokens), PARE_OK);
        assert_true(fabs(tokens - CHUNKS * LENGTH) < 0.5);
        for (int64_t i = 0; i < widths[n]; i++)
            assert_true(fabs(sums[i] - (double)(float)value_of(n, i)) < 1e-12);
    }
    pare_imatrix_close(&file);
    pare_gguf_metadata_free(&image);
    image = image_of(1e39); /* no number of fp32 */
    assert_non_null(strstr(pare_message(), "input 0 of blk.0.attn_q.weight"));
    pare_gguf_metadata_free(&image);
}

static uint64_t aligned(uint64_t bytes) {
    return (bytes + 31) / 32 * 32;
}

/* As llama-imatrix has it, field by field: one entry, whose fields may be others. */
typedef struct form {
    const char *type, *sums, *counts;
    uint32_t kind;
    uint64_t width, matrices, count_elements;
    float first, tokens;
} form;

static const form plain = {"imatrix", "blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts", F32, WIDTH, 0, 1, 1,
                           21};

static gguf_builder file_of(form f) {
    gguf_builder b = {.count = 0};
    uint64_t elements = f.width * (f.matrices ? f.matrices : 1), bytes = elements * (f.kind == F32 ? 4 : 2);
    builder_put(&b, "GGUF", 4);
    builder_u32(&b, 3);
    builder_u64(&b, f.counts ? 2 : 1);
    builder_u64(&b, f.type ? 4 : 3);
    if (f.type) builder_string(&b, "general.type", f.type);
    builder_array(&b, "imatrix.datasets", BUILDER_STRING, 1);
    builder_text(&b, "wiki.txt");
    builder_whole(&b, "imatrix.chunk_count", 3);
    builder_whole(&b, "imatrix.chunk_size", 7);
    builder_tensor(&b, f.sums, f.kind, f.width, f.matrices, 0);
    if (f.counts) builder_tensor(&b, f.counts, F32, 1, f.count_elements, aligned(bytes));
    builder_align(&b);
    for (uint64_t i = 0; i < bytes / 4; i++)
        builder_float(&b, i ? 2.0f : f.first);
    builder_align(&b);
    for (uint64_t i = 0; i < f.count_elements && f.counts; i++)
        builder_float(&b, f.tokens);
    builder_align(&b);
    return b;
}

static void absurd_fields_are_named(void **state) {
    (void)state;
    const struct {
        form of;
        const char *word;
    } rows[] = {
        {{"model", plain.sums, plain.counts, F32, WIDTH, 0, 1, 1, 21}, "general.type is model"},
        {{NULL, plain.sums, plain.counts, F32, WIDTH, 0, 1, 1, 21}, "general.type is not said"},
        {{"imatrix", "blk.0.attn_q.weight", plain.counts, F32, WIDTH, 0, 1, 1, 21}, "no sums in it"},
        {{"imatrix", "blk.0.attn_k.weight.in_sum2", plain.counts, F32, WIDTH, 0, 1, 1, 21}, "tokens that they are of"},
        {{"imatrix", plain.sums, NULL, F32, WIDTH, 0, 0, 1, 21}, "tokens that they are of"},
        {{"imatrix", plain.sums, plain.counts, F16, WIDTH, 0, 1, 1, 21}, "of type F16"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 2, 1, 1, 21}, "1 counts for 2 matrices"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 2, 2, 1, 21}, "2 experts"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH - 8, 0, 1, 1, 21}, "has 16 inputs, and the model's has 24"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 0, 1, -1, 21}, "input 0 of blk.0.attn_q.weight is -1"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 0, 1, NAN, 21}, "input 0 of blk.0.attn_q.weight is"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 0, 1, INFINITY, 21}, "is inf"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 0, 1, 1, 0}, "of 0 tokens"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 0, 1, 1, -5}, "of -5 tokens"},
        {{"imatrix", plain.sums, plain.counts, F32, WIDTH, 0, 1, 1, INFINITY}, "of inf tokens"},
        {plain, "no sums for blk.0.ffn_down.weight"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gguf_builder b = file_of(rows[i].of);
        if (read_all(b.bytes, b.count) == PARE_OK || !strstr(pare_message(), rows[i].word))
            fail_msg("row %zu (%s): '%s'", i, rows[i].word, pare_message());
    }
}

/* Written before llama-imatrix wrote GGUF. */
static gguf_builder legacy_file(void) {
    gguf_builder b = {.count = 0};
    builder_u32(&b, NAMES);
    for (size_t n = 0; n < NAMES; n++) {
        builder_u32(&b, (uint32_t)strlen(names[n]));
        builder_put(&b, names[n], strlen(names[n]));
        builder_u32(&b, CHUNKS);
        builder_u32(&b, (uint32_t)widths[n]);
        for (int64_t i = 0; i < widths[n]; i++)
            builder_float(&b, (float)value_of(n, i));
    }
    builder_u32(&b, CHUNKS);
    builder_u32(&b, 8);
    builder_put(&b, "wiki.txt", 8);
    return b;
}

static void old_files_are_read(void **state) {
    (void)state;
    gguf_builder b = legacy_file();
    pare_imatrix_file file;
    double sums[HEAD], tokens;
    assert_int_equal(read_all(b.bytes, b.count), PARE_OK);
    assert_true(pare_imatrix_is(path));
    assert_int_equal(pare_imatrix_open(path, &file), PARE_OK);
    assert_int_equal(pare_imatrix_take(&file, names[1], widths[1], sums, &tokens), PARE_OK);
    assert_true(fabs(tokens - 512 * CHUNKS) < 0.5);
    for (int64_t i = 0; i < widths[1]; i++) /* the mean square is the value over the calls */
        assert_true(fabs(sums[i] / tokens - value_of(1, i) / CHUNKS) < 1e-5);
    pare_imatrix_close(&file);
    tiny_write_text(folder, ONE_FILE, "once upon a time, a text began like any other");
    assert_false(pare_imatrix_is(path));
}

/* Every field is overwritten with extremes, and the file cut off everywhere: never more than a sentence. */
static void damaged_copies_get_a_sentence(void **state) {
    static const uint64_t extremes[] = {UINT64_MAX, INT64_MAX, UINT64_C(1) << 32, UINT64_C(1) << 60, 0, 0xfffffff0};
    (void)state;
    pare_gguf_metadata image = image_of(1);
    gguf_builder both[2] = {{.count = 0}, legacy_file()};
    size_t tried = 0, refused = 0;
    builder_put(&both[0], image.bytes, image.size);
    pare_gguf_metadata_free(&image);
    for (int i = 0; i < 2; i++) {
        for (size_t at = 0; at + 8 <= both[i].count; at += 4, tried++) {
            gguf_builder changed = both[i];
            memcpy(changed.bytes + at, &extremes[at / 4 % (sizeof extremes / sizeof *extremes)], at % 3 ? 4 : 8);
            refused += read_all(changed.bytes, changed.count) != PARE_OK;
        }
        size_t last = both[i].count - (i ? 16 : 32); /* what follows the last number may be missing */
        for (size_t at = 0; at < last; at += 13, tried++)
            if (read_all(both[i].bytes, at) == PARE_OK) fail_msg("%zu of %zu bytes are accepted", at, both[i].count);
    }
    assert_in_range(tried, 300, 3000);
    assert_in_range(refused, tried / 8, tried);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_comes_back),
        TEST(absurd_fields_are_named),
        TEST(old_files_are_read),
        TEST(damaged_copies_get_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
