/* The checkpoint of a tiny model with some of its layers left out, the others moved down. */
#ifndef PARE_TESTS_WITHOUT_LAYERS_H
#define PARE_TESTS_WITHOUT_LAYERS_H

#include "model/model.h"
#include "tiny_model.h"

/* tiny: what the model was written from, every member set. The folder is for tiny_remove and free(). */
static inline char *without_layers_write(const pare_model *model, tiny_model tiny, const bool *left_out) {
    json_t *header = json_object();
    unsigned char *data = malloc((size_t)pare_model_bytes(model) + 1);
    size_t bytes = 0;
    uint32_t layer, kept;
    tiny_check(data != NULL, "malloc");
    for (size_t id = 0; id < model->tensor_count; id++) {
        const pare_tensor *tensor = model->tensors[id];
        size_t size = tensor->count * pare_dtype_size(tensor->dtype);
        char name[96];
        pare_role role;
        snprintf(name, sizeof name, "%s", tensor->name);
        if (pare_tensor_id_split(model, id, &layer, &role)) {
            if (left_out[layer]) continue;
            kept = layer;
            for (uint32_t below = 0; below < layer; below++)
                kept -= left_out[below];
            pare_role_name(kept, role, name, sizeof name);
        }
        json_t *shape = json_array();
        for (int i = 0; i < tensor->rank; i++)
            json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
        json_object_set_new(header, name,
                            json_pack("{s:s,s:o,s:[I,I]}", "dtype", pare_dtype_name(tensor->dtype), "shape", shape,
                                      "data_offsets", (json_int_t)bytes, (json_int_t)(bytes + size)));
        memcpy(data + bytes, tensor->data, size);
        bytes += size;
    }
    uint32_t layers = tiny.layers;
    for (layer = 0; layer < layers; layer++)
        tiny.layers -= left_out[layer];
    char *folder = tiny_folder(), *text = json_dumps(header, JSON_COMPACT);
    tiny_write_config(folder, &tiny);
    tiny_write_safetensors(folder, "model.safetensors", text, data, bytes);
    free(text);
    free(data);
    json_decref(header);
    return folder;
}

#endif
