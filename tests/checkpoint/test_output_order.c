/* In which order an output takes the place of an older one: the new name is on the disk before anything of the old one
 * is removed, and if it does not get there, the old one is back. The calls are seen by --wrap (tests/CMakeLists.txt).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/output.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <errno.h>
#include <fcntl.h>

int __real_fsync(int file);
int __real_unlinkat(int folder, const char *path, int flags);
int __wrap_fsync(int file);
int __wrap_unlinkat(int folder, const char *path, int flags);
int __real_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);
int __wrap_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);

/* R: exchanged or renamed; S: the parent synced; d: something removed. */
static struct {
    ino_t parent;
    char calls[64];
    size_t count;
    bool sync_fails, no_exchange;
} seen;

static void note(char call) {
    if (seen.count && seen.calls[seen.count - 1] == call) return;
    if (seen.count + 1 < sizeof seen.calls) seen.calls[seen.count++] = call;
}

int __wrap_fsync(int file) {
    struct stat status;
    if (fstat(file, &status) != 0 || status.st_ino != seen.parent) return __real_fsync(file);
    note('S');
    if (!seen.sync_fails) return __real_fsync(file);
    errno = EIO;
    return -1;
}

int __wrap_unlinkat(int folder, const char *path, int flags) {
    note('d');
    return __real_unlinkat(folder, path, flags);
}

int __wrap_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    note('R');
    if (!seen.no_exchange) return __real_renameat2(from_folder, from, to_folder, to, flags);
    errno = EINVAL;
    return -1;
}

typedef struct scene {
    char *folder, *source, *target;
    pare_output *output;
} scene;

static scene scene_open(bool old) {
    scene s = {.folder = tiny_folder(), .source = tiny_model_write((tiny_model){0})};
    struct stat status;
    memset(&seen, 0, sizeof seen); /* a new file may have the number of the last scene's folder */
    s.target = pare_path_join(s.folder, "out");
    if (old) {
        assert_int_equal(mkdir(s.target, 0755), 0);
        tiny_write_text(s.target, "config.json", "old");
    }
    assert_int_equal(pare_output_begin(s.target, s.source, old, 0, &s.output), PARE_OK);
    assert_int_equal(pare_output_write_text(s.output, "config.json", "new"), PARE_OK);
    assert_int_equal(stat(s.folder, &status), 0);
    memset(&seen, 0, sizeof seen);
    seen.parent = status.st_ino;
    return s;
}

/* content: of OUT/config.json, beside which nothing is left; NULL: there is no OUT. */
static void scene_close(scene *s, const char *content) {
    char *config = pare_path_join(s->target, "config.json"), *text;
    if (content) {
        assert_int_equal(pare_file_read(config, 100, &text, NULL), PARE_OK);
        assert_string_equal(text, content);
        pare_free(text);
        tiny_remove(s->target);
    }
    assert_int_equal(rmdir(s->folder), 0);
    free(config);
    free(s->target);
    free(s->folder);
    tiny_remove(s->source);
    free(s->source);
}

static void the_old_one_goes_last(void **state) {
    (void)state;
    scene s = scene_open(true);
    assert_int_equal(pare_output_commit(s.output), PARE_OK);
    assert_string_equal(seen.calls, "RSd");
    scene_close(&s, "new");
}

static void also_without_exchange(void **state) {
    (void)state;
    scene s = scene_open(true);
    seen.no_exchange = true;
    assert_int_equal(pare_output_commit(s.output), PARE_OK);
    assert_string_equal(seen.calls, "RSd");
    scene_close(&s, "new");
}

static void what_does_not_reach_the_disk_is_undone(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        scene s = scene_open(way < 2);
        seen.no_exchange = way == 1;
        seen.sync_fails = true;
        assert_int_equal(pare_output_commit(s.output), PARE_FILE_ERROR);
        assert_non_null(strstr(pare_message(), "cannot sync the folder"));
        scene_close(&s, way < 2 ? "old" : NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_old_one_goes_last),
        cmocka_unit_test(also_without_exchange),
        cmocka_unit_test(what_does_not_reach_the_disk_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
