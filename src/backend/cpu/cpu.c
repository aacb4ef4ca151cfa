#include "backend/cpu/cpu.h"
#include "backend/cpu/matmul.h"
#include "support/machine.h"
#include "support/memory.h"
#include "support/threads.h"

#include <omp.h>

static const pare_backend_operations cpu_operations = {
    .matmul = pare_cpu_matmul,
    .norm_forward = pare_cpu_norm_forward,
    .norm_backward = pare_cpu_norm_backward,
    .split_heads = pare_cpu_split_heads,
    .merge_heads = pare_cpu_merge_heads,
    .rotate = pare_cpu_rotate,
    .attention_bytes = pare_cpu_attention_bytes,
    .attention_forward = pare_cpu_attention_forward,
    .attention_backward = pare_cpu_attention_backward,
    .sinks_backward = pare_cpu_sinks_backward,
    .gated_forward = pare_cpu_gated_forward,
    .gated_backward = pare_cpu_gated_backward,
    .logsum_update = pare_cpu_logsum_update,
    .logits_gradient = pare_cpu_logits_gradient,
    .entropy_update = pare_cpu_entropy_update,
    .entropy_gradient = pare_cpu_entropy_gradient,
    .divergence_update = pare_cpu_divergence_update,
    .divergence_gradient = pare_cpu_divergence_gradient,
    .to_operand = pare_cpu_to_operand,
    .from_operand = pare_cpu_from_operand,
    .compose = pare_cpu_compose,
    .compose_float = pare_cpu_compose_float,
    .proximal_step = pare_cpu_proximal_step,
};

static void close_alone(pare_backend *backend) {
    pare_matmul_cache_free(backend->state);
}

static void close_all(pare_backend *backend) {
    close_alone(backend);
    pare_threads_end();
}

/* With the threads that OpenMP is set to. */
static pare_status open_cpu(pare_compute compute, void (*close)(pare_backend *backend), pare_backend **out) {
    pare_backend *backend;
    pare_matmul_cache *cache;
    PARE_TRY(pare_alloc(&backend, 1, sizeof *backend, "backend"));
    pare_status status = pare_matmul_cache_new(compute == PARE_COMPUTE_BF16, &cache);
    if (status != PARE_OK) {
        pare_free(backend);
        return status;
    }
    bool native = pare_matmul_native_bf16(cache),
         bf16 = compute == PARE_COMPUTE_AUTO ? native : compute == PARE_COMPUTE_BF16;
    *backend = (pare_backend){.operations = &cpu_operations,
                              .name = "cpu",
                              .operand = bf16 ? PARE_DTYPE_BF16 : PARE_DTYPE_F32,
                              .native = native || !bf16,
                              .instructions = pare_onednn_instructions(),
                              .state = cache,
                              .close = close};
    *out = backend;
    return PARE_OK;
}

pare_status pare_backend_open_cpu(pare_compute compute, int threads, pare_backend **out) {
    *out = NULL;
    if (threads < 0 || threads > 4096)
        return pare_fail(PARE_BAD_ARGUMENT, "--threads %d: give a number from 1 to 4096, or 0 for all cores", threads);
    pare_threads_begin(threads > 0 ? threads : pare_machine_threads(""));
    pare_status status = open_cpu(compute, close_all, out);
    if (status != PARE_OK) pare_threads_end();
    return status;
}

/* What a thread sets for itself inside of a parallel region ends with the region. */
pare_status pare_backend_open_alone(const pare_backend *like, pare_backend **out) {
    *out = NULL;
    if (like->operations != &cpu_operations) return pare_backend_open_reference(out);
    omp_set_num_threads(1);
    return open_cpu(like->operand == PARE_DTYPE_BF16 ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, close_alone, out);
}

void pare_backend_close(pare_backend *backend) {
    if (!backend) return;
    if (backend->close) backend->close(backend);
    pare_free(backend);
}

pare_status pare_backend_open(const pare_runtime *runtime, bool alone, pare_backend **out) {
    int threads = runtime ? runtime->threads : 0;
    return pare_backend_open_cpu(runtime ? runtime->compute : PARE_COMPUTE_AUTO, !threads && alone ? 1 : threads, out);
}
