/* Models that are damaged: one sentence, exit code 1, nothing written. */
#include "cli/workplace.h"

/* Fails on the model with each command that reads it; part: what the sentence must hold, or NULL. */
static void expect_refused(const workplace *place, const char *part) {
    EXPECT_NOTHING_LEFT(place, 1, part, "inspect", place->model);
    EXPECT_NOTHING_LEFT(place, 1, part, "prune", place->model, "-o", place->output, "--ratio", "0.25", "--method",
                        "magnitude-l1", "--quiet");
}

static void truncated_weights(void **state) {
    const workplace *place = *state;
    static const off_t lengths[] = {2630759, 1300000, 6000, 100, 8, 4, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(truncate(place->weights, lengths[i]), 0);
        expect_refused(place, "model.safetensors");
    }
}

/* Finds `text` in the file's header, which is ASCII. */
static unsigned char *find_in_header(unsigned char *data, size_t bytes, const char *text) {
    unsigned char *found = memmem(data, bytes, text, strlen(text));
    assert_non_null(found);
    return found;
}

static void missing_tensor(void **state) {
    const workplace *place = *state;
    static const char name[] = "model.layers.3.mlp.up_proj.weight";
    size_t bytes;
    unsigned char *data = workplace_read(place->weights, &bytes);
    find_in_header(data, bytes, name)[sizeof name - 2] = 's';
    tiny_write_file(place->model, "model.safetensors", data, bytes);
    free(data);
    expect_refused(place, "model.layers.3.mlp.up_proj.weigh");
}

static void wrong_shape(void **state) {
    const workplace *place = *state;
    size_t bytes;
    unsigned char *data = workplace_read(place->weights, &bytes);
    unsigned char *entry = find_in_header(data, bytes, "model.layers.3.mlp.up_proj.weight");
    unsigned char *shape = find_in_header(entry, 400, "[384,128]");
    memcpy(shape, "[128,384]", 9);
    tiny_write_file(place->model, "model.safetensors", data, bytes);
    free(data);
    expect_refused(place, "model.layers.3.mlp.up_proj.weight");
}

/* Puts two bytes at the beginning of a tensor. */
static void write_weight(const workplace *place, const char *tensor, uint16_t bits) {
    size_t bytes;
    uint64_t header;
    unsigned char *data = workplace_read(place->weights, &bytes);
    memcpy(&header, data, sizeof header);
    json_t *entries = json_loadb((const char *)data + 8, header, 0, NULL);
    json_t *offsets = json_object_get(json_object_get(entries, tensor), "data_offsets");
    assert_non_null(offsets);
    memcpy(data + 8 + header + json_integer_value(json_array_get(offsets, 0)), &bits, sizeof bits);
    tiny_write_file(place->model, "model.safetensors", data, bytes);
    json_decref(entries);
    free(data);
}

/* Weights are read only when they are used, so that the model opens; every method must notice. */
static void weights_that_are_no_numbers(void **state) {
    const workplace *place = *state;
    static const uint16_t values[] = {0x7fc0, 0x7f80, 0xff80};
    static const char *const tensors[] = {"model.layers.2.mlp.down_proj.weight",
                                          "model.layers.5.self_attn.q_proj.weight"};
    static const char *const methods[] = {"moreau-gs", "taylor", "magnitude-l1", "magnitude-l2"};
    workplace_write_text(place);
    for (size_t i = 0; i < 3; i++) {
        workplace_copy_file(place->model, "model.safetensors");
        write_weight(place, tensors[i % 2], values[i]);
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
            EXPECT_NOTHING_LEFT(place, 1, NULL, "prune", place->model, "-o", place->output, "--ratio", "0.25",
                                "--method", methods[m], "--calib", place->text, QUICKLY);
        EXPECT_NOTHING_LEFT(place, 1, NULL, "eval", place->model, "--text", place->text, "--window", "32", "--quiet");
    }
}

static void damaged_config(void **state) {
    const workplace *place = *state;
    static const char *const texts[] = {"", "{", "[]", "\x01\x02\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tiny_write_text(place->model, "config.json", texts[i]);
        expect_refused(place, "config.json");
    }
}

static void missing_files(void **state) {
    const workplace *place = *state;
    char *config = pare_path_join(place->model, "config.json"), *nowhere = pare_path_join(place->folder, "nowhere");
    assert_int_equal(unlink(config), 0);
    EXPECT_NOTHING_LEFT(place, 1, "config.json", "prune", place->model, "-o", place->output, "--ratio", "0.25");
    EXPECT_NOTHING_LEFT(place, 1, "config.json beside", "generate", place->weights, "--prompt", "a");
    EXPECT_NOTHING_LEFT(place, 1, "nowhere", "inspect", nowhere);
    assert_int_equal(unlink(place->weights), 0);
    EXPECT_NOTHING_LEFT(place, 1, "is no checkpoint", "inspect", place->model);
    free(config);
    free(nowhere);
}

static void damaged_tokenizer(void **state) {
    const workplace *place = *state;
    char *sentencepiece = pare_path_join(place->model, "tokenizer.model");
    assert_int_equal(unlink(sentencepiece), 0);
    workplace_write_text(place);
    tiny_write_text(place->model, "tokenizer.json", "{\"model\": {\"type\": \"BPE\", \"vocab\": 3}}");
    EXPECT_NOTHING_LEFT(place, 1, "tokenizer.json", "prune", place->model, "-o", place->output, "--ratio", "0.25",
                        "--calib", place->text, QUICKLY);
    EXPECT_NOTHING_LEFT(place, 1, "tokenizer.json", "generate", place->model, "--prompt", "a");
    free(sentencepiece);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(truncated_weights),           IN_A_WORKPLACE(missing_tensor), IN_A_WORKPLACE(wrong_shape),
        IN_A_WORKPLACE(weights_that_are_no_numbers), IN_A_WORKPLACE(damaged_config), IN_A_WORKPLACE(missing_files),
        IN_A_WORKPLACE(damaged_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
