/* Pages are read before they are touched, and are given back, and nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resident_pages.h"
#include "support/file.h"
#include "support/read_ahead.h"
#include "tiny_model.h"

#include <fcntl.h>

enum { BYTES = 12 << 20, OFFSET = 1000 };

typedef struct mapped {
    char *folder;
    pare_mapping file;
} mapped;

static void map(mapped *m) {
    m->folder = tiny_folder();
    char *bytes = malloc(BYTES), *path = pare_path_join(m->folder, "bytes");
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 11);
    tiny_write_file(m->folder, "bytes", bytes, BYTES);
    int file = open(path, O_RDONLY);
    assert_int_equal(fsync(file), 0);
    close(file);
    assert_int_equal(pare_mapping_open(path, &m->file), PARE_OK);
    free(bytes);
    free(path);
}

static void unmap(mapped *m) {
    pare_mapping_close(&m->file);
    tiny_remove(m->folder);
    free(m->folder);
}

static bool holds_what_was_written(const mapped *m) {
    for (size_t i = 0; i < BYTES; i++)
        if ((char)m->file.data[i] != (char)(i * 2654435761u >> 11)) return false;
    return true;
}

static void pages_come_and_go(void **state) {
    (void)state;
    mapped m;
    size_t all;
    map(&m);
    if (!pages_can_go(m.file.data, BYTES)) {
        unmap(&m);
        fprintf(stderr, "skipped: the file system of temporary files keeps all pages\n");
        skip();
    }
    pare_read_ahead *reader = pare_read_ahead_new();
    assert_non_null(reader);
    pare_read_ahead_want(reader, m.file.data + OFFSET, BYTES - OFFSET);
    pare_read_ahead_wait(reader);
    size_t resident = resident_pages(m.file.data, BYTES, &all);
    assert_int_equal(resident, all);
    pare_read_ahead_release(reader, m.file.data + OFFSET, BYTES / 2);
    pare_read_ahead_wait(reader);
    assert_true(resident_pages(m.file.data + OFFSET, BYTES / 2, &all) <= all / 2);
    resident = resident_pages(m.file.data + OFFSET + BYTES / 2, BYTES / 2 - OFFSET, &all);
    assert_int_equal(resident, all);
    assert_true(holds_what_was_written(&m));
    pare_read_ahead_free(reader);
    unmap(&m);
}

/* More wishes than are remembered, and an end in the middle of them. */
static void wishes_may_be_left(void **state) {
    (void)state;
    mapped m;
    map(&m);
    pare_read_ahead *reader = pare_read_ahead_new();
    assert_non_null(reader);
    for (int i = 0; i < 5000; i++) {
        pare_read_ahead_want(reader, m.file.data, BYTES);
        pare_read_ahead_release(reader, m.file.data, BYTES);
    }
    pare_read_ahead_want(reader, m.file.data, 0);
    pare_read_ahead_free(reader);
    assert_true(holds_what_was_written(&m));
    unmap(&m);
}

static void nobody_reads(void **state) {
    (void)state;
    pare_read_ahead_want(NULL, "text", 4);
    pare_read_ahead_release(NULL, "text", 4);
    pare_read_ahead_wait(NULL);
    pare_read_ahead_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_and_go),
        cmocka_unit_test(wishes_may_be_left),
        cmocka_unit_test(nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
