#include "train/adapter_open.h"
#include "support/runtime.h"
#include "train/write.h"

static pare_status take_memory(const pare_trained *lora, const pare_lora_options *options, const char *directory,
                               pare_runtime *left) {
    uint64_t limit = pare_runtime_limit(left);
    uint64_t bytes = pare_trained_lora_bytes(lora->model, lora->backend, options);
    if (!limit) return PARE_OK;
    if (bytes >= limit)
        return pare_fail(PARE_OUT_OF_MEMORY, "the adapter %s needs %.1f MiB, and the limit is %.1f MiB: raise --memory",
                         directory, (double)bytes / 1048576.0, (double)limit / 1048576.0);
    left->memory_limit = limit - bytes;
    return PARE_OK;
}

pare_status pare_lora_open_adapter(const pare_model *model, const pare_backend *backend, const char *directory,
                                   const pare_runtime *runtime, pare_lora_options *options, pare_runtime *left,
                                   pare_trained **out) {
    *left = runtime ? *runtime : (pare_runtime){0};
    PARE_TRY(pare_lora_read_adapter(model, backend, directory, options, out));
    (*out)->adapters->dropout = 0.0f;
    pare_status status = take_memory(*out, options, directory, left);
    if (status == PARE_OK) return PARE_OK;
    pare_trained_free(*out);
    *out = NULL;
    return status;
}
