/* What studies and training do to tensors that hold several matrices, or one turned round: noise that misses some,
 * zeros that are not seen, moved weights that are written elsewhere, and fresh ones that are no start. */
#include "checkpoint/scan.h"
#include "model/family_fixture.h"
#include "prune/prune_run.h"
#include "recover/zeros.h"
#include "surgery/perturb.h"
#include "train/tiny_trained.h"
#include "train/write.h"

static const char *const names[] = {"llama biases",
                                    "phi3",
                                    "gpt2",
                                    "gpt_neox",
                                    "falcon",
                                    "falcon groups",
                                    "opt",
                                    "bloom",
                                    "gemma2",
                                    "glm",
                                    "cohere normed heads",
                                    "stablelm normed heads",
                                    "phi normed heads"};
enum { NAMES = sizeof names / sizeof *names };

static int setup(void **state) {
    return fixture_open(state, families_load());
}

static float *values_of(const pare_tensor *tensor) {
    float *values = malloc(tensor->count * sizeof *values + 1);
    pare_tensor_values(tensor, 0, tensor->count, values);
    return values;
}

/* w (1 + epsilon z): some elements of each tensor move, none by more than 6 epsilon. */
static void noise_reaches_every_tensor(void **state) {
    const fixture *f = *state;
    const double epsilon = 0.01;
    for (size_t n = 0; n < NAMES; n++) {
        family_model m = open_named(f, names[n]);
        char *scratch = tiny_folder();
        pare_perturbation how = {.kind = PARE_PERTURB_NOISE, .epsilon = epsilon, .seed = 3};
        pare_temporary_model out;
        expect(pare_perturbed_model_new(m.model, &how, scratch, NULL, &out), PARE_OK, "");
        for (size_t id = 0; id < m.model->tensor_count; id++) {
            const pare_tensor *tensor = m.model->tensors[id];
            float *before = values_of(tensor), *after = values_of(out.model->tensors[id]);
            size_t moved = 0;
            for (uint64_t i = 0; i < tensor->count; i++) {
                double change = fabs((double)after[i] - (double)before[i]);
                assert_true(change <= 6 * epsilon * fabs((double)before[i]) + 1e-9);
                moved += change > 0;
            }
            if (2 * moved < tensor->count) fail_msg("%s: %s stays", names[n], tensor->name);
            free(before);
            free(after);
        }
        pare_temporary_model_free(&out);
        tiny_remove(scratch);
        free(scratch);
        family_close(&m);
    }
}

static double zeros_of(const fixture *f, const pare_model *model) {
    pare_trained *lora;
    pare_scan scan;
    expect(pare_trained_lora(model, f->backend, &all_targets, &lora), PARE_OK, "");
    expect(pare_checkpoint_scan(model->checkpoint, NULL, &scan), PARE_OK, "");
    double share = pare_zeros_share(lora, &scan);
    pare_scan_free(&scan);
    pare_trained_free(lora);
    return share;
}

/* Half of every matrix, none before. */
static void zeros_of_parts_are_seen(void **state) {
    const fixture *f = *state;
    for (size_t n = 0; n < NAMES; n++) {
        family_model m = open_named(f, names[n]);
        char *folder = tiny_folder(), *output = pare_path_join(folder, "output"), *report;
        const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
        pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
        pare_model *sparse;
        options.method = "magnitude";
        options.output = output;
        options.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
        assert_true(zeros_of(f, m.model) <= 0.0);
        expect(pare_prune(m.model, &options, &runtime, &report), PARE_OK, "");
        expect(pare_model_open(output, &sparse), PARE_OK, "");
        assert_true(fabs(zeros_of(f, sparse) - 0.5) < 1e-3);
        pare_model_close(sparse);
        pare_text_free(report);
        tiny_remove(folder);
        free(output);
        free(folder);
        family_close(&m);
    }
}

/* Bit by bit, whichever way the file stores it. */
static void moved_weights_are_written(void **state) {
    const fixture *f = *state;
    for (size_t n = 0; n < NAMES; n++) {
        const json_t *one = family_case(&f->all, names[n]);
        family_model m = open_named(f, names[n]);
        char *folder = tiny_folder(), *config = json_dumps(json_object_get(one, "config"), 0);
        pare_full_options options = {0};
        pare_trained *full;
        pare_model *written;
        expect(pare_trained_full(m.model, f->backend, &options, &full), PARE_OK, "");
        tiny_move(full, 0.1f);
        tiny_write_text(folder, "config.json", config);
        expect(pare_trained_write(full, folder, NULL), PARE_OK, "");
        expect(pare_model_open(folder, &written), PARE_OK, "");
        const float *next = full->value;
        for (size_t id = 0; id < m.model->tensor_count; id++) {
            float *values = values_of(written->tensors[id]);
            assert_int_equal(written->tensors[id]->count, m.model->tensors[id]->count);
            assert_memory_equal(values, next, written->tensors[id]->count * sizeof *values);
            next += written->tensors[id]->count;
            free(values);
        }
        pare_model_close(written);
        pare_trained_free(full);
        tiny_remove(folder);
        free(folder);
        free(config);
        family_close(&m);
    }
}

/* Norms that change nothing, 1 or 1 + 0, and biases that add nothing. */
static void fresh_vectors_do_nothing(void **state) {
    const fixture *f = *state;
    for (size_t n = 0; n < NAMES; n++) {
        family_model m = open_named(f, names[n]);
        pare_full_options options = {.fresh = true, .seed = 1};
        pare_trained *full;
        expect(pare_trained_full(m.model, f->backend, &options, &full), PARE_OK, "");
        const float *next = full->value;
        for (size_t id = 0; id < m.model->tensor_count; id++) {
            const pare_tensor *tensor = m.model->tensors[id];
            size_t length = strlen(tensor->name);
            bool bias = length > 4 && strcmp(tensor->name + length - 4, "bias") == 0;
            float expected = bias || m.model->config.architecture.norm_unit ? 0.0f : 1.0f;
            for (uint64_t i = 0; tensor->rank == 1 && i < tensor->count; i++)
                if (next[i] < expected || next[i] > expected) fail_msg("%s: %s", names[n], tensor->name);
            next += tensor->count;
        }
        pare_trained_free(full);
        family_close(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_reaches_every_tensor),
        cmocka_unit_test(zeros_of_parts_are_seen),
        cmocka_unit_test(moved_weights_are_written),
        cmocka_unit_test(fresh_vectors_do_nothing),
    };
    return cmocka_run_group_tests(tests, setup, fixture_close);
}
