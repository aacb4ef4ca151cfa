/* Adapter folders both ways, for compare_adapter_folder.py:
 *   bench_adapter_folder write MODEL ADAPTER MERGED   random factors, as a folder and merged
 *   bench_adapter_folder read MODEL ADAPTER MERGED    the folder's factors, merged
 * ADAPTER (to write) and MERGED are existing folders that get weights. */
#include "support/random.h"
#include "train/write.h"

#include <stdio.h>
#include <string.h>

/* B is zero at first; 0.05 z changes logits about as much as a training does. */
static pare_status draw_factors(pare_trained *lora) {
    for (size_t id = 0; id < lora->model->tensor_count; id++) {
        pare_lora_factors f = pare_lora_factors_of(lora, id);
        float *b = lora->value + f.b;
        if (f.rank) pare_normal_fill(b, 9, 0, id, 0, (size_t)(f.rows * f.rank));
        for (int64_t i = 0; i < f.rows * f.rank; i++)
            b[i] *= 0.05f;
    }
    return lora->refresh(lora);
}

static pare_status write_folder(const pare_model *model, const pare_backend *backend, const char *folder,
                                pare_trained **lora) {
    pare_lora_options options = {.rank = 4, .alpha = 12, .dropout = 0.05, .seed = 3};
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        options.targets[role] = true;
    PARE_TRY(pare_trained_lora(model, backend, &options, lora));
    PARE_TRY(draw_factors(*lora));
    return pare_lora_write_adapter(*lora, &options, pare_checkpoint_directory(model->checkpoint), folder);
}

static pare_status read_folder(const pare_model *model, const pare_backend *backend, const char *folder,
                               pare_trained **lora) {
    pare_lora_options options;
    PARE_TRY(pare_lora_read_adapter(model, backend, folder, &options, lora));
    printf("rank %u, scale %g, %zu numbers\n", options.rank, (double)pare_lora_scale(*lora), (*lora)->count);
    return PARE_OK;
}

int main(int count, char **words) {
    if (count != 5 || (strcmp(words[1], "write") != 0 && strcmp(words[1], "read") != 0)) {
        fprintf(stderr, "usage: bench_adapter_folder write|read MODEL ADAPTER MERGED\n");
        return 2;
    }
    pare_model *model = NULL;
    pare_backend *backend = NULL;
    pare_trained *lora = NULL;
    pare_status status = pare_model_open(words[2], &model);
    if (status == PARE_OK) status = pare_backend_open_cpu(PARE_COMPUTE_FP32, 0, &backend);
    if (status == PARE_OK) status = (words[1][0] == 'w' ? write_folder : read_folder)(model, backend, words[3], &lora);
    if (status == PARE_OK) status = pare_trained_write(lora, words[4], NULL);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    pare_trained_free(lora);
    if (backend) pare_backend_close(backend);
    pare_model_close(model);
    return status == PARE_OK ? 0 : 1;
}
