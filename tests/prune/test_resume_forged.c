/* Progress with other bytes than pare wrote, under a digest that is right: what a run has found out is refused where it
 * cannot be, and the model that comes of anything that is taken up is the one of a run that never stopped. */
#include "forge.h"
#include "prune/resume_run.h"

/* The run has come so far that there is this file. */
static char *stop_at(resume_scene *s, const char *file, uint64_t stride) {
    char *path = pare_path_join(s->progress, file);
    for (uint64_t report = 1; !pare_file_exists(path); report += stride)
        assert_int_equal(prune_run_until(&s->run, report), PARE_INTERRUPTED);
    return path;
}

static void write_bytes(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void weights_digest(const resume_scene *s, char text[PARE_DIGEST_TEXT]) {
    char *path = pare_path_join(s->run.output, "model.safetensors");
    pare_digest *digest;
    assert_int_equal(pare_digest_new(&digest), PARE_OK);
    prune_run_digest_file(digest, path);
    pare_digest_finish(digest, text);
    free(path);
}

static void assert_refused(const resume_scene *s, const char *path, const char *what) {
    pare_status status = prune_run_try(&s->run);
    if (status == PARE_OK) fail_msg("%s: %s was believed", path, what);
    if (!strstr(pare_message(), s->progress) || !strstr(pare_message(), "delete"))
        fail_msg("%s, %s: \"%s\"", path, what, pare_message());
    assert_false(pare_file_exists(s->run.output));
}

/* What the header says of the part. */
static void forge_header(const resume_scene *s, const char *path, const unsigned char *sound, size_t bytes) {
    static const struct {
        size_t at;
        const char *what;
    } fields[] = {{0, "another magic"},       {8, "another version"},       {12, "another layer"},
                  {FORGE_KEY, "another run"}, {80, "another kind of part"}, {FORGE_BYTES, "another length"}};
    unsigned char *data = malloc(bytes + 16);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        memcpy(data, sound, bytes);
        data[fields[i].at] ^= 1;
        forge_seal(data, bytes);
        write_bytes(path, data, bytes);
        assert_refused(s, path, fields[i].what);
    }
    for (size_t longer = 0; longer < 2; longer++) {
        size_t other = longer ? bytes + 8 : bytes - 8;
        memset(data, 0, bytes + 16);
        memcpy(data, sound, longer ? bytes - FORGE_DIGITS : other - FORGE_DIGITS);
        forge_length(data, other);
        forge_seal(data, other);
        write_bytes(path, data, other);
        assert_refused(s, path, longer ? "more than there is" : "less than there is");
    }
    free(data);
}

/* Eight bytes of ones are numbers that are none, counts that nothing has, and flags that are neither. Whoever takes
 * them up, in what is only told of a run, makes the same model. */
static void forge_contents(const resume_scene *s, const char *path, const unsigned char *sound, size_t bytes) {
    enum { PLACES = 7, FIRST = 3 };
    char expected[PARE_DIGEST_TEXT], now[PARE_DIGEST_TEXT];
    unsigned char *data = malloc(bytes);
    size_t held = bytes - FORGE_HEAD - FORGE_DIGITS, refused = 0;
    weights_digest(s, expected);
    tiny_remove(s->run.output);
    for (size_t i = 0; i < PLACES; i++) {
        size_t at = FORGE_HEAD + (i < FIRST ? 4 * i : held / PLACES * i / 4 * 4);
        char what[64];
        snprintf(what, sizeof what, "ones at %zu of %zu", at, bytes);
        if (at + 8 > bytes - FORGE_DIGITS) continue;
        char *kept = pare_format("%s.kept", s->progress), *command = pare_format("cp -r %s %s", s->progress, kept);
        assert_int_equal(system(command), 0);
        memcpy(data, sound, bytes);
        memset(data + at, 0xff, 8);
        forge_seal(data, bytes);
        write_bytes(path, data, bytes);
        if (prune_run_try(&s->run) == PARE_OK) {
            weights_digest(s, now);
            if (strcmp(now, expected) != 0) fail_msg("%s, %s: another model", path, what);
            tiny_remove(s->run.output);
            assert_int_equal(rename(kept, s->progress), 0);
        } else {
            if (!strstr(pare_message(), s->progress)) fail_msg("%s, %s: \"%s\"", path, what, pare_message());
            assert_false(pare_file_exists(s->run.output));
            tiny_remove(kept);
            refused++;
        }
        free(kept);
        free(command);
    }
    assert_true(refused > PLACES / 2);
    free(data);
}

static void assert_forgeries_refused(const char *method, const char *file, uint64_t stride,
                                     const pare_setting *settings, size_t count) {
    resume_scene s = resume_open_with(method, 1, settings, count);
    prune_run_do(&s.run);
    char *aside = pare_format("%s.aside", s.run.output), *path;
    assert_int_equal(rename(s.run.output, aside), 0);
    path = stop_at(&s, file, stride);
    char *sound;
    size_t bytes;
    assert_int_equal(pare_file_read(path, 1 << 24, &sound, &bytes), PARE_OK);
    forge_header(&s, path, (const unsigned char *)sound, bytes);
    assert_int_equal(rename(aside, s.run.output), 0);
    forge_contents(&s, path, (const unsigned char *)sound, bytes);
    write_bytes(path, sound, bytes);
    prune_run_do(&s.run);
    resume_assert_same(&s);
    pare_free(sound);
    free(aside);
    free(path);
    resume_close(&s);
}

static void layers_of_units(void **state) {
    (void)state;
    assert_forgeries_refused("best", "walk-repair.0", 7, NULL, 0);
    static const pare_setting search[] = {{"allocate", "search"}, {"search_steps", "2"}};
    assert_forgeries_refused("obs", "walk-search-0.0", 5, search, 2);
}

static void hidden_states(void **state) {
    (void)state;
    assert_forgeries_refused("best", "walk-repair.states", 7, NULL, 0);
    assert_forgeries_refused("wanda", "walk-prune.states", 5, NULL, 0);
}

static void layers_of_single_weights(void **state) {
    (void)state;
    assert_forgeries_refused("sparsegpt", "walk-prune.0", 5, NULL, 0);
}

static void dense_statistics(void **state) {
    (void)state;
    static const pare_setting global[] = {{"compare", "global"}}, owl[] = {{"allocate", "owl"}};
    assert_forgeries_refused("best-sparse", "walk-prune.dense.0", 7, NULL, 0);
    assert_forgeries_refused("wanda", "walk-prune.dense.1", 5, global, 1);
    assert_forgeries_refused("ria", "walk-prune.dense.0", 5, owl, 1);
}

static void passes(void **state) {
    (void)state;
    assert_forgeries_refused("taylor-second", "passes.state", 3, NULL, 0);
    assert_forgeries_refused("gblm", "passes.state", 5, NULL, 0);
    assert_forgeries_refused("smoothgrad", "passes.state", 5, NULL, 0);
    assert_forgeries_refused("best", "felt-repair", 5, NULL, 0);
}

static void reconstructed_layers(void **state) {
    (void)state;
    static const pare_setting few[] = {{"reconstruct", "2"}};
    assert_forgeries_refused("taylor", "reconstructed.0", 3, few, 1);
}

static void replace(char *text, const char *from, const char *to) {
    char *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
}

/* What rounds have left: which they are, which units stayed, what they say, and their model. */
static void rounds(void **state) {
    (void)state;
    resume_scene s = resume_open("taylor", 3);
    char *round = stop_at(&s, "round-1", 5), *path = pare_path_join(s.progress, "progress.json"),
         *weights = pare_path_join(round, "model.safetensors"), *config = pare_path_join(round, "config.json"), *text;
    size_t bytes;
    assert_int_equal(pare_file_read(path, 1 << 24, &text, &bytes), PARE_OK);
    static const char *const changes[][2] = {{"\"rounds_done\": 1", "\"rounds_done\": 0"},
                                             {"\"traces\"", "\"tracks\""},
                                             {"\"model\": \"", "\"model\":\"f"},
                                             {"\"seal\": \"", "\"seal\":\"0"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *forged = strdup(text);
        replace(forged, changes[i][0], changes[i][1]);
        write_bytes(path, forged, bytes);
        resume_expect_refusal(&s, PARE_FORMAT_ERROR, "damaged");
        free(forged);
    }
    write_bytes(path, text, bytes);
    pare_free(text);
    const char *const files[] = {weights, config};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(pare_file_read(files[i], 1 << 24, &text, &bytes), PARE_OK);
        char *digit = i ? strpbrk(strstr(text, "rms_norm_eps"), "123456789") : text + bytes - 3;
        *digit ^= 1;
        write_bytes(files[i], text, bytes);
        resume_expect_refusal(&s, PARE_FORMAT_ERROR, "damaged");
        *digit ^= 1;
        write_bytes(files[i], text, bytes);
        pare_free(text);
    }
    prune_run_do(&s.run);
    resume_assert_same(&s);
    free(round);
    free(path);
    free(weights);
    free(config);
    resume_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_units),  cmocka_unit_test(hidden_states), cmocka_unit_test(layers_of_single_weights),
        cmocka_unit_test(dense_statistics), cmocka_unit_test(passes),        cmocka_unit_test(reconstructed_layers),
        cmocka_unit_test(rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
