/* What can be set of methods that learn gates: rows of the table in keys.c. */
#include "method/recipe.h"

static bool gates(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_GATES);
}

#define AT(member) offsetof(pare_recipe, gates.member)

const pare_key pare_gates_keys[] = {
    {"gate_steps", "--gate-steps", PARE_KEY_INTEGER, AT(steps), .low = 1, .high = 1e6, .applies = gates,
     .advice = "give the steps in which gates are trained, such as 300"},
    {"gate_batch", "--gate-batch", PARE_KEY_INTEGER, AT(batch), .low = 1, .high = 1e6, .applies = gates,
     .advice = "give the calibration sequences of a step, such as 4"},
    {"gate_rate", "--gate-rate", PARE_KEY_REAL, AT(rate), .low = 0, .high = 1e3, .open = true, .applies = gates,
     .advice = "give the learning rate of the gates, such as 0.02"},
    {"gate_kd", "--gate-kd", PARE_KEY_REAL, AT(kd), .low = 0, .high = 1e6, .applies = gates,
     .advice = "give the weight of the divergence from the dense model, such as 2"},
    {"gate_ce", "--gate-ce", PARE_KEY_REAL, AT(ce), .low = 0, .high = 1e6, .applies = gates,
     .advice = "give the weight of the loss beside it, such as 1"},
    {"gate_warmup", NULL, PARE_KEY_REAL, AT(warmup), .low = 0, .high = 1, .applies = gates,
     .advice = "give the share of the steps in which the rates rise, such as 0.1"},
    {"gate_multiplier_rate", NULL, PARE_KEY_REAL, AT(multiplier_rate), .low = 0, .high = 1e6, .applies = gates,
     .advice = "give the rate of the multipliers of the share and of what makes gates decide, such as 0.02"},
    {"gate_square_rate", NULL, PARE_KEY_REAL, AT(square_rate), .low = 0, .high = 1e6, .applies = gates,
     .advice = "give the rate of the multiplier of the share's squared distance, such as 0.4"},
    {"gate_mu_first", NULL, PARE_KEY_REAL, AT(mu_first), .low = 0, .high = 1e3, .open = true, .applies = gates,
     .advice = "give the gate at which a unit counts half in the first step, such as 0.5"},
    {"gate_mu_last", NULL, PARE_KEY_REAL, AT(mu_last), .low = 0, .high = 1e3, .open = true, .applies = gates,
     .advice = "give the gate at which a unit counts half in the last step, such as 0.05"},
};

const size_t pare_gates_key_count = sizeof pare_gates_keys / sizeof *pare_gates_keys;
