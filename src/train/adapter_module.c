#include "train/adapter_module.h"
#include "model/config_experts.h"
#include "model/latent_tensors.h"
#include "train/adapter_experts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The stored tensor that holds `id`'s. */
static const pare_tensor *whole_of(const pare_model *model, size_t id) {
    for (size_t i = 0; i < model->part_count; i++)
        if (model->parts[i].id == id) return model->parts[i].whole;
    return model->tensors[id];
}

static void stands_alone(const pare_model *model, size_t id, pare_adapter_module *out) {
    out->alone = id;
    out->parts = (pare_composite){.whole = model->tensors[id], .count = 1, .id = {id}};
    pare_tensor_matrix(model->tensors[id], &out->rows, &out->columns);
    out->part[0] = (pare_composite_part){.rows = out->rows, .columns = out->columns};
}

bool pare_adapter_expert_alone(const pare_model *model, size_t id, pare_adapter_module *out) {
    *out = (pare_adapter_module){0};
    pare_expert_place place;
    bool own = pare_tensor_id_split_expert(model, id, &place) && place.what == PARE_EXPERT_OWN;
    if (!own || pare_experts_are_fused(&model->config) || !model->tensors[id]->count) return false;
    out->layer = place.layer;
    stands_alone(model, id, out);
    return true;
}

bool pare_adapter_module_of(const pare_model *model, size_t id, pare_adapter_module *out) {
    *out = (pare_adapter_module){0};
    if (pare_adapter_experts_of(model, id, out)) return true;
    if (pare_tensor_id_split_latent(model, id, &out->layer)) {
        stands_alone(model, id, out);
        return true;
    }
    if (!pare_tensor_id_split(model, id, &out->layer, &out->role) || !pare_role_is_matrix(out->role)) return false;
    if (!model->tensors[id]->count) return false;
    const pare_tensor *whole = whole_of(model, id);
    if (!pare_composite_of(model, whole, &out->parts))
        out->parts = (pare_composite){.whole = whole, .count = 1, .id = {id}};
    for (int i = 0; i < out->parts.count; i++) {
        pare_composite_part *part = &out->part[i];
        pare_tensor_matrix(model->tensors[out->parts.id[i]], &part->rows, &part->columns);
        out->rows += part->rows;
        out->columns = part->columns;
    }
    return out->parts.id[0] == id;
}

/* As transformers has it in memory. */
static pare_config in_memory(const pare_model *model) {
    pare_config config = model->config;
    if (config.family->in_memory) config.family = config.family->in_memory;
    pare_names_usual_root(&config);
    if (config.text != config.json)
        snprintf(config.root, sizeof config.root, "%s",
                 config.family->whole_inside ? "language_model.model." : "model.language_model.");
    return config;
}

/* Without ".weight". */
static void module_name(const pare_model *model, const pare_config *config, const pare_adapter_module *module,
                        char name[PARE_NAME_BYTES]) {
    static const char ending[] = ".weight";
    pare_expert_place place;
    if (module->alone && pare_tensor_id_split_expert(model, module->alone, &place))
        pare_expert_name(config, place.layer, place.expert, place.part, name);
    else if (module->alone)
        pare_query_down_name(config, module->layer, name);
    else
        pare_layer_tensor_name(config, module->layer, module->role, name);
    name[strlen(name) - (sizeof ending - 1)] = 0;
}

void pare_adapter_module_name(const pare_model *model, const pare_adapter_module *module, char factor,
                              pare_adapter_form form, char name[PARE_ADAPTER_NAME]) {
    char own[PARE_NAME_BYTES];
    bool as_stored = form == PARE_ADAPTER_AS_STORED || form == PARE_ADAPTER_OUTERMOST_AS_STORED;
    pare_config config = as_stored ? model->config : in_memory(model);
    if (module->experts)
        pare_adapter_experts_name(&config, module, form >= PARE_ADAPTER_OUTERMOST, own);
    else
        module_name(model, &config, module, own);
    snprintf(name, PARE_ADAPTER_NAME, "base_model.model.%s.lora_%c.weight", own, factor);
}

static const char *last_word(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* Behind the number of the layer, which is the first one in a name. */
static const char *behind_layer(const char *name) {
    const char *number = strpbrk(name, "0123456789"), *dot = number ? strchr(number, '.') : NULL;
    return dot ? dot + 1 : name;
}

static const char *name_in_layer(const pare_family *family, pare_role role) {
    const pare_fused *fused = pare_family_fused(family, role);
    return fused ? fused->name : pare_family_role(family, role);
}

bool pare_adapter_module_is_parameter(const pare_model *model, const pare_adapter_module *module) {
    if (module->experts) return true;
    return pare_has_experts(&model->config) && !module->alone && pare_role_in(module->role, PARE_PART_FFN);
}

void pare_adapter_module_target(const pare_model *model, const pare_adapter_module *module,
                                char target[PARE_NAME_BYTES]) {
    const pare_config config = in_memory(model);
    const pare_family *family = config.family;
    bool parameter = pare_adapter_module_is_parameter(model, module);
    if (module->experts) {
        pare_adapter_experts_target(&config, module, target);
        return;
    }
    if (parameter || config.latent.keys) {
        char name[PARE_NAME_BYTES];
        module_name(model, &config, module, name);
        snprintf(target, PARE_NAME_BYTES, parameter ? "%.100s.weight" : "%.100s",
                 parameter ? behind_layer(name) : last_word(name));
        return;
    }
    const char *own = name_in_layer(family, module->role);
    bool alone = true;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        const char *other = name_in_layer(family, role);
        if (!pare_has_role(&model->config.architecture, role) || strcmp(other, own) == 0) continue;
        alone = alone && strcmp(last_word(other), last_word(own)) != 0;
    }
    snprintf(target, PARE_NAME_BYTES, "%s", alone ? last_word(own) : own);
}

size_t pare_adapter_module_first(const pare_model *model, const pare_adapter_module *module, int part, size_t *step,
                                 size_t *count) {
    *step = module->experts ? PARE_EXPERT_PARTS : 1;
    *count = module->experts ? module->experts : 1;
    return module->experts ? pare_adapter_experts_id(model, module, 0, part) : module->parts.id[part];
}

int64_t pare_adapter_module_rank(const pare_adapter_module *module, int64_t rank, bool blocks) {
    return rank * (blocks ? module->parts.count : 1) * (module->experts ? module->experts : 1);
}

bool pare_adapter_module_has(const pare_trained *lora, const pare_adapter_module *module) {
    for (int i = 0; i < module->parts.count; i++) {
        size_t step, count, first = pare_adapter_module_first(lora->model, module, i, &step, &count);
        for (size_t j = 0; j < count; j++)
            if (pare_lora_factors_of(lora, first + j * step).rank) return true;
    }
    return false;
}

void pare_adapter_module_join(const pare_trained *lora, const pare_adapter_module *module, int64_t rank, char factor,
                              float *out) {
    if (module->experts) {
        pare_adapter_experts_join(lora, module, rank, factor, out);
        return;
    }
    int64_t all = rank * module->parts.count;
    memset(out, 0, (size_t)(all * (factor == 'A' ? module->columns : module->rows)) * sizeof *out);
    for (int i = 0; i < module->parts.count; i++) {
        pare_lora_factors f = pare_lora_factors_of(lora, module->parts.id[i]);
        if (f.rank && factor == 'A')
            memcpy(out + i * rank * f.columns, lora->value + f.a, (size_t)(rank * f.columns) * sizeof *out);
        for (int64_t row = 0; f.rank && factor == 'B' && row < f.rows; row++) {
            int64_t place = pare_composite_place(&module->parts, module->part, i, row);
            memcpy(out + place * all + i * rank, lora->value + f.b + row * rank, (size_t)rank * sizeof *out);
        }
    }
}

void pare_adapter_module_split(pare_trained *lora, const pare_adapter_module *module, bool blocks, char factor,
                               const float *values) {
    if (module->experts) {
        pare_adapter_experts_split(lora, module, blocks, factor, values);
        return;
    }
    for (int i = 0; i < module->parts.count; i++) {
        pare_lora_factors f = pare_lora_factors_of(lora, module->parts.id[i]);
        int64_t all = blocks ? f.rank * module->parts.count : f.rank, first = blocks ? i * f.rank : 0;
        if (f.rank && factor == 'A')
            memcpy(lora->value + f.a, values + first * f.columns, (size_t)(f.rank * f.columns) * sizeof *values);
        for (int64_t row = 0; f.rank && factor == 'B' && row < f.rows; row++) {
            int64_t place = pare_composite_place(&module->parts, module->part, i, row);
            memcpy(lora->value + f.b + row * f.rank, values + place * all + first, (size_t)f.rank * sizeof *values);
        }
    }
}

static bool any(const float *values, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (fabsf(values[i]) > 0.0f) return true;
    return false;
}

bool pare_adapter_module_blocks(const pare_adapter_module *module, int64_t rank, const float *a, const float *b,
                                bool has[PARE_COMPOSITE_PARTS]) {
    if (module->experts) return pare_adapter_experts_blocks(module, rank, a, b, has);
    int count = module->parts.count;
    for (int i = 0; i < count; i++)
        has[i] = any(a + i * rank * module->columns, rank * module->columns);
    for (int i = 0; i < count; i++)
        for (int64_t row = 0; row < module->part[i].rows; row++) {
            const float *from = b + pare_composite_place(&module->parts, module->part, i, row) * rank * count;
            for (int other = 0; other < count; other++)
                if (any(from + other * rank, rank)) {
                    if (other != i) return false;
                    has[i] = true;
                }
        }
    return true;
}
