/* Scores of hidden channels, over every tensor of the model, against the oracle's values: tied and untied. */
#include "importance/counted_model.h"

static void channels_equal_the_oracle(void **state) {
    (void)state;
    counted_check("hidden", PARE_DTYPE_F32, counted_compare_hidden);
    counted_check("hidden", PARE_DTYPE_BF16, counted_compare_hidden);
}

/* The widths are another axis: nothing of it is touched. */
static void units_of_the_widths_stay_empty(void **state) {
    (void)state;
    counted_model p = counted_model_open((tiny_model){.kv_heads = 2, .head_size = 6, .tied = true});
    pare_unit_scores units =
        counted_units(&p, &pare_salience_absolute, PARE_AXIS_HIDDEN, PARE_REDUCE_SUM, PARE_ALIGN_GROUP);
    for (uint32_t layer = 0; layer < units.layers; layer++) {
        assert_true(units.layer[layer] == 0.0 && units.heads[layer][0] == 0.0 && units.ffn[layer][0] == 0.0);
    }
    pare_unit_scores_free(&units);
    units = counted_units(&p, &pare_salience_absolute, PARE_AXIS_WIDTHS, PARE_REDUCE_SUM, PARE_ALIGN_GROUP);
    for (uint32_t i = 0; i < p.model->config.hidden; i++)
        assert_true(units.hidden[i] == 0.0);
    pare_unit_scores_free(&units);
    counted_model_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_equal_the_oracle),
        cmocka_unit_test(units_of_the_widths_stay_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
