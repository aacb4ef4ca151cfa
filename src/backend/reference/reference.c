#include "backend/reference/reference.h"
#include "support/memory.h"

static const pare_backend_operations reference_operations = {
    .matmul = pare_reference_matmul,
    .norm_forward = pare_reference_norm_forward,
    .norm_backward = pare_reference_norm_backward,
    .split_heads = pare_reference_split_heads,
    .merge_heads = pare_reference_merge_heads,
    .rotate = pare_reference_rotate,
    .attention_bytes = pare_reference_attention_bytes,
    .attention_forward = pare_reference_attention_forward,
    .attention_backward = pare_reference_attention_backward,
    .sinks_backward = pare_reference_sinks_backward,
    .gated_forward = pare_reference_gated_forward,
    .gated_backward = pare_reference_gated_backward,
    .logsum_update = pare_reference_logsum_update,
    .logits_gradient = pare_reference_logits_gradient,
    .entropy_update = pare_reference_entropy_update,
    .entropy_gradient = pare_reference_entropy_gradient,
    .divergence_update = pare_reference_divergence_update,
    .divergence_gradient = pare_reference_divergence_gradient,
    .to_operand = pare_reference_to_operand,
    .from_operand = pare_reference_from_operand,
    .compose = pare_reference_compose,
    .compose_float = pare_reference_compose_float,
    .proximal_step = pare_reference_proximal_step,
};

pare_status pare_backend_open_reference(pare_backend **out) {
    PARE_TRY(pare_alloc(out, 1, sizeof **out, "backend"));
    **out = (pare_backend){.operations = &reference_operations, .name = "reference", .operand = PARE_DTYPE_F32};
    return PARE_OK;
}
