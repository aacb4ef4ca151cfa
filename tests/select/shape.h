/* Models that are nothing but a shape, for tests of what is kept: selection reads only the configuration. */
#ifndef PARE_TESTS_SHAPE_H
#define PARE_TESTS_SHAPE_H

#include "golden.h"
#include "model/family.h"
#include "select/select.h"

enum { SHAPE_LAYERS = 64 };

typedef struct shape {
    pare_widths widths[SHAPE_LAYERS];
    pare_model model;
} shape;

/* All layers alike; freed with free(). */
static inline shape *shape_new(uint32_t layers, uint32_t hidden, pare_widths widths, uint32_t head,
                               uint32_t vocabulary) {
    shape *s = calloc(1, sizeof *s);
    assert_non_null(s);
    assert_true(layers <= SHAPE_LAYERS);
    s->model.config = (pare_config){.family = &pare_family_llama,
                                    .architecture = pare_family_llama.architecture,
                                    .layers = layers,
                                    .hidden = hidden,
                                    .embedding_width = hidden,
                                    .vocabulary = vocabulary,
                                    .head_size = head,
                                    .widths = s->widths};
    for (uint32_t i = 0; i < layers; i++)
        s->widths[i] = widths;
    return s;
}

static inline uint64_t shape_parameters(const shape *s, const pare_widths *widths) {
    return pare_parameters_with(&s->model, widths, s->model.config.hidden);
}

/* widths: [layers] that the target leaves where layers are ranked by themselves. */
static inline pare_status shape_widths(const shape *s, const pare_target *target, pare_widths *widths) {
    pare_goal goal;
    pare_status status = pare_goal_new(&s->model, target, 1.0, &goal);
    if (status != PARE_OK) {
        assert_null(goal.widths);
        return status;
    }
    memcpy(widths, goal.widths, s->model.config.layers * sizeof *widths);
    assert_true(goal.parameters == shape_parameters(s, widths));
    pare_goal_free(&goal);
    return PARE_OK;
}

static inline shape *shape_llama_7b(void) {
    return shape_new(32, 4096, (pare_widths){32, 32, 11008}, 128, 32000);
}

static inline shape *shape_llama_13b(void) {
    return shape_new(40, 5120, (pare_widths){40, 40, 13824}, 128, 32000);
}

static inline shape *shape_llama3_8b(void) {
    return shape_new(32, 4096, (pare_widths){32, 8, 14336}, 128, 128256);
}

static inline shape *shape_tinyllama(void) {
    return shape_new(22, 2048, (pare_widths){32, 4, 5632}, 64, 32000);
}

#endif
