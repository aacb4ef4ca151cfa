/* Which matrices make up a stage. */
#include "layerwise/layerwise.h"

static const struct {
    pare_input_kind reads, writes;
} stages[PARE_STAGES] = {
    [PARE_STAGE_ATTENTION] = {PARE_INPUT_QKV, PARE_INPUT_O}, [PARE_STAGE_FFN] = {PARE_INPUT_GATE_UP, PARE_INPUT_DOWN}};

const unsigned pare_layerwise_together[] = {PARE_ALL_INPUTS, 0};
const unsigned pare_layerwise_one_by_one[] = {1 << PARE_INPUT_QKV, 1 << PARE_INPUT_O, 1 << PARE_INPUT_GATE_UP,
                                              1 << PARE_INPUT_DOWN, 0};

bool pare_stage_ends(pare_stage stage, unsigned kinds) {
    return kinds == 1u << stages[stage].writes;
}

pare_stage pare_stage_of(pare_input_kind kind) {
    pare_stage stage = PARE_STAGE_ATTENTION;
    while (stages[stage].reads != kind && stages[stage].writes != kind)
        stage++;
    return stage;
}

bool pare_stage_reads(pare_input_kind kind) {
    return stages[pare_stage_of(kind)].reads == kind;
}

pare_stage_roles pare_stage_roles_of(const pare_model *model, uint32_t layer, pare_stage stage) {
    pare_stage_roles roles = {.reads = stages[stage].reads, .writes = stages[stage].writes};
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_input_kind kind = pare_input_of((pare_role)role);
        if (pare_tensor_is_absent(pare_model_tensor(model, layer, (pare_role)role))) continue;
        if (kind == roles.writes) roles.output = (pare_role)role;
        if (kind == roles.reads) roles.readers[roles.reader_count++] = (pare_role)role;
    }
    return roles;
}

pare_span pare_stage_span(pare_role role) {
    return pare_role_writes(role) ? pare_roles[role].columns : pare_roles[role].rows;
}
