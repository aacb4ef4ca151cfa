/* A written model that is not what was trained: rounded twice, zeros filled, tensors changed that training did not
 * touch or left out that a LLaMA does not use, and weights written that are no numbers. */
#include "support/memory.h"
#include "tiny_trained.h"
#include "train/write.h"

typedef pare_trained *make_fn(const tiny_pass *t);

static pare_trained *make_lora(const tiny_pass *t) {
    pare_trained *out;
    pare_lora_options options = all_targets;
    options.targets[PARE_ROLE_V] = options.targets[PARE_ROLE_DOWN] = false;
    expect(pare_trained_lora(t->model, t->backend, &options, &out), PARE_OK, "");
    return out;
}

static pare_trained *make_masked(const tiny_pass *t) {
    pare_trained *out;
    expect(pare_trained_lora_masked(t->model, t->backend, &all_targets, &out), PARE_OK, "");
    return out;
}

static pare_trained *make_full(const tiny_pass *t) {
    pare_trained *out;
    expect(pare_trained_full(t->model, t->backend, &(pare_full_options){0}, &out), PARE_OK, "");
    return out;
}

static void copy_config(const char *from, const char *to) {
    char *path = pare_path_join(from, "config.json"), *text;
    size_t bytes;
    assert_int_equal(pare_file_read(path, 1 << 20, &text, &bytes), PARE_OK);
    tiny_write_file(to, "config.json", text, bytes);
    pare_free(text);
    free(path);
}

typedef struct written {
    char *folder;
    pare_model *model;
} written;

static written write_and_open(const tiny_pass *t, const pare_trained *trained) {
    written w = {.folder = tiny_folder()};
    copy_config(t->folder, w.folder);
    expect(pare_trained_write(trained, w.folder, NULL), PARE_OK, "");
    expect(pare_model_open(w.folder, &w.model), PARE_OK, "");
    uint64_t bytes, size = 0;
    expect(pare_trained_write_bytes(trained, &bytes), PARE_OK, "");
    for (size_t i = 0; i < pare_checkpoint_file_count(w.model->checkpoint); i++)
        size += pare_checkpoint_mapping(w.model->checkpoint, i)->bytes;
    assert_true(bytes >= size);
    return w;
}

static void written_close(written *w) {
    pare_model_close(w->model);
    tiny_remove(w->folder);
    free(w->folder);
}

/* Every element is the merged one, rounded once; what training does not change is the same bytes. */
static void check_elements(const pare_trained *trained, const pare_model *model) {
    for (size_t id = 0; id < model->tensor_count; id++) {
        const pare_tensor *before = trained->model->tensors[id], *after = model->tensors[id];
        assert_int_equal(after->dtype, before->dtype);
        assert_int_equal(after->count, before->count);
        if (!trained->changes(trained, id)) {
            assert_memory_equal(after->data, before->data, before->bytes);
            continue;
        }
        float *merged = tiny_merged(trained, id, 1000);
        char *rounded = malloc(after->bytes);
        pare_from_float(rounded, after->dtype, merged, after->count);
        assert_memory_equal(rounded, after->data, after->bytes);
        assert_true(memcmp(before->data, after->data, after->bytes) != 0);
        free(rounded);
        free(merged);
    }
}

/* What is compared with the written model computes with the written numbers: a step of training is often less than 16
 * bits can tell apart. */
static void check_rounded(pare_trained *trained, const pare_model *model) {
    assert_int_equal(trained->round != NULL, !strcmp(trained->kind, "full"));
    if (!trained->round) return;
    trained->round(trained);
    for (size_t id = 0; id < model->tensor_count; id++) {
        float *merged = tiny_merged(trained, id, 1000), *after = malloc(model->tensors[id]->count * sizeof *after);
        pare_to_float(after, model->tensors[id]->data, model->tensors[id]->dtype, model->tensors[id]->count);
        assert_memory_equal(merged, after, model->tensors[id]->count * sizeof *after);
        free(after);
        free(merged);
    }
}

static void check_kind(make_fn *make, tiny_model tiny) {
    tiny_pass t = tiny_trained_open(tiny, !tiny.shards, 1, 4);
    pare_trained *trained = make(&t);
    tiny_move(trained, 0.02f);
    written w = write_and_open(&t, trained);
    assert_int_equal(pare_checkpoint_count(w.model->checkpoint), w.model->tensor_count);
    check_elements(trained, w.model);
    check_rounded(trained, w.model);
    written_close(&w);
    pare_trained_free(trained);
    tiny_pass_close(&t);
}

static void elements_are_rounded_once(void **state) {
    (void)state;
    make_fn *const kinds[] = {make_lora, make_masked, make_full};
    for (int kind = 0; kind < 3; kind++)
        for (int dtype = 0; dtype < 3; dtype++)
            check_kind(kinds[kind], (tiny_model){.kv_heads = 2, .tied = true, .dtype = (pare_dtype)dtype});
    check_kind(make_lora, (tiny_model){.layers = 3, .shards = 3});
}

static float *logits_of(const tiny_pass *t, const pare_source *source) {
    pare_pass *pass = tiny_trained_pass(t, false);
    int64_t tokens = t->sequences * t->length;
    float *logits = malloc((size_t)(tokens * t->model->config.vocabulary) * sizeof *logits);
    assert_int_equal(pare_pass_forward(pass, source, t->ids, t->sequences), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, source, 0, tokens, logits), PARE_OK);
    pare_pass_free(pass);
    return logits;
}

/* A model in fp32 that was trained as the pass sees it gives the same bits when it is opened again. */
static void the_written_model_is_what_was_trained(void **state) {
    (void)state;
    make_fn *const kinds[] = {make_masked, make_full};
    for (int kind = 0; kind < 2; kind++) {
        tiny_pass t = tiny_trained_open((tiny_model){.kv_heads = 2, .scale = 0.3}, true, 2, 7);
        pare_trained *trained = kinds[kind](&t);
        float *before = logits_of(&t, &trained->source);
        tiny_move(trained, 0.1f);
        written w = write_and_open(&t, trained);
        tiny_pass again = t;
        again.model = w.model;
        pare_source plain = {.model = w.model, .backend = t.backend};
        float *seen = logits_of(&t, &trained->source), *reopened = logits_of(&again, &plain);
        size_t bytes = (size_t)(t.sequences * t.length * t.model->config.vocabulary) * sizeof *seen;
        assert_memory_equal(seen, reopened, bytes);
        assert_true(memcmp(seen, before, bytes) != 0);
        free(before);
        free(seen);
        free(reopened);
        written_close(&w);
        pare_trained_free(trained);
        tiny_pass_close(&t);
    }
}

static void zeros_stay_zeros(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){.dtype = PARE_DTYPE_BF16}, true, 1, 4);
    pare_trained *trained = make_masked(&t);
    tiny_move(trained, 0.5f);
    written w = write_and_open(&t, trained);
    size_t zeros = 0;
    for (size_t id = 0; id < w.model->tensor_count; id++)
        for (size_t i = 0; i < w.model->tensors[id]->count; i++)
            if (!(fabs(stored_at(t.model->tensors[id], i)) > 0.0)) {
                assert_true(stored_at(w.model->tensors[id], i) == 0.0);
                zeros++;
            }
    assert_true(zeros > pare_model_parameters(t.model) / 3);
    written_close(&w);
    pare_trained_free(trained);
    tiny_pass_close(&t);
}

/* The head that is stored although it is tied follows the embedding; what nobody uses stays. */
static void tensors_that_are_not_used_go_along(void **state) {
    (void)state;
    static const char unused[] = "model.layers.0.self_attn.rotary_emb.inv_freq", head[] = "lm_head.weight";
    tiny_pass t = tiny_trained_open((tiny_model){.tied = true}, false, 1, 4);
    const pare_tensor *embedding = t.model->tensors[pare_tensor_id_embedding()];
    float *values = malloc(embedding->bytes);
    memcpy(values, embedding->data, embedding->bytes);
    pare_model_close(t.model);
    tiny_append(t.folder, unused, 4, 0, (const float[4]){1.0f, 0.25f, NAN, -0.0f});
    tiny_append(t.folder, head, 32, 16, values);
    assert_int_equal(pare_model_open(t.folder, &t.model), PARE_OK);
    pare_trained *trained = make_full(&t);
    tiny_move(trained, 0.1f);
    written w = write_and_open(&t, trained);
    const pare_tensor *now = pare_checkpoint_find(w.model->checkpoint, unused);
    assert_memory_equal(now->data, pare_checkpoint_find(t.model->checkpoint, unused)->data, 16);
    now = pare_checkpoint_find(w.model->checkpoint, head);
    assert_memory_equal(now->data, w.model->tensors[pare_tensor_id_embedding()]->data, now->bytes);
    assert_true(memcmp(now->data, values, now->bytes) != 0);
    free(values);
    written_close(&w);
    pare_trained_free(trained);
    tiny_pass_close(&t);
}

static void weights_that_are_no_numbers_are_refused(void **state) {
    (void)state;
    const float wrong[] = {NAN, INFINITY, 70000.0f};
    for (int i = 0; i < 3; i++) {
        tiny_pass t = tiny_trained_open((tiny_model){.dtype = PARE_DTYPE_F16}, false, 1, 4);
        pare_trained *trained = make_full(&t);
        trained->value[trained->count - 3] = wrong[i];
        char *folder = tiny_folder();
        expect(pare_trained_write(trained, folder, NULL), PARE_NUMERIC_ERROR,
               "lm_head.weight that are not finite or too large for F16");
        tiny_remove(folder);
        free(folder);
        pare_trained_free(trained);
        tiny_pass_close(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_rounded_once),
        cmocka_unit_test(the_written_model_is_what_was_trained),
        cmocka_unit_test(zeros_stay_zeros),
        cmocka_unit_test(tensors_that_are_not_used_go_along),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
