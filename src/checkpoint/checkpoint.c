#include "checkpoint/checkpoint.h"
#include "checkpoint/archive.h"
#include "checkpoint/folder_kind.h"
#include "checkpoint/gguf_split.h"
#include "checkpoint/gguf_tensors.h"
#include "checkpoint/meta.h"
#include "checkpoint/mxfp4.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/view.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct pare_checkpoint {
    char *directory;
    pare_shard_index index;  /* empty without shards */
    pare_gguf_set gguf;      /* empty unless the model is one */
    pare_gguf_room *rooms;   /* [gguf.count] of the tensors of GGUF files */
    pare_view *views;        /* of tensors that are MXFP4 */
    pare_safetensors *files; /* of GGUF files: lists of their tensors, in mappings that are theirs */
    size_t file_count;
    pare_meta_params params; /* of Meta's format; empty without */
    pare_meta meta;          /* what the files' tensors are in it */
    pare_tensor *tensors;    /* of all files; names belong to `files` */
    size_t count;
    uint32_t *slots; /* hash table of 1 + index into tensors, 0 = free; a power of two, at least twice as large */
    size_t slot_mask;
};

/* FNV-1a. */
static uint64_t hash_name(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

/* The slot that holds `name`, or the free one where it would go. */
static uint32_t *find_slot(const pare_checkpoint *checkpoint, const char *name) {
    size_t slot = hash_name(name) & checkpoint->slot_mask;
    while (checkpoint->slots[slot] && strcmp(checkpoint->tensors[checkpoint->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & checkpoint->slot_mask;
    return &checkpoint->slots[slot];
}

static bool equal_tensors(const pare_tensor *a, const pare_tensor *b) {
    uint64_t bytes = pare_tensor_stored_bytes(a);
    if ((a->view && a->view->halves) || (b->view && b->view->halves)) return false;
    if (a->dtype != b->dtype || a->rank != b->rank || bytes != pare_tensor_stored_bytes(b)) return false;
    if (strcmp(pare_tensor_type_name(a), pare_tensor_type_name(b)) != 0) return false;
    if (memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) != 0) return false;
    return a->data == b->data || bytes == 0 || memcmp(a->data, b->data, bytes) == 0;
}

/* A tensor that lies in two shards alike counts once. */
static pare_status add_tensor(pare_checkpoint *checkpoint, const pare_tensor *added, size_t file) {
    pare_tensor *tensor = &checkpoint->tensors[checkpoint->count];
    *tensor = *added;
    tensor->file = file;
    uint32_t *slot = find_slot(checkpoint, tensor->name);
    if (!*slot) {
        *slot = (uint32_t)++checkpoint->count;
        return PARE_OK;
    }
    const pare_tensor *other = &checkpoint->tensors[*slot - 1];
    if (equal_tensors(other, tensor)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "tensor %s is in both %s and %s, and they differ; remove the file that does not "
                     "belong to the model",
                     tensor->name, pare_checkpoint_file(checkpoint, other->file),
                     pare_checkpoint_file(checkpoint, file));
}

static pare_status add_all(pare_checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->meta.count; i++)
        PARE_TRY(add_tensor(checkpoint, &checkpoint->meta.tensors[i], 0));
    for (size_t f = 0; f < checkpoint->file_count && !checkpoint->params.file; f++)
        for (size_t i = 0; i < checkpoint->files[f].count; i++)
            PARE_TRY(add_tensor(checkpoint, &checkpoint->files[f].tensors[i], f));
    return PARE_OK;
}

static pare_status build_table(pare_checkpoint *checkpoint) {
    size_t total = 0, slots = 4;
    for (size_t f = 0; f < checkpoint->file_count; f++)
        total += checkpoint->files[f].count;
    while (slots < 2 * total)
        slots *= 2;
    PARE_TRY(pare_alloc(&checkpoint->tensors, total, sizeof *checkpoint->tensors, "tensor descriptions"));
    PARE_TRY(pare_alloc(&checkpoint->slots, slots, sizeof *checkpoint->slots, "the table of tensor names"));
    checkpoint->slot_mask = slots - 1;
    return add_all(checkpoint);
}

static pare_status map_files(pare_checkpoint *checkpoint, const char *const *names, size_t count) {
    PARE_TRY(pare_alloc(&checkpoint->files, count, sizeof *checkpoint->files, "the list of shards"));
    for (size_t i = 0; i < count; i++) {
        char *path = pare_path_join(checkpoint->directory, names[i]);
        pare_status status = pare_torch_is_name(names[i]) ? pare_torch_file_open(path, &checkpoint->files[i])
                                                          : pare_safetensors_open_packed(path, &checkpoint->files[i]);
        free(path);
        PARE_TRY(status);
        checkpoint->file_count++;
    }
    return pare_mxfp4_join(checkpoint->files, count, &checkpoint->views);
}

static pare_status open_files(pare_checkpoint *checkpoint, const char *const *names, size_t count) {
    PARE_TRY(map_files(checkpoint, names, count));
    return build_table(checkpoint);
}

/* safetensors: the form of the files. */
static pare_status open_meta(pare_checkpoint *checkpoint, bool safetensors) {
    char **names;
    size_t count;
    PARE_TRY(pare_meta_params_read(checkpoint->directory, &checkpoint->params));
    PARE_TRY(pare_meta_list(checkpoint->directory, safetensors, &names, &count));
    pare_status status = map_files(checkpoint, (const char *const *)names, count);
    pare_meta_names_free(names, count);
    PARE_TRY(status);
    PARE_TRY(pare_meta_compose(&checkpoint->params, checkpoint->files, count, &checkpoint->meta));
    return build_table(checkpoint);
}

static pare_status open_archive(pare_checkpoint *checkpoint, const char *path) {
    PARE_TRY(pare_alloc(&checkpoint->files, 1, sizeof *checkpoint->files, "the list of files"));
    PARE_TRY(pare_archive_open(path, pare_archive_memory(), &checkpoint->files[0]));
    checkpoint->file_count = 1;
    return build_table(checkpoint);
}

static pare_status open_sharded(pare_checkpoint *checkpoint, const char *path) {
    PARE_TRY(pare_shard_index_read(path, &checkpoint->index));
    return open_files(checkpoint, checkpoint->index.names, checkpoint->index.count);
}

static void forget_tensors(pare_checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->file_count; i++) {
        if (checkpoint->gguf.count) checkpoint->files[i].mapping = (pare_mapping){0};
        pare_safetensors_close(&checkpoint->files[i]);
    }
    for (size_t i = 0; checkpoint->rooms && i < checkpoint->gguf.count; i++)
        pare_gguf_room_free(&checkpoint->rooms[i]);
    pare_free(checkpoint->tensors);
    pare_free(checkpoint->slots);
    checkpoint->tensors = NULL;
    checkpoint->slots = NULL;
    checkpoint->count = checkpoint->file_count = 0;
}

pare_status pare_checkpoint_interpret(pare_checkpoint *checkpoint, pare_gguf_meaning_fn *meaning, void *context) {
    forget_tensors(checkpoint);
    for (size_t i = 0; i < checkpoint->gguf.count; i++) {
        const pare_gguf_source from = {.file = &checkpoint->gguf.files[i], .index = i};
        PARE_TRY(pare_gguf_list_tensors(from, meaning, context, &checkpoint->rooms[i], &checkpoint->files[i]));
        checkpoint->file_count++;
    }
    return build_table(checkpoint);
}

static pare_status open_gguf(pare_checkpoint *checkpoint) {
    PARE_TRY(pare_gguf_set_open(checkpoint->directory, &checkpoint->gguf));
    PARE_TRY(pare_alloc(&checkpoint->rooms, checkpoint->gguf.count, sizeof *checkpoint->rooms, "the list of files"));
    PARE_TRY(pare_alloc(&checkpoint->files, checkpoint->gguf.count, sizeof *checkpoint->files, "the list of files"));
    return pare_checkpoint_interpret(checkpoint, NULL, NULL);
}

static pare_status open_single(pare_checkpoint *checkpoint, const char *path) {
    const char *name = strrchr(path, '/') + 1;
    return open_files(checkpoint, &name, 1);
}

/* The folder's own weights: whole, in shards or packed; what comes first holds. */
static const struct {
    const char *name;
    pare_status (*open)(pare_checkpoint *checkpoint, const char *path);
} forms[] = {
    {"model.safetensors", open_single},
    {"model.safetensors.index.json", open_sharded},
    {PARE_ARCHIVE_NAME, open_archive},
    {"pytorch_model.bin", open_single},
    {"pytorch_model.bin.index.json", open_sharded},
};

static pare_status open_folder(pare_checkpoint *checkpoint) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *path = pare_path_join(checkpoint->directory, forms[i].name);
        bool found = pare_file_exists(path);
        pare_status status = pare_whole();
        if (found && status == PARE_OK) status = forms[i].open(checkpoint, path);
        free(path);
        if (found || status != PARE_OK) return status;
    }
    if (pare_meta_is_folder(checkpoint->directory))
        return open_meta(checkpoint, !pare_folder_has(checkpoint->directory, "consolidated.00.pth"));
    return pare_folder_explain(checkpoint->directory);
}

static pare_status open_named(pare_checkpoint *checkpoint, const char *name) {
    if (pare_meta_is_name(name) && pare_folder_has(checkpoint->directory, "params.json"))
        return open_meta(checkpoint, fnmatch("*.safetensors", name, 0) == 0);
    return open_files(checkpoint, &name, 1);
}

pare_status pare_checkpoint_open_place(const pare_place *place, pare_checkpoint **out) {
    *out = NULL;
    pare_checkpoint *checkpoint;
    PARE_TRY(pare_alloc(&checkpoint, 1, sizeof *checkpoint, "a checkpoint"));
    checkpoint->directory = pare_format("%s", place->folder);
    const char *named = place->weights;
    pare_status status = pare_whole();
    if (status == PARE_OK)
        status = place->gguf ? open_gguf(checkpoint) : named ? open_named(checkpoint, named) : open_folder(checkpoint);
    if (status != PARE_OK) {
        pare_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return PARE_OK;
}

pare_status pare_checkpoint_open(const char *path, pare_checkpoint **out) {
    pare_place place;
    *out = NULL;
    PARE_TRY(pare_place_find(path, &place));
    pare_status status = pare_checkpoint_open_place(&place, out);
    pare_place_free(&place);
    return status;
}

void pare_checkpoint_close(pare_checkpoint *checkpoint) {
    if (!checkpoint) return;
    forget_tensors(checkpoint);
    pare_free(checkpoint->files);
    pare_free(checkpoint->rooms);
    pare_free(checkpoint->views);
    pare_meta_free(&checkpoint->meta);
    pare_meta_params_free(&checkpoint->params);
    pare_gguf_set_close(&checkpoint->gguf);
    pare_shard_index_free(&checkpoint->index);
    free(checkpoint->directory);
    pare_free(checkpoint);
}

const char *pare_checkpoint_directory(const pare_checkpoint *checkpoint) {
    return checkpoint->directory;
}

const pare_gguf *pare_checkpoint_gguf(const pare_checkpoint *checkpoint) {
    return checkpoint->gguf.count ? &checkpoint->gguf.files[0] : NULL;
}

const pare_gguf_tensor *pare_checkpoint_gguf_tensor(const pare_checkpoint *checkpoint, const char *name, size_t *file) {
    for (*file = 0; *file < checkpoint->gguf.count; ++*file) {
        const pare_gguf *here = &checkpoint->gguf.files[*file];
        for (size_t i = 0; i < here->tensor_count; i++)
            if (strcmp(here->tensors[i].name, name) == 0) return &here->tensors[i];
    }
    return NULL;
}

size_t pare_checkpoint_count(const pare_checkpoint *checkpoint) {
    return checkpoint->count;
}

const pare_tensor *pare_checkpoint_at(const pare_checkpoint *checkpoint, size_t index) {
    return &checkpoint->tensors[index];
}

const pare_tensor *pare_checkpoint_find(const pare_checkpoint *checkpoint, const char *name) {
    uint32_t found = *find_slot(checkpoint, name);
    return found ? &checkpoint->tensors[found - 1] : NULL;
}

const char *pare_checkpoint_promise(const pare_checkpoint *checkpoint, const char *name) {
    return pare_shard_of(&checkpoint->index, name);
}

size_t pare_checkpoint_file_count(const pare_checkpoint *checkpoint) {
    return checkpoint->file_count;
}

const char *pare_checkpoint_file(const pare_checkpoint *checkpoint, size_t index) {
    return checkpoint->files[index].mapping.path;
}

const pare_mapping *pare_checkpoint_mapping(const pare_checkpoint *checkpoint, size_t index) {
    return &checkpoint->files[index].mapping;
}

const unsigned char *pare_checkpoint_image(const pare_checkpoint *checkpoint, size_t index, uint64_t *bytes) {
    const pare_safetensors *file = &checkpoint->files[index];
    *bytes = file->image.bytes;
    return file->image.data;
}

bool pare_checkpoint_is_archive(const pare_checkpoint *checkpoint) {
    return checkpoint->file_count && checkpoint->files[0].image.data && !checkpoint->files[0].copied;
}

const pare_meta_params *pare_checkpoint_params(const pare_checkpoint *checkpoint) {
    return checkpoint->params.file ? &checkpoint->params : NULL;
}

void pare_tensor_prefetch(const pare_tensor *tensor) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < pare_tensor_run_count(tensor) && tensor->bytes; i++) {
        pare_stored_run run = pare_tensor_run(tensor, i);
        uintptr_t begin = (uintptr_t)run.data / page * page;
        madvise((void *)begin, (uintptr_t)run.data + run.bytes - begin, MADV_WILLNEED);
    }
}
