#include "generate/token_time.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>

/* The least time of a token counts: one is short enough to pass between what else the machine does. */
enum { BEGINNING = 16, TOKENS = 48, LEAST = 6, RUNS = 4 };
#define ENOUGH 1.0 /* seconds in all */

typedef struct trimmed {
    pare_model model; /* borrows all but what follows */
    pare_tensor *tensors;
    const pare_tensor **list;
} trimmed;

/* The first rows of the tensor, and its first columns: where rows are stored one behind the other, those of fewer
 * columns are other numbers of it, no fewer than are read. */
static void trim_tensor(const pare_model *model, const pare_widths *widths, size_t id, trimmed *out) {
    uint32_t layer;
    pare_role role;
    int64_t rows, columns;
    out->list[id] = model->tensors[id];
    if (!pare_tensor_id_split(model, id, &layer, &role) || pare_tensor_is_absent(model->tensors[id])) return;
    pare_tensor *tensor = &out->tensors[id];
    *tensor = *model->tensors[id];
    pare_config_role_shape(&model->config, &widths[layer], role, &rows, &columns);
    pare_tensor_resize(tensor, rows, columns);
    out->list[id] = tensor;
}

static pare_status trim(const pare_model *model, pare_widths *widths, trimmed *out) {
    *out = (trimmed){.model = *model};
    PARE_TRY(pare_alloc(&out->tensors, model->tensor_count, sizeof *out->tensors, "tensor table"));
    PARE_TRY(pare_alloc(&out->list, model->tensor_count, sizeof *out->list, "tensor table"));
    for (size_t id = 0; id < model->tensor_count; id++)
        trim_tensor(model, widths, id, out);
    out->model.tensors = out->list;
    out->model.config.widths = widths;
    return PARE_OK;
}

/* Tokens behind the beginning, until it is enough. */
static pare_status run(pare_generator *generator, float *logits, double *least, double *spent) {
    uint32_t tokens[BEGINNING] = {0};
    pare_generator_reset(generator);
    PARE_TRY(pare_generator_step(generator, tokens, BEGINNING, logits));
    for (int i = 0; i < TOKENS && (i < LEAST || *spent < ENOUGH); i++) {
        double begin = pare_clock();
        PARE_TRY(pare_generator_step(generator, tokens, 1, logits));
        double seconds = pare_clock() - begin;
        *least = fmin(*least, seconds);
        *spent += seconds;
    }
    return PARE_OK;
}

static pare_status measure(pare_generator *generator, float *logits, double *seconds) {
    double spent = 0.0;
    *seconds = INFINITY;
    for (int i = 0; i < RUNS && spent < ENOUGH; i++)
        PARE_TRY(run(generator, logits, seconds, &spent));
    return PARE_OK;
}

static pare_status time_trimmed(const pare_model *model, const pare_backend *backend, uint64_t limit, double *seconds) {
    pare_source source = {.model = model, .backend = backend};
    pare_generator_shape shape = {.batch = 1, .capacity = BEGINNING + TOKENS, .limit = limit};
    pare_generator *generator;
    float *logits;
    PARE_TRY(pare_generator_new(&source, &shape, &generator));
    pare_status status = pare_alloc(&logits, model->config.vocabulary, sizeof *logits, "logits");
    if (status == PARE_OK) status = measure(generator, logits, seconds);
    pare_free(logits);
    pare_generator_free(generator);
    return status;
}

pare_status pare_token_time(const pare_model *model, const pare_backend *backend, const pare_widths *widths,
                            uint64_t limit, double *seconds) {
    trimmed t;
    pare_status status = trim(model, (pare_widths *)(uintptr_t)widths, &t);
    if (status == PARE_OK) status = time_trimmed(&t.model, backend, limit, seconds);
    pare_free(t.tensors);
    pare_free(t.list);
    return status;
}
