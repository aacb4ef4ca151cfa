#include "method/gates.h"

/* All but steps and batch are those of the released code (main.py and train.sh), which takes 1000 steps of 16 sequences
 * of 2048 tokens. The paper lets mu end at 0.05. */
pare_gates_recipe pare_gates_recipe_usual(void) {
    return (pare_gates_recipe){.steps = 300,
                               .batch = 4,
                               .rate = 2e-2,
                               .warmup = 0.1,
                               .multiplier_rate = 2e-2,
                               .square_rate = 4e-1,
                               .mu_first = 0.5,
                               .mu_last = 0.1,
                               .ce = 1.0,
                               .kd = 2.0};
}
