/* A model that is named by a file, by a folder of the Hugging Face cache or by its name on the Hub: opened if it is
 * here, and never looked for outside the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/hub.h"
#include "checkpoint/place.h"
#include "tiny_model.h"

#include <unistd.h>

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

static char *base; /* a folder that is HOME, too */

static int begin(void **state) {
    static const char *const variables[] = {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE",
                                            "XDG_CACHE_HOME"};
    (void)state;
    base = tiny_folder();
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    return setenv("HOME", base, 1);
}

static int end(void **state) {
    (void)state;
    tiny_remove(base);
    free(base);
    return 0;
}

/* Makes base/path and all folders above it. */
static char *make_folder(const char *path) {
    char *whole = pare_path_join(base, path);
    for (char *slash = whole + strlen(base) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(whole, 0755);
        *slash = '/';
    }
    mkdir(whole, 0755);
    return whole;
}

static void write_in(const char *folder, const char *name, const char *text) {
    char *where = make_folder(folder);
    tiny_write_text(where, name, text);
    free(where);
}

/* A repository in the cache `cache` with one snapshot for each name; reference: what refs/main says, or NULL. */
static void make_repository(const char *cache, const char *name, const char *const *snapshots, const char *reference) {
    for (; *snapshots; snapshots++) {
        char *folder = pare_format("%s/%s/snapshots/%s", cache, name, *snapshots);
        write_in(folder, "config.json", "{}");
        free(folder);
    }
    char *refs = pare_format("%s/%s/refs", cache, name);
    if (reference) write_in(refs, "main", reference);
    free(refs);
}

/* `path` leads to base/folder and `weights`. */
static void expect_place(const char *path, const char *folder, const char *weights) {
    pare_place place;
    if (pare_place_find(path, &place) != PARE_OK) fail_msg("%s: %s", path, pare_message());
    char *whole = pare_path_join(base, folder);
    assert_string_equal(place.folder, whole);
    assert_true(weights ? place.weights && strcmp(weights, place.weights) == 0 : !place.weights);
    pare_place_free(&place);
    free(whole);
}

static void expect_refusal(const char *path, const char *word) {
    pare_place place;
    if (pare_place_find(path, &place) == PARE_OK || !strstr(pare_message(), word) || !strstr(pare_message(), path))
        fail_msg("%s where \"%s\" is expected: %s", path, word, pare_message());
    assert_null(place.folder);
}

static char *below(const char *path) {
    return pare_path_join(base, path);
}

static void files_mean_their_folder(void **state) {
    (void)state;
    static const struct {
        const char *name, *weights;
    } files[] = {{"config.json", NULL},
                 {"model.safetensors", NULL},
                 {"model.safetensors.index.json", NULL},
                 {"model-00001-of-00002.safetensors", NULL},
                 {"model.pare-sparse", NULL},
                 {"pytorch_model.bin.index.json", NULL},
                 {"pytorch_model.bin", "pytorch_model.bin"},
                 {"pytorch_model-00001-of-00002.bin", "pytorch_model-00001-of-00002.bin"},
                 {"weights.pth", "weights.pth"},
                 {"other.safetensors", "other.safetensors"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        write_in("model", files[i].name, "");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = pare_format("%s/model/%s", base, files[i].name);
        expect_place(path, "model", files[i].weights);
        free(path);
    }
    char *folder = below("model");
    expect_place(folder, "model", NULL);
    free(folder);
    write_in("bare", "model.safetensors", "");
    char *bare = below("bare/model.safetensors");
    expect_refusal(bare, "no config.json beside it");
    free(bare);
    write_in("lone", "config.json", "{}");
    write_in("lone", "model-00001-of-00002.safetensors", "");
    char *shard = below("lone/model-00001-of-00002.safetensors");
    expect_place(shard, "lone", "model-00001-of-00002.safetensors");
    free(shard);
}

/* Shards of an index mean all of them, unless safetensors are there; files of Meta's format need no config.json. */
static void files_of_torch_mean_their_model(void **state) {
    (void)state;
    write_in("torch", "config.json", "{}");
    write_in("torch", "pytorch_model.bin.index.json", "{}");
    write_in("torch", "pytorch_model-00001-of-00002.bin", "");
    char *shard = below("torch/pytorch_model-00001-of-00002.bin");
    expect_place(shard, "torch", NULL);
    write_in("torch", "model.safetensors.index.json", "{}");
    expect_place(shard, "torch", "pytorch_model-00001-of-00002.bin");
    free(shard);
    write_in("meta", "consolidated.00.pth", "");
    write_in("meta", "consolidated.01.pth", "");
    write_in("meta", "params.json", "{}");
    char *params = below("meta/params.json"), *second = below("meta/consolidated.01.pth");
    expect_place(params, "meta", NULL);
    expect_place(second, "meta", "consolidated.01.pth");
    free(params);
    free(second);
}

/* By its name or its first bytes: the file is the place. */
static void gguf_files_are_places(void **state) {
    (void)state;
    static const char *const files[][2] = {{"m-Q4_K_M.gguf", ""}, {"sha256-00ff", "GGUF\3"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pare_place place;
        write_in("gguf", files[i][0], files[i][1]);
        char *path = pare_format("%s/gguf/%s", base, files[i][0]);
        if (pare_place_find(path, &place) != PARE_OK) fail_msg("%s", pare_message());
        assert_true(place.gguf);
        assert_string_equal(place.folder, path);
        assert_null(place.weights);
        pare_place_free(&place);
        free(path);
    }
}

static void other_files_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *word;
    } files[] = {{"pytorch_model.bin", "", "no config.json beside it"},
                 {"consolidated.00.pth", "", "no config.json beside it"},
                 {"model.ckpt", "", "no config.json beside it"},
                 {"adapter_model.bin", "", "--adapter"},
                 {"tf_model.h5", "", "TensorFlow"},
                 {"flax_model.msgpack", "", "Flax"},
                 {"model.onnx", "", "ONNX"},
                 {"model.tar.gz", "", "unpack"},
                 {"tokenizer.json", "", "give the folder of a model"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_in("files", files[i].name, files[i].text);
        char *path = pare_format("%s/files/%s", base, files[i].name);
        expect_refusal(path, files[i].word);
        free(path);
    }
    write_in("adapter", "adapter_config.json", "{}");
    write_in("adapter", "adapter_model.safetensors", "");
    char *adapter = below("adapter/adapter_model.safetensors");
    expect_refusal(adapter, "--adapter");
    free(adapter);
}

static void repositories_are_opened_at_their_snapshot(void **state) {
    (void)state;
    char with_end[64];
    snprintf(with_end, sizeof with_end, "%s\n", commit);
    make_repository("c", "models--o--both", (const char *const[]){commit, "other", NULL}, with_end);
    make_repository("c", "models--o--one", (const char *const[]){"other", NULL}, NULL);
    make_repository("c", "models--o--two", (const char *const[]){"a", "b", NULL}, NULL);
    make_repository("c", "models--o--gone", (const char *const[]){"a", NULL}, commit);
    make_repository("c", "models--o--out", (const char *const[]){"a", "b", NULL}, "../../../c");
    char *cache = below("c/models--o--both"), *one = below("c/models--o--one/"), *two = below("c/models--o--two");
    char *gone = below("c/models--o--gone"), *out = below("c/models--o--out");
    expect_place(cache, "c/models--o--both/snapshots/0123456789abcdef0123456789abcdef01234567", NULL);
    expect_place(one, "c/models--o--one/snapshots/other", NULL);
    expect_refusal(two, "2 snapshots");
    expect_refusal(gone, commit);
    expect_refusal(out, "2 snapshots");
    char *paths[] = {cache, one, two, gone, out};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        free(paths[i]);
}

/* Sets a variable to a folder below base while the name is looked up. */
static void expect_in_cache(const char *variable, const char *value, const char *cache, const char *repository) {
    char *folder = below(value), *found = pare_format("%s/%s/snapshots/s", cache, repository);
    setenv(variable, folder, 1);
    make_repository(cache, repository, (const char *const[]){"s", NULL}, "s");
    const char *name = strcmp(repository, "models--gpt2") == 0 ? "gpt2" : "org/my.model-1_b";
    expect_place(name, found, NULL);
    char *gone = pare_path_join(base, cache);
    tiny_remove(gone);
    unsetenv(variable);
    free(gone);
    free(folder);
    free(found);
}

static void names_are_looked_up_in_the_cache(void **state) {
    (void)state;
    expect_in_cache("HF_HUB_CACHE", "c1", "c1", "models--org--my.model-1_b");
    expect_in_cache("HUGGINGFACE_HUB_CACHE", "c2", "c2", "models--org--my.model-1_b");
    expect_in_cache("HF_HOME", "c3", "c3/hub", "models--org--my.model-1_b");
    expect_in_cache("XDG_CACHE_HOME", "c4", "c4/huggingface/hub", "models--org--my.model-1_b");
    expect_in_cache("TRANSFORMERS_CACHE", "c5", "c5", "models--org--my.model-1_b");
    expect_in_cache("HF_HUB_CACHE", "c6", "c6", "models--gpt2");
    make_repository(".cache/huggingface/hub", "models--org--home", (const char *const[]){"s", NULL}, "s");
    expect_place("org/home", ".cache/huggingface/hub/models--org--home/snapshots/s", NULL);
    expect_place("https://huggingface.co/org/home", ".cache/huggingface/hub/models--org--home/snapshots/s", NULL);
    /* The first variable decides, as in huggingface_hub; an empty one does not count. */
    setenv("HF_HUB_CACHE", "/nowhere", 1);
    expect_refusal("org/home", "/nowhere");
    setenv("HF_HUB_CACHE", "", 1);
    setenv("HF_HOME", "~/.cache/huggingface", 1);
    expect_place("org/home", ".cache/huggingface/hub/models--org--home/snapshots/s", NULL);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HOME");
}

static void what_is_not_there_is_said(void **state) {
    (void)state;
    expect_refusal("org/absent", "pare does not download: fetch it with 'hf download org/absent'");
    static const char *const others[] = {"./absent",    "org/../home",  "org/a..b", "a/b/c",
                                         "../org/home", "nothing-here", "-x/y",     "org/"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_refusal(others[i], "give the folder of a model");
}

static void expect_id(const char *name, const char *expected) {
    char *path = below(name), *id = pare_hub_id(path);
    if (expected)
        assert_string_equal(id, expected);
    else
        assert_null(id);
    free(path);
    free(id);
}

/* Of a snapshot, and of its files, which are links. */
static void snapshots_have_a_name(void **state) {
    (void)state;
    make_repository("d", "models--o--m", (const char *const[]){"s", NULL}, "s");
    make_repository("d", "models--gpt2", (const char *const[]){"s", NULL}, "s");
    write_in("d/models--o--m/blobs", "0a1b", "GGUF");
    write_in("d/models--o", "0a1b", "GGUF");
    char *link = below("d/models--o--m/snapshots/s/m.gguf");
    assert_int_equal(symlink("../../blobs/0a1b", link), 0);
    free(link);
    expect_id("d/models--o--m/snapshots/s", "o/m");
    expect_id("d/models--o--m/snapshots/s/m.gguf", "o/m");
    expect_id("d/models--gpt2/snapshots/s", "gpt2");
    expect_id("d/models--o--m", NULL);
    expect_id("d/models--o/0a1b", NULL);
    expect_id("d/absent", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_mean_their_folder),
        cmocka_unit_test(files_of_torch_mean_their_model),
        cmocka_unit_test(gguf_files_are_places),
        cmocka_unit_test(other_files_are_explained),
        cmocka_unit_test(repositories_are_opened_at_their_snapshot),
        cmocka_unit_test(names_are_looked_up_in_the_cache),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(snapshots_have_a_name),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
