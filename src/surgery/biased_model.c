#include "surgery/biased_model.h"
#include "checkpoint/durable.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/writer.h"
#include "model/family.h"
#include "model/names.h"
#include "support/json.h"
#include "support/memory.h"
#include "surgery/convert.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const pare_family *pare_biased_family(const pare_model *model, uint32_t *roles) {
    const pare_config *config = &model->config;
    const pare_family *other = pare_family_other(config);
    bool packed = pare_checkpoint_is_archive(model->checkpoint);
    if (packed || config->family->transposed || config->family->fused[0].name) return NULL;
    if (pare_config_offers(config, config->family, roles)) return config->family;
    bool alike = other && !pare_convert_needed(model, other) && pare_config_is_even(config);
    return alike && pare_config_offers(config, other, roles) ? other : NULL;
}

typedef struct biased {
    const pare_model *model;
    pare_config as;
    uint32_t roles;
    char (*names)[PARE_NAME_BYTES];
    pare_declaration *declarations;
    size_t count;
} biased;

static pare_status declare(biased *b) {
    const pare_config *config = &b->model->config;
    size_t most = (size_t)config->layers * PARE_ALL_ROLES;
    PARE_TRY(pare_alloc(&b->names, most, sizeof *b->names, "biases"));
    PARE_TRY(pare_alloc(&b->declarations, most, sizeof *b->declarations, "biases"));
    for (uint32_t layer = 0; layer < config->layers; layer++)
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
            if (!(b->roles & pare_role_bit(role))) continue;
            const pare_tensor *matrix = pare_model_tensor(b->model, layer, pare_roles[role].of);
            pare_layer_tensor_name(&b->as, layer, role, b->names[b->count]);
            b->declarations[b->count] = (pare_declaration){.name = b->names[b->count],
                                                           .dtype = matrix->dtype,
                                                           .rank = 1,
                                                           .shape = {(uint64_t)pare_tensor_rows(matrix)}};
            b->count++;
        }
    return PARE_OK;
}

static pare_status write_zeros(const biased *b, const char *folder) {
    static const char zeros[4096];
    pare_writer *writer;
    const pare_declaration *now;
    PARE_TRY(pare_writer_begin_named(folder, "biases", b->declarations, b->count, 0, &writer));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < b->count && status == PARE_OK; i++) {
        now = &b->declarations[i];
        uint64_t bytes = now->shape[0] * pare_dtype_size(now->dtype);
        for (uint64_t at = 0, n; at < bytes && status == PARE_OK; at += n) {
            n = bytes - at < sizeof zeros ? bytes - at : sizeof zeros;
            status = pare_writer_write(writer, zeros, n);
        }
    }
    if (status == PARE_OK) status = pare_writer_finish(writer);
    pare_writer_close(writer);
    return status;
}

/* A link to the file, or, of a temporary model, whose files have no names any more, a copy. */
static pare_status link_file(const pare_mapping *file, const char *link) {
    char real[PATH_MAX];
    pare_durable copy;
    if (realpath(file->path, real) && symlink(real, link) == 0) return PARE_OK;
    if (errno != ENOENT)
        return pare_fail(PARE_FILE_ERROR, "cannot link to %s as %s: %s; name another folder with --scratch", file->path,
                         link, strerror(errno));
    PARE_TRY(pare_durable_create(link, file->bytes, &copy));
    pare_status status = pare_durable_write(&copy, file->data, file->bytes);
    if (status == PARE_OK) return pare_durable_finish(&copy);
    pare_durable_drop(&copy);
    return status;
}

/* Of a GGUF file or Meta's format, which no index can name: its weights as they are read, in one file. */
static pare_status write_unpacked(const pare_checkpoint *checkpoint, const char *folder, json_t *map) {
    pare_declaration *list = NULL;
    pare_writer *writer = NULL;
    size_t count = pare_checkpoint_count(checkpoint);
    pare_status status = pare_declarations_of(checkpoint, &list);
    if (status == PARE_OK) status = pare_writer_begin_named(folder, "weights", list, count, UINT64_MAX, &writer);
    for (size_t i = 0; i < count && status == PARE_OK; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(checkpoint, i);
        status = pare_writer_write_elements(writer, tensor, 0, tensor->count);
        pare_json_put(map, tensor->name, pare_json_string("weights.safetensors"));
    }
    if (status == PARE_OK) status = pare_writer_finish(writer);
    if (writer) pare_writer_close(writer);
    pare_free(list);
    return status;
}

/* All of the model's files, and the index that names them and the biases. Files of torch.save keep their ending, by
 * which they are known. */
static pare_status link_weights(const biased *b, const char *folder) {
    const pare_checkpoint *checkpoint = b->model->checkpoint;
    json_t *map = json_object(), *index;
    bool unpacked = pare_checkpoint_gguf(checkpoint) || pare_checkpoint_params(checkpoint);
    bool torch = !unpacked && pare_torch_is_name(pare_checkpoint_file(checkpoint, 0));
    pare_status status = unpacked ? write_unpacked(checkpoint, folder, map) : PARE_OK;
    for (size_t i = 0; !unpacked && i < pare_checkpoint_file_count(checkpoint) && status == PARE_OK; i++) {
        char *name = pare_format("weights-%zu.%s", i, torch ? "bin" : "safetensors"),
             *link = pare_path_join(folder, name);
        status = pare_whole();
        if (status == PARE_OK) status = link_file(pare_checkpoint_mapping(checkpoint, i), link);
        for (size_t k = 0; k < pare_checkpoint_count(checkpoint); k++)
            if (pare_checkpoint_at(checkpoint, k)->file == i)
                pare_json_put(map, pare_checkpoint_at(checkpoint, k)->name, pare_json_string(name));
        free(name);
        free(link);
    }
    for (size_t i = 0; i < b->count; i++)
        pare_json_put(map, b->names[i], pare_json_string("biases.safetensors"));
    index = pare_json_of({"weight_map", map});
    char *text = NULL,
         *path = pare_path_join(folder, torch ? "pytorch_model.bin.index.json" : "model.safetensors.index.json");
    if (status == PARE_OK) status = pare_json_dump(index, path, JSON_COMPACT, &text);
    if (status == PARE_OK) status = pare_durable_write_text(path, text);
    json_decref(index);
    pare_free(text);
    free(path);
    return status;
}

static pare_status write_config(const biased *b, const char *folder) {
    char *text, *path = pare_path_join(folder, "config.json");
    pare_status status = pare_config_write_biased(&b->model->config, b->as.family, b->roles, &text);
    if (status == PARE_OK) status = pare_durable_write_text(path, text);
    free(text);
    free(path);
    return status;
}

static pare_status fill(biased *b, const char *folder) {
    PARE_TRY(declare(b));
    PARE_TRY(write_config(b, folder));
    PARE_TRY(write_zeros(b, folder));
    return link_weights(b, folder);
}

pare_status pare_biased_model_new(const pare_model *model, const pare_family *family, uint32_t roles,
                                  const char *scratch, const pare_runtime *runtime, pare_temporary_model *out) {
    biased b = {.model = model, .as = model->config, .roles = roles};
    b.as.family = family;
    pare_status status = pare_temporary_model_folder(model, scratch, runtime, out);
    if (status == PARE_OK) status = fill(&b, out->folder);
    if (status == PARE_OK) status = pare_temporary_model_open(out, model);
    if (status != PARE_OK) pare_temporary_model_free(out);
    pare_free(b.names);
    pare_free(b.declarations);
    return status;
}
