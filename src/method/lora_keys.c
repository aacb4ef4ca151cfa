/* What can be set of methods that prune while LoRA trains: rows of the table in keys.c. */
#include "method/recipe.h"

static const char *const estimates[] = {"lora", "magnitude", NULL};
static const char *const cuts[] = {"exact", "released", NULL};

static bool trains(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_TRAINING);
}

#define AT(member) offsetof(pare_recipe, lora.member)

const pare_key pare_lora_keys[] = {
    {"lora_score", "--lora-score", PARE_KEY_CHOICE, AT(estimate), estimates, .applies = trains},
    {"average", "--average", PARE_KEY_REAL, AT(average), .low = 0, .high = 1, .applies = trains,
     .advice = "give the share of the old score in the moving average, such as 0.9"},
    {"init_ratio", "--init-ratio", PARE_KEY_REAL, AT(init_ratio), .low = 0, .high = 1, .applies = trains,
     .advice = "give the ratio that the schedule begins with, such as 0"},
    {"warmup_share", "--warmup-share", PARE_KEY_REAL, AT(warmup), .low = 0, .high = 1, .applies = trains,
     .advice = "give the share of the steps before pruning begins, such as 0.1"},
    {"cooldown_share", "--cooldown-share", PARE_KEY_REAL, AT(cooldown), .low = 0, .high = 1, .applies = trains,
     .advice = "give the share of the steps after pruning is over, such as 0.1"},
    {"prune_every", "--prune-every", PARE_KEY_INTEGER, AT(every), .low = 1, .high = 1e6, .applies = trains,
     .advice = "give a number of steps between two changes of the masks, such as 10"},
    {"final_cut", "--final-cut", PARE_KEY_SWITCH, AT(released), cuts, .applies = trains},
    {"lora_rank", "--lora-rank", PARE_KEY_INTEGER, AT(rank), .low = 1, .high = 65536, .applies = trains,
     .advice = "give the rank of the adapters, such as 8"},
    {"lora_alpha", "--lora-alpha", PARE_KEY_REAL, AT(alpha), .low = 0, .high = 1e6, .open = true, .applies = trains,
     .advice = "give what the adapters' product is multiplied by, times the rank, such as 16"},
    {"lora_dropout", "--lora-dropout", PARE_KEY_REAL, AT(dropout), .low = 0, .high = 0.99, .applies = trains,
     .advice = "give the share of the adapters' inputs that is dropped, such as 0.05"},
    {"train_rate", "--train-rate", PARE_KEY_REAL, AT(rate), .low = 0, .high = 1e3, .open = true, .applies = trains,
     .advice = "give a learning rate, such as 1e-4"},
    {"train_batch", "--train-batch", PARE_KEY_INTEGER, AT(batch), .low = 1, .high = 1e6, .applies = trains,
     .advice = "give the examples of a step, such as 128"},
    {"train_epochs", "--train-epochs", PARE_KEY_REAL, AT(epochs), .low = 0, .high = 1e6, .open = true,
     .applies = trains, .advice = "give how often every example is trained on, such as 2"},
    {"train_steps", "--train-steps", PARE_KEY_INTEGER, AT(steps), .low = 0, .high = 1e9, .off_at_zero = true,
     .applies = trains, .advice = "give a number of steps in place of epochs; 0: the epochs'"},
    {"train_clip", "--train-clip", PARE_KEY_REAL, AT(clip), .low = 0, .high = 1e12, .off_at_zero = true,
     .applies = trains, .advice = "give the largest norm of a gradient, such as 1; 0: none"},
    {"cutoff", "--cutoff", PARE_KEY_INTEGER, AT(cutoff), .low = 2, .high = 1048576, .applies = trains,
     .advice = "give the most tokens of an example, such as 512"},
    {"train_on_prompt", "--train-on-prompt", PARE_KEY_SWITCH, AT(train_on_prompt), pare_key_answers, .applies = trains},
    {"group_by_length", "--group-by-length", PARE_KEY_SWITCH, AT(group_by_length), pare_key_answers, .applies = trains},
};

const size_t pare_lora_key_count = sizeof pare_lora_keys / sizeof *pare_lora_keys;
