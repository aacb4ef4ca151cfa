/* What a method makes of the constants it is given: published ones, bounds, and those it has no use for. */
#include "golden.h"
#include "options/resolve.h"

#define UNSET .size = sizeof(pare_prune_options), .sigma = -1.0, .eta = -1.0

static pare_status resolve(pare_prune_options options, pare_recipe *out) {
    return pare_recipe_resolve(&options, out);
}

static void refused(pare_prune_options options, const char *names) {
    pare_recipe recipe;
    char *text = (char *)"";
    assert_int_equal(resolve(options, &recipe), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), names)) fprintf(stderr, "%s\n", pare_message());
    assert_non_null(strstr(pare_message(), names));
    assert_int_equal(pare_recipe_constants(&options, &text), PARE_BAD_ARGUMENT);
    assert_null(text);
}

static void published_constants(void **state) {
    (void)state;
    pare_recipe r;
    assert_int_equal(resolve((pare_prune_options){UNSET}, &r), PARE_OK);
    assert_string_equal(r.name, "best");
    assert_int_equal(resolve((pare_prune_options){.method = "moreau-gs", UNSET}, &r), PARE_OK);
    assert_string_equal(r.name, "moreau-gs");
    assert_true(r.moreau.steps == 10 && r.moreau.draws == 1 && r.moreau.sigma == 0.05 && r.moreau.rho == 0.2 &&
                r.moreau.gamma == 2e-4 && r.moreau.eta == 5e-6 && r.moreau.prox == PARE_PROX_GROUP);
    assert_int_equal(resolve((pare_prune_options){.method = "moreau", UNSET}, &r), PARE_OK);
    assert_true(r.moreau.steps == 10 && r.moreau.draws == 1 && r.moreau.sigma == 0.05 && r.moreau.rho == 0.05 &&
                r.moreau.gamma == 1e-3 && r.moreau.eta == 0.0 && r.moreau.prox == PARE_PROX_NONE);
    assert_int_equal(resolve((pare_prune_options){.method = "moreau-l1", UNSET}, &r), PARE_OK);
    assert_true(r.moreau.prox == PARE_PROX_L1 && r.moreau.eta > 0.0);
}

static void given_constants(void **state) {
    (void)state;
    pare_recipe r;
    pare_prune_options o = {.size = sizeof o,
                            .method = "moreau-gs",
                            .steps = 3,
                            .draws = 4,
                            .sigma = 0.0,
                            .rho = 0.5,
                            .gamma = 0.5,
                            .eta = 0.0};
    assert_int_equal(resolve(o, &r), PARE_OK);
    assert_true(r.moreau.steps == 3 && r.moreau.draws == 4 && r.moreau.sigma == 0.0 && r.moreau.rho == 0.5 &&
                r.moreau.gamma == 0.5 && r.moreau.eta == 0.0);
    char *text;
    assert_int_equal(pare_recipe_constants(&o, &text), PARE_OK);
    assert_non_null(strstr(text, "steps 3"));
    assert_non_null(strstr(text, "draws 4"));
    assert_non_null(strstr(text, "rho 0.5"));
    pare_text_free(text);
    o = (pare_prune_options){.method = "random", UNSET};
    assert_int_equal(pare_recipe_constants(&o, &text), PARE_OK);
    assert_string_equal(text, "none");
    pare_text_free(text);
}

static void bounds(void **state) {
    (void)state;
    refused((pare_prune_options){.method = "moreau", .steps = -1, UNSET}, "--steps -1");
    refused((pare_prune_options){.method = "moreau", .steps = 1000001, UNSET}, "--steps");
    refused((pare_prune_options){.method = "moreau", .draws = -5, UNSET}, "--draws -5");
    refused((pare_prune_options){.method = "moreau", .draws = INT32_MAX, UNSET}, "--draws");
    refused((pare_prune_options){.method = "moreau", .rho = -0.1, UNSET}, "--rho");
    refused((pare_prune_options){.method = "moreau", .rho = INFINITY, UNSET}, "--rho");
    refused((pare_prune_options){.method = "moreau", .rho = NAN, UNSET}, "--rho");
    refused((pare_prune_options){.method = "moreau", .gamma = -1e-3, UNSET}, "--gamma");
    refused((pare_prune_options){.method = "moreau", .gamma = NAN, UNSET}, "--gamma");
    refused((pare_prune_options){.method = "moreau", .gamma = 0.051, UNSET}, "--gamma 0.051");
    refused((pare_prune_options){.method = "moreau-gs", .rho = 1e-4, UNSET}, "--rho 0.0001");
    refused((pare_prune_options){.method = "moreau-gs", .sigma = -1, .eta = INFINITY}, "--eta");
    refused((pare_prune_options){.method = "moreau-gs", .sigma = -1, .eta = NAN}, "--eta");
    refused((pare_prune_options){.method = "moreau-gs", .sigma = NAN, .eta = -1}, "--sigma");
    refused((pare_prune_options){.method = "moreau-gs", .sigma = 101, .eta = -1}, "--sigma 101");
    refused((pare_prune_options){.method = "moreau-gs", .sigma = INFINITY, .eta = -1}, "--sigma");
    pare_recipe r;
    assert_int_equal(resolve((pare_prune_options){.method = "moreau", .gamma = 0.05, UNSET}, &r), PARE_OK);
    assert_int_equal(resolve((pare_prune_options){.method = "moreau", .sigma = 100, .eta = -1}, &r), PARE_OK);
}

/* The options that the method has no use for, each followed by a space. */
static void ignores(pare_prune_options options, const char *expected) {
    pare_recipe recipe;
    char list[128] = "";
    const char *ignored;
    assert_int_equal(resolve(options, &recipe), PARE_OK);
    for (size_t i = 0; (ignored = pare_recipe_ignored(&options, &recipe, i)); i++) {
        strcat(list, ignored);
        strcat(list, " ");
    }
    assert_string_equal(list, expected);
    if (recipe.signal == PARE_SIGNAL_MOREAU) return;
    pare_recipe preset;
    pare_recipe_start(pare_recipe_find(options.method), &preset);
    json_t *resolved = pare_recipe_json(&recipe), *plain = pare_recipe_json(&preset);
    assert_true(json_equal(resolved, plain));
    json_decref(resolved);
    json_decref(plain);
}

static void constants_without_a_meaning(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "magnitude-l1", "magnitude-l2", "random"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        pare_prune_options o = {.method = methods[i], UNSET};
        ignores(o, "");
        o.steps = 1;
        ignores(o, "--steps ");
        o = (pare_prune_options){.size = sizeof o, .method = methods[i], .sigma = 0.0, .eta = 0.0};
        ignores(o, "--sigma --eta ");
        o = (pare_prune_options){.method = methods[i],
                                 .steps = 2,
                                 .draws = 2,
                                 .sigma = 1,
                                 .rho = 1,
                                 .gamma = 1,
                                 .eta = 1,
                                 .displace = PARE_DISPLACE_SCORED};
        ignores(o, "--steps --draws --sigma --rho --gamma --eta --displace ");
    }
    pare_prune_options all = {.size = sizeof all,
                              .method = "moreau-gs",
                              .steps = 2,
                              .draws = 2,
                              .sigma = 1,
                              .rho = 1,
                              .gamma = 1,
                              .eta = 1,
                              .displace = PARE_DISPLACE_SCORED};
    ignores(all, "");
    all.method = "moreau";
    ignores(all, "--eta "); /* it has no threshold */
    pare_recipe recipe;
    assert_int_equal(resolve(all, &recipe), PARE_OK);
    assert_true(recipe.moreau.eta == 0.0);
    all.eta = 0.0;
    ignores(all, "");
}

static void unknown_methods(void **state) {
    (void)state;
    refused((pare_prune_options){.method = "moreau-g", UNSET}, "moreau-g");
    refused((pare_prune_options){.method = "", UNSET}, "no such method");
    refused((pare_prune_options){.method = "TAYLOR", UNSET}, "TAYLOR");
    assert_null(pare_recipe_find("l1"));
    assert_non_null(pare_recipe_find("taylor"));
}

static void the_list_of_methods(void **state) {
    (void)state;
    static const char *const names[] = {"best",
                                        "moreau-gs",
                                        "moreau",
                                        "moreau-l1",
                                        "moreau-released",
                                        "moreau-gs-released",
                                        "taylor-rownorm",
                                        "smoothgrad",
                                        "taylor",
                                        "taylor-second",
                                        "taylor-mix",
                                        "taylor-vector",
                                        "taylor-entropy",
                                        "wanda-structured",
                                        "flap",
                                        "magnitude-l1",
                                        "magnitude-l2",
                                        "random",
                                        "obs",
                                        "gates",
                                        "loraprune",
                                        "layer-first",
                                        "layer-influence",
                                        "layer-removal",
                                        "best-sparse",
                                        "magnitude",
                                        "wanda",
                                        "wanda-variant",
                                        "wanda-owl",
                                        "sparsegpt",
                                        "gblm",
                                        "gblm-l2",
                                        "gblm-gradient",
                                        "pruner-zero",
                                        "wanda++",
                                        "ria",
                                        "ri",
                                        "stochria",
                                        "ria-lp",
                                        "symwanda",
                                        "owanda",
                                        "symmetric",
                                        "dsnot",
                                        "r2-dsnot",
                                        "sparseswaps",
                                        "admm",
                                        "best-experts",
                                        "reap",
                                        "expert-frequency",
                                        "expert-gates",
                                        "expert-obs",
                                        "expert-taylor",
                                        "expert-moreau",
                                        "expert-moreau-gs"};
    size_t count = 0;
    while (pare_recipe_name(count)) {
        assert_non_null(pare_recipe_find(pare_recipe_name(count)));
        assert_true(strlen(pare_recipe_summary(count)) > 10);
        count++;
    }
    assert_int_equal(count, sizeof names / sizeof *names);
    assert_null(pare_recipe_summary(count));
    assert_null(pare_recipe_name(count + 1000));
    for (size_t i = 0; i < count; i++)
        assert_non_null(pare_recipe_find(names[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_constants),
        cmocka_unit_test(given_constants),
        cmocka_unit_test(bounds),
        cmocka_unit_test(constants_without_a_meaning),
        cmocka_unit_test(unknown_methods),
        cmocka_unit_test(the_list_of_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
