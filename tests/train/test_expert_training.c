/* Training of mixtures of experts: gradients that miss an expert, weights of experts that are written elsewhere or not
 * at all, corrections that move though they have no gradient. */
#include "model/expert_tensors.h"
#include "model/family_fixture.h"
#include "tiny_slopes.h"
#include "train/adapter_file.h"
#include "train/write.h"

/* Experts one by one and in one tensor, shared ones, corrected ones, every second layer dense, latents. */
static const char *const names[] = {"mixtral",
                                    "qwen2_moe every second layer",
                                    "granitemoe",
                                    "glm4_moe",
                                    "phimoe",
                                    "qwen3_moe",
                                    "olmoe",
                                    "dots1",
                                    "deepseek_v3",
                                    "deepseek_v2 groups, straight queries",
                                    "llama4_text two of six, plain"};
enum { NAMES = sizeof names / sizeof *names };

static int setup(void **state) {
    return fixture_open(state, families_load_from(EXPERTS_GOLDEN));
}

static pare_trained *all_weights(const fixture *f, const pare_model *model) {
    const pare_full_options options = {0};
    pare_trained *full;
    expect(pare_trained_full(model, f->backend, &options, &full), PARE_OK, "");
    return full;
}

static bool is_correction(const pare_model *model, size_t id) {
    pare_expert_place place;
    return pare_tensor_id_split_expert(model, id, &place) && place.what == PARE_EXPERT_CORRECTION;
}

static size_t count_of(const pare_model *model, size_t id) {
    return is_correction(model, id) ? 0 : model->tensors[id]->count;
}

static bool any(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (fabsf(values[i]) > 0.0f) return true;
    return false;
}

/* In the last layer, behind which nothing chooses among experts any more. */
static bool is_last_expert(const pare_model *model, size_t id) {
    pare_expert_place place;
    bool expert = pare_tensor_id_split_expert(model, id, &place) && place.what == PARE_EXPERT_OWN;
    return expert && place.layer + 1 == model->config.layers;
}

/* Along the gradient itself, where the slope is its square: by central differences, of losses in fp32 (1e-6). */
static void check_along_gradient(const slopes *s, size_t at, size_t count, const char *what) {
    double squares = 0.0;
    for (size_t i = 0; i < count; i++)
        squares += (double)s->trained->gradient[at + i] * (double)s->trained->gradient[at + i];
    double step = 0.1 / sqrt(squares), actual = slope_along(s, at, count, s->trained->gradient + at, step);
    if (fabs(actual - squares) > 1e-2 * squares + 1e-6 / step)
        fail_msg("%s: squares of the gradient %.8g, by differences %.8g", what, squares, actual);
}

static void gradients_are_those_of_the_loss(void **state) {
    const fixture *f = *state;
    for (size_t n = 0; n < NAMES; n++) {
        family_model m = open_named(f, names[n]);
        tiny_pass t = {.model = m.model,
                       .backend = f->backend,
                       .ids = f->all.ids,
                       .sequences = FAMILY_SEQUENCES,
                       .length = FAMILY_LENGTH};
        slopes s = slopes_open(&t, all_weights(f, m.model));
        size_t at = 0, checked = 0;
        for (size_t id = 0; id < m.model->tensor_count; at += count_of(m.model, id), id++) {
            size_t count = count_of(m.model, id);
            if (!is_last_expert(m.model, id) || !any(s.trained->gradient + at, count)) continue;
            check_along_gradient(&s, at, count, m.model->tensors[id]->name);
            checked++;
        }
        assert_int_equal(at, s.trained->count);
        assert_true(checked >= PARE_EXPERT_PARTS);
        check_gradients_add_up(&s);
        slopes_close(&s);
        family_close(&m);
    }
}

/* Bit by bit, whichever way the file stores it; what has no gradient stays. */
static void moved_weights_are_written(void **state) {
    const fixture *f = *state;
    for (size_t n = 0; n < NAMES; n++) {
        family_model m = open_named(f, names[n]);
        char *folder = tiny_folder(),
             *config = json_dumps(json_object_get(family_case(&f->all, names[n]), "config"), 0);
        pare_trained *full = all_weights(f, m.model);
        pare_model *written;
        tiny_move(full, 0.1f);
        tiny_write_text(folder, "config.json", config);
        expect(pare_trained_write(full, folder, NULL), PARE_OK, "");
        expect(pare_model_open(folder, &written), PARE_OK, "");
        const float *next = full->value;
        for (size_t id = 0; id < m.model->tensor_count; id++) {
            const pare_tensor *tensor = written->tensors[id];
            const void *expected = is_correction(m.model, id) ? m.model->tensors[id]->data : next;
            float *found = malloc(tensor->count * sizeof *found + 1); /* what is transposed is no run of the file */
            assert_int_equal(tensor->count, m.model->tensors[id]->count);
            if (tensor->count) pare_tensor_values(tensor, 0, tensor->count, found);
            if (memcmp(found, expected, tensor->count * sizeof *found) != 0)
                fail_msg("%s: %s is written otherwise", names[n], tensor->name);
            free(found);
            next += count_of(m.model, id);
        }
        pare_model_close(written);
        pare_trained_free(full);
        tiny_remove(folder);
        free(folder);
        free(config);
        family_close(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(moved_weights_are_written),
    };
    return cmocka_run_group_tests(tests, setup, fixture_close);
}
