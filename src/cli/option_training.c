/* Options: training, while a model is pruned, behind it, or by itself. */
#include "option_rows.h"

static const pare_topic training[] = {{"training", "Training (--method loraprune; default: as in its released script)", "pruning while LoRA trains (--method loraprune)"}};
static const pare_topic examples[] = {{"examples", "Examples to train on", "what to train on, and how rows are read"}};
static const pare_topic tuning[] = {{"training", "Training (default: the preset's, here those of paper)", "adapters, steps, rates and presets"}};
static const pare_topic recovery[] = {{"recovery", "Recovery after pruning (pare recover has all its options)", "training what is left before it is written"}};

CHOICES(lora_score_name, "lora_score")
CHOICES(final_cut_name, "final_cut")
CHOICES(train_on_prompt_name, "train_on_prompt")
CHOICES(group_by_length_name, "group_by_length")
CHOICES(wording_name, "wording")

static const char *wording_of_examples(size_t index) {
    static const char *const names[] = {"alpaca", "none"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* clang-format off */
static const pare_option rows[] = {
    {.name = "train-epochs", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "N",
     .key = "train_epochs", .low = 0, .high = 1e6, .open = true,
     .help = "how often every example of --calib is trained on (default: 2)"},
    {.name = "train-steps", .commands = SWEPT, .group = training, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "train_steps", .low = 0, .high = 1e9, .help = "steps in place of epochs"},
    {.name = "train-batch", .commands = SWEPT, .group = training, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "train_batch", .low = 1, .high = 1e6, .help = "examples of a step (default: 128)"},
    {.name = "train-rate", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "train_rate", .low = 0, .high = 1e3, .open = true, .help = "learning rate, which falls to 0 (default: 1e-4)"},
    {.name = "train-clip", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "N",
     .key = "train_clip", .low = 0, .high = 1e12, .help = "largest norm of a gradient; 0: none (default: 1)"},
    {.name = "cutoff", .commands = SWEPT, .group = training, .kind = PARE_VALUE_INTEGER, .value = "T",
     .key = "cutoff", .low = 2, .high = 1048576, .help = "tokens of an example at most (default: 512)"},
    {.name = "train-on-prompt", .commands = SWEPT, .group = training, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "train_on_prompt", .choice = train_on_prompt_name, .help = "learn prompts, too (default: yes)"},
    {.name = "group-by-length", .commands = SWEPT, .group = training, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "group_by_length", .choice = group_by_length_name,
     .help = "examples of like length in one step (default: yes)"},
    {.name = "wording", .commands = SWEPT, .group = training, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .key = "wording", .choice = wording_name, .help = "around instructions (default: alpaca)"},
    {.name = "lora-rank", .commands = SWEPT, .group = training, .kind = PARE_VALUE_INTEGER, .value = "R",
     .key = "lora_rank", .low = 1, .high = 65536, .help = "of the adapters (default: 8)"},
    {.name = "lora-alpha", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "A",
     .key = "lora_alpha", .low = 0, .high = 1e6, .open = true,
     .help = "their products are added times A / rank (default: 16)"},
    {.name = "lora-dropout", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "lora_dropout", .low = 0, .high = 0.99, .help = "share of their inputs that is dropped (default: 0.05)"},
    {.name = "lora-score", .commands = SWEPT, .group = training, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .key = "lora_score", .choice = lora_score_name,
     .help = "score weights by gradients estimated from the adapters' (lora), or by their magnitude (default: lora)"},
    {.name = "average", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "average", .low = 0, .high = 1, .help = "share of the old scores in their moving average (default: 0.9)"},
    {.name = "init-ratio", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "init_ratio", .low = 0, .high = 1, .help = "ratio that the schedule begins with (default: 0)"},
    {.name = "warmup-share", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "warmup_share", .low = 0, .high = 1, .help = "share of the steps before pruning begins (default: 0.1)"},
    {.name = "cooldown-share", .commands = SWEPT, .group = training, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "cooldown_share", .low = 0, .high = 1, .help = "share of the steps after pruning is over (default: 0.1)"},
    {.name = "prune-every", .commands = SWEPT, .group = training, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "prune_every", .low = 1, .high = 1e6, .help = "steps between two changes of the masks (default: 10)"},
    {.name = "final-cut", .commands = SWEPT, .group = training, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "final_cut", .choice = final_cut_name,
     .help = "end at the ratio that was asked for, or, as the released code does, where the last change on the way "
             "left it, a little below (default: exact)"},

    {.name = "data", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(data),
     .help = "what to train on: .json or .jsonl rows of instructions, completions, chats, texts or token ids, or a text "
             "file"},
    {.name = "field", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_TEXT, .value = "NAME",
     .offset = AT(field), .help = "the key of the text in rows that are to be learnt as plain text (default: text)"},
    {.name = "wording", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(wording), .choice = wording_of_examples, .help = "around instructions (default: alpaca)"},
    {.name = "cutoff", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_INTEGER, .value = "T",
     .offset = AT(cutoff), .low = 2, .high = 1048576, .help = "tokens of an example at most (default: 256)"},
    {.name = "limit", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(limit), .low = 1, .high = 4294967294.0, .help = "only the first N rows (default: all)"},
    {.name = "train-on-prompt", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_CHOICE,
     .value = "yes|no", .offset = AT(train_on_prompt), .choice = train_on_prompt_name,
     .help = "learn prompts, too, not answers alone (default: no; loraprune: yes)"},
    {.name = "pack", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_FLAG, .offset = AT(pack),
     .help = "a step is --batch sequences of --cutoff tokens, full of examples that do not see each other"},
    {.name = "group-by-length", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_CHOICE,
     .value = "yes|no", .offset = AT(group_by_length), .choice = group_by_length_name,
     .help = "examples of like length in one step (default: no; loraprune: yes)"},
    {.name = "val", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(validation), .low = 0, .high = 1e9,
     .help = "examples held out to measure the loss on (default: 2000, but no more than a tenth)"},
    {.name = "val-every", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(validate_every), .low = 1, .high = 1e9, .help = "steps between two such measurements (default: 100)"},

    {.name = "preset", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(preset), .choice = pare_recover_preset_name,
     .help = "settings of a published recovery (default: paper)"},
    {.name = "rank", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "R",
     .offset = AT(rank), .low = 1, .high = 65536, .help = "of the LoRA adapters (default: 8)"},
    {.name = "alpha", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "A",
     .offset = AT(alpha), .low = 0, .high = 1e6, .open = true,
     .help = "their products are added times A / rank (default: 16)"},
    {.name = "dropout", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "S",
     .offset = AT(dropout), .low = 0, .high = 0.99, .help = "share of their inputs that is dropped (default: 0.05)"},
    {.name = "targets", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_LIST, .value = "NAMES",
     .offset = AT(targets),
     .help = "modules with adapters: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj (default: all seven)"},
    {.name = "keep-sparsity", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_FLAG,
     .offset = AT(keep_sparsity), .help = "weights that are zero stay zero"},
    {.name = "full", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_FLAG, .offset = AT(full),
     .help = "train all weights instead of adapters: five numbers of 32 bits for each in memory"},
    {.name = "fresh", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_FLAG, .offset = AT(fresh),
     .help = "with --full: begin with random weights"},
    {.name = "epochs", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "N",
     .offset = AT(epochs), .low = 0, .high = 1e6, .open = true,
     .help = "how often every example is trained on (default: 2)"},
    {.name = "steps", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(training_steps), .low = 1, .high = 1e9, .help = "steps in place of epochs"},
    {.name = "batch", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(batch), .low = 1, .high = 1e6, .help = "examples of a step, or sequences with --pack (default: 64)"},
    {.name = "micro-batch", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(micro_batch), .low = 1, .high = 1e6,
     .help = "sequences through a block at a time; changes rounding only (default: chosen for speed and memory)"},
    {.name = "rate", .commands = PARE_IN_RECOVER, .common = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "R",
     .offset = AT(rate), .low = 0, .high = 1e3, .open = true, .help = "highest learning rate (default: 1e-4)"},
    {.name = "warmup", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(warmup), .low = 0, .high = 1e9,
     .help = "steps in which the rate rises (default: 100, but no more than a tenth)"},
    {.name = "decay", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(decay), .low = 0, .high = 1e9,
     .help = "last steps, in which it falls to 0 (default: all after the warm-up)"},
    {.name = "clip", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "N",
     .offset = AT(clip), .low = 0, .high = 1e12, .help = "largest norm of a gradient; 0: none (default: 1)"},
    {.name = "weight-decay", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "S",
     .offset = AT(weight_decay), .low = 0, .high = 1e3, .help = "of AdamW (default: 0)"},
    {.name = "beta1", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "B",
     .offset = AT(beta1), .low = 0, .high = 1, .open = true, .help = "of AdamW (default: 0.9)"},
    {.name = "beta2", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "B",
     .offset = AT(beta2), .low = 0, .high = 1, .open = true, .help = "of AdamW (default: 0.999)"},

    {.name = "recover", .commands = PARE_IN_PRUNE, .common = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(data),
     .help = "train what is left on these examples before it is written, as 'pare recover' does; zeros of single "
             "weights stay"},
    {.name = "recover-preset", .commands = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_CHOICE,
     .value = "NAME", .offset = AT(preset), .choice = pare_recover_preset_name,
     .help = "settings of a published recovery (default: paper)"},
    {.name = "recover-epochs", .commands = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_REAL, .value = "N",
     .offset = AT(epochs), .low = 0, .high = 1e6, .open = true, .help = "how often every example is trained on"},
    {.name = "recover-steps", .commands = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(training_steps), .low = 1, .high = 1e9, .help = "steps in place of epochs"},
    {.name = "recover-batch", .commands = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(batch), .low = 1, .high = 1e6, .help = "examples of a step"},
    {.name = "recover-rate", .commands = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_REAL, .value = "R",
     .offset = AT(rate), .low = 0, .high = 1e3, .open = true, .help = "highest learning rate"},
};
/* clang-format on */

const pare_option_rows pare_option_rows_training = {rows, sizeof rows / sizeof *rows};
