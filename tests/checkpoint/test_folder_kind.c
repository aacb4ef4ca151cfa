/* A folder without weights that pare reads is told by name what it is: each kind that people have, and what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_model.h"

enum { FILES = 4 };

typedef struct kind {
    const char *files[FILES];
    pare_status status;
    const char *word;
} kind;

static const kind kinds[] = {
    {{NULL}, PARE_FILE_ERROR, "the folder is empty"},
    {{"readme.txt"}, PARE_FILE_ERROR, "is no checkpoint: it has neither"},
    {{"config.json", "tokenizer.json"}, PARE_UNSUPPORTED, "has a config.json but no weights"},
    {{"model-q8.gguf"}, PARE_UNSUPPORTED, "holds model-q8.gguf, a GGUF file"},
    {{"MODEL.GGUF", "config.json"}, PARE_UNSUPPORTED, "a GGUF file"},
    {{"consolidated.00.pth", "tokenizer.model"}, PARE_UNSUPPORTED, "Meta's own format, but not both params.json"},
    {{"consolidated.01.pth", "params.json"}, PARE_UNSUPPORTED, "and consolidated.00.pth"},
    {{"consolidated.safetensors"}, PARE_UNSUPPORTED, "Mistral's own format"},
    {{"consolidated-00001-of-00002.safetensors", "params.json"}, PARE_UNSUPPORTED, "Mistral's own format"},
    {{"adapter_config.json", "adapter_model.safetensors"}, PARE_UNSUPPORTED, "is a PEFT adapter of its base model"},
    {{"adapter_config.json", "adapter_model.bin"}, PARE_UNSUPPORTED, "pare merge BASE --adapter"},
    {{"model-00001-of-00001.safetensors", "config.json"}, PARE_UNSUPPORTED, "model.safetensors.index.json"},
    {{"model-00002-of-00003.safetensors"}, PARE_UNSUPPORTED, "holds shards (model-00002-of-00003.safetensors)"},
    {{"weights.safetensors", "config.json"}, PARE_UNSUPPORTED, "weights.safetensors: give that file itself"},
    {{"model.safetensors.incomplete", "config.json"}, PARE_UNSUPPORTED, "is not finished"},
    {{"model.safetensors.part"}, PARE_UNSUPPORTED, "is not finished"},
    {{"pytorch_model-00001-of-00002.bin", "config.json"}, PARE_UNSUPPORTED, "pytorch_model.bin.index.json"},
    {{"model.pt"}, PARE_UNSUPPORTED, "model.pt: give that file itself"},
    {{"last.ckpt"}, PARE_UNSUPPORTED, "last.ckpt: give that file itself"},
    {{"tf_model.h5", "config.json"}, PARE_UNSUPPORTED, "TensorFlow"},
    {{"flax_model.msgpack", "config.json"}, PARE_UNSUPPORTED, "Flax"},
    {{"model.onnx", "config.json"}, PARE_UNSUPPORTED, "ONNX"},
    {{"model_index.json"}, PARE_UNSUPPORTED, "diffusers"},
};

static void expect_refusal(const char *folder, pare_status expected, const char *word) {
    pare_checkpoint *checkpoint;
    pare_status status = pare_checkpoint_open(folder, &checkpoint);
    if (status != expected || !strstr(pare_message(), word) || !strstr(pare_message(), folder))
        fail_msg("status %d where %d and \"%s\" are expected: %s", status, expected, word, pare_message());
    assert_null(checkpoint);
}

static void every_kind_has_its_sentence(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *folder = tiny_folder();
        for (int f = 0; f < FILES && kinds[i].files[f]; f++)
            tiny_write_text(folder, kinds[i].files[f], "{}");
        expect_refusal(folder, kinds[i].status, kinds[i].word);
        tiny_remove(folder);
        free(folder);
    }
}

static void an_adapter_names_its_base(void **state) {
    (void)state;
    char *folder = tiny_folder();
    tiny_write_text(folder, "adapter_config.json", "{\"base_model_name_or_path\": \"org/base-7b\"}");
    expect_refusal(folder, PARE_UNSUPPORTED, "adapter of org/base-7b");
    tiny_write_text(folder, "adapter_config.json", "[");
    expect_refusal(folder, PARE_UNSUPPORTED, "adapter of its base model");
    tiny_remove(folder);
    free(folder);
}

static void a_model_one_folder_below_is_named(void **state) {
    (void)state;
    char *folder = tiny_folder(), *inner = pare_path_join(folder, "checkpoint-500");
    assert_int_equal(mkdir(inner, 0755), 0);
    tiny_write_text(inner, "config.json", "{}");
    expect_refusal(folder, PARE_FILE_ERROR, "checkpoint-500");
    tiny_remove(folder);
    free(folder);
    free(inner);
}

/* Weights that are there hold, whatever lies beside them. */
static void other_files_beside_weights_do_not_matter(void **state) {
    (void)state;
    static const char *const names[] = {"model-q8.gguf", "pytorch_model.bin", "consolidated.safetensors",
                                        "adapter_config.json", "model-00001-of-00009.safetensors"};
    char *folder = tiny_model_write((tiny_model){0});
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        tiny_write_text(folder, names[i], "x");
    pare_checkpoint *checkpoint;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    assert_int_equal(pare_checkpoint_file_count(checkpoint), 1);
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_sentence),
        cmocka_unit_test(an_adapter_names_its_base),
        cmocka_unit_test(a_model_one_folder_below_is_named),
        cmocka_unit_test(other_files_beside_weights_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
