/* The values that pages of methods and presets show are those that a run reports. */
#include "cli/help_page.h"
#include "cli/workplace.h"

#include <jansson.h>
#include <math.h>
#include <pare.h>

#define MODEL PARE_SOURCE_DIR "/examples/tiny-stories"

/* A report's setting under the name of its option; NULL: none has it. */
static const char *option_of(const char *key, char *out, size_t size) {
    snprintf(out, size, "--%s",
             strcmp(key, "reduction") == 0   ? "grouping"
             : strcmp(key, "alignment") == 0 ? "compat"
                                             : key);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
    return out;
}

static void expect_setting(const char *page, const char *key, const json_t *value) {
    char option[64], *shown;
    const char *file = strstr(page, "\nOnly in a recipe file");
    if (page_find(page, option_of(key, option, sizeof option))) {
        shown = page_value(page, option);
    } else {
        const char *at = file;
        while (at && (at = strstr(at, key)) && !(at[-1] == ' ' && at[strlen(key)] == ' '))
            at++;
        if (!at) fail_msg("%s is not on the page", key);
        at += strlen(key) + 1;
        at += strspn(at, " \n");
        shown = strndup(at, strcspn(at, " ,\n"));
    }
    bool same = json_is_string(value)
                    ? strcmp(shown, json_string_value(value)) == 0
                    : fabs(atof(shown) - json_number_value(value)) <= 1e-6 * fabs(json_number_value(value));
    if (!same) fail_msg("%s: the page shows %s on\n%s", key, shown, page);
    free(shown);
}

/* Everything under "recipe" of the report of such a run stands on the page with the same value, and so does the number
 * of calibration sequences. extra: words for both, or NULL. */
static void expect_same_settings(const char *method, const char *amount, const char *value, const char *const *extra) {
    page_words help = {.count = 0}, work = {.count = 0};
    page_add(&help, "help", "prune");
    page_add(&work, "prune", MODEL);
    page_add(&work, "--dry-run", "--json");
    page_add(&work, "--quiet", "");
    page_add(&work, amount, value);
    page_add(&work, "--method", method);
    page_add(&help, "--method", method);
    if (strcmp(amount, "--ratio") != 0) page_add(&help, amount, value);
    bool counted = strcmp(method, "loraprune") != 0; /* which takes all examples there are */
    for (size_t i = 0; extra && extra[i]; i++) {
        counted = counted && strcmp(extra[i], "--samples") != 0;
        page_add(&help, extra[i], "");
        page_add(&work, extra[i], "");
    }
    program_result page = program_expect_success(help.list), result = program_expect_success(work.list);
    json_t *report = json_loads(result.out, 0, NULL), *setting;
    const char *key;
    assert_non_null(report);
    json_object_foreach(json_object_get(report, "recipe"), key, setting) expect_setting(page.out, key, setting);
    json_t *sequences = json_object_get(json_object_get(report, "calibration"), "sequences");
    if (sequences && counted && page_find(page.out, "--samples")) expect_setting(page.out, "samples", sequences);
    json_decref(report);
    program_result_free(&page);
    program_result_free(&result);
}

static void shown_values_are_those_of_a_run(void **state) {
    (void)state;
    static const char *const shorter[] = {"--length", "16", "--samples", "2", NULL};
    static const char *const changed[] = {"--length", "16",   "--samples", "2",      "--steps", "3",
                                          "--eta",    "q0.3", "--select",  "global", NULL};
    static const char *const passes[] = {"--length", "16", "--samples", "2", "--steps", "2", NULL};
    static const char *const usual[] = {"--length", "4", NULL};
    static const char *const sparse[] = {"--length", "4", "--samples", "2", "--true-sequential", "yes", NULL};
    static const struct {
        const char *method, *amount, *value;
        const char *const *extra;
    } runs[] = {
        {"moreau-gs", "--ratio", "0.3", changed},    {"best", "--ratio", "0.3", shorter},
        {"random", "--ratio", "0.3", NULL},          {"taylor", "--ratio", "0.3", usual},
        {"smoothgrad", "--ratio", "0.3", passes},    {"layer-influence", "--ratio", "0.3", shorter},
        {"wanda", "--sparsity", "0.5", usual},       {"dsnot", "--sparsity", "0.5", sparse},
        {"sparsegpt", "--sparsity", "0.5", shorter}, {"magnitude", "--sparsity", "0.5", NULL},
        {"taylor", "--sparsity", "0.5", shorter},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        expect_same_settings(runs[i].method, runs[i].amount, runs[i].value, runs[i].extra);
}

static void a_method_that_trains_is_shown_as_it_trains(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    const char *const extra[] = {"--calib",       place->text, "--train-steps", "10", "--cutoff", "32",
                                 "--prune-every", "2",         "--train-batch", "2",  NULL};
    expect_same_settings("loraprune", "--ratio", "0.3", extra);
    EXPECT_FAILURE(2, "--calib", "prune", place->model, "--method", "loraprune", "--ratio", "0.5", "--dry-run");
}

/* Presets of recoveries: what the report of a training says. */
static void presets_are_those_of_a_recovery(void **state) {
    const workplace *place = *state;
    static const char *const keys[][2] = {
        {"--rate", "rate"}, {"--batch", "batch"}, {"--clip", "clip"}, {"--wording", "wording"}};
    workplace_write_text(place);
    for (size_t i = 0; pare_recover_preset_name(i); i++) {
        const char *preset = pare_recover_preset_name(i);
        program_result page = EXPECT_SUCCESS("help", "recover", "--preset", preset);
        program_result run =
            EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", place->text, "--preset", preset,
                           "--steps", "1", "--val", "0", "--cutoff", "16", "--json", "--quiet", "--force");
        json_t *report = json_loads(run.out, 0, NULL), *settings = json_object_get(report, "settings");
        assert_non_null(settings);
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++) {
            char *shown = page_value(page.out, keys[j][0]);
            const json_t *value = json_object_get(settings, keys[j][1]);
            if (json_is_string(value))
                assert_string_equal(shown, json_string_value(value));
            else
                assert_true(fabs(atof(shown) - json_number_value(value)) <= 1e-9);
            free(shown);
        }
        char *rank = page_value(page.out, "--rank"), *prompt = page_value(page.out, "--train-on-prompt");
        assert_int_equal(atoi(rank), json_integer_value(json_object_get(json_object_get(settings, "lora"), "rank")));
        assert_string_equal(prompt, json_is_true(json_object_get(settings, "train_on_prompt")) ? "yes" : "no");
        assert_true(page_width(page.out) <= 80);
        free(rank);
        free(prompt);
        json_decref(report);
        program_result_free(&page);
        program_result_free(&run);
    }
    program_result full = EXPECT_SUCCESS("help", "recover", "--preset", "paper", "--full");
    assert_null(page_find(full.out, "--rank"));
    assert_non_null(page_find(full.out, "--fresh"));
    program_result_free(&full);
    EXPECT_FAILURE(2, "leave out --rank", "help", "recover", "--preset", "paper", "--full", "--rank", "4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shown_values_are_those_of_a_run),
        IN_A_WORKPLACE(a_method_that_trains_is_shown_as_it_trains),
        IN_A_WORKPLACE(presets_are_those_of_a_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
