/* The program on a vision transformer: what it prints, and one sentence for what does not go with pictures. */
#include "cli/workplace.h"

#include <jansson.h>

#define DIGITS PARE_SOURCE_DIR "/examples/vit-digits"
#define PICTURES DIGITS "/pictures"

/* Tables show what was measured; JSON is one document. */
static void expect_output(const char *const *words, const char *part) {
    program_result result = program_expect_success(words);
    if (!strstr(result.out, part)) fail_msg("no \"%s\" in:\n%s", part, result.out);
    program_result_free(&result);
}

#define EXPECT_OUTPUT(part, ...) expect_output((const char *const[]){__VA_ARGS__, NULL}, part)

/* Five pictures without labels. */
static char *flat_folder(const workplace *place) {
    char *flat = pare_path_join(place->folder, "flat");
    assert_int_equal(mkdir(flat, 0755), 0);
    for (int i = 0; i < 5; i++) {
        char *from = pare_format(PICTURES "/%d/00000.png", i), *to = pare_format("%s/%d.png", flat, i);
        assert_int_equal(symlink(from, to), 0);
        free(from);
        free(to);
    }
    return flat;
}

static void commands_on_pictures(void **state) {
    const workplace *place = *state;
    EXPECT_OUTPUT("96.00 %  100.00 %  0.0", "eval", DIGITS, "--images", PICTURES, "--quiet");
    EXPECT_OUTPUT("agreement: how often both find the same class", "eval", DIGITS, "--images", PICTURES, "--against",
                  DIGITS, "--quiet");
    EXPECT_OUTPUT("28 x 28 of 1 channel, patches of 7 x 7", "inspect", DIGITS);
    EXPECT_OUTPUT("top-1, " PICTURES, "prune", DIGITS, "-o", place->output, "--ratio", "0.25", "--method", "taylor",
                  "--calib", PICTURES, "--images", PICTURES, "--quiet");
    EXPECT_OUTPUT("156,330", "eval", place->output, "--images", PICTURES, "--quiet");
    EXPECT_OUTPUT("top-1, " PICTURES, "recover", place->output, "-o", place->text, "--data", PICTURES, "--images",
                  PICTURES, "--steps", "2", "--quiet");
    EXPECT_OUTPUT("accuracy after " PICTURES, "sweep", DIGITS, "--over", "ratio=0.2:0.3:0.1", "--method",
                  "magnitude-l2", "--images", PICTURES, "--quiet");
    EXPECT_OUTPUT("\nloss, " PICTURES, "robust", DIGITS, "--perturb", "bf16", "--methods", "taylor", "--calib",
                  PICTURES, "--images", PICTURES, "--quiet");
    EXPECT_OUTPUT("calib-shuffle", "robust", DIGITS, "--perturb", "calib-shuffle", "--methods",
                  "taylor,wanda-structured", "--calib", PICTURES, "--images", PICTURES, "--quiet");
    EXPECT_OUTPUT("51 tokens", "bench", DIGITS, "--samples", "3", "--repeats", "1", "--quiet");
}

static void classes_as_json(void **state) {
    const workplace *place = *state;
    char *flat = flat_folder(place);
    program_result result = EXPECT_SUCCESS("classify", DIGITS, flat, PICTURES "/3/00001.png", "--json", "--quiet");
    json_t *list = json_loads(result.out, 0, NULL), *answer;
    size_t i;
    assert_int_equal(json_array_size(list), 6);
    json_array_foreach(list, i, answer) {
        char *file = i < 5 ? pare_format("%s/%zu.png", flat, i) : pare_format(PICTURES "/3/00001.png");
        double probability = json_real_value(json_object_get(answer, "probability"));
        assert_int_equal(json_object_size(answer), 3);
        assert_string_equal(json_string_value(json_object_get(answer, "file")), file);
        assert_int_equal(strlen(json_string_value(json_object_get(answer, "label"))), 1);
        assert_true(probability > 0.1 && probability <= 1);
        free(file);
    }
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 5), "label")), "3");
    json_decref(list);
    program_result_free(&result);
    free(flat);
}

static void models_of_text_given_pictures(void **state) {
    const workplace *place = *state;
    static const char words[] = "reads text: give --text FILE in place of --images";
    EXPECT_NOTHING_LEFT(place, 2, words, "eval", place->model, "--images", PICTURES);
    EXPECT_NOTHING_LEFT(place, 2, words, "sweep", place->model, "--over", "ratio=0.2:0.3:0.1", "--images", PICTURES);
    EXPECT_NOTHING_LEFT(place, 2, words, "robust", place->model, "--perturb", "bf16", "--images", PICTURES);
    EXPECT_NOTHING_LEFT(place, 2, "is a folder, and", "prune", place->model, "-o", place->output, "--ratio", "0.2",
                        "--calib", PICTURES, "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "is a folder, and", "recover", place->model, "-o", place->output, "--data", PICTURES,
                        "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "pictures are classified by vision transformers", "classify", place->model,
                        PICTURES "/3/00001.png");
    EXPECT_NOTHING_LEFT(place, 1, "is a PNG picture", "eval", place->model, "--text", PICTURES "/3/00001.png");
    EXPECT_NOTHING_LEFT(place, 2, place->model, "eval", DIGITS, place->model, "--images", PICTURES);
}

/* Every option that is about texts, with a value that would do for one. */
static const struct {
    const char *command, *option, *value;
} of_text[] = {
    {"prune", "--length", "17"},      {"prune", "--protocol", "paper"},  {"prune", "--field", "text"},
    {"prune", "--wording", "alpaca"}, {"prune", "--calib-stream", NULL}, {"prune", "--window", "17"},
    {"recover", "--cutoff", "30"},    {"recover", "--field", "text"},    {"recover", "--wording", "alpaca"},
    {"recover", "--pack", NULL},      {"recover", "--window", "17"},     {"recover", "--train-on-prompt", "yes"},
    {"eval", "--window", "17"},       {"eval", "--tasks", "all"},        {"recover", "--group-by-length", "yes"},
};

static void options_about_texts(void **state) {
    const workplace *place = *state;
    for (size_t i = 0; i < sizeof of_text / sizeof *of_text; i++) {
        const char *command = of_text[i].command, *words[12] = {command, DIGITS, "--quiet"};
        size_t count = 3;
        bool eval = strcmp(command, "eval") == 0, recover = strcmp(command, "recover") == 0;
        const char *more[] = {
            eval ? "--images" : recover ? "--data" : "--calib", PICTURES, "-o", place->output, "--ratio", "0.2"};
        for (size_t j = 0; j < (eval ? 2u : recover ? 4u : 6u); j++)
            words[count++] = more[j];
        words[count++] = of_text[i].option;
        if (of_text[i].value) words[count++] = of_text[i].value;
        if (strcmp(of_text[i].option, "--tasks") == 0) {
            words[count++] = "--data";
            words[count++] = place->folder;
        }
        char *said = pare_format("%s is about texts, and", of_text[i].option);
        workplace_expect_nothing_left(place, 2, said, words);
        free(said);
    }
}

static void sweeps_over_them(void **state) {
    const workplace *place = *state;
    EXPECT_NOTHING_LEFT(place, 2, "--window is about texts, and", "sweep", DIGITS, "--over", "window=16,32", "--ratio",
                        "0.2", "--calib", PICTURES, "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "cannot write them itself", "sweep", DIGITS, "--over", "calib=self", "--ratio", "0.2",
                        "--quiet");
    EXPECT_OUTPUT("kept_share", "sweep", DIGITS, "--over", "samples=4,8", "--ratio", "0.2", "--method", "obs",
                  "--calib", PICTURES, "--quiet");
}

static void texts_given_to_vision_transformers(void **state) {
    const workplace *place = *state;
    static const char own[] = "cannot write them itself as a model of text can: name a folder of them with --calib DIR";
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, 2, "give --images DIR in place of --text", "eval", DIGITS, "--text", place->text);
    EXPECT_NOTHING_LEFT(place, 2, "give --images DIR in place of --text", "eval", DIGITS, "--text", "self");
    EXPECT_NOTHING_LEFT(place, 2, own, "prune", DIGITS, "-o", place->output, "--ratio", "0.2", "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "name a folder of them with --images DIR", "eval", DIGITS, "--images", "self");
    EXPECT_NOTHING_LEFT(place, 2, "name a folder of them with --images DIR", "prune", DIGITS, "-o", place->output,
                        "--ratio", "0.2", "--method", "random", "--images", "self", "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, own, "prune", DIGITS, "-o", place->output, "--ratio", "0.2", "--calib", "self",
                        "--quiet");
    EXPECT_NOTHING_LEFT(place, 1, "is a text, not a picture", "prune", DIGITS, "-o", place->output, "--ratio", "0.2",
                        "--calib", place->text, "--quiet");
    EXPECT_NOTHING_LEFT(place, 1, "is a text, not a picture", "recover", DIGITS, "-o", place->output, "--data",
                        place->text, "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "reads pictures and writes no text", "generate", DIGITS, "--prompt", "one day");
    EXPECT_NOTHING_LEFT(place, 2, "a picture is always 17 tokens", "bench", DIGITS, "--length", "40", "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "FILE is missing", "classify", DIGITS);
    EXPECT_NOTHING_LEFT(place, 1, "there is no picture that can be read", "classify", DIGITS, place->text);
    EXPECT_NOTHING_LEFT(place, 1, "adapter_config.json", "classify", DIGITS, place->text, "--adapter", place->folder);
    EXPECT_OUTPUT("156,330", "prune", DIGITS, "-o", place->output, "--ratio", "0.25", "--method", "magnitude-l2",
                  "--quiet");
}

static void pictures_without_labels(void **state) {
    const workplace *place = *state;
    char *flat = flat_folder(place);
    static const char *const units[] = {"best", "taylor", "moreau-gs", "layer-removal", "smoothgrad"};
    static const char *const weights[] = {"best-sparse", "gblm", "gblm-l2", "pruner-zero"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        EXPECT_NOTHING_LEFT(place, 2, "have no labels: put them into one folder per class", "prune", DIGITS, "-o",
                            place->output, "--ratio", "0.25", "--method", units[i], "--calib", flat, "--quiet");
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        EXPECT_NOTHING_LEFT(place, 2, "have no labels: put them into one folder per class", "prune", DIGITS, "-o",
                            place->output, "--sparsity", "0.5", "--method", weights[i], "--calib", flat, "--quiet");
    EXPECT_NOTHING_LEFT(place, 1, "have no labels", "prune", DIGITS, "-o", place->output, "--ratio", "0.25", "--method",
                        "loraprune", "--calib", flat, "--quiet");
    EXPECT_NOTHING_LEFT(place, 1, "have no labels", "recover", DIGITS, "-o", place->output, "--data", flat, "--quiet");
    static const char *const free_of_labels[] = {"obs", "wanda-structured", "taylor-entropy", "layer-influence"};
    for (size_t i = 0; i < sizeof free_of_labels / sizeof *free_of_labels; i++)
        EXPECT_OUTPUT("parameters", "prune", DIGITS, "-o", place->output, "--force", "--ratio", "0.25", "--method",
                      free_of_labels[i], "--calib", flat, "--quiet");
    /* What measures no outputs does not ask what the loss feels of them. */
    static const char *const repairs[] = {"bias", "none"};
    for (size_t i = 0; i < sizeof repairs / sizeof *repairs; i++)
        EXPECT_OUTPUT("weights", "prune", DIGITS, "-o", place->output, "--force", "--sparsity", "0.5", "--method",
                      "best-sparse", "--compensate", repairs[i], "--calib", flat, "--quiet");
    program_result result = EXPECT_SUCCESS("eval", DIGITS, "--images", flat, "--quiet");
    assert_non_null(strstr(result.err, "accuracy and loss are not measured"));
    program_result_free(&result);
    free(flat);
}

/* What of a folder cannot be used is counted and named, and the rest is. */
static void odd_pictures(void **state) {
    const workplace *place = *state;
    static const char *const names[] = {"animated.png", "bits_16.png",  "cmyk.jpg", "damaged.png",
                                        "grey.png",     "rgb_kept.jpg", "text.png", "truncated.jpg"};
    char *set = pare_path_join(place->folder, "set"), *class = pare_path_join(set, "4"),
         *empty = pare_path_join(set, "7");
    assert_true(mkdir(set, 0755) == 0 && mkdir(class, 0755) == 0 && mkdir(empty, 0755) == 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *from = pare_format(PARE_SOURCE_DIR "/tests/data/images/%s", names[i]),
             *to = pare_path_join(class, names[i]);
        assert_int_equal(symlink(from, to), 0);
        free(from);
        free(to);
    }
    static const char *const said[] = {"of 8 pictures were skipped: 4/animated.png is an animated PNG file",
                                       "4/bits_16.png", "4/cmyk.jpg", "set/7 holds no pictures"};
    program_result result = EXPECT_SUCCESS("eval", DIGITS, "--images", set, "--quiet");
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(result.err, said[i])) fail_msg("no \"%s\" in %s", said[i], result.err);
    program_result_free(&result);
    EXPECT_OUTPUT("156,330", "prune", DIGITS, "-o", place->output, "--ratio", "0.25", "--method", "taylor", "--calib",
                  set, "--quiet");
    EXPECT_OUTPUT("1 step on ", "recover", DIGITS, "-o", place->text, "--data", set, "--steps", "1", "--quiet");
    char *beyond = pare_path_join(set, "12");
    assert_int_equal(rename(empty, beyond), 0);
    EXPECT_FAILURE(1, "the model has no label 12; its labels are 0 to 9", "eval", DIGITS, "--images", set);
    char *all[] = {set, class, empty, beyond};
    for (size_t i = 0; i < 4; i++)
        free(all[i]);
}

/* What is read is never where something is written. */
static void outputs_among_pictures(void **state) {
    const workplace *place = *state;
    char *cats = pare_path_join(place->folder, "digits"), *zero = pare_path_join(cats, "0"),
         *inner = pare_path_join(zero, "out"), *picture = pare_path_join(zero, "00000.png");
    assert_true(mkdir(cats, 0755) == 0 && mkdir(zero, 0755) == 0);
    assert_int_equal(symlink(PICTURES "/0/00000.png", picture), 0);
    const char *outputs[] = {cats, zero, inner, place->folder};
    for (size_t i = 0; i < 4; i++) {
        EXPECT_NOTHING_LEFT(place, 2, "which this run reads; give another place", "prune", DIGITS, "-o", outputs[i],
                            "--force", "--ratio", "0.25", "--calib", cats, "--quiet");
        EXPECT_NOTHING_LEFT(place, 2, "which this run reads; give another place", "recover", DIGITS, "-o", outputs[i],
                            "--force", "--data", cats, "--quiet");
    }
    EXPECT_NOTHING_LEFT(place, 2, "in --images ", "prune", DIGITS, "-o", inner, "--ratio", "0.25", "--method", "random",
                        "--images", cats, "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "in --images ", "recover", DIGITS, "-o", inner, "--data", PICTURES, "--images", cats,
                        "--quiet");
    workplace_expect_entries(zero, ".\n..\n00000.png\n");
    char *all[] = {cats, zero, inner, picture};
    for (size_t i = 0; i < 4; i++)
        free(all[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(commands_on_pictures),
        IN_A_WORKPLACE(classes_as_json),
        IN_A_WORKPLACE(models_of_text_given_pictures),
        IN_A_WORKPLACE(options_about_texts),
        IN_A_WORKPLACE(sweeps_over_them),
        IN_A_WORKPLACE(texts_given_to_vision_transformers),
        IN_A_WORKPLACE(pictures_without_labels),
        IN_A_WORKPLACE(odd_pictures),
        IN_A_WORKPLACE(outputs_among_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
