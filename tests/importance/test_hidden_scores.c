/* Scores of hidden channels, over every tensor of the model, against plain loops: tied and untied. */
#include "importance/plain_scores.h"

static const tiny_model layouts[] = {
    {.layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 7, .tied = true, .scale = 0.4},
    {.layers = 3, .hidden = 17, .heads = 2, .head_size = 6, .ffn = 9, .scale = 0.4, .dtype = PARE_DTYPE_BF16},
};

/* What a tensor has at hidden channel `channel`: O and down write the stream, all others read it. */
static double at_channel(const plain *p, const pare_salience *salience, size_t id, int64_t channel) {
    uint32_t layer;
    pare_role role;
    bool writes = pare_tensor_id_split(p->model, id, &layer, &role) && (role == PARE_ROLE_O || role == PARE_ROLE_DOWN);
    return plain_index(p, salience, id, !writes, channel);
}

/* Every tensor once, the final norm and the head (or the tied embedding) first. */
static double plain_hidden(const plain *p, const pare_salience *salience, int64_t channel, pare_reduction reduction) {
    double members[64];
    int count = 2;
    size_t norm = pare_tensor_id_final_norm(p->model);
    size_t head = p->model->config.tied ? pare_tensor_id_embedding() : norm + 1;
    assert_true(p->model->tensor_count <= 64 && head < p->model->tensor_count);
    members[0] = at_channel(p, salience, norm, channel);
    members[1] = at_channel(p, salience, head, channel);
    for (size_t id = 0; id < p->model->tensor_count; id++)
        if (id != norm && id != head) members[count++] = at_channel(p, salience, id, channel);
    assert_int_equal(count, 9 * p->model->config.layers + (p->model->config.tied ? 2 : 3));
    return plain_reduce(members, count, reduction);
}

static void check(const plain *p, const pare_salience *salience, pare_reduction reduction) {
    pare_unit_scores units = plain_units(p, salience, PARE_AXIS_HIDDEN, reduction, PARE_ALIGN_GROUP);
    for (uint32_t i = 0; i < p->model->config.hidden; i++)
        assert_close(salience->name, units.hidden[i], plain_hidden(p, salience, i, reduction), plain_bound(salience));
    pare_unit_scores_free(&units);
}

static void channels_equal_a_plain_loop(void **state) {
    (void)state;
    static const pare_salience *const saliences[] = {&pare_salience_first_order, &pare_salience_vectorize,
                                                     &pare_salience_absolute,    &pare_salience_square,
                                                     &pare_salience_ri,          &pare_salience_symmetric};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        plain p = plain_open(layouts[i]);
        for (size_t s = 0; s < sizeof saliences / sizeof *saliences; s++)
            check(&p, saliences[s], PARE_REDUCE_SUM);
        for (int reduction = PARE_REDUCE_MEAN; reduction <= PARE_REDUCE_SECOND; reduction++)
            check(&p, &pare_salience_absolute, (pare_reduction)reduction);
        plain_close(&p);
    }
}

/* The widths are another axis: nothing of it is touched. */
static void units_of_the_widths_stay_empty(void **state) {
    (void)state;
    plain p = plain_open(layouts[0]);
    pare_unit_scores units =
        plain_units(&p, &pare_salience_absolute, PARE_AXIS_HIDDEN, PARE_REDUCE_SUM, PARE_ALIGN_GROUP);
    for (uint32_t layer = 0; layer < units.layers; layer++) {
        assert_true(units.layer[layer] == 0.0 && units.heads[layer][0] == 0.0 && units.ffn[layer][0] == 0.0);
    }
    pare_unit_scores_free(&units);
    units = plain_units(&p, &pare_salience_absolute, PARE_AXIS_WIDTHS, PARE_REDUCE_SUM, PARE_ALIGN_GROUP);
    for (uint32_t i = 0; i < p.model->config.hidden; i++)
        assert_true(units.hidden[i] == 0.0);
    pare_unit_scores_free(&units);
    plain_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_equal_a_plain_loop),
        cmocka_unit_test(units_of_the_widths_stay_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
