/* Every fuzz target: its sound files are read, damaged copies of them and what fuzzing has found are read or refused.
 */
#include "fuzz/target.h"
#include "mutate.h"
#include "tiny_model.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COPIES = 40 };

static void try_copies(const fuzz_target *target, const pare_mapping *file) {
    pare_random random = {.seed = 11, .stream = file->bytes};
    unsigned char *copy = malloc(file->bytes + 3);
    for (int i = 0; i < (target->copies ? target->copies : COPIES) && file->bytes; i++) {
        size_t bytes = file->bytes;
        memcpy(copy, file->data, bytes);
        for (uint64_t left = 1 + pare_random_below(&random, 3); left-- && bytes;)
            bytes = mutate(copy, bytes, &random);
        fuzz_try(target, copy, bytes);
    }
    free(copy);
}

/* sound: all of them are, and are damaged then. Returns how many there are. */
static size_t try_folder(const fuzz_target *target, const char *folder, bool sound) {
    DIR *entries = opendir(folder);
    size_t count = 0;
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (*entry->d_name == '.') continue;
        char *path = pare_path_join(folder, entry->d_name);
        pare_mapping file;
        tiny_check(pare_mapping_open(path, &file) == PARE_OK, path);
        pare_status status = fuzz_try(target, file.data, file.bytes);
        if (sound && status != PARE_OK) fail_msg("%s, %s: %s", target->name, entry->d_name, pare_message());
        if (sound) try_copies(target, &file);
        pare_mapping_close(&file);
        free(path);
        count++;
    }
    if (entries) closedir(entries);
    return count;
}

static void every_target(void **state) {
    (void)state;
    const fuzz_target *target;
    for (size_t i = 0; (target = fuzz_target_at(i)); i++) {
        char *seeds = tiny_folder(), *found = pare_format(PARE_SOURCE_DIR "/tests/fuzz/found/%s", target->name);
        target->seed(seeds);
        assert_true(try_folder(target, seeds, true) > 0);
        try_folder(target, found, false);
        tiny_remove(seeds);
        free(seeds);
        free(found);
    }
}

/* Nothing is as well. */
static void empty_files(void **state) {
    (void)state;
    for (size_t i = 0; fuzz_target_at(i); i++)
        fuzz_try(fuzz_target_at(i), (const unsigned char *)"", 0);
}

int main(int count, char **words) {
    /* For scripts/fuzz: test_fuzz --targets lists them; test_fuzz --seeds TARGET FOLDER writes a target's sound files.
     */
    for (size_t i = 0; count == 2 && strcmp(words[1], "--targets") == 0 && fuzz_target_at(i); i++)
        puts(fuzz_target_at(i)->name);
    if (count == 2) return 0;
    if (count == 4 && strcmp(words[1], "--seeds") == 0 && fuzz_target_find(words[2])) {
        fuzz_target_find(words[2])->seed(words[3]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target),
        cmocka_unit_test(empty_files),
    };
    return cmocka_run_group_tests_name("fuzz targets", tests, NULL, NULL);
}
