/* An iteration that is saved, loaded into a new state and continued ends where it would have ended; files that are not
 * what they should be are refused, each with a sentence, and change nothing. */
#include "calibrate/moreau_file.h"
#include "calibrate/moreau_run.h"
#include "forge.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .scale = 0.3};
static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char other_key[] = "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

typedef struct saving {
    const pare_model *model;
    char *path;
    int32_t stop_after;
} saving;

/* Every step is saved, over the one before. */
static pare_status save(void *context, int32_t step, pare_moreau_state *state) {
    saving *s = context;
    assert_int_equal(pare_moreau_save(s->model, state, s->path, key), PARE_OK);
    return step + 1 == s->stop_after ? PARE_INTERRUPTED : PARE_OK;
}

/* Bitwise: NaN correlations compare as they are. */
static void compare(const tiny_pass *t, const pare_moreau *moreau, const pare_moreau_state *a,
                    const pare_moreau_state *b) {
    assert_memory_equal(a->trace, b->trace, (size_t)moreau->steps * sizeof *a->trace);
    assert_memory_equal(a->tensor_l2, b->tensor_l2, t->model->tensor_count * sizeof(double));
    assert_memory_equal(&a->level, &b->level, sizeof a->level);
    assert_int_equal(a->steps_done, b->steps_done);
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        size_t bytes = t->model->tensors[id]->count * sizeof(float);
        assert_int_equal(a->delta[id] != NULL, b->delta[id] != NULL);
        if (!a->delta[id]) continue;
        assert_memory_equal(a->delta[id], b->delta[id], bytes);
        assert_memory_equal(pare_moreau_signal(a)[id], pare_moreau_signal(b)[id], bytes);
    }
}

static pare_status resume(const tiny_pass *t, const moreau_job *job, const char *path, pare_moreau_state *state) {
    pare_pass_shape shape = {.sequences = t->sequences, .length = t->length, .gradients = true, .composed = true};
    pare_source source = {.model = t->model, .backend = t->backend, .perturbed = job->displaced, .seed = job->seed};
    pare_pass *pass;
    assert_int_equal(pare_moreau_state_new(t->model, job->displaced, &job->moreau, job->scratch, state), PARE_OK);
    assert_int_equal(pare_moreau_load(t->model, &job->moreau, path, key, state), PARE_OK);
    pare_moreau_schedule schedule = {.first_step = state->steps_done};
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_status status = pare_moreau_run(pass, &source, t->ids, &job->moreau, &schedule, state);
    pare_pass_free(pass);
    return status;
}

static const pare_moreau kinds[] = {
    {.steps = 6, .draws = 1, .sigma = 0.1, .rho = 0.2, .gamma = 0.1, .eta = 0.01, .prox = PARE_PROX_GROUP},
    {.steps = 6, .draws = 2, .sigma = 0.1, .rho = 0.2, .gamma = 0.1, .prox = PARE_PROX_GROUP, .eta_quantile = 0.4},
    {.steps = 6,
     .draws = 1,
     .sigma = 0.1,
     .rho = 0.2,
     .gamma = 0.1,
     .eta = 0.01,
     .prox = PARE_PROX_RELEASED,
     .tail = 5,
     .unpulled = true},
    {.steps = 6,
     .draws = 3,
     .sigma = 0.1,
     .rho = 0.2,
     .gamma = 0.1,
     .prox = PARE_PROX_L1,
     .eta_quantile = 0.4,
     .tail = 4},
};

static void continued_is_the_same(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    char *folder = tiny_folder();
    bool displaced[128];
    memset(displaced, 1, sizeof displaced);
    displaced[pare_tensor_id(0, PARE_ROLE_K)] = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int32_t stop = 1; stop <= 6; stop += i == 0 ? 5 : 2) {
            saving s = {.model = t.model, .path = pare_path_join(folder, "steps"), .stop_after = stop};
            pare_moreau_schedule schedule = {.after_step = save, .context = &s};
            moreau_job job = {.moreau = kinds[i], .seed = 9, .displaced = displaced};
            pare_moreau_state whole = moreau_run(&t, &job), half, rest;
            job.schedule = &schedule;
            assert_int_equal(moreau_try(&t, &job, &half), PARE_INTERRUPTED);
            pare_moreau_state_free(&half);
            assert_int_equal(resume(&t, &job, s.path, &rest), PARE_OK);
            compare(&t, &kinds[i], &whole, &rest);
            pare_moreau_state_free(&whole);
            pare_moreau_state_free(&rest);
            unlink(s.path);
            free(s.path);
        }
    assert_int_equal(rmdir(folder), 0); /* nothing was left beside the file */
    free(folder);
    tiny_pass_close(&t);
}

typedef struct damage {
    tiny_pass pass;
    bool displaced[128];
    char *folder, *path;
    unsigned char *bytes;
    size_t size;
} damage;

static damage damage_open(const pare_moreau *moreau) {
    damage d = {.pass = tiny_pass_open(tiny, 2, 7, 1), .folder = tiny_folder()};
    memset(d.displaced, 1, sizeof d.displaced);
    d.path = pare_path_join(d.folder, "steps");
    saving s = {.model = d.pass.model, .path = d.path, .stop_after = 3};
    pare_moreau_schedule schedule = {.after_step = save, .context = &s};
    moreau_job job = {.moreau = *moreau, .schedule = &schedule};
    pare_moreau_state state;
    assert_int_equal(moreau_try(&d.pass, &job, &state), PARE_INTERRUPTED);
    d.size = pare_moreau_file_bytes(d.pass.model, &state, 3);
    pare_moreau_state_free(&state);
    FILE *file = fopen(d.path, "rb");
    assert_non_null(file);
    d.bytes = malloc(d.size + 1);
    assert_int_equal(fread(d.bytes, 1, d.size + 1, file), d.size);
    fclose(file);
    return d;
}

static void damage_close(damage *d) {
    tiny_remove(d->folder);
    free(d->folder);
    free(d->path);
    free(d->bytes);
    tiny_pass_close(&d->pass);
}

/* The status of a load into a new state, which stays new if the load fails. */
static pare_status try_load(const damage *d, const pare_moreau *moreau, const char *under) {
    pare_moreau_state state;
    assert_int_equal(pare_moreau_state_new(d->pass.model, d->displaced, moreau, NULL, &state), PARE_OK);
    pare_status status = pare_moreau_load(d->pass.model, moreau, d->path, under, &state);
    if (status != PARE_OK) {
        assert_int_equal(state.steps_done, 0);
        for (uint64_t i = 0; i < state.memory.bytes / sizeof(float); i++)
            assert_true(((float *)state.memory.data)[i] == 0.0f);
        assert_true(state.trace[0].loss == 0.0);
    }
    pare_moreau_state_free(&state);
    return status;
}

static void expect(const damage *d, const pare_moreau *moreau, const char *under, const char *says) {
    assert_int_not_equal(try_load(d, moreau, under), PARE_OK);
    if (!strstr(pare_message(), says)) fprintf(stderr, "%s\n", pare_message());
    assert_non_null(strstr(pare_message(), says));
    assert_non_null(strstr(pare_message(), "steps"));
}

static void of_something_else(void **state) {
    (void)state;
    damage d = damage_open(&kinds[0]);
    pare_moreau tail = kinds[0], shorter = kinds[0];
    tail.tail = 3;
    shorter.steps = 2;
    assert_int_equal(try_load(&d, &kinds[0], key), PARE_OK);
    expect(&d, &kinds[0], other_key, "other options");
    expect(&d, &tail, key, "another shape");
    expect(&d, &shorter, key, "another shape");
    d.displaced[3] = false;
    expect(&d, &kinds[0], key, "size");
    d.displaced[3] = true;
    /* As many elements as there are, but others. */
    size_t gate = pare_tensor_id(0, PARE_ROLE_GATE), up = pare_tensor_id(0, PARE_ROLE_UP);
    d.displaced[gate] = false;
    pare_moreau_state without;
    assert_int_equal(pare_moreau_state_new(d.pass.model, d.displaced, &kinds[0], NULL, &without), PARE_OK);
    assert_int_equal(pare_moreau_save(d.pass.model, &without, d.path, key), PARE_OK);
    pare_moreau_state_free(&without);
    d.displaced[gate] = true;
    d.displaced[up] = false;
    expect(&d, &kinds[0], key, "other tensors");
    d.displaced[up] = true;
    unlink(d.path);
    expect(&d, &kinds[0], key, "No such file");
    damage_close(&d);
}

static void damaged(void **state) {
    (void)state;
    damage d = damage_open(&kinds[2]);
    const size_t cuts[] = {0, 1, 95, 96, 159, 160, 1000, d.size - 64, d.size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        tiny_write_file(d.folder, "steps", d.bytes, cuts[i]);
        expect(&d, &kinds[2], key, "begin anew");
    }
    d.bytes[d.size] = 'f';
    tiny_write_file(d.folder, "steps", d.bytes, d.size + 1);
    expect(&d, &kinds[2], key, "size");
    for (size_t at = 0; at < d.size; at += at < 200 || at > d.size - 70 ? 1 : 997) {
        d.bytes[at] ^= 0x41;
        tiny_write_file(d.folder, "steps", d.bytes, d.size);
        expect(&d, &kinds[2], key, "begin anew");
        d.bytes[at] ^= 0x41;
    }
    tiny_write_file(d.folder, "steps", d.bytes, d.size);
    assert_int_equal(try_load(&d, &kinds[2], key), PARE_OK);
    damage_close(&d);
}

/* Under the digest that belongs to them, numbers that are none: the level, a tensor's norm, a displacement, a mean. */
static void forged(void **state) {
    (void)state;
    enum { LEVEL_AT = 24 };
    damage d = damage_open(&kinds[2]);
    const size_t places[] = {LEVEL_AT, d.size - FORGE_DIGITS - 8, d.size / 2 / 8 * 8, d.size / 3 / 8 * 8};
    unsigned char *copy = malloc(d.size);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memcpy(copy, d.bytes, d.size);
        memset(copy + places[i], 0xff, 8);
        forge_seal(copy, d.size);
        tiny_write_file(d.folder, "steps", copy, d.size);
        expect(&d, &kinds[2], key, "holds a number that is not finite");
    }
    free(copy);
    damage_close(&d);
}

/* Where it cannot be written, what was there before stays; in the middle of a step there is nothing to save. */
static void not_saved(void **state) {
    (void)state;
    damage d = damage_open(&kinds[0]);
    pare_moreau_state fresh;
    assert_int_equal(pare_moreau_state_new(d.pass.model, d.displaced, &kinds[0], NULL, &fresh), PARE_OK);
    assert_int_equal(pare_moreau_save(d.pass.model, &fresh, "/nowhere/at/all", key), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "/nowhere/at/all"));
    assert_int_equal(pare_moreau_save(d.pass.model, &fresh, d.path, "no digest"), PARE_CHECK_FAILED);
    fresh.steps_done = -1;
    assert_int_equal(pare_moreau_save(d.pass.model, &fresh, d.path, key), PARE_CHECK_FAILED);
    pare_moreau_state_free(&fresh);
    assert_int_equal(try_load(&d, &kinds[0], key), PARE_OK);
    damage_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continued_is_the_same),
        cmocka_unit_test(of_something_else),
        cmocka_unit_test(damaged),
        cmocka_unit_test(forged),
        cmocka_unit_test(not_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
