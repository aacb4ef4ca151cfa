/* Which class a folder's name means, and one sentence where that is not clear. */
#include "image/labels.h"
#include "pictures.h"

enum { MOST = 8 };

static const char *const animals[] = {"cat", "Fire Truck", "tench, Tinca tinca", "crane"};
static const char *const cranes[] = {"crane", "dog", "crane"};

static void check(const char *const *names, uint32_t count, const char *const *folders, const int32_t *expected,
                  bool noted) {
    char *list[MOST] = {NULL}, *note;
    int32_t labels[MOST];
    uint32_t folder_count = 0;
    for (; folders[folder_count]; folder_count++)
        list[folder_count] = (char *)(uintptr_t)folders[folder_count];
    assert_ok(pare_image_labels("data/", list, folder_count, names, count, labels, &note));
    for (uint32_t i = 0; i < folder_count; i++)
        assert_int_equal(labels[i], expected[i]);
    assert_int_equal(note != NULL, noted);
    if (noted) assert_non_null(strstr(note, "data/"));
    free(note);
}

#define FOLDERS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define LABELS(...) ((const int32_t[]){__VA_ARGS__})

static void test_names(void **state) {
    (void)state;
    check(animals, 4, FOLDERS("cat"), LABELS(0), false);
    check(animals, 4, FOLDERS("CAT", "crane", "fire_truck"), LABELS(0, 3, 1), false);
    check(animals, 4, FOLDERS("Tench", "cat"), LABELS(2, 0), false);
    check(animals, 4, FOLDERS("tench, Tinca tinca"), LABELS(2), false);
    check(cranes, 3, FOLDERS("dog"), LABELS(1), false);
}

static void test_numbers(void **state) {
    (void)state;
    check(animals, 4, FOLDERS("0", "2", "3"), LABELS(0, 2, 3), false);
    check(animals, 4, FOLDERS("00", "03"), LABELS(0, 3), false);
    check(NULL, 4, FOLDERS("1"), LABELS(1), false);
    static const char *const digits[] = {"5", "6"}; /* a name goes before a number */
    check(digits, 2, FOLDERS("5", "6"), LABELS(0, 1), false);
}

static void test_order(void **state) {
    (void)state;
    check(animals, 4, FOLDERS("a", "b", "c", "d"), LABELS(0, 1, 2, 3), true);
    check(NULL, 2, FOLDERS("a", "b"), LABELS(0, 1), true);
    check(NULL, 0, FOLDERS("a", "b"), LABELS(0, 1), false);
}

static void refused(const char *const *names, uint32_t count, const char *const *folders, const char *folder,
                    const char *words) {
    char *list[MOST] = {NULL}, *note;
    int32_t labels[MOST];
    uint32_t folder_count = 0;
    for (; folders[folder_count]; folder_count++)
        list[folder_count] = (char *)(uintptr_t)folders[folder_count];
    assert_refused(pare_image_labels("data/", list, folder_count, names, count, labels, &note), PARE_FORMAT_ERROR,
                   folder, words);
    assert_null(note);
}

static void test_refused(void **state) {
    (void)state;
    refused(animals, 4, FOLDERS("cat", "dog"), "data/dog", "no class of the model");
    refused(animals, 4, FOLDERS("a", "b"), "data/a", "\"cat\"");
    refused(animals, 4, FOLDERS("0", "4"), "data/4", "its labels are 0 to 3");
    refused(animals, 4, FOLDERS("4"), "data/4", "its labels are 0 to 3");
    refused(animals, 4, FOLDERS("1", "99999999999999999999999"), "data/99999999999999999999999", "no label");
    refused(cranes, 3, FOLDERS("1", "2", "3"), "data/3", "its labels are 0 to 2");
    refused(animals, 2, FOLDERS("test", "train"), "data/test", "give it instead");
    refused(NULL, 0, FOLDERS("train"), "data/train", "class");
    refused(cranes, 3, FOLDERS("crane", "dog"), "data/crane", "class 0 or class 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
