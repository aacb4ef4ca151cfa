/* Options: calibration text, and constants of the methods. */
#include "option_rows.h"

static const pare_topic calibration[] = {{"calibration", "Calibration", "the text that shows what matters"}};
static const pare_topic constants[] = {
    {"constants", "Constants of the method (default: as published)", "steps, noise, thresholds, gates"}};

CHOICES(wording_name, "wording")

static const char *displace_name(size_t index) {
    static const char *const names[] = {[PARE_DISPLACE_ALL] = "all", [PARE_DISPLACE_SCORED] = "scored"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* clang-format off */
static const pare_option rows[] = {
    {.name = "calib", .commands = SHARED, .common = SHARED, .group = calibration, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(calibration),
     .brief = "text file, JSON rows, folder of pictures, or 'self'",
     .help = "a text file, JSON rows of texts, chats, instructions or lists of token ids, or 'self': text that "
             "the model writes itself; for a vision transformer a folder of pictures; for methods that read norms of "
             "inputs alone (wanda, ria, wanda-structured) also an importance matrix of llama.cpp",
     .usual = "self"},
    {.name = "calib", .commands = PARE_IN_IMATRIX, .group = calibration, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(calibration),
     .help = "a text file, JSON rows of texts, chats, instructions or lists of token ids, or 'self': text that "
             "the model writes itself",
     .usual = "self"},
    {.name = "protocol", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(protocol), .choice = pare_protocol_name,
     .help = "samples and length of a paper's calibration, and how they are drawn"},
    {.name = "field", .commands = SHARED | PARE_IN_IMATRIX, .group = calibration, .kind = PARE_VALUE_TEXT, .value = "NAME",
     .offset = AT(field), .help = "the text's key in JSON rows",
     .usual = "text"},
    {.name = "wording", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .key = "wording", .choice = wording_name, .help = "wording around instructions and chats",
     .usual = "auto: for chats the model's own chat format, if it has one, and alpaca otherwise"},
    {.name = "calib-stream", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_FLAG,
     .offset = AT(stream), .help = "cut sequences from all documents joined, instead of one from each document"},
    {.name = "samples", .commands = SHARED, .common = SHARED, .group = calibration, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(samples), .low = 1, .high = 1e6, .brief = "calibration sequences, or pictures",
     .help = "calibration sequences, or pictures; of an id file all, unless this says how many",
     .usual = "10, or 128 where weights are refitted or gates learnt; 256 pictures"},
    {.name = "samples", .commands = PARE_IN_IMATRIX, .group = calibration, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(samples), .low = 1, .high = 1e6,
     .help = "sequences; of an id file all, unless this says how many",
     .usual = "128"},
    {.name = "length", .commands = SHARED | PARE_IN_IMATRIX, .group = calibration, .kind = PARE_VALUE_INTEGER, .value = "T",
     .offset = AT(length), .low = 2, .high = 1048576,
     .help = "tokens per sequence; those of an id file have their own length",
     .usual = "128"},

    {.name = "steps", .commands = SHARED, .group = constants, .kind = PARE_VALUE_INTEGER, .value = "T",
     .key = "steps", .low = 1, .high = 1e6, .help = "steps of the Moreau iteration"},
    {.name = "draws", .commands = SHARED, .group = constants, .kind = PARE_VALUE_INTEGER, .value = "M",
     .key = "draws", .low = 1, .high = 1e6, .help = "noise draws per step"},
    {.name = "sigma", .commands = SHARED, .group = constants, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "sigma", .low = 0, .high = 100, .help = "noise relative to each weight's magnitude; 0: none"},
    {.name = "rho", .commands = SHARED, .group = constants, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "rho", .low = 0, .high = 1e12, .open = true, .help = "envelope parameter"},
    {.name = "gamma", .commands = SHARED, .group = constants, .kind = PARE_VALUE_REAL, .value = "G",
     .key = "gamma", .low = 0, .high = 1e12, .open = true, .help = "step size"},
    {.name = "eta", .commands = SHARED, .group = constants, .kind = PARE_VALUE_LEVEL, .value = "E",
     .key = "eta", .low = 0, .high = 1e12,
     .help = "threshold level of the Moreau methods, or q0.3: the level that zeroes 30 % of the groups"},
    {.name = "tail", .commands = SHARED, .group = constants, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "tail", .low = 1, .high = 1e6, .help = "take the mean of the last N iterates"},
    {.name = "displace", .commands = SHARED, .group = constants, .kind = PARE_VALUE_CHOICE, .value = "all|scored",
     .offset = AT(displace), .choice = displace_name,
     .help = "displace every tensor, or only those that can be cut",
     .usual = "all"},
    {.name = "gate-steps", .commands = SHARED, .group = constants, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "gate_steps", .low = 1, .high = 1e6, .help = "steps in which the gates are trained",
     .usual = "300"},
    {.name = "gate-batch", .commands = SHARED, .group = constants, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "gate_batch", .low = 1, .high = 1e6, .help = "calibration sequences of a step",
     .usual = "4"},
    {.name = "gate-rate", .commands = SHARED, .group = constants, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "gate_rate", .low = 0, .high = 1e3, .open = true, .help = "learning rate of the gates at its height, in 1000 steps; 1000 / N times as high in N",
     .usual = "0.02"},
    {.name = "gate-kd", .commands = SHARED, .group = constants, .kind = PARE_VALUE_REAL, .value = "W",
     .key = "gate_kd", .low = 0, .high = 1e6, .help = "weight of the divergence from the dense model's predictions",
     .usual = "2"},
    {.name = "gate-ce", .commands = SHARED, .group = constants, .kind = PARE_VALUE_REAL, .value = "W",
     .key = "gate_ce", .low = 0, .high = 1e6, .help = "weight of the loss beside it",
     .usual = "1"},
};
/* clang-format on */

const pare_option_rows pare_option_rows_calibration = {rows, sizeof rows / sizeof *rows};
