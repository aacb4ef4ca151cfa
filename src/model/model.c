#include "model/model.h"
#include "support/memory.h"
#include "tokenizer/tokenizer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t pare_tensor_id_embedding(void) {
    return 0;
}

size_t pare_tensor_id(uint32_t layer, pare_role role) {
    return 1 + (size_t)layer * PARE_LAYER_ROLES + (size_t)role;
}

size_t pare_tensor_id_final_norm(const pare_model *model) {
    return pare_tensor_id(model->config.layers, PARE_ROLE_Q);
}

size_t pare_tensor_id_head(const pare_model *model) {
    return model->config.tied ? pare_tensor_id_embedding() : pare_tensor_id_final_norm(model) + 1;
}

bool pare_tensor_id_split(const pare_model *model, size_t id, uint32_t *layer, pare_role *role) {
    if (id == pare_tensor_id_embedding() || id >= pare_tensor_id_final_norm(model)) return false;
    *layer = (uint32_t)((id - 1) / PARE_LAYER_ROLES);
    *role = (pare_role)((id - 1) % PARE_LAYER_ROLES);
    return true;
}

void pare_tensor_matrix(const pare_tensor *tensor, int64_t *rows, int64_t *columns) {
    *rows = tensor->rank == 2 ? (int64_t)tensor->shape[0] : 1;
    *columns = (int64_t)tensor->shape[tensor->rank - 1];
}

void pare_role_name(uint32_t layer, pare_role role, char *name, size_t size) {
    static const char *const parts[PARE_LAYER_ROLES] = {
        [PARE_ROLE_Q] = "self_attn.q_proj",
        [PARE_ROLE_K] = "self_attn.k_proj",
        [PARE_ROLE_V] = "self_attn.v_proj",
        [PARE_ROLE_O] = "self_attn.o_proj",
        [PARE_ROLE_GATE] = "mlp.gate_proj",
        [PARE_ROLE_UP] = "mlp.up_proj",
        [PARE_ROLE_DOWN] = "mlp.down_proj",
        [PARE_ROLE_INPUT_NORM] = "input_layernorm",
        [PARE_ROLE_POST_NORM] = "post_attention_layernorm",
    };
    snprintf(name, size, "model.layers.%u.%s.weight", layer, parts[role]);
}

uint32_t pare_widths_shared(const pare_widths *widths) {
    return widths->kv_heads ? widths->heads / widths->kv_heads : 1;
}

static pare_status bind(pare_model *model, size_t id, const char *name) {
    model->tensors[id] = pare_checkpoint_find(model->checkpoint, name);
    if (model->tensors[id]) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s has no tensor %s; the checkpoint is incomplete",
                     pare_checkpoint_directory(model->checkpoint), name);
}

static pare_status bind_tensors(pare_model *model) {
    model->tensor_count = pare_tensor_id_final_norm(model) + (model->config.tied ? 1 : 2);
    PARE_TRY(pare_alloc(&model->tensors, model->tensor_count, sizeof(void *), "tensor table"));
    PARE_TRY(bind(model, pare_tensor_id_embedding(),
                  model->config.embedding_in_head ? "lm_head.weight" : "model.embed_tokens.weight"));
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_LAYER_ROLES; role++) {
            char name[96];
            pare_role_name(layer, (pare_role)role, name, sizeof name);
            PARE_TRY(bind(model, pare_tensor_id(layer, (pare_role)role), name));
        }
    PARE_TRY(bind(model, pare_tensor_id_final_norm(model), "model.norm.weight"));
    return model->config.tied ? PARE_OK : bind(model, pare_tensor_id_head(model), "lm_head.weight");
}

/* config.json first: it says most about what cannot be read. A folder without one is explained by its other files. */
static pare_status open_place(const pare_place *place, pare_model *model) {
    char *config = pare_path_join(place->folder, "config.json");
    bool described = pare_file_exists(config);
    free(config);
    PARE_TRY(pare_whole());
    if (described) PARE_TRY(pare_config_read(place->folder, &model->config));
    PARE_TRY(pare_checkpoint_open_place(place, &model->checkpoint));
    if (!described) PARE_TRY(pare_config_read(place->folder, &model->config));
    PARE_TRY(pare_config_fit(model->checkpoint, &model->config));
    PARE_TRY(bind_tensors(model));
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
    pare_free(model->tensors);
    pare_config_free(&model->config);
    pare_checkpoint_close(model->checkpoint);
    pare_free(model);
}

pare_status pare_model_tokenizer(const pare_model *model, const pare_tokenizer **out) {
    if (!*model->tokenizer)
        PARE_TRY(pare_tokenizer_open(pare_checkpoint_directory(model->checkpoint), model->tokenizer));
    *out = *model->tokenizer;
    return pare_tokenizer_limit(*model->tokenizer, model->config.vocabulary);
}

void pare_model_prefetch(const pare_model *model, int64_t layer) {
    if (layer < 0 || layer >= (int64_t)model->config.layers) return;
    for (int role = 0; role < PARE_LAYER_ROLES; role++)
        pare_tensor_prefetch(model->tensors[pare_tensor_id((uint32_t)layer, (pare_role)role)]);
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
