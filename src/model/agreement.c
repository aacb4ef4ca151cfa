#include "model/agreement.h"
#include "checkpoint/view.h"
#include "support/digest.h"
#include "support/peer.h"

#include <cblas.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { VALUES = 256 };

/* VALUES elements, or as many as there are behind `first`. */
static void add_values(pare_digest *digest, const pare_tensor *tensor, uint64_t first) {
    float values[VALUES];
    uint64_t left = tensor->count - first, count = left < VALUES ? left : VALUES;
    pare_tensor_values(tensor, first, (size_t)count, values);
    pare_digest_add(digest, values, (size_t)count * sizeof *values);
}

static void add_tensor(pare_digest *digest, const pare_tensor *tensor) {
    pare_digest_add(digest, tensor->name, strlen(tensor->name) + 1);
    pare_digest_add(digest, &tensor->dtype, sizeof tensor->dtype);
    pare_digest_add(digest, tensor->shape, (size_t)tensor->rank * sizeof *tensor->shape);
    if (!tensor->count) return;
    add_values(digest, tensor, 0);
    add_values(digest, tensor, tensor->count / 2);
    add_values(digest, tensor, tensor->count < VALUES ? 0 : tensor->count - VALUES);
}

static pare_status agree_model(const pare_model *model) {
    char text[PARE_DIGEST_TEXT];
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    for (size_t i = 0; i < pare_checkpoint_count(model->checkpoint); i++)
        add_tensor(digest, pare_checkpoint_at(model->checkpoint, i));
    pare_digest_finish(digest, text);
    return pare_peer_agree("model (by a digest of parts of its tensors)", text);
}

pare_status pare_ranks_agree(const pare_model *model, const pare_backend *backend) {
    char text[32];
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_agree("number format", backend->operand == PARE_DTYPE_BF16 ? "bf16" : "fp32"));
    snprintf(text, sizeof text, "%#x", backend->instructions);
    PARE_TRY(pare_peer_agree("instruction set (as oneDNN counts them; ONEDNN_MAX_CPU_ISA lowers it)", text));
    PARE_TRY(pare_peer_agree("kernels of OpenBLAS (OPENBLAS_CORETYPE names them)", openblas_get_corename()));
    snprintf(text, sizeof text, "%d", omp_get_max_threads());
    PARE_TRY(pare_peer_agree("number of threads (--threads)", text));
    return agree_model(model);
}
