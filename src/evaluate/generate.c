/* pare_generate: whether a model, with or without an adapter, still talks. */
#include "generate/continuation.h"
#include "support/runtime.h"
#include "train/adapter_open.h"

/* Below this many parameters the products of one token are too small to be worth sharing between threads. */
enum { PARALLEL_PARAMETERS = 32 << 20 };

static pare_status generate_beside(pare_continuation *request, pare_piece_fn piece, void *user) {
    pare_lora_options options;
    pare_runtime left;
    pare_trained *adapter;
    PARE_TRY(pare_lora_open_adapter(request->model, request->backend, request->options->adapter, request->runtime,
                                    &options, &left, &adapter));
    request->adapters = adapter->adapters;
    request->runtime = &left;
    pare_status status = pare_continuation_write(request, piece, user);
    pare_trained_free(adapter);
    return status;
}

pare_status pare_generate(const pare_model *model, const pare_generate_options *options, const pare_runtime *runtime,
                          pare_piece_fn piece, void *user) {
    pare_backend *backend;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_generate_options, options));
    PARE_TRY(pare_runtime_check(runtime));
    if (pare_reads_pictures(&model->config))
        return pare_fail(PARE_BAD_ARGUMENT, "%s reads pictures and writes no text; pare classify says what it sees",
                         pare_checkpoint_directory(model->checkpoint));
    PARE_TRY(pare_backend_open(runtime, pare_model_parameters(model) < PARALLEL_PARAMETERS, &backend));
    pare_continuation request = {.model = model, .backend = backend, .options = options, .runtime = runtime};
    pare_status status =
        options->adapter ? generate_beside(&request, piece, user) : pare_continuation_write(&request, piece, user);
    pare_backend_close(backend);
    return status;
}
