#include "train/adapter_experts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_down(const pare_adapter_module *module) {
    return module->role == PARE_ROLE_DOWN;
}

bool pare_adapter_experts_of(const pare_model *model, size_t id, pare_adapter_module *out) {
    pare_expert_place place;
    if (!pare_tensor_id_split_expert(model, id, &place) || place.what != PARE_EXPERT_OWN) return false;
    if (place.expert || place.part == PARE_EXPERT_UP || !model->tensors[id]->count) return false;
    const pare_config *config = &model->config;
    bool down = place.part == PARE_EXPERT_DOWN;
    if (config->family->experts.crossed) return false;
    *out = (pare_adapter_module){.layer = place.layer,
                                 .role = down ? PARE_ROLE_DOWN : PARE_ROLE_GATE,
                                 .experts = config->widths[place.layer].experts,
                                 .parts = {.count = down ? 1 : 2, .grouped = config->family->experts.interleaved}};
    pare_expert_shape(config, place.part, &out->rows, &out->columns);
    out->rows *= out->parts.count;
    return true;
}

size_t pare_adapter_experts_id(const pare_model *model, const pare_adapter_module *module, uint32_t expert, int part) {
    pare_expert_part first = is_down(module) ? PARE_EXPERT_DOWN : PARE_EXPERT_GATE;
    return pare_tensor_id_expert(&model->config, module->layer, expert, (pare_expert_part)((int)first + part));
}

void pare_adapter_experts_target(const pare_config *config, const pare_adapter_module *module,
                                 char target[PARE_NAME_BYTES]) {
    const char *holder = config->family->experts.module;
    snprintf(target, PARE_NAME_BYTES, "%.80s.%s", holder ? holder : "mlp.experts",
             is_down(module) ? "down_proj" : "gate_up_proj");
}

void pare_adapter_experts_name(const pare_config *config, const pare_adapter_module *module, bool outermost,
                               char name[PARE_NAME_BYTES]) {
    const char *holder = config->family->experts.module;
    char prefix[PARE_NAME_BYTES];
    pare_layer_prefix(config, prefix);
    snprintf(name, PARE_NAME_BYTES, "%.72s%u.%.64s%s", prefix, module->layer, holder ? holder : "mlp.experts",
             is_down(module) || outermost ? "" : ".base_layer");
}

/* A row of a part among those of the parameter. */
static int64_t row_of(const pare_adapter_module *module, int part, int64_t row) {
    int64_t count = module->parts.count;
    return module->parts.grouped ? row * count + part : module->rows / count * part + row;
}

typedef struct place {
    int64_t first, step; /* of A's row or B's column k of an expert's part: at first + k step */
} place;

/* rank: of the part's factors; all: of the parameter's. */
static place place_of(const pare_adapter_module *module, uint32_t expert, int part, int64_t rank, int64_t all,
                      char factor) {
    int64_t block = all > rank ? part * rank : 0;
    if (factor == 'A') return (place){.first = expert * all + block, .step = 1};
    return (place){.first = block * module->experts + expert, .step = module->experts};
}

/* Copies an expert's factor of a part, lying at `own`, to where the parameter's has it, or the other way. */
static void move(const pare_adapter_module *module, place at, int part, char factor, int64_t rank, int64_t all,
                 float *own, float *whole, bool out) {
    int64_t columns = module->columns, rows = module->rows / module->parts.count;
    if (factor == 'A') {
        size_t bytes = (size_t)(rank * columns) * sizeof *own;
        memcpy(out ? whole + at.first * columns : own, out ? own : whole + at.first * columns, bytes);
        return;
    }
    for (int64_t row = 0; row < rows; row++) {
        float *to = whole + row_of(module, part, row) * all * module->experts;
        for (int64_t k = 0; k < rank; k++)
            if (out)
                to[at.first + k * at.step] = own[row * rank + k];
            else
                own[row * rank + k] = to[at.first + k * at.step];
    }
}

static void move_all(const pare_trained *lora, const pare_adapter_module *module, bool blocks, char factor,
                     float *whole, bool out) {
    for (uint32_t expert = 0; expert < module->experts; expert++)
        for (int part = 0; part < module->parts.count; part++) {
            pare_lora_factors f =
                pare_lora_factors_of(lora, pare_adapter_experts_id(lora->model, module, expert, part));
            int64_t all = blocks ? f.rank * module->parts.count : f.rank;
            if (!f.rank) continue;
            move(module, place_of(module, expert, part, f.rank, all, factor), part, factor, f.rank, all,
                 lora->value + (factor == 'A' ? f.a : f.b), whole, out);
        }
}

void pare_adapter_experts_join(const pare_trained *lora, const pare_adapter_module *module, int64_t rank, char factor,
                               float *out) {
    int64_t all = pare_adapter_module_rank(module, rank, true);
    memset(out, 0, (size_t)(all * (factor == 'A' ? module->columns : module->rows)) * sizeof *out);
    move_all(lora, module, true, factor, out, true);
}

void pare_adapter_experts_split(pare_trained *lora, const pare_adapter_module *module, bool blocks, char factor,
                                const float *values) {
    move_all(lora, module, blocks, factor, (float *)(uintptr_t)values, false);
}

static bool any(const float *values, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (fabsf(values[i]) > 0.0f) return true;
    return false;
}

/* Columns of one block lie together: those of all experts. */
bool pare_adapter_experts_blocks(const pare_adapter_module *module, int64_t rank, const float *a, const float *b,
                                 bool has[PARE_COMPOSITE_PARTS]) {
    int64_t count = module->parts.count, block = rank * module->experts, rows = module->rows / count;
    for (int part = 0; part < count; part++)
        for (uint32_t expert = 0; expert < module->experts && !has[part]; expert++)
            has[part] = any(a + (expert * count + part) * rank * module->columns, rank * module->columns);
    for (int part = 0; part < count; part++)
        for (int64_t row = 0; row < rows; row++) {
            const float *from = b + row_of(module, part, row) * block * count;
            for (int other = 0; other < count; other++)
                if (any(from + other * block, block)) {
                    if (other != part) return false;
                    has[part] = true;
                }
        }
    return true;
}
