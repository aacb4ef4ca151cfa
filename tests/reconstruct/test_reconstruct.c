/* Reconstruction: gradients of a half block equal differences of its loss, in every family; what is trained comes no
 * further from the dense model than it was; zeros stay; dropped layers are passed; the same seed gives the same bits;
 * and it holds no more memory than was said before. */
#include "../model/families.h"
#include "reconstruct/reconstruct.h"
#include "reconstruct/sub_block.h"
#include "support/memory.h"

/* BOOKKEEPING: a list of tensors. */
enum { LAYERS = 8, BOOKKEEPING = 2048 };

typedef struct smaller {
    family_model opened;
    pare_selection selection;
    bool dropped[LAYERS];
    pare_reconstruction asked;
} smaller;

/* The last expert, and every other channel of those that are left. */
static void narrow_experts(const pare_config *config, uint32_t layer, pare_kept *kept) {
    uint32_t experts[64], channels[4096], left = config->widths[layer].experts, each = 0, width = config->experts.width;
    if (!left) return;
    left = left - 1 < config->experts.chosen ? left : left - 1;
    for (uint32_t i = 0; i < left; i++)
        experts[i] = i;
    for (uint32_t i = 0; i < left; i++)
        for (uint32_t j = each = 0; j < width; j += 2)
            channels[i * ((width + 1) / 2) + each++] = j;
    assert_int_equal(pare_kept_set_experts(experts, left, kept), PARE_OK);
    assert_int_equal(pare_kept_set_expert_channels(channels, each, kept), PARE_OK);
}

/* Every other FFN channel goes, and a layer where `drops`. */
static smaller make(const families *all, const json_t *one, const pare_backend *backend, bool drops) {
    smaller s = {.opened = family_open(one, (family_form){0})};
    const pare_model *model = s.opened.model;
    assert_true(model->config.layers <= LAYERS);
    assert_int_equal(pare_selection_all(model, &s.selection), PARE_OK);
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        uint32_t channels[256], count = 0;
        for (uint32_t i = 0; i < model->config.widths[layer].ffn && count < 256; i += 2)
            channels[count++] = i;
        assert_int_equal(pare_kept_set_channels(channels, count, &s.selection.layer[layer]), PARE_OK);
        narrow_experts(&model->config, layer, &s.selection.layer[layer]);
    }
    if (drops) pare_kept_drop(&s.selection.layer[0]);
    s.dropped[0] = drops;
    s.asked = (pare_reconstruction){.dense = model,
                                    .model = model,
                                    .backend = backend,
                                    .ids = all->ids,
                                    .sequences = FAMILY_SEQUENCES,
                                    .length = FAMILY_LENGTH,
                                    .steps = 20,
                                    .rate = 1e-3,
                                    .dense_share = 1.0,
                                    .seed = 3};
    return s;
}

static void point(smaller *s) {
    s->asked.selection = &s->selection;
    s->asked.dense_dropped = s->dropped;
}

static void release(smaller *s) {
    pare_selection_free(&s->selection);
    family_close(&s->opened);
}

/* 1/2 of the sum of squares of what the part puts out beside `target`. */
static double loss_of(pare_sub_block *sub, const float *x, const float *target, int64_t n, float *made) {
    double sum = 0.0;
    assert_int_equal(pare_sub_block_forward(sub, 1, x, made), PARE_OK);
    for (int64_t i = 0; i < n; i++) {
        made[i] -= target[i];
        sum += (double)made[i] * (double)made[i] / 2;
    }
    return sum;
}

/* Along a direction that all weights of the part take part in, central differences; relative to the gradient's norm,
 * which is what its product with numbers of size 1 comes to. Where values are clamped the loss has kinks, and where
 * tokens come to other experts, jumps. */
static double directional_error(pare_sub_block *sub, const float *x, const float *target, int64_t n, float *made) {
    double along = 0.0, squares = 0.0, size = families_have_experts() ? 1e-4 : 1e-3, sides[2];
    float *direction = malloc(sub->count * sizeof *direction), *at = sub->values + sub->begin;
    float *base = malloc(sub->count * sizeof *base);
    loss_of(sub, x, target, n, made);
    assert_int_equal(pare_sub_block_backward(sub, x, made), PARE_OK);
    memcpy(base, at, sub->count * sizeof *base);
    for (size_t i = 0; i < sub->count; i++) {
        direction[i] = counted(77, (uint32_t)i);
        double gradient = (double)sub->gradient[sub->begin + i];
        along += (double)direction[i] * gradient;
        squares += gradient * gradient;
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < sub->count; i++)
            sub->start[sub->begin + i] = base[i] + (float)(side ? -size : size) * direction[i];
        pare_sub_block_take(sub, 0.0f);
        sides[side] = loss_of(sub, x, target, n, made);
    }
    free(base);
    free(direction);
    double measured = (sides[0] - sides[1]) / (2 * size);
    return fabs(measured - along) / sqrt(squares);
}

static double check_family(const families *all, const json_t *one, const pare_backend *backend) {
    smaller s = make(all, one, backend, false);
    point(&s);
    const pare_config *config = &s.opened.model->config;
    int64_t n = FAMILY_LENGTH * (int64_t)config->hidden;
    float *x = malloc((size_t)n * sizeof *x), *target = malloc((size_t)n * sizeof *x),
          *made = malloc((size_t)n * sizeof *x);
    pare_source source = {.model = s.opened.model, .backend = backend};
    pare_sub_block sub;
    pare_walk walk;
    double worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = counted(5, (uint32_t)i);
        target[i] = counted(6, (uint32_t)i);
    }
    assert_int_equal(pare_walk_new(&source, FAMILY_LENGTH, 1, &walk), PARE_OK);
    assert_int_equal(pare_sub_block_new(&s.asked, 1, &sub), PARE_OK);
    for (int part = PARE_PART_ATTENTION; part <= PARE_PART_FFN; part++) {
        pare_block base = pare_walk_block(&walk, 1);
        assert_int_equal(pare_sub_block_enter(&sub, &base, 1), PARE_OK);
        pare_sub_block_choose(&sub, (pare_part)part);
        worst = family_worse(worst, directional_error(&sub, x, target, n, made));
    }
    pare_sub_block_free(&sub);
    pare_walk_free(&walk);
    free(x);
    free(target);
    free(made);
    release(&s);
    return worst;
}

static void gradients_are_those_of_the_loss(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend;
    size_t i, checked = 0;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) {
        /* Steps this small are none of packed weights, which are rounded to bf16. */
        if (json_object_get(json_object_get(one, "config"), "quantization_config")) continue;
        double apart = check_family(&all, one, backend);
        checked++;
        if (!(apart < 0.03)) fail_msg("%s: gradient and differences are apart by %.2g", family_name(one), apart);
    }
    assert_true(checked > 10);
    pare_backend_close(backend);
    families_free(&all);
}

/* What the plan says is for the largest layer and the whole of every tensor: it may be too much, never too little. */
static void run(const smaller *s, pare_repaired *out, pare_rebuilt (*rebuilt)[PARE_STAGES]) {
    uint64_t said, in_files, before = pare_memory_current();
    assert_int_equal(pare_reconstruct_measure(&s->asked, &said, &in_files), PARE_OK);
    pare_memory_peak_reset();
    if (pare_reconstruct_run(&s->asked, out, rebuilt) != PARE_OK) fail_msg("%s", pare_message());
    uint64_t held = pare_memory_peak() - before;
    if (held > said - in_files + BOOKKEEPING)
        fail_msg("held %llu bytes, the plan says %llu", (unsigned long long)held,
                 (unsigned long long)(said - in_files));
}

static void check_run(const families *all, const json_t *one, const pare_backend *backend, bool drops) {
    smaller s = make(all, one, backend, drops);
    point(&s);
    pare_repaired out, again;
    pare_rebuilt rebuilt[LAYERS][PARE_STAGES];
    const pare_config *config = &s.opened.model->config;
    run(&s, &out, rebuilt);
    for (uint32_t layer = 0; layer < config->layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            const pare_rebuilt *r = &rebuilt[layer][stage];
            assert_true(isfinite(r->before) && r->after <= r->before);
            assert_true(r->share >= 0 && r->share <= 1 && (r->share > 0) == (r->after < r->before));
            assert_true(!s.dropped[layer] || r->before == 0);
        }
    run(&s, &again, rebuilt);
    for (size_t id = 0; id < out.count; id++)
        assert_true((out.matrix[id] == NULL) == (again.matrix[id] == NULL));
    assert_int_equal(out.used, again.used);
    assert_memory_equal(out.memory.data, again.memory.data, out.used);
    pare_repaired_free(&out);
    pare_repaired_free(&again);
    release(&s);
}

static void nothing_comes_further_away(void **state) {
    (void)state;
    static const char *const names[] = {"llama",     "gpt2",       "gpt_neox", "qwen3",       "gemma3_text", "mixtral",
                                        "qwen2_moe", "granitemoe", "gpt_oss",  "deepseek_v2", "deepseek_v3"};
    families all = families_load();
    pare_backend *backend;
    size_t found = 0, i;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
        if (strcmp(family_name(one), names[j]) != 0) continue;
        check_run(&all, one, backend, false);
        check_run(&all, one, backend, true);
        found++;
    }
    assert_true(found >= 3);
    pare_backend_close(backend);
    families_free(&all);
}

/* Half a change of what is trained, and none. */
static void shares_of_a_change(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    smaller s = make(&all, family_case(&all, "llama"), backend, false);
    point(&s);
    pare_source source = {.model = s.opened.model, .backend = backend};
    pare_sub_block sub;
    pare_walk walk;
    assert_int_equal(pare_walk_new(&source, FAMILY_LENGTH, 1, &walk), PARE_OK);
    assert_int_equal(pare_sub_block_new(&s.asked, 1, &sub), PARE_OK);
    pare_block base = pare_walk_block(&walk, 1);
    assert_int_equal(pare_sub_block_enter(&sub, &base, 1), PARE_OK);
    pare_sub_block_choose(&sub, PARE_PART_FFN);
    for (size_t i = 0; i < sub.count; i++)
        sub.values[sub.begin + i] += 0.5f;
    pare_sub_block_finish(&sub);
    static const float shares[] = {0.5f, 0.0f, 1.0f};
    for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
        pare_sub_block_take(&sub, shares[k]);
        for (size_t i = 0; i < sub.count; i++)
            assert_true(fabsf(sub.values[sub.begin + i] - sub.start[sub.begin + i] - 0.5f * shares[k]) < 1e-6f);
    }
    pare_sub_block_free(&sub);
    pare_walk_free(&walk);
    release(&s);
    pare_backend_close(backend);
    families_free(&all);
}

/* Of single weights: a matrix with zeros in place of some of them is what was repaired. */
static void zeros_stay(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    smaller s = make(&all, family_case(&all, "llama"), backend, false);
    const pare_model *model = s.opened.model;
    size_t id = pare_tensor_id(1, PARE_ROLE_UP);
    size_t count = (size_t)model->tensors[id]->count;
    pare_repaired repaired, out;
    pare_rebuilt rebuilt[LAYERS][PARE_STAGES];
    void *matrix;
    pare_selection_free(&s.selection);
    assert_int_equal(pare_selection_all(model, &s.selection), PARE_OK);
    point(&s);
    int64_t rows, columns;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    assert_int_equal(
        pare_repaired_new(model, pare_repaired_bytes(model, id, (uint64_t)rows, (uint64_t)columns), NULL, &repaired),
        PARE_OK);
    assert_int_equal(pare_repaired_add(&repaired, model, id, (uint64_t)rows, (uint64_t)columns, &matrix), PARE_OK);
    float *values = matrix;
    pare_tensor_values(model->tensors[id], 0, count, values);
    for (size_t i = 0; i < count; i += 3)
        values[i] = 0.0f;
    s.asked.repaired = &repaired;
    s.asked.keep_zeros = true;
    s.asked.rate = 1e-2;
    run(&s, &out, rebuilt);
    const float *after = out.matrix[id];
    size_t moved = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 3 == 0) assert_true(after[i] == 0.0f);
        moved += after[i] != values[i];
    }
    assert_true(moved > 0 && rebuilt[1][PARE_STAGE_FFN].after < rebuilt[1][PARE_STAGE_FFN].before);
    pare_repaired_free(&repaired);
    pare_repaired_free(&out);
    release(&s);
    pare_backend_close(backend);
    families_free(&all);
}

typedef struct outcome {
    pare_repaired out;
    pare_rebuilt rebuilt[LAYERS][PARE_STAGES];
} outcome;

static bool same_bits(const pare_repaired *a, const pare_repaired *b) {
    return a->used == b->used && memcmp(a->memory.data, b->memory.data, a->used) == 0;
}

static double total_after(const pare_rebuilt (*rebuilt)[PARE_STAGES], uint32_t layers) {
    double total = 0.0;
    for (uint32_t layer = 0; layer < layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            assert_true(rebuilt[layer][stage].after <= rebuilt[layer][stage].before);
            total += rebuilt[layer][stage].after;
        }
    return total;
}

/* The unit matrix measures as no metric does, and another one makes a difference; so do a rank and a mix of targets.
 * None of them holds more than is said, nor takes what is worse. */
static void what_it_can_be_asked_for(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    smaller s = make(&all, family_case(&all, "qwen3"), backend, false);
    const pare_config *config = &s.opened.model->config;
    size_t d = config->hidden;
    float *unit = calloc(d * d, sizeof *unit), *other = calloc(d * d, sizeof *other);
    float *metric[LAYERS][PARE_STAGES];
    outcome plain, now;
    assert_true(unit && other);
    for (size_t i = 0; i < d; i++) {
        unit[i * d + i] = 1.0f;
        other[i * d + i] = i % 2 ? 0.01f : 3.0f;
    }
    point(&s);
    run(&s, &plain.out, plain.rebuilt);
    for (int ask = 0; ask < 4; ask++) {
        for (uint32_t i = 0; i < LAYERS * PARE_STAGES; i++)
            metric[i / PARE_STAGES][i % PARE_STAGES] = ask == 0 ? unit : other;
        s.asked.metric = ask < 2 ? (float *const(*)[PARE_STAGES])metric : NULL;
        s.asked.rank = ask == 2 ? 2 : 0;
        s.asked.dense_share = ask == 3 ? 0.5 : 1.0;
        run(&s, &now.out, now.rebuilt);
        assert_int_equal(same_bits(&plain.out, &now.out), ask == 0);
        assert_true(total_after((const pare_rebuilt(*)[PARE_STAGES])now.rebuilt, config->layers) > 0);
        pare_repaired_free(&now.out);
    }
    pare_repaired_free(&plain.out);
    free(unit);
    free(other);
    release(&s);
    pare_backend_close(backend);
    families_free(&all);
}

static void one_sequence_is_too_few(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    smaller s = make(&all, family_case(&all, "llama"), backend, false);
    pare_repaired out;
    pare_rebuilt rebuilt[LAYERS][PARE_STAGES];
    point(&s);
    s.asked.sequences = 1;
    assert_int_equal(pare_reconstruct_run(&s.asked, &out, rebuilt), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "give 2 or more with --samples"));
    s.asked.sequences = 2;
    s.asked.limit = 1000;
    assert_int_equal(pare_reconstruct_run(&s.asked, &out, rebuilt), PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "raise --memory, or leave out --reconstruct"));
    release(&s);
    pare_backend_close(backend);
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(nothing_comes_further_away),
        cmocka_unit_test(zeros_stay),
        cmocka_unit_test(shares_of_a_change),
        cmocka_unit_test(what_it_can_be_asked_for),
        cmocka_unit_test(one_sequence_is_too_few),
    };
    const struct CMUnitTest of_experts[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(nothing_comes_further_away),
    };
    return families_have_experts() ? cmocka_run_group_tests(of_experts, NULL, NULL)
                                   : cmocka_run_group_tests(tests, NULL, NULL);
}
