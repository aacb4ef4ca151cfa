/* Pages that are no HTML, that fetch something, that take names for markup, that break where a report lacks a member or
 * has another form, that leave out what was measured, or differ from run to run. */
#include "report/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/markup.h"
#include "report/page_documents.h"

static const char hostile[] = "<script>alert(1)</script><b>\"&'";

/* The page of one document; NULL: none of pare's. */
static char *render(const json_t *json) {
    char *html;
    pare_page_document document = {.json = json};
    pare_status status = pare_page_render(&document, 1, &html, NULL);
    if (status != PARE_OK) {
        assert_int_equal(status, PARE_FORMAT_ERROR);
        assert_null(html);
        return NULL;
    }
    if (markup_check(html) < 20) fail_msg("%s", html);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, ">nan<"));
    assert_null(strstr(html, "\"nan"));
    assert_null(strstr(html, "(null)"));
    return html;
}

/* The same twice, and no section without anything in it. */
static char *page_of(const json_t *json) {
    char *html = render(json), *again = render(json);
    if (html) assert_string_equal(html, again);
    if (html) assert_null(strstr(html, "</h3>\n<h3>"));
    free(again);
    return html;
}

static void expect(const char *html, const char *words) {
    if (!strstr(html, words)) fail_msg("the page lacks \"%s\"", words);
}

static void a_pruning_is_told(void **state) {
    (void)state;
    json_t *json = page_pruning(3, 0);
    char *html = page_of(json);
    expect(html,
           "From <b>one</b> (1,000,000 parameters) pare removed 25 % of the parameters: attention heads and FFN "
           "channels of each layer. The method was <b>best</b> with seed 7. What matters was judged on 8 sequences "
           "of 128 tokens of calib.txt.");
    expect(html, "Perplexity on wiki.txt went from 10.5 to 12.25, and to 11.5 by training.");
    expect(html, "<td>parameters</td><td>1,000,000</td><td>750,000</td>");
    expect(html, "<td>perplexity, wiki.txt</td><td>10.5</td><td>12.25</td><td>11.5</td><td>+9.52 %</td>");
    expect(html, "<td>right label, share of images</td><td>0.97</td><td>0.96</td>");
    expect(html, "The right label came first for 97 % of the images of digits, and comes first for 96 % now.");
    expect(html, "loads as any LLaMA");
    expect(html, "about 25 % less work, and less memory for weights");
    expect(html, "the cache of keys and values is 50 % smaller");
    expect(html, "<pre>pare prune m/one -o o/smaller</pre>");
    expect(html, "<p class=\"note\">mind the gap</p>");
    expect(html, "<title>layer 1: cut at 1</title>");
    expect(html, "3 with a score of zero stand at the left edge");
    expect(html, "<title>layer 0, at 66.667: 1.5</title>");
    expect(html, "<title>FFN, repaired, at 2: 3</title>");
    expect(html, "<title>scoring: 1.5</title>");
    expect(html, "<title>validation, at 3: 2.25</title>");
    expect(html, "<title>1, removed: 1</title>");
    free(html);
    json_decref(json);
}

/* Units that went at no cost, as closed gates do, leave errors of 0, which are no picture, and no heading over none. */
static void no_section_is_empty(void **state) {
    (void)state;
    json_t *json = page_pruning(3, 0), *fit;
    size_t layer;
    json_array_foreach(json_object_get(json, "repair"), layer, fit) {
        for (int stage = 0; stage < 2; stage++) {
            json_t *half = json_object_get(fit, stage ? "ffn" : "attention");
            json_object_set_new(half, "error", json_pack("{s:f,s:f}", "before", 0.0, "after", 0.0));
            json_object_del(half, "curve");
        }
    }
    char *html = page_of(json);
    assert_null(strstr(html, "Choice and repair"));
    free(html);
    json_decref(json);
}

/* Experts: their scores have a picture, those that are gone an empty cell that nothing is said of, and scores of what
 * the page does not know no heading. */
static void experts_are_shown(void **state) {
    (void)state;
    json_t *json = page_pruning(3, 0);
    json_t *strip = json_pack("{s:i,s:[f,f],s:[i,i],s:[i,i],s:f}", "layer", 0, "values", 0.5, 2.0, "kept", 0, 1,
                              "removed", 1, 0, "cut", 1.0);
    json_t *layer = json_pack("{s:i,s:[i,i],s:[n,i],s:f}", "layer", 0, "tokens_before", 30, 70, "tokens_after", 100,
                              "rerouted", 0.3);
    assert_true(strip && layer);
    json_object_set_new(json, "scores", json_pack("{s:[O]}", "experts", strip));
    json_object_set_new(json, "experts", json_pack("{s:[o]}", "layers", layer));
    json_object_set_new(json_object_get(json, "recipe"), "mode", json_string("expert"));
    char *html = page_of(json);
    expect(html, "Scores of experts");
    expect(html, "30 % of the choices of calibration tokens were of experts that are gone");
    assert_null(strstr(html, "cannot be drawn"));
    expect(html, "it is given to as many experts as before");
    assert_null(strstr(html, "less work"));
    free(html);
    json_object_set_new(json, "scores", json_pack("{s:[o]}", "something", strip));
    html = page_of(json);
    assert_null(strstr(html, "where the cut is"));
    free(html);
    json_decref(json);
}

static void the_other_kinds_are_told(void **state) {
    (void)state;
    static const char *const words[PAGE_KINDS][3] = {
        {"What each further FFN channel costs", "Where the memory went", "Loss while training"},
        {"50 % of the weights that were looked at", "Share of zeros in each matrix", "400,000"},
        {"for 3 steps on alpaca.json (1,234 examples), 25 % of every batch being of c4.jsonl; what learnt: lora, 10 % "
         "of the parameters",
         "0.9, 0.999", "11.25"},
        {"2 models were measured", "<td>KL divergence, wiki.txt</td><td>0.25</td>", "boolq, two: 30"},
        {"with 2 seeds each", "0.9 ± 0.05", "Ranks of units: taylor, bf16"},
        {"was pruned 3 times", "taylor, at 0.1: 11 ± 1.4142", "dense model: 9"},
        {"4 of 10 tensors changed", "dapter", "merged"},
    };
    for (int kind = 0; kind < PAGE_KINDS; kind++) {
        json_t *json = page_document(kind);
        char *html = page_of(json);
        assert_non_null(html);
        for (int i = 0; i < 3; i++)
            expect(html, words[kind][i]);
        free(html);
        json_decref(json);
    }
}

/* Nothing is fetched; every picture has its caption and its numbers. */
static void pages_stand_alone(void **state) {
    (void)state;
    for (int kind = 0; kind < PAGE_KINDS; kind++) {
        json_t *json = page_document(kind);
        char *html = page_of(json);
        size_t pictures = markup_count(html, "<figure>");
        assert_int_equal(markup_count(html, "http"), markup_count(html, "xmlns=\"http://www.w3.org/2000/svg\""));
        assert_null(strstr(html, "src="));
        assert_null(strstr(html, "<link"));
        assert_null(strstr(html, "@import"));
        assert_null(strstr(html, "href"));
        assert_int_equal(markup_count(html, "role=\"img\""), pictures);
        assert_int_equal(markup_count(html, "<figcaption>"), pictures);
        assert_int_equal(markup_count(html, "<figcaption></figcaption>"), 0);
        assert_int_equal(markup_count(html, "<summary>The numbers</summary>"), pictures);
        free(html);
        json_decref(json);
    }
}

/* A sweep over a model that reads pictures has accuracies in place of perplexities. */
static void a_sweep_of_pictures(void **state) {
    (void)state;
    json_t *json =
        page_parse("{\"sweep\":{\"over\":[\"ratio\"]},\"rows\":[{\"ratio\":0.1,\"accuracy before d/digits\":0.97,"
                   "\"accuracy after d/digits\":0.5},{\"ratio\":0.2,\"accuracy before d/digits\":0.97,\"accuracy "
                   "after d/digits\":0.25}]}");
    char *html = page_of(json);
    expect(html, "<h4>Share of right labels on digits, over ratio</h4>");
    expect(html, "<title>at 0.2: 0.25</title>");
    expect(html, "<title>dense model: 0.97</title>");
    assert_null(strstr(html, ">perplexity<"));
    free(html);
    json_decref(json);
}

static void any_number_of_layers(void **state) {
    (void)state;
    for (int sparse = 0; sparse < 2; sparse++)
        for (int layers = 1; layers <= 80; layers += 79) {
            json_t *json = page_pruning(layers, sparse);
            char *html = page_of(json), last[64];
            assert_non_null(html);
            snprintf(last, sizeof last, sparse ? "<title>%d, up_proj: " : "<title>%d, kept: 2</title>", layers - 1);
            if (!sparse || layers > 1) expect(html, last);
            assert_true(strlen(html) < 700000);
            free(html);
            json_decref(json);
        }
}

/* Every text of a document becomes another one. */
static void replace_texts(json_t *json, const char *text) {
    const char *name;
    json_t *value;
    void *next;
    size_t i;
    json_object_foreach_safe(json, next, name, value) {
        if (json_is_string(value)) json_object_set_new(json, name, json_string(text));
        replace_texts(value, text);
    }
    json_array_foreach(json, i, value) {
        if (json_is_string(value)) json_array_set_new(json, i, json_string(text));
        replace_texts(value, text);
    }
}

static void names_are_text(void **state) {
    (void)state;
    static const char *const texts[] = {hostile, "", "/", "a\nb\tc", "caf\xc3\xa9 \xe2\x80\xae", "%s%n%d"};
    for (int kind = 0; kind < PAGE_KINDS; kind++)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            json_t *json = page_document(kind);
            replace_texts(json, texts[i]);
            char *html = page_of(json);
            if (html && i == 0) expect(html, "script&#62;");
            if (html) assert_null(strstr(html, "<b>\""));
            free(html);
            json_decref(json);
        }
}

/* What stands in the place of a member that is not what it should be; NULL: it is missing. */
static json_t *odd_value(int which) {
    static const char *const odd[] = {"null",
                                      "true",
                                      "-1",
                                      "1e308",
                                      "\"x\"",
                                      "[]",
                                      "{}",
                                      "[[null,{}],\"x\",-3,1e-300]",
                                      "{\"before\":[1],\"after\":\"x\",\"mean\":{},\"values\":[1,2],\"kept\":[1]}"};
    enum { ODD = sizeof odd / sizeof *odd };
    return which < ODD ? json_loads(odd[which], JSON_DECODE_ANY, NULL) : NULL;
}

enum { ODD_VALUES = 10, MEMBERS = 64 };

static size_t each_odd(json_t *whole, json_t *part);

/* Renders the whole with one member odd in every way, then with each of its own members so. */
static size_t member_odd(json_t *whole, json_t *part, const char *name) {
    json_t *kept = json_incref(json_object_get(part, name));
    size_t pages = 0;
    for (int which = 0; which < ODD_VALUES; which++) {
        json_t *odd = odd_value(which);
        if (odd)
            json_object_set_new(part, name, odd);
        else
            json_object_del(part, name);
        char *html = render(whole);
        pages += html != NULL;
        free(html);
    }
    json_object_set(part, name, kept);
    pages += each_odd(whole, kept);
    json_decref(kept);
    return pages;
}

/* Names first: members that come back stand last. */
static size_t each_odd(json_t *whole, json_t *part) {
    char *names[MEMBERS];
    const char *name;
    json_t *value;
    size_t i, count = 0, pages = 0;
    json_object_foreach(part, name, value) {
        assert_true(count < MEMBERS);
        names[count++] = strdup(name);
    }
    for (i = 0; i < count; i++) {
        pages += member_odd(whole, part, names[i]);
        free(names[i]);
    }
    json_array_foreach(part, i, value) {
        if (i == 0) pages += each_odd(whole, value);
    }
    return pages;
}

static void odd_reports_are_shown_as_far_as_they_go(void **state) {
    (void)state;
    for (int kind = 0; kind < PAGE_KINDS; kind++) {
        json_t *json = kind < 2 ? page_pruning(2, kind) : page_document(kind);
        if (kind == 1) json_object_del(json, "recovery"); /* as in the one before */
        assert_true(each_odd(json, json) > 20);
        json_decref(json);
    }
}

static void what_is_no_report_is_refused(void **state) {
    (void)state;
    static const char *const others[] = {"{}", "{\"models\":[]}", "{\"method\":3}", "{\"layers\":[1,2]}",
                                         "{\"model_type\":\"llama\",\"num_hidden_layers\":3}"};
    char *html;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        json_t *json = page_parse(others[i]);
        pare_page_document document = {"x.json", json};
        assert_int_equal(pare_page_render(&document, 1, &html, NULL), PARE_FORMAT_ERROR);
        assert_null(html);
        assert_non_null(strstr(pare_message(), "x.json is JSON, but no report of pare's; give"));
        json_decref(json);
    }
}

static void several_are_compared(void **state) {
    (void)state;
    pare_page_document documents[PAGE_KINDS];
    pare_page_figures figures;
    char *html;
    for (int kind = 0; kind < PAGE_KINDS; kind++)
        documents[kind] = (pare_page_document){hostile, page_document(kind)};
    assert_int_equal(pare_page_render(documents, PAGE_KINDS, &html, &figures), PARE_OK);
    assert_true(markup_check(html) > 500);
    expect(html, "7 reports of pare");
    expect(html, "Perplexity against what is left");
    expect(html, "Right labels against what is left");
    assert_int_equal(markup_count(html, "<section>"), PAGE_KINDS);
    assert_int_equal(markup_count(html, "<figure>"), figures.count);
    for (size_t i = 0; i < figures.count; i++) {
        assert_true(markup_check(figures.list[i].svg) > 3);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(figures.list[i].name, figures.list[j].name);
    }
    pare_page_figures_free(&figures);
    free(html);
    for (int kind = 0; kind < PAGE_KINDS; kind++)
        json_decref((json_t *)documents[kind].json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pruning_is_told),
        cmocka_unit_test(no_section_is_empty),
        cmocka_unit_test(experts_are_shown),
        cmocka_unit_test(the_other_kinds_are_told),
        cmocka_unit_test(pages_stand_alone),
        cmocka_unit_test(a_sweep_of_pictures),
        cmocka_unit_test(any_number_of_layers),
        cmocka_unit_test(names_are_text),
        cmocka_unit_test(odd_reports_are_shown_as_far_as_they_go),
        cmocka_unit_test(what_is_no_report_is_refused),
        cmocka_unit_test(several_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
