/* Greedy text of every family with cached keys and values equals transformers', after prompts that are shorter and
 * longer than a window. */
#include "generate/generate.h"
#include "model/families.h"

/* prompt: [sequence, place, length, what follows...]. At most `stretch` tokens of it at a time. */
static bool continues(const families *all, const json_t *one, const pare_source *source, const json_t *prompt,
                      int64_t stretch) {
    int64_t at = json_integer_value(json_array_get(prompt, 1)), length = json_integer_value(json_array_get(prompt, 2));
    const uint32_t *ids = all->ids + json_integer_value(json_array_get(prompt, 0)) * FAMILY_LENGTH + at;
    uint32_t vocabulary = source->model->config.vocabulary, next;
    size_t made = json_array_size(prompt) - 3, same = 0;
    float *logits = malloc(vocabulary * sizeof *logits);
    pare_generator_shape shape = {.batch = 1, .capacity = length + (int64_t)made};
    pare_generator *g;
    assert_int_equal(pare_generator_new(source, &shape, &g), PARE_OK);
    for (int64_t done = 0; done < length; done += stretch)
        assert_int_equal(pare_generator_step(g, ids + done, done + stretch < length ? stretch : length - done, logits),
                         PARE_OK);
    for (size_t i = 0; i < made; i++, same++) {
        next = 0;
        for (uint32_t v = 1; v < vocabulary; v++)
            next = logits[v] > logits[next] ? v : next;
        if ((json_int_t)next != json_integer_value(json_array_get(prompt, i + 3))) break;
        assert_int_equal(pare_generator_step(g, &next, 1, logits), PARE_OK);
    }
    if (same < made)
        fprintf(stderr, "%s: %lld tokens, %lld at a time: the text is another from token %zu on\n", family_name(one),
                (long long)length, (long long)stretch, same);
    pare_generator_free(g);
    free(logits);
    return same == made;
}

/* A prompt that passes a longrope's original positions in one of its stretches: transformers, too, keeps the keys that
 * it has, but in Phi-3, and makes another text than of the whole prompt. */
static bool depends_on_stretches(const pare_config *config, const json_t *prompt, int64_t stretch) {
    int64_t length = json_integer_value(json_array_get(prompt, 2));
    return stretch < length && !config->rope[0].renews_keys && pare_rope_is_beyond(&config->rope[0], length);
}

static void check(int64_t stretch) {
    families all = families_load();
    pare_backend *backend;
    size_t i, k, wrong = 0;
    json_t *one, *prompt;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){0});
        pare_source source = {.model = m.model, .backend = backend};
        assert_true(json_array_size(json_object_get(one, "greedy")) == 3);
        json_array_foreach(json_object_get(one, "greedy"), k, prompt) {
            if (depends_on_stretches(&m.model->config, prompt, stretch)) continue;
            wrong += !continues(&all, one, &source, prompt, stretch);
        }
        family_close(&m);
    }
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void prompts_at_once(void **state) {
    (void)state;
    check(FAMILY_LENGTH);
}

static void prompts_bit_by_bit(void **state) {
    (void)state;
    check(5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_at_once),
        cmocka_unit_test(prompts_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
