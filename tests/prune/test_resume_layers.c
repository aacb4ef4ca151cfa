/* A reconstruction with --resume: layers that were finished are taken up, whatever is trained, and a file of one is
 * believed only when it is whole and of this run. */
#include "prune/resume_run.h"

/* What a reconstruction has finished is kept layer by layer, and which numbers it trains makes no difference. */
static void layers_of_a_reconstruction(void **state) {
    (void)state;
    static const pare_setting settings[] = {{"reconstruct", "3"},
                                            {"reconstruct_rank", "2"},
                                            {"reconstruct_metric", "fisher"},
                                            {"reconstruct_dense", "0.5"}};
    for (size_t count = 1; count <= 4; count += 3) {
        resume_scene s = resume_open_with("taylor", 1, settings, count);
        char *layer = pare_path_join(s.progress, "reconstructed.1");
        uint64_t kept = 0;
        for (uint64_t report = 1; prune_run_until(&s.run, report) == PARE_INTERRUPTED; report += 5) {
            kept += pare_file_exists(layer);
            prune_run_do(&s.run);
            resume_assert_same(&s);
            tiny_remove(s.run.output);
        }
        assert_true(kept > 0);
        free(layer);
        resume_close(&s);
    }
}

static void write_bytes(const char *path, const char *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_layer_is_refused(void **state) {
    (void)state;
    static const pare_setting settings[] = {{"reconstruct", "3"}};
    resume_scene s = resume_open_with("taylor", 1, settings, 1);
    char *layer = pare_path_join(s.progress, "reconstructed.0");
    for (uint64_t report = 1; !pare_file_exists(layer); report++)
        assert_int_equal(prune_run_until(&s.run, report), PARE_INTERRUPTED);
    char *text;
    size_t bytes;
    assert_int_equal(pare_file_read(layer, 1 << 20, &text, &bytes), PARE_OK);
    static const struct {
        size_t at; /* from the end, if below 100 */
        const char *says;
    } faults[] = {{1, "damaged"}, {80, "damaged"}, {1000, "damaged"}, {0, ""}};
    for (size_t i = 0; faults[i].at; i++) {
        size_t at = faults[i].at < 100 ? bytes - faults[i].at : faults[i].at;
        text[at] ^= 1;
        write_bytes(layer, text, bytes);
        resume_expect_refusal(&s, PARE_FORMAT_ERROR, faults[i].says);
        text[at] ^= 1;
    }
    write_bytes(layer, text, bytes - 8);
    resume_expect_refusal(&s, PARE_FORMAT_ERROR, "of another shape than a reconstructed layer");
    write_bytes(layer, text, 100);
    resume_expect_refusal(&s, PARE_FORMAT_ERROR, "too short to be a reconstructed layer");
    text[20] ^= 1;
    write_bytes(layer, text, bytes);
    resume_expect_refusal(&s, PARE_FORMAT_ERROR, "other options");
    unlink(layer);
    prune_run_do(&s.run);
    resume_assert_same(&s);
    pare_free(text);
    free(layer);
    resume_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_a_reconstruction),
        cmocka_unit_test(a_damaged_layer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
