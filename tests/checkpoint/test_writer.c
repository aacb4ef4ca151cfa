/* Files that would not be what was declared: shards, empty tensors, missing or surplus bytes, a disk that fills up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/writer.h"
#include "tiny_model.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

static void expect(pare_status status, pare_status expected, const char *word) {
    if (status != expected || !strstr(pare_message(), word))
        fail_msg("status %d where %d and \"%s\" are expected: %s", status, expected, word, pare_message());
}

static pare_declaration declare(const pare_tensor *tensor) {
    pare_declaration declaration = {.name = tensor->name, .dtype = tensor->dtype, .rank = tensor->rank};
    memcpy(declaration.shape, tensor->shape, sizeof tensor->shape);
    return declaration;
}

/* Writes `from` again into a new folder, the bytes in pieces of at most `piece`. */
static char *write_again(const pare_checkpoint *from, uint64_t shard_bytes, size_t piece) {
    size_t count = pare_checkpoint_count(from);
    pare_declaration *declarations = calloc(count, sizeof *declarations);
    for (size_t i = 0; i < count; i++)
        declarations[i] = declare(pare_checkpoint_at(from, i));
    char *folder = tiny_folder();
    pare_writer *writer;
    assert_int_equal(pare_writer_begin(folder, declarations, count, shard_bytes, &writer), PARE_OK);
    free(declarations);
    for (size_t i = 0; i < count; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(from, i);
        assert_string_equal(pare_writer_current(writer)->name, tensor->name);
        for (uint64_t done = 0; done < tensor->bytes; done += piece) {
            size_t bytes = tensor->bytes - done < piece ? tensor->bytes - done : piece;
            if (pare_writer_write(writer, (const char *)tensor->data + done, bytes) != PARE_OK)
                fail_msg("%s", pare_message());
        }
    }
    assert_null(pare_writer_current(writer));
    assert_int_equal(pare_writer_finish(writer), PARE_OK);
    pare_writer_close(writer);
    return folder;
}

static void check_files(const pare_checkpoint *written, uint64_t shard_bytes) {
    for (size_t f = 0; f < pare_checkpoint_file_count(written); f++) {
        uint64_t bytes = 0, tensors = 0;
        const unsigned char *begin = NULL;
        for (size_t i = 0; i < pare_checkpoint_count(written); i++) {
            const pare_tensor *tensor = pare_checkpoint_at(written, i);
            if (tensor->file != f) continue;
            if (!tensors) begin = tensor->data;
            bytes += tensor->bytes;
            tensors++;
        }
        assert_true(bytes <= shard_bytes || tensors == 1);
        const pare_mapping *mapping = pare_checkpoint_mapping(written, f);
        assert_int_equal((begin - mapping->data) % 64, 0);
        assert_int_equal(begin - mapping->data + (ptrdiff_t)bytes, mapping->bytes);
    }
}

static void check_round_trip(uint64_t shard_bytes, size_t piece, size_t files) {
    char *source = tiny_model_write((tiny_model){.layers = 3, .dtype = PARE_DTYPE_F16});
    pare_checkpoint *before, *after;
    assert_int_equal(pare_checkpoint_open(source, &before), PARE_OK);
    char *folder = write_again(before, shard_bytes, piece);
    if (pare_checkpoint_open(folder, &after) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_checkpoint_file_count(after), files);
    assert_int_equal(pare_checkpoint_count(after), pare_checkpoint_count(before));
    for (size_t i = 0; i < pare_checkpoint_count(before); i++) {
        const pare_tensor *expected = pare_checkpoint_at(before, i), *found = pare_checkpoint_at(after, i);
        assert_string_equal(found->name, expected->name);
        assert_int_equal(found->rank, expected->rank);
        assert_memory_equal(found->shape, expected->shape, sizeof found->shape);
        assert_memory_equal(found->data, expected->data, expected->bytes);
    }
    check_files(after, shard_bytes);
    pare_checkpoint_close(before);
    pare_checkpoint_close(after);
    tiny_remove(source);
    tiny_remove(folder);
    free(source);
    free(folder);
}

static void writes_what_it_is_given(void **state) {
    (void)state;
    /* The largest tensor has 1024 bytes, all together have 15328. */
    check_round_trip(1 << 30, 1 << 20, 1);
    check_round_trip(1 << 30, 7, 1);
    check_round_trip(15328, 1000, 1);
    check_round_trip(15327, 1000, 2);
    check_round_trip(1024, 333, 18);
    check_round_trip(1, 64, 30);
}

static const pare_declaration three[] = {
    {"a", PARE_DTYPE_F32, 1, {2}}, {"empty", PARE_DTYPE_F16, 2, {0, 5}}, {"b", PARE_DTYPE_BF16, 1, {3}}};

static void holds_to_what_was_declared(void **state) {
    (void)state;
    char *folder = tiny_folder();
    pare_writer *writer;
    static const char bytes[16] = {0};
    assert_int_equal(pare_writer_begin(folder, three, 3, 8, &writer), PARE_OK);
    expect(pare_writer_write(writer, bytes, 9), PARE_CHECK_FAILED, "tensor a has 8 bytes to go");
    assert_int_equal(pare_writer_write(writer, bytes, 5), PARE_OK);
    expect(pare_writer_write(writer, bytes, 4), PARE_CHECK_FAILED, "tensor a has 3 bytes to go");
    expect(pare_writer_finish(writer), PARE_CHECK_FAILED, "tensor a still lacks 3 bytes");
    assert_int_equal(pare_writer_write(writer, bytes, 3), PARE_OK);
    assert_string_equal(pare_writer_current(writer)->name, "b");
    assert_int_equal(pare_writer_write(writer, bytes, 5), PARE_OK);
    expect(pare_writer_finish(writer), PARE_CHECK_FAILED, "tensor b still lacks 1 bytes");
    assert_int_equal(pare_writer_write(writer, bytes, 1), PARE_OK);
    expect(pare_writer_write(writer, bytes, 1), PARE_CHECK_FAILED, "more than were declared");
    assert_int_equal(pare_writer_finish(writer), PARE_OK);
    expect(pare_writer_finish(writer), PARE_CHECK_FAILED, "not open");
    pare_writer_close(writer);

    pare_checkpoint *checkpoint;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    assert_int_equal(pare_checkpoint_file_count(checkpoint), 2);
    assert_int_equal(pare_checkpoint_find(checkpoint, "empty")->shape[1], 5);
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

static void refuses_impossible_declarations(void **state) {
    (void)state;
    char *folder = tiny_folder();
    pare_writer *writer;
    pare_declaration twice[] = {three[0], three[2], three[0]};
    expect(pare_writer_begin(folder, twice, 3, 0, &writer), PARE_BAD_ARGUMENT, "tensor a is to be written twice");
    pare_declaration huge = {"huge", PARE_DTYPE_F32, 2, {(uint64_t)1 << 40, (uint64_t)1 << 40}};
    uint64_t need;
    expect(pare_writer_begin(folder, &huge, 1, 0, &writer), PARE_BAD_ARGUMENT, "huge");
    expect(pare_writer_need(&huge, 1, &need), PARE_BAD_ARGUMENT, "huge");
    assert_int_equal(pare_writer_begin(folder, three, 3, 0, &writer), PARE_OK);
    pare_writer_close(writer);
    expect(pare_writer_begin(folder, three, 3, 0, &writer), PARE_FILE_ERROR, "File exists");
    assert_null(writer);
    tiny_remove(folder);
    expect(pare_writer_begin(folder, three, 3, 0, &writer), PARE_FILE_ERROR, folder);
    free(folder);
}

/* 1 MiB in one tensor; the writer must stop with a sentence about the file and the bytes it needs. */
static void expect_no_room(const char *folder) {
    static const pare_declaration large = {"large", PARE_DTYPE_F32, 1, {262144}};
    static const char zeros[4096];
    pare_writer *writer;
    pare_status status = pare_writer_begin(folder, &large, 1, 0, &writer);
    for (int i = 0; status == PARE_OK && i < 256; i++)
        status = pare_writer_write(writer, zeros, sizeof zeros);
    if (status == PARE_OK) status = pare_writer_finish(writer);
    expect(status, PARE_FILE_ERROR, "model.safetensors: ");
    expect(status, PARE_FILE_ERROR, "the file needs 1048704 bytes");
    pare_writer_close(writer);
}

static void says_so_when_a_file_may_not_grow(void **state) {
    (void)state;
    char *folder = tiny_folder();
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = (struct rlimit){.rlim_cur = 100000, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_no_room(folder);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    tiny_remove(folder);
    free(folder);
}

/* A file system of 256 KiB that only this process sees. */
static void says_so_when_the_disk_is_full(void **state) {
    (void)state;
    char *folder = tiny_folder();
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount("tmpfs", folder, "tmpfs", 0, "size=256k") == 0;
    if (mounted) {
        expect_no_room(folder);
        assert_int_equal(umount(folder), 0);
    }
    tiny_remove(folder);
    free(folder);
    if (!mounted) {
        fprintf(stderr, "skipped: a permission to mount a small file system\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_is_given),         cmocka_unit_test(holds_to_what_was_declared),
        cmocka_unit_test(refuses_impossible_declarations), cmocka_unit_test(says_so_when_a_file_may_not_grow),
        cmocka_unit_test(says_so_when_the_disk_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
