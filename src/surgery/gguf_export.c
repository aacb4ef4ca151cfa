#include "surgery/gguf_export.h"
#include "model/companions.h"
#include "support/memory.h"

#include <stdlib.h>

/* As llama-quantize does. */
static pare_status say_imatrix(const pare_imatrix_file *imatrix, pare_gguf_metadata *metadata) {
    char *dataset;
    PARE_TRY(pare_imatrix_dataset(imatrix, &dataset));
    pare_gguf_put_text(metadata, "quantize.imatrix.file", imatrix->path);
    if (dataset) pare_gguf_put_text(metadata, "quantize.imatrix.dataset", dataset);
    pare_gguf_put_u32(metadata, "quantize.imatrix.entries_count", (uint32_t)imatrix->count);
    if (imatrix->chunks) pare_gguf_put_u32(metadata, "quantize.imatrix.chunks_count", imatrix->chunks);
    free(dataset);
    return pare_gguf_metadata_check(metadata);
}

static pare_status describe(const pare_gguf_plan *plan, const pare_gguf_export *what, pare_gguf_metadata *metadata) {
    pare_gguf_about about = {.name = what->name, .base = what->base, .id = what->id, .licence = what->licence};
    *metadata = (pare_gguf_metadata){0};
    PARE_TRY(pare_model_companions(plan->model, &about.folder));
    PARE_TRY(pare_gguf_describe(plan, &about, metadata));
    return what->imatrix ? say_imatrix(what->imatrix, metadata) : PARE_OK;
}

static pare_gguf_exported said_of(const pare_gguf_plan *plan) {
    return (pare_gguf_exported){.architecture = plan->target.row->name,
                                .form = plan->form->name,
                                .matrices = plan->matrices,
                                .narrow = plan->narrow,
                                .positions = plan->target.positions};
}

pare_status pare_gguf_export_need(const pare_model *model, const pare_gguf_export *what, uint64_t *bytes,
                                  pare_gguf_exported *out) {
    pare_gguf_plan plan;
    pare_gguf_metadata metadata = {0};
    PARE_TRY(pare_gguf_plan_make(model, what->form, what->imatrix, &plan));
    *out = said_of(&plan);
    pare_status status = describe(&plan, what, &metadata);
    if (status == PARE_OK) status = pare_gguf_writer_need(&metadata, plan.declarations, plan.count, bytes);
    pare_gguf_metadata_free(&metadata);
    pare_gguf_plan_free(&plan);
    return status;
}

pare_status pare_gguf_export_write(const pare_model *model, const pare_gguf_export *what, const char *path,
                                   const pare_runtime *runtime, pare_gguf_exported *out) {
    pare_gguf_plan plan;
    pare_gguf_metadata metadata = {0};
    PARE_TRY(pare_gguf_plan_make(model, what->form, what->imatrix, &plan));
    *out = said_of(&plan);
    pare_status status = describe(&plan, what, &metadata);
    if (status == PARE_OK) status = pare_gguf_plan_write(&plan, &metadata, path, runtime);
    if (status == PARE_OK) status = pare_gguf_check(&plan, path, runtime, &out->zeros);
    pare_gguf_metadata_free(&metadata);
    pare_gguf_plan_free(&plan);
    return status;
}
