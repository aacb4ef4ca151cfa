/* Files of weights. */
#include "checkpoint/archive.h"
#include "checkpoint/gguf.h"
#include "checkpoint/header_read.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/torch_file.h"
#include "fuzz/target.h"
#include "gguf_of_llama.h"

enum { ARCHIVE_MEMORY = 1 << 20 };

/* The smallest that has every part. */
static const tiny_model tiny = {.layers = 1, .hidden = 8, .heads = 2, .ffn = 6, .vocabulary = 9};

/* Sizes are those of the shapes, and every byte that a tensor says it has can be read. */
static void check_tensors(const pare_safetensors *file) {
    for (size_t i = 0; i < file->count; i++) {
        const pare_tensor *tensor = &file->tensors[i];
        uint64_t count = 1;
        fuzz_check(pare_name_is_plain(tensor->name), "a tensor's name is plain");
        for (int axis = 0; axis < tensor->rank; axis++)
            count *= (uint64_t)tensor->shape[axis];
        fuzz_check(count == tensor->count, "a tensor has as many elements as its shape");
        const volatile unsigned char *data = tensor->data;
        uint64_t bytes = count * pare_dtype_size(tensor->dtype);
        if (bytes) (void)(data[0] + data[bytes - 1]);
    }
}

static pare_status read_safetensors(const char *folder, const char *path) {
    (void)folder;
    pare_safetensors file;
    PARE_TRY(pare_safetensors_open(path, &file));
    check_tensors(&file);
    pare_safetensors_close(&file);
    return PARE_OK;
}

static void seed_safetensors(const char *folder) {
    for (int dtype = 0; dtype < 3; dtype++) {
        tiny_model of = tiny;
        of.dtype = (pare_dtype)dtype;
        char *made = tiny_model_write(of);
        fuzz_copy(made, "model.safetensors", folder, pare_dtype_name(of.dtype));
        tiny_remove(made);
        free(made);
    }
}

static pare_status read_index(const char *folder, const char *path) {
    (void)folder;
    pare_shard_index index;
    PARE_TRY(pare_shard_index_read(path, &index));
    const char *shard = pare_shard_of(&index, "model.norm.weight");
    fuzz_check(!shard || !strchr(shard, '/'), "a shard lies in the model's folder");
    pare_shard_index_free(&index);
    return PARE_OK;
}

static void seed_index(const char *folder) {
    tiny_model of = tiny;
    of.shards = 2;
    char *made = tiny_model_write(of);
    fuzz_copy(made, "model.safetensors.index.json", folder, "index");
    tiny_remove(made);
    free(made);
}

static pare_status read_gguf(const char *folder, const char *path) {
    (void)folder;
    pare_gguf file;
    PARE_TRY(pare_gguf_open(path, &file));
    for (size_t i = 0; i < file.tensor_count; i++) {
        const pare_gguf_tensor *tensor = &file.tensors[i];
        const volatile unsigned char *data = tensor->data;
        fuzz_check(tensor->data >= (const unsigned char *)file.mapping.data &&
                       tensor->bytes <=
                           file.mapping.bytes - (uint64_t)(tensor->data - (const unsigned char *)file.mapping.data),
                   "a tensor lies in the file");
        if (tensor->bytes) (void)(data[0] + data[tensor->bytes - 1]);
    }
    for (size_t i = 0; i < file.entry_count; i++)
        if (pare_gguf_is_number(&file.entries[i]) && !file.entries[i].array) pare_gguf_real_at(&file.entries[i], 0);
    pare_gguf_close(&file);
    return PARE_OK;
}

static void seed_gguf(const char *folder) {
    char *made = tiny_model_write(tiny);
    pare_model *model;
    tiny_check(pare_model_open(made, &model) == PARE_OK, pare_message());
    gguf_of_llama(model, folder, "whole", (gguf_form){.packed = true});
    gguf_of_llama(model, folder, "layered", (gguf_form){.layered = true});
    pare_model_close(model);
    tiny_remove(made);
    free(made);
}

static pare_status read_torch(const char *folder, const char *path) {
    (void)folder;
    pare_safetensors file;
    PARE_TRY(pare_torch_file_open(path, &file));
    check_tensors(&file);
    pare_safetensors_close(&file);
    return PARE_OK;
}

static void seed_torch(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/kinds", "zip.pt", folder, "zip");
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/kinds", "legacy.pt", folder, "legacy");
}

static pare_status read_archive(const char *folder, const char *path) {
    (void)folder;
    pare_safetensors file;
    PARE_TRY(pare_archive_open(path, ARCHIVE_MEMORY, &file));
    check_tensors(&file);
    pare_safetensors_close(&file);
    return PARE_OK;
}

static void seed_archive(const char *folder) {
    char *made = tiny_model_write(tiny);
    pare_model *model;
    tiny_check(pare_model_open(made, &model) == PARE_OK, pare_message());
    tiny_check(pare_archive_write(model->checkpoint, folder, NULL, NULL) == PARE_OK, pare_message());
    pare_model_close(model);
    tiny_remove(made);
    free(made);
}

const fuzz_target *const fuzz_checkpoint_targets[] = {
    &(const fuzz_target){"safetensors", "model.safetensors", NULL, seed_safetensors, read_safetensors},
    &(const fuzz_target){"shard-index", "model.safetensors.index.json", NULL, seed_index, read_index},
    &(const fuzz_target){"gguf", "model.gguf", NULL, seed_gguf, read_gguf},
    &(const fuzz_target){"torch", "pytorch_model.bin", NULL, seed_torch, read_torch},
    &(const fuzz_target){"archive", PARE_ARCHIVE_NAME, NULL, seed_archive, read_archive},
    NULL};
