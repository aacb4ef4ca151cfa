/* Which rows of a displacement ranks have, and what they see of each other's. */
#include "calibrate/moreau_rows.h"
#include "calibrate/moreau_run.h"
#include "model/stops.h"

static const tiny_model tiny = {.layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 70};

/* Every row has one rank, ranks follow one another, and none has more than a piece above its share. */
static void rows_have_one_rank(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 1, 4, 1);
    for (int ranks = 1; ranks <= 70; ranks++)
        for (size_t id = 0; id < t.model->tensor_count; id++) {
            const pare_tensor *tensor = t.model->tensors[id];
            int64_t rows, columns, at = 0;
            pare_tensor_matrix(tensor, &rows, &columns);
            int64_t piece = (rows + PARE_MOREAU_PIECES - 1) / PARE_MOREAU_PIECES;
            for (int rank = 0; rank < ranks; rank++) {
                pare_moreau_rows own = pare_moreau_rows_of(tensor, rank, ranks);
                assert_int_equal(own.first, at);
                assert_int_equal(own.columns, columns);
                assert_true(own.end - own.first <= rows / ranks + piece + 1);
                assert_true(pare_moreau_elements(tensor, rank, ranks) == (uint64_t)((own.end - at) * columns));
                at = own.end;
            }
            assert_int_equal(at, rows);
        }
    tiny_pass_close(&t);
}

/* Pieces are whole parts of the rows of each rank, wherever these are cut. */
static void pieces_are_of_one_rank(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 2, 63, 64, 65, 200, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (int ranks = 1; ranks <= 5; ranks++) {
            pare_tensor tensor = {.rank = 2, .shape = {(uint64_t)counts[i], 1}};
            double pieces[PARE_MOREAU_PIECES] = {0}, ones[1000], sum = 0.0;
            for (int row = 0; row < 1000; row++)
                ones[row] = 1.0;
            for (int rank = 0; rank < ranks; rank++) {
                pare_moreau_rows own = pare_moreau_rows_of(&tensor, rank, ranks);
                double before[PARE_MOREAU_PIECES];
                memcpy(before, pieces, sizeof before);
                pare_moreau_add_rows(counts[i], own.first, own.end - own.first, ones, pieces);
                for (int p = 0; p < PARE_MOREAU_PIECES; p++)
                    assert_true(pieces[p] == before[p] || before[p] == 0.0);
            }
            for (int p = 0; p < PARE_MOREAU_PIECES; p++)
                sum += pieces[p];
            assert_true(sum == (double)counts[i]);
        }
}

/* Two ranks, of which each has a half, and the largest of what is read at a time. */
static void a_rank_has_a_share(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 1, 4, 1);
    const pare_moreau moreau = {.steps = 3, .draws = 2, .tail = 2, .rho = 1.0, .gamma = 1.0};
    bool all[128];
    memset(all, 1, sizeof all);
    uint64_t elements[4] = {0}, largest = 0, copies = 3;
    for (size_t id = 0; id < t.model->tensor_count; id++)
        elements[pare_tensor_stop(t.model, id) - PARE_STOP_FRONT] += t.model->tensors[id]->count;
    if (t.model->config.tied) elements[3] += t.model->tensors[pare_tensor_id_embedding()]->count;
    for (int i = 0; i < 4; i++)
        largest = elements[i] > largest ? elements[i] : largest;
    uint64_t whole = pare_moreau_state_bytes(t.model, all, &moreau);
    uint64_t share = pare_moreau_share_bytes(t.model, all, &moreau, 2), window = largest * sizeof(float);
    assert_true(whole == copies * pare_model_parameters(t.model) * sizeof(float));
    assert_true(pare_moreau_window_bytes(t.model, all, 2) == window);
    assert_true(share - window >= whole / 2 && share - window <= whole / 2 + whole / 16);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_have_one_rank), cmocka_unit_test(pieces_are_of_one_rank),
                                       cmocka_unit_test(a_rank_has_a_share)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
