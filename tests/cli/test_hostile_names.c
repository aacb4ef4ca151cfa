/* Markup in names, in what files say, and in tokens, as it comes from strangers: it is text in every page, picture and
 * card that pare writes, and nothing that a browser runs or fetches. */
#include "cli/workplace.h"
#include "report/markup.h"

#include <ftw.h>

/* Names of files cannot have a slash; what files say can. */
#define SCRIPT "<script>alert(1)<img src=x onerror=alert(1)>\"'&]](javascript:alert(1)) `x` ![i](data:x)"
#define JSON_SCRIPT "</title></script><script>alert(1)</script>\\\"'&]](javascript:alert(1))<svg onload=alert(1)>"

/* What no page has, however it is written: elements and attributes of these names, and addresses that run. */
static void expect_harmless(const char *path, const char *text, bool card) {
    static const char *const bad[] = {"<script",     "<img",         "<svg onload",        "<iframe",
                                      " onerror=\"", " onload=\"",   "href=\"javascript:", "src=\"",
                                      "href=\"http", "](javascript:"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (*bad[i] == ']' && !card) continue; /* a link of Markdown */
        for (const char *at = text; (at = strcasestr(at, bad[i])); at++) {
            bool escaped = at > text && at[-1] == '\\';
            if (!escaped) fail_msg("%s has %s: %.200s", path, bad[i], at > text + 60 ? at - 60 : text);
        }
    }
}

/* A card without its front matter, which is no markup, and without what stands in fences, which is code. */
static void leave_markup(char *card) {
    char *end = strncmp(card, "---\n", 4) == 0 ? strstr(card + 4, "\n---\n") : NULL;
    if (end) memset(card, ' ', (size_t)(end - card));
    for (char *fence = card; (fence = strstr(fence, "\n```"));) {
        char *close = strstr(fence + 4, "\n```\n");
        if (!close) fail_msg("a fence has no end: %s", fence);
        memset(fence, ' ', (size_t)(close - fence) + 4);
    }
}

static size_t pages;

static int look(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)walk;
    const char *ending = strrchr(path, '.');
    bool page = ending && (strcmp(ending, ".html") == 0 || strcmp(ending, ".svg") == 0);
    bool card = strcmp(path + walk->base, "README.md") == 0 && !strstr(path, "/m<");
    if (kind != FTW_F || (!page && !card)) return 0;
    size_t bytes;
    char *text = (char *)workplace_read(path, &bytes);
    if (card) leave_markup(text);
    expect_harmless(path, text, card);
    if (page && markup_check(text) < 2) fail_msg("%s is no page", path);
    free(text);
    pages++;
    return 0;
}

static void look_through(const char *folder, size_t expected) {
    pages = 0;
    assert_int_equal(nftw(folder, look, 16, FTW_PHYS), 0);
    if (pages < expected) fail_msg("%zu pages where %zu are expected", pages, expected);
}

typedef struct hostile {
    char *folder, *model, *output, *text, *recipe, *figures;
} hostile;

static hostile hostile_open(const workplace *place) {
    hostile h = {.folder = pare_path_join(place->folder, "w" SCRIPT)};
    assert_int_equal(mkdir(h.folder, 0755), 0);
    h.model = pare_path_join(h.folder, "m" SCRIPT);
    h.output = pare_path_join(h.folder, "o" SCRIPT);
    h.text = pare_path_join(h.folder, "t" SCRIPT ".txt");
    h.recipe = pare_path_join(h.folder, "r" SCRIPT ".json");
    h.figures = pare_path_join(h.folder, "f" SCRIPT);
    assert_int_equal(rename(place->model, h.model), 0);
    workplace_write_text(place);
    assert_int_equal(rename(place->text, h.text), 0);
    tiny_write_text(h.folder, "r" SCRIPT ".json", "{\"base\": \"moreau-gs\", \"steps\": 2}");
    tiny_write_text(h.model, "README.md",
                    "---\nlicense: \"" JSON_SCRIPT
                    "\"\nbase_model: '<script>alert(1)</script>'\nlanguage: [\"" JSON_SCRIPT
                    "\"]\n---\n# Said before\n");
    return h;
}

static void hostile_free(hostile *h) {
    free(h->folder);
    free(h->model);
    free(h->output);
    free(h->text);
    free(h->recipe);
    free(h->figures);
}

/* A member more, or another one, of a JSON file of the model. */
static void set_member(const char *folder, const char *file, const char *name, json_t *value) {
    char *path = pare_path_join(folder, file);
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (!json) fail_msg("%s: %s", path, error.text);
    json_object_set_new(json, name, value);
    assert_int_equal(json_dump_file(json, path, 0), 0);
    json_decref(json);
    free(path);
}

static void prunings(void **state) {
    hostile h = hostile_open(*state);
    char *json = pare_path_join(h.folder, "p" SCRIPT ".json");
    set_member(h.model, "config.json", "_name_or_path", json_string("</script><script>alert(1)</script>"));
    set_member(h.model, "config.json", "transformers_version", json_string("<script>alert(1)</script>"));
    tiny_write_text(h.model, "tokenizer_config.json",
                    "{\"tokenizer_class\": \"<script>alert(1)</script>\", \"name_or_path\": \"" JSON_SCRIPT "\","
                    "\"chat_template\": \"<script>alert(1)</script>{{ messages }}\"}");
    program_result run = EXPECT_SUCCESS("prune", h.model, "-o", h.output, "--recipe", h.recipe, "--ratio", "0.5",
                                        "--calib", h.text, "--text", h.text, "--window", "32", "--max-windows", "2",
                                        "--figures", h.figures, "--samples", "2", "--length", "32", "--json");
    tiny_write_text(h.folder, "p" SCRIPT ".json", run.out);
    look_through(h.folder, 5);
    program_result_free(&run);
    char *page = pare_path_join(h.folder, "again.html");
    run = EXPECT_SUCCESS("report", json, "-o", page);
    look_through(h.folder, 6);
    program_result_free(&run);
    free(json);
    free(page);
    hostile_free(&h);
}

static void sweeps_evaluations_and_maps(void **state) {
    hostile h = hostile_open(*state);
    char *csv = pare_path_join(h.folder, "s" SCRIPT ".csv"), *json = pare_path_join(h.folder, "s" SCRIPT ".json");
    char *plot = pare_path_join(h.folder, "plot.svg"), *map = pare_path_join(h.folder, "map.svg"),
         *page = pare_path_join(h.folder, "eval.html");
    program_result run = EXPECT_SUCCESS("sweep", h.model, "--method", "random", "--over", "ratio=0.25,0.5", "--text",
                                        h.text, "--max-windows", "2", "--window", "32", "--csv", csv, "--json-file",
                                        json, "--plot", plot, QUICKLY);
    program_result_free(&run);
    run = EXPECT_SUCCESS("eval", h.model, "--text", h.text, "--window", "32", "--max-windows", "2", "--report", page);
    program_result_free(&run);
    run = EXPECT_SUCCESS("inspect", h.model, "--map", "layers.0.mlp.down_proj", "-o", map);
    program_result_free(&run);
    look_through(h.folder, 4);
    free(csv);
    free(json);
    free(plot);
    free(map);
    free(page);
    hostile_free(&h);
}

static void replace_texts(json_t *json, size_t *changed) {
    const char *name;
    json_t *value;
    void *next;
    size_t i;
    json_object_foreach_safe(json, next, name, value) {
        if (json_is_string(value)) json_object_set_new(json, name, json_string("</b><script>alert(1)</script>\"'"));
        *changed += json_is_string(value);
        replace_texts(value, changed);
    }
    json_array_foreach(json, i, value) {
        if (json_is_string(value)) json_array_set_new(json, i, json_string("</b><script>alert(1)</script>\"'"));
        replace_texts(value, changed);
    }
}

/* Every name of a member becomes markup, too: a sweep's columns are names of texts. */
static json_t *replace_names(const json_t *json) {
    if (json_is_array(json)) {
        json_t *list = json_array(), *value;
        size_t i;
        json_array_foreach(json, i, value) json_array_append_new(list, replace_names(value));
        return list;
    }
    if (!json_is_object(json)) return json_incref((json_t *)(uintptr_t)json);
    json_t *object = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)json, name, value) {
        bool text = strchr(name, ' ') || strchr(name, '/') || strchr(name, '.');
        char *other = text ? pare_format("perplexity after <script>%s</script>\"onload=\"x", name) : strdup(name);
        json_object_set_new(object, other, replace_names(value));
        free(other);
    }
    return object;
}

/* The document of a run, with all that it says exchanged, as a stranger may hand it on. */
static void documents(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    char *page = pare_path_join(place->folder, "page.html"), *file = pare_path_join(place->folder, "document.json"),
         *figures = pare_path_join(place->folder, "figures");
    static const char *const commands[][4] = {{"prune", "--dry-run", "--method", "taylor"},
                                              {"sweep", "--method", "random", "--quiet"}};
    for (size_t i = 0; i < 2; i++) {
        program_result run =
            EXPECT_SUCCESS(commands[i][0], place->model, commands[i][1], commands[i][2], commands[i][3],
                           i ? "--over" : "--ratio", i ? "ratio=0.25,0.5" : "0.5", "--text", place->text, "--window",
                           "32", "--max-windows", "2", "--samples", "2", "--length", "32", "--json");
        json_t *json = json_loads(run.out, 0, NULL), *named;
        size_t changed = 0;
        named = replace_names(json);
        for (int both = 0; both < 2; both++) {
            if (both) replace_texts(named, &changed);
            assert_int_equal(json_dump_file(named, file, 0), 0);
            program_result shown =
                program_run((const char *const[]){"report", file, "-o", page, "--figures", figures, NULL});
            assert_true(shown.code == 0 || shown.code == 1);
            if (!both) assert_int_equal(shown.code, 0);
            program_result_free(&shown);
            look_through(place->folder, 1);
        }
        if (changed < 3) fail_msg("%zu texts in %s", changed, run.out);
        json_decref(json);
        json_decref(named);
        program_result_free(&run);
    }
    free(page);
    free(file);
    free(figures);
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(prunings), IN_A_WORKPLACE(sweeps_evaluations_and_maps),
                                       IN_A_WORKPLACE(documents)};
    return cmocka_run_group_tests_name("hostile names", tests, NULL, NULL);
}
