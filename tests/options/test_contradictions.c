/* Choices that contradict each other, settings by name, and settings that mean nothing for a method. */
#include "golden.h"
#include "options/resolve.h"

enum { MOST = 8 };

/* Settings as "key=value" words. */
typedef struct given {
    char words[MOST][64];
    pare_setting list[MOST];
    pare_prune_options options;
} given;

static void give(given *g, const char *method, const char *const words[], size_t count) {
    *g = (given){.options = {.method = method, .sigma = -1.0, .eta = -1.0}};
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        snprintf(g->words[i], sizeof g->words[i], "%s", words[i]);
        char *equals = strchr(g->words[i], '=');
        *equals = 0;
        g->list[i] = (pare_setting){g->words[i], equals + 1};
    }
    g->options.settings = g->list;
    g->options.setting_count = count;
}

static void refuse(const char *method, const char *sentence, const char *const words[], size_t count) {
    given g;
    pare_recipe recipe;
    give(&g, method, words, count);
    assert_int_equal(pare_recipe_resolve(&g.options, &recipe), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), sentence)) fprintf(stderr, "%s\nlacks %s\n", pare_message(), sentence);
    assert_non_null(strstr(pare_message(), sentence));
}
#define WORDS(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)
#define REFUSE(method, sentence, ...) refuse(method, sentence, WORDS(__VA_ARGS__))

static pare_recipe accept(const char *method, const char *const words[], size_t count) {
    given g;
    pare_recipe recipe;
    give(&g, method, words, count);
    pare_status status = pare_recipe_resolve(&g.options, &recipe);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    return recipe;
}
#define ACCEPT(method, ...) accept(method, WORDS(__VA_ARGS__))

static void a_salience_needs_its_signal(void **state) {
    (void)state;
    REFUSE("magnitude-l1", "needs a gradient", "salience=param_first");
    REFUSE("random", "needs a gradient", "salience=vectorize");
    REFUSE("moreau", "gradient of every sample", "salience=param_second");
    REFUSE("smoothgrad", "gradient of every sample", "salience=param_mix");
    REFUSE("taylor", "needs input norms", "salience=wanda");
    REFUSE("taylor", "reads no signal", "salience=l1");
    REFUSE("taylor", "needs a gradient", "signal=inputs");
    REFUSE("wanda-structured", "needs input norms", "signal=none");
    assert_true(ACCEPT("taylor", "salience=param_mix").salience == &pare_salience_mixed);
    assert_true(ACCEPT("magnitude-l1", "salience=l2").salience == &pare_salience_square);
    assert_true(ACCEPT("magnitude-l1", "signal=gradient", "salience=param_first").signal == PARE_SIGNAL_GRADIENT);
}

static void signals_of_layers_need_layers(void **state) {
    (void)state;
    REFUSE("layer-first", "--mode layer", "mode=block");
    REFUSE("layer-influence", "--mode layer", "mode=channel");
    REFUSE("taylor", "--mode layer", "signal=removal");
    REFUSE("taylor", "leave out the salience", "signal=influence", "mode=layer");
    assert_true(ACCEPT("random", "signal=removal", "mode=layer").signal == PARE_SIGNAL_REMOVAL);
    assert_true(ACCEPT("taylor", "mode=layer").mode == PARE_MODE_LAYER);
}

static void modes_and_what_they_exclude(void **state) {
    (void)state;
    REFUSE("taylor-second", "norms and the embedding", "mode=channel");
    REFUSE("wanda-structured", "norms and the embedding", "mode=channel");
    REFUSE("best", "--mode block", "mode=channel");
    REFUSE("obs", "--mode block", "mode=layer");
    REFUSE("best", "not global-raw", "select=global-raw");
    REFUSE("taylor", "--gqa kv", "select=global-raw", "gqa=query");
    REFUSE("best", "local or rising", "select=uniform", "gqa=query");
    REFUSE("best", "local or rising", "select=global", "gqa=query");
    REFUSE("taylor", "--compensate none", "mode=layer", "compensate=ls");
    assert_true(ACCEPT("best", "select=rising", "gqa=query").query_heads);
    assert_true(ACCEPT("taylor", "mode=channel", "compensate=ls").compensation == PARE_COMPENSATE_LS);
}

static void a_step_beyond_rho(void **state) {
    (void)state;
    REFUSE("moreau", "overshoot", "gamma=0.06");
    assert_true(ACCEPT("moreau-released", "gamma=0.06").moreau.gamma == 0.06);
}

static void settings_that_make_no_sense(void **state) {
    (void)state;
    REFUSE("taylor", "'slect'", "slect=global");
    REFUSE("taylor", "--select 'here'", "select=here");
    REFUSE("taylor", "--select 2", "select=2");
    REFUSE("taylor", "--keep-min", "keep_min=nan");
    REFUSE("taylor", "--keep-min", "keep_min=inf");
    REFUSE("taylor", "--keep-min 'half'", "keep_min=half");
    REFUSE("taylor", "--keep-min", "keep_min=");
    REFUSE("moreau", "--steps", "steps=1e9");
    REFUSE("moreau-gs", "--eta 1.5", "eta_quantile=1.5");
    assert_true(ACCEPT("moreau-gs", "eta_quantile=0.3").moreau.eta_quantile == 0.3);
}

/* The options that the method has no use for, each followed by a space. */
static void ignores(const char *method, const char *expected, const char *const words[], size_t count) {
    given g;
    pare_recipe recipe;
    char list[256] = "";
    const char *ignored;
    give(&g, method, words, count);
    assert_int_equal(pare_recipe_resolve(&g.options, &recipe), PARE_OK);
    for (size_t i = 0; (ignored = pare_recipe_ignored(&g.options, &recipe, i)); i++) {
        strcat(list, ignored);
        strcat(list, " ");
    }
    assert_string_equal(list, expected);
}
#define IGNORES(method, expected, ...) ignores(method, expected, WORDS(__VA_ARGS__))

static void settings_without_a_meaning(void **state) {
    (void)state;
    IGNORES("taylor", "", "select=global", "gqa=query", "keep_min=0.5", "reduction=max");
    IGNORES("taylor", "--metric --dense --rise ", "metric=fisher", "dense=0.5", "rise=0.5");
    IGNORES("taylor", "", "compensate=ls", "dense=0.5", "readers=1");
    IGNORES("taylor", "--select --gqa --keep-min ", "mode=channel", "select=global", "gqa=query", "keep_min=0.5");
    IGNORES("random", "--grouping --compat ", "reduction=max", "alignment=llm-pruner");
    IGNORES("taylor", "--steps --eta --eta --tail ", "steps=3", "eta=1", "eta_quantile=0.5", "tail=2");
    IGNORES("smoothgrad", "--draws ", "steps=3", "draws=2", "sigma=0.1");
    IGNORES("moreau-gs-released", "--rho ", "rho=0.5", "eta=1e-5", "tail=3");
    IGNORES("best", "--sigma ", "metric=plain", "damping=0.1", "final_norm=no", "sigma=1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_salience_needs_its_signal), cmocka_unit_test(signals_of_layers_need_layers),
        cmocka_unit_test(modes_and_what_they_exclude), cmocka_unit_test(a_step_beyond_rho),
        cmocka_unit_test(settings_that_make_no_sense), cmocka_unit_test(settings_without_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
