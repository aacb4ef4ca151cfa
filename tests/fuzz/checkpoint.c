/* Files of weights. */
#include "checkpoint/archive.h"
#include "checkpoint/gguf.h"
#include "checkpoint/header_read.h"
#include "checkpoint/imatrix.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/torch_file.h"
#include "fuzz/target.h"
#include "gguf_of_llama.h"

#include <math.h>

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

/* A matrix of another width is refused; of what is taken, of several the last one, the sums are those of squares, of
 * some tokens. */
static pare_status take_entry(const pare_imatrix_file *file, const pare_imatrix_entry *entry) {
    int64_t width = (int64_t)entry->width;
    double *squares = malloc(entry->width * sizeof *squares), tokens = 0.0;
    uint32_t matrices = (uint32_t)entry->matrices;
    bool several = matrices != 1;
    pare_status wider = pare_imatrix_take(file, entry->name, width + 1, squares, &tokens);
    pare_status status = several
                             ? pare_imatrix_take_one(file, entry->name, matrices, matrices - 1, width, squares, &tokens)
                             : pare_imatrix_take(file, entry->name, width, squares, &tokens);
    fuzz_check(wider != PARE_OK, "a matrix has one width");
    fuzz_check(pare_imatrix_has(file, entry->name), "an entry is found by its name");
    if (status == PARE_OK) fuzz_check(isfinite(tokens) && (tokens > 0.0 || several), "sums are of some tokens");
    for (int64_t i = 0; i < width && status == PARE_OK; i++)
        fuzz_check(isfinite(squares[i]) && squares[i] >= 0.0, "a sum of squares is finite and not negative");
    free(squares);
    return status;
}

static pare_status read_imatrix(const char *folder, const char *path) {
    (void)folder;
    pare_imatrix_file file;
    char *dataset = NULL;
    PARE_TRY(pare_imatrix_open(path, &file));
    fuzz_check(pare_imatrix_is(path), "what is opened is taken for one");
    fuzz_check(file.count > 0, "an importance matrix has sums");
    pare_status status = pare_imatrix_dataset(&file, &dataset);
    for (size_t i = 0; i < file.count && status == PARE_OK; i++)
        status = take_entry(&file, &file.entries[i]);
    free(dataset);
    pare_imatrix_close(&file);
    return status;
}

static const pare_imatrix_row imatrix_rows[] = {
    {.name = "blk.0.attn_q.weight", .width = 4, .squares = (const double[]){0.0, 1.5, 2.25, 1e30}},
    {.name = "blk.0.ffn_up_exps.weight",
     .width = 2,
     .matrices = 2,
     .squares = (const double[]){1.0, 2.0, 3.0, 4.0},
     .tokens = (const double[]){5.0, 0.0}},
    {.name = "output.weight", .width = 2, .squares = (const double[]){7.0, 1e-30}}};
enum { IMATRIX_ROWS = sizeof imatrix_rows / sizeof *imatrix_rows, CALLS = 3 };

/* Before GGUF, with what the first of these files lacked behind the entries (imatrix_legacy.c). */
static void seed_old_imatrix(const char *folder) {
    static const char dataset[] = "wiki.txt";
    gguf_builder b = {.count = 0};
    builder_u32(&b, IMATRIX_ROWS);
    for (size_t n = 0; n < IMATRIX_ROWS; n++) {
        const pare_imatrix_row *row = &imatrix_rows[n];
        builder_u32(&b, (uint32_t)strlen(row->name));
        builder_put(&b, row->name, strlen(row->name));
        builder_u32(&b, CALLS);
        builder_u32(&b, (uint32_t)row->width);
        for (int64_t i = 0; i < row->width; i++)
            builder_float(&b, (float)row->squares[i]);
    }
    tiny_write_file(folder, "first", b.bytes, b.count);
    builder_u32(&b, CALLS);
    builder_u32(&b, sizeof dataset - 1);
    builder_put(&b, dataset, sizeof dataset - 1);
    tiny_write_file(folder, "old", b.bytes, b.count);
}

static void seed_imatrix(const char *folder) {
    pare_gguf_metadata image;
    pare_status status = pare_imatrix_image(imatrix_rows, IMATRIX_ROWS, "wiki.txt", CALLS, 7, &image);
    tiny_check(status == PARE_OK, pare_message());
    tiny_write_file(folder, "gguf", image.bytes, image.size);
    pare_gguf_metadata_free(&image);
    seed_old_imatrix(folder);
}

const fuzz_target *const fuzz_checkpoint_targets[] = {
    &(const fuzz_target){
        .name = "safetensors", .file = "model.safetensors", .seed = seed_safetensors, .read = read_safetensors},
    &(const fuzz_target){
        .name = "shard-index", .file = "model.safetensors.index.json", .seed = seed_index, .read = read_index},
    &(const fuzz_target){.name = "gguf", .file = "model.gguf", .seed = seed_gguf, .read = read_gguf},
    &(const fuzz_target){.name = "torch", .file = "pytorch_model.bin", .seed = seed_torch, .read = read_torch},
    &(const fuzz_target){.name = "archive", .file = PARE_ARCHIVE_NAME, .seed = seed_archive, .read = read_archive},
    &(const fuzz_target){.name = "imatrix", .file = "model.imatrix", .seed = seed_imatrix, .read = read_imatrix},
    NULL};
