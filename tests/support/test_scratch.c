/* Scratch space: zeroed, writable, without a name in its folder, and a full disk reported before anything is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"
#include "support/scratch.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[] = "/tmp/pare-test-scratch-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static int entries(const char *path) {
    DIR *directory = opendir(path);
    int count = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static void check_scratch(const char *directory, uint64_t bytes) {
    pare_scratch scratch;
    assert_int_equal(pare_scratch_open(&scratch, bytes, directory, "displacement"), PARE_OK);
    assert_int_equal(scratch.bytes, bytes);
    assert_int_equal(scratch.in_file, directory != NULL);
    unsigned char *data = scratch.data;
    for (uint64_t i = 0; i < bytes; i += 997)
        assert_int_equal(data[i], 0);
    if (bytes) memset(data, 0x5a, bytes);
    for (uint64_t i = 0; i < bytes; i += 997)
        assert_int_equal(data[i], 0x5a);
    if (directory) assert_int_equal(entries(directory), 0);
    pare_scratch_close(&scratch);
    assert_null(scratch.data);
    pare_scratch_close(&scratch);
}

static void in_memory_and_in_a_file(void **state) {
    (void)state;
    const uint64_t sizes[] = {0, 1, 4097, 1 << 20};
    uint64_t before = pare_memory_current();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_scratch(NULL, sizes[i]);
        check_scratch(folder, sizes[i]);
    }
    assert_int_equal(pare_memory_current(), before);
}

static void a_missing_folder(void **state) {
    (void)state;
    pare_scratch scratch;
    assert_int_equal(pare_scratch_open(&scratch, 100, "/no/such/folder", "displacement"), PARE_FILE_ERROR);
    assert_null(scratch.data);
    assert_non_null(strstr(pare_message(), "/no/such/folder"));
    assert_non_null(strstr(pare_message(), "--scratch"));
}

/* A limit on file sizes refuses room just as a full disk does. */
static void a_full_disk(void **state) {
    (void)state;
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1 << 20;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    pare_scratch scratch;
    pare_status status = pare_scratch_open(&scratch, 8 << 20, folder, "displacement");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, PARE_FILE_ERROR);
    assert_null(scratch.data);
    assert_non_null(strstr(pare_message(), "cannot reserve 8.0 MiB for displacement"));
    assert_non_null(strstr(pare_message(), folder));
    assert_int_equal(entries(folder), 0);
}

/* Sizes beyond what a file offset can say are refused like a full disk, not wrapped around. */
static void absurd_sizes(void **state) {
    (void)state;
    const uint64_t sizes[] = {UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 62};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pare_scratch scratch;
        assert_int_equal(pare_scratch_open(&scratch, sizes[i], folder, "displacement"), PARE_FILE_ERROR);
        assert_null(scratch.data);
    }
    assert_int_equal(entries(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory_and_in_a_file),
        cmocka_unit_test(a_missing_folder),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(absurd_sizes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
