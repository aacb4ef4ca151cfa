/* Blocks that are read ahead and given back: which ones stay, and that nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/resident_pages.h"
#include "model/pass_internal.h"
#include "support/scratch.h"
#include "tiny_pass.h"

#include <fcntl.h>

enum { LAYERS = 3, SEQUENCES = 2, LENGTH = 12 };

/* Three matrices of 4 MiB in a layer: the kernel gives back folios of up to 2 MiB, if nothing else lies in them. */
static tiny_pass open_model(void) {
    tiny_pass t =
        tiny_pass_open((tiny_model){.layers = LAYERS, .hidden = 128, .heads = 4, .ffn = 8192}, SEQUENCES, LENGTH, 1);
    char *path = pare_path_join(t.folder, "model.safetensors");
    int file = open(path, O_RDONLY);
    assert_int_equal(fsync(file), 0);
    close(file);
    free(path);
    return t;
}

/* A model this small has no reader of its own. */
static void give_reader(pare_residency *r, int64_t room) {
    assert_null(r->reader);
    r->reader = pare_read_ahead_new();
    assert_non_null(r->reader);
    r->room = room;
}

static bool is_resident(const pare_residency *r, uint32_t layer) {
    const pare_tensor *down = pare_model_tensor(r->model, layer, PARE_ROLE_DOWN);
    size_t all;
    pare_read_ahead_wait(r->reader);
    return resident_pages(down->data, down->bytes, &all) > all / 2;
}

static void those_that_are_needed_last_go(void **state) {
    (void)state;
    tiny_pass t = open_model();
    pare_residency r;
    pare_residency_open(t.model, &r);
    const pare_source source = {.model = t.model, .backend = t.backend};
    const pare_tensor *down = pare_model_tensor(t.model, 0, PARE_ROLE_DOWN);
    give_reader(&r, 1);
    if (!pages_can_go(down->data, down->bytes)) {
        pare_residency_close(&r);
        tiny_pass_close(&t);
        fprintf(stderr, "skipped: the file system of temporary files keeps all pages\n");
        skip();
    }
    for (int upwards = 1; upwards >= 0; upwards--)
        for (uint32_t layer = 0; layer < LAYERS; layer++) {
            pare_residency_want(&r, &source, layer);
            assert_true(is_resident(&r, layer));
            pare_residency_leave(&r, &source, layer, upwards);
            assert_int_equal(is_resident(&r, layer), layer == (upwards ? LAYERS - 1 : 0));
        }
    pare_residency_want(&r, &source, -1);
    pare_residency_want(&r, &source, LAYERS);
    r.room = LAYERS;
    pare_residency_want(&r, &source, 2);
    pare_residency_leave(&r, &source, 2, false);
    assert_true(is_resident(&r, 2));
    pare_residency_measure(&r);
    assert_true(r.room >= LAYERS);
    pare_residency_close(&r);
    tiny_pass_close(&t);
}

/* What moves a layer's weights is read with it, wherever it lies; of roles that the model lacks there is none. */
static void displacements_come_along(void **state) {
    (void)state;
    tiny_pass t = open_model();
    float **displacement = calloc(t.model->tensor_count, sizeof *displacement);
    pare_source source = {.model = t.model, .backend = t.backend, .displacement = displacement};
    pare_scratch scratch;
    pare_residency r;
    size_t id = pare_tensor_id(1, PARE_ROLE_DOWN), bytes = t.model->tensors[id]->count * sizeof(float), all;
    assert_int_equal(pare_scratch_open(&scratch, bytes, t.folder, "a displacement"), PARE_OK);
    displacement[id] = scratch.data;
    pare_residency_open(t.model, &r);
    give_reader(&r, LAYERS);
    for (uint32_t layer = 0; layer < LAYERS; layer++)
        pare_residency_want(&r, &source, layer);
    pare_read_ahead_wait(r.reader);
    size_t resident = resident_pages(scratch.data, bytes, &all);
    assert_int_equal(resident, all);
    pare_residency_close(&r);
    pare_scratch_close(&scratch);
    free(displacement);
    tiny_pass_close(&t);
}

/* A model of a few hundred KB fits any machine, so the measurement is kept from saying so: the pass of a model whose
 * blocks all go again and again. */
static double loss_of(const tiny_pass *t, const pare_source *source, bool streamed) {
    pare_pass *pass;
    double loss = 0.0, sum;
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .gradients = true};
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    if (streamed) {
        give_reader(&pass->residency, 0);
        for (uint32_t layer = 0; layer < LAYERS; layer++)
            pare_residency_leave(&pass->residency, source, layer, false);
    }
    assert_int_equal(pare_pass_gradient(pass, source, t->ids, NULL, &loss), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, source, t->ids, SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, source, NULL, &sum), PARE_OK);
    pare_pass_free(pass);
    return loss + sum;
}

static void losses_are_the_same(void **state) {
    (void)state;
    tiny_pass t = open_model();
    const pare_source source = {.model = t.model, .backend = t.backend};
    double dense = loss_of(&t, &source, false), streamed = loss_of(&t, &source, true);
    assert_memory_equal(&dense, &streamed, sizeof dense);
    assert_true(dense > 0.0);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_are_needed_last_go),
        cmocka_unit_test(displacements_come_along),
        cmocka_unit_test(losses_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
