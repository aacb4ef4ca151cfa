#include "model/model.h"
#include "image/album.h"
#include "model/companions.h"
#include "model/config_meta.h"
#include "model/expert_tensors.h"
#include "model/gguf_model.h"
#include "model/latent_tensors.h"
#include "model/names.h"
#include "model/parts.h"
#include "support/memory.h"
#include "tokenizer/gguf_tokenizer.h"
#include "tokenizer/tokenizer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Stands for what a family has not. */
static const pare_tensor absent = {.name = "", .dtype = PARE_DTYPE_F32, .rank = 2, .data = ""};

const pare_tensor *pare_model_tensor(const pare_model *model, uint32_t layer, pare_role role) {
    size_t id = pare_tensor_id_in(&model->config, layer, role);
    return id < model->tensor_count ? model->tensors[id] : &absent;
}

bool pare_tensor_is_absent(const pare_tensor *tensor) {
    return tensor == &absent;
}

void pare_tensor_matrix(const pare_tensor *tensor, int64_t *rows, int64_t *columns) {
    *rows = pare_tensor_rows(tensor);
    *columns = pare_tensor_columns(tensor);
}

void pare_tensor_resize(pare_tensor *tensor, int64_t rows, int64_t columns) {
    bool matrix = tensor->rank == 2;
    tensor->shape[0] = (uint64_t)(matrix ? rows : columns);
    tensor->shape[1] = matrix ? (uint64_t)columns : 0;
    tensor->count = (uint64_t)(rows * columns);
    tensor->bytes = tensor->count * pare_dtype_size(tensor->dtype);
}

void pare_role_name(uint32_t layer, pare_role role, char *name, size_t size) {
    snprintf(name, size, "model.layers.%u.%s%s", layer, pare_roles[pare_roles[role].of].name, pare_role_suffix(role));
}

uint32_t pare_widths_shared(const pare_widths *widths) {
    return widths->kv_heads ? widths->heads / widths->kv_heads : 1;
}

/* Rows that are no run of the file are gathered one by one. */
static pare_status check_row(const pare_model *model, const pare_tensor *tensor, const char *name) {
    uint64_t columns = (uint64_t)pare_tensor_columns(tensor);
    if (!tensor->view || columns * pare_dtype_size(tensor->dtype) <= PARE_VIEW_ROW_BYTES) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: tensor %s has rows of %llu numbers; pare divides, transposes or unpacks rows of at most %d "
                     "bytes",
                     pare_checkpoint_directory(model->checkpoint), name, (unsigned long long)columns,
                     PARE_VIEW_ROW_BYTES);
}

static pare_status bind(pare_model *model, size_t id, const char *name) {
    model->tensors[id] = pare_checkpoint_find(model->checkpoint, name);
    if (model->tensors[id]) return check_row(model, model->tensors[id], name);
    return pare_fail(PARE_FORMAT_ERROR, "%s has no tensor %s; the checkpoint is incomplete",
                     pare_checkpoint_directory(model->checkpoint), name);
}

/* A part is counted before it may hold memory. */
static pare_status bind_head_norms(pare_model *model, uint32_t layer, pare_role role) {
    pare_stored_part *part = &model->parts[model->part_count++];
    part->id = pare_tensor_id_in(&model->config, layer, role);
    PARE_TRY(pare_head_norms_of(model->checkpoint, &model->config, layer, role, part));
    model->tensors[part->id] = &part->tensor;
    return PARE_OK;
}

static pare_status bind_role(pare_model *model, uint32_t layer, pare_role role) {
    char name[PARE_NAME_BYTES];
    size_t id = pare_tensor_id_in(&model->config, layer, role);
    bool spared = pare_widths_lack(&model->config.widths[layer], role); /* as pare_config_fit has let pass */
    if (!pare_has_role(&model->config.architecture, role)) return PARE_OK;
    if (pare_role_is_owned_by_heads(&model->config, role))
        return spared ? PARE_OK : bind_head_norms(model, layer, role);
    pare_layer_tensor_name(&model->config, layer, role, name);
    if (spared && !pare_checkpoint_find(model->checkpoint, name)) return PARE_OK;
    PARE_TRY(bind(model, id, name));
    pare_stored_part *part = &model->parts[model->part_count];
    if (!pare_part_of(&model->config, layer, role, model->tensors[id], part)) return PARE_OK;
    PARE_TRY(check_row(model, &part->tensor, name));
    part->id = id;
    model->tensors[id] = &part->tensor;
    model->part_count++;
    return PARE_OK;
}

/* A convolution is a matrix of [outputs, all that one sees]; positions and tokens have a batch of one in front. */
static void flatten(pare_model *model, pare_end end, size_t id) {
    pare_tensor *flat = &model->flat[end];
    *flat = *model->tensors[id];
    uint64_t rows = end == PARE_END_PROJECT_IN ? flat->shape[0] : flat->shape[1];
    bool vector = end != PARE_END_PROJECT_IN && rows == 1;
    flat->rank = vector ? 1 : 2;
    flat->shape[0] = vector ? flat->count : rows;
    flat->shape[1] = vector ? 0 : flat->count / rows;
    model->tensors[id] = flat;
}

static pare_status bind_end(pare_model *model, pare_end end) {
    const pare_config *config = &model->config;
    char name[PARE_NAME_BYTES];
    if (!pare_has_end(&config->architecture, end) || (end == PARE_END_HEAD && config->tied)) return PARE_OK;
    pare_end_tensor_name(config, end == PARE_END_EMBEDDING && config->embedding_in_head ? PARE_END_HEAD : end, name);
    size_t id = pare_tensor_id_end(model, end);
    PARE_TRY(bind(model, id, name));
    if (model->tensors[id]->rank > 2) flatten(model, end, id);
    return PARE_OK;
}

static bool has_extras(const pare_architecture *a) {
    return a->roles >> PARE_LAYER_ROLES || a->ends >> PARE_END_POSITIONS;
}

static pare_status bind_tensors(pare_model *model) {
    const pare_config *config = &model->config;
    size_t parts = (size_t)config->layers * PARE_ALL_ROLES;
    model->tensor_count = pare_tensor_id_final_norm(model) + (config->tied ? 1 : 2);
    if (has_extras(&config->architecture)) model->tensor_count = pare_tensor_id_first_expert(config);
    if (pare_has_experts(config))
        model->tensor_count = pare_tensor_id_first_expert(config) + config->layers * pare_expert_tensors(config);
    if (pare_latent_tensors(config))
        model->tensor_count = pare_tensor_id_query_down(config, 0) + pare_latent_tensors(config);
    PARE_TRY(pare_alloc(&model->tensors, model->tensor_count, sizeof(void *), "tensor table"));
    if (config->family->transposed || config->family->fused[0].name || config->architecture.head_norm_own)
        PARE_TRY(pare_alloc(&model->parts, parts, sizeof *model->parts, "parts of tensors"));
    else
        PARE_TRY(pare_alloc(&model->parts, 1, sizeof *model->parts, "parts of tensors"));
    for (size_t id = 0; id < model->tensor_count; id++)
        model->tensors[id] = &absent;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
            PARE_TRY(bind_role(model, layer, role));
    for (pare_end end = 0; end < PARE_ENDS; end++)
        PARE_TRY(bind_end(model, end));
    pare_latents_bind(model);
    return pare_experts_bind(model);
}

/* What config.json says follows from the metadata, and the tensors' names from that. */
static pare_status open_gguf(const pare_place *place, pare_model *model) {
    const pare_gguf_architecture *architecture;
    json_t *json;
    PARE_TRY(pare_checkpoint_open_place(place, &model->checkpoint));
    PARE_TRY(pare_gguf_architecture_read(pare_checkpoint_gguf(model->checkpoint), &architecture));
    PARE_TRY(pare_gguf_config(model->checkpoint, architecture, &json));
    PARE_TRY(pare_config_read_json(place->folder, json, &model->config));
    pare_names_usual_root(&model->config);
    return pare_gguf_interpret(model->checkpoint, architecture, &model->config);
}

/* config.json first: it says most about what cannot be read. A folder without one is explained by its other files. */
static pare_status open_folder(const pare_place *place, pare_model *model) {
    bool described = pare_folder_has(place->folder, "config.json");
    PARE_TRY(pare_whole());
    if (described) PARE_TRY(pare_config_read(place->folder, &model->config));
    PARE_TRY(pare_checkpoint_open_place(place, &model->checkpoint));
    if (described) return PARE_OK;
    return pare_checkpoint_params(model->checkpoint) ? pare_config_read_meta(model->checkpoint, &model->config)
                                                     : pare_config_read(place->folder, &model->config);
}

static pare_status open_place(const pare_place *place, pare_model *model) {
    PARE_TRY(place->gguf ? open_gguf(place, model) : open_folder(place, model));
    PARE_TRY(pare_config_fit(model->checkpoint, &model->config));
    PARE_TRY(bind_tensors(model));
    PARE_TRY(pare_alloc(&model->album, 1, sizeof *model->album, "pictures"));
    PARE_TRY(pare_alloc(&model->companions, 1, sizeof *model->companions, "companions"));
    return pare_alloc(&model->tokenizer, 1, sizeof *model->tokenizer, "tokenizer");
}

pare_status pare_model_open(const char *path, pare_model **out) {
    static atomic_uint_fast64_t opened;
    pare_place place;
    pare_model *model;
    *out = NULL;
    PARE_TRY(pare_alloc(&model, 1, sizeof *model, "model"));
    pare_status status = pare_place_find(path, &place);
    if (status == PARE_OK) status = open_place(&place, model);
    if (status == PARE_OK) status = pare_whole();
    pare_place_free(&place);
    if (status != PARE_OK) {
        pare_model_close(model);
        return status;
    }
    model->serial = atomic_fetch_add(&opened, 1) + 1;
    *out = model;
    return PARE_OK;
}

void pare_model_close(pare_model *model) {
    if (!model) return;
    if (model->tokenizer) pare_tokenizer_close(*model->tokenizer);
    pare_free(model->tokenizer);
    if (model->companions) pare_model_companions_remove(model->companions);
    pare_free(model->companions);
    if (model->album) pare_album_release(*model->album);
    pare_free(model->album);
    for (size_t i = 0; i < model->part_count; i++)
        pare_stored_part_free(&model->parts[i]);
    pare_free(model->slices);
    pare_free(model->tensors);
    pare_free(model->parts);
    pare_config_free(&model->config);
    pare_checkpoint_close(model->checkpoint);
    pare_free(model);
}

/* That of a GGUF file is opened without its companions, which take longer to write and read than to make. */
static pare_status open_tokenizer(const pare_model *model) {
    const pare_gguf *file = pare_checkpoint_gguf(model->checkpoint);
    const char *folder;
    json_t *tokenizer, *config;
    if (!file || !pare_gguf_has_tokenizer(file)) {
        PARE_TRY(pare_model_companions(model, &folder));
        return pare_tokenizer_open(folder, model->tokenizer);
    }
    PARE_TRY(pare_gguf_tokenizer(file, &tokenizer, &config));
    pare_status status = pare_tokenizer_open_documents(file->mapping.path, tokenizer, config, model->tokenizer);
    json_decref(tokenizer);
    json_decref(config);
    return status;
}

pare_status pare_model_tokenizer(const pare_model *model, const pare_tokenizer **out) {
    if (pare_reads_pictures(&model->config))
        return pare_fail(PARE_BAD_ARGUMENT, "%s reads pictures, not text: give a folder of pictures (docs/images.md)",
                         pare_checkpoint_directory(model->checkpoint));
    if (!*model->tokenizer) PARE_TRY(open_tokenizer(model));
    *out = *model->tokenizer;
    return pare_tokenizer_limit(*model->tokenizer, model->config.vocabulary);
}

uint64_t pare_model_parameters(const pare_model *model) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        total += model->tensors[id]->count;
    return total;
}

uint64_t pare_model_bytes(const pare_model *model) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        total += model->tensors[id]->bytes;
    return total;
}
