/* Options: gates that are learnt. */
#include "option_rows.h"

static const pare_topic gates[] = {{"gates",
                                    "Gates (--method gates; default: those of its released code, in fewer steps)",
                                    "a factor for every unit, learnt until the rest is zero (--method gates)"}};

/* clang-format off */
static const pare_option rows[] = {
    {.name = "gate-steps", .commands = SHARED, .group = gates, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "gate_steps", .low = 1, .high = 1e6, .help = "steps in which the gates are trained",
     .usual = "300"},
    {.name = "gate-batch", .commands = SHARED, .group = gates, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "gate_batch", .low = 1, .high = 1e6, .help = "calibration sequences of a step",
     .usual = "4"},
    {.name = "gate-rate", .commands = SHARED, .group = gates, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "gate_rate", .low = 0, .high = 1e3, .open = true, .help = "learning rate of the gates at its height, in 1000 steps; 1000 / N times as high in N",
     .usual = "0.02"},
    {.name = "gate-kd", .commands = SHARED, .group = gates, .kind = PARE_VALUE_REAL, .value = "W",
     .key = "gate_kd", .low = 0, .high = 1e6, .help = "weight of the divergence from the dense model's predictions",
     .usual = "2"},
    {.name = "gate-ce", .commands = SHARED, .group = gates, .kind = PARE_VALUE_REAL, .value = "W",
     .key = "gate_ce", .low = 0, .high = 1e6, .help = "weight of the loss beside it",
     .usual = "1"},
};
/* clang-format on */

const pare_option_rows pare_option_rows_gates = {rows, sizeof rows / sizeof *rows};
