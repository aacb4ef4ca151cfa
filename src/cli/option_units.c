/* Options: what to compare, which units go, and how they are scored. */
#include "option_rows.h"

#include <stdio.h>
#include <string.h>

static const pare_topic points[] = {{"comparison", "What to compare", "what is varied, and what is compared"}};
static const pare_topic target[] = {{"target", "What to remove", "how much goes, of what, where, by which method"}};
static const pare_topic units[] = {
    {"units", "Which heads, channels and layers", "how units are ranked, grouped and rounded"}};
static const pare_topic scoring[] = {
    {"scoring", "Scoring and repair (default: the method's)", "how units are scored, chosen and repaired"}};

CHOICES(salience_name, "salience")
CHOICES(grouping_name, "reduction")
CHOICES(mode_name, "mode")
CHOICES(ranking_name, "select")
CHOICES(head_unit_name, "gqa")
CHOICES(drop_halves_name, "drop_halves")
CHOICES(search_moves_name, "search_moves")
CHOICES(choose_name, "choose")
CHOICES(compensation_name, "compensate")
CHOICES(fate_name, "experts")
CHOICES(router_name, "router")
CHOICES(metric_name, "metric")
CHOICES(final_norm_choice, "final_norm")
CHOICES(alignment_name, "alignment")
CHOICES(effort_name, "effort")

/* "; quick best: metric plain, ..." */
static void effort_changes(char *out, size_t size) {
    pare_effort_change change, last = {.method = "", .effort = ""};
    size_t used = 0;
    for (size_t i = 0; pare_effort_at(i, &change) && used < size; i++) {
        bool begins = strcmp(change.method, last.method) != 0 || strcmp(change.effort, last.effort) != 0;
        if (begins) used += (size_t)snprintf(out + used, size - used, "; %s %s:", change.effort, change.method);
        if (used >= size) break;
        used += (size_t)snprintf(out + used, size - used, "%s %s %s%s", begins ? "" : ",",
                                 change.option ? change.option : change.key, change.value,
                                 change.where_it_fits ? " where it fits" : "");
        last = change;
    }
}

/* clang-format off */
static const pare_option rows[] = {
    {.name = "over", .commands = PARE_IN_SWEEP, .common = PARE_IN_SWEEP, .group = points, .kind = PARE_VALUE_REPEATED, .value = "NAME=VALUES",
     .offset = AT(over),
     .brief = "an option and its values: ratio=0.1:0.5:0.1",
     .help = "an option of the run and what it takes in turn: values with commas between them (or semicolons, where "
             "values hold commas), or a range A:B:STEP; layers=A:B:N takes N layers at a time; repeated, every "
             "combination is a point"},
    {.name = "perturb", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "CHANGES",
     .offset = AT(perturb),
     .brief = "bf16, fp16, noise=S, seed, threads, calib-shuffle",
     .help = "what is changed a little, with commas between: bf16, fp16 (weights rounded), noise=S (every weight "
             "times 1 + S z), seed, threads (1 against all), calib-shuffle",
     .usual = "bf16,fp16"},
    {.name = "methods", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "NAMES",
     .offset = AT(methods), .brief = "methods to compare, with commas between",
     .help = "methods to compare; 'pare help methods' lists them",
     .usual = "taylor,moreau,moreau-gs,best"},
    {.name = "ratio", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "R,...",
     .offset = AT(ratio_list), .brief = "share of the units to remove, or several",
     .help = "share of the units to remove, or several with commas between",
     .usual = "0.2"},
    {.name = "seeds", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(seeds), .low = 1, .high = 1000,
     .brief = "repeat with N seeds: mean and standard deviation",
     .help = "repeat with N seeds, beginning with --seed, and give mean and standard deviation",
     .usual = "1"},
    {.name = "ranks", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_FLAG, .offset = AT(ranks),
     .brief = "every unit's rank before and after (with --json)",
     .help = "also the rank of every unit, and of every channel of each projection, before and after the change (with "
             "--json)"},
    {.name = "plot", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "PREFIX",
     .offset = AT(plot),
     .brief = "ranks as pictures and a table, PREFIX-ranks...",
     .help = "ranks of each projection's channels, before and after each change and by one method against another, as "
             "PREFIX-ranks-...svg and PREFIX-ranks.csv; a PREFIX that ends in / is a folder"},
    {.name = "lipschitz", .commands = PARE_IN_ROBUST, .common = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_FLAG,
     .offset = AT(lipschitz),
     .brief = "how far gradients follow small changes of the weights",
     .help = "also how much each method's gradient changes for small random changes of all weights, beside the bounds "
             "of Theorems 1 and 2"},
    {.name = "lipschitz-size", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_REAL, .value = "S",
     .offset = AT(lipschitz_size), .low = 0, .high = 1, .open = true,
     .help = "relative size of the changes of --lipschitz",
     .usual = "1e-3"},
    {.name = "lipschitz-draws", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(lipschitz_draws), .low = 1, .high = 1000, .help = "how many such changes --lipschitz makes",
     .usual = "3"},

    {.name = "method", .commands = SWEPT, .common = SWEPT, .group = target, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(method), .choice = pare_recipe_name,
     .brief = "how what goes is found",
     .help = "how the units that go are found; 'pare help methods' lists them",
     .usual = "best"},
    {.name = "recipe", .commands = SWEPT, .group = target, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(recipe), .help = "a method of your own: JSON with a base method and the choices that differ"},
    {.name = "effort", .commands = SHARED, .group = target, .kind = PARE_VALUE_CHOICE, .value = "LEVEL",
     .key = "effort", .choice = effort_name, .more = effort_changes,
     .help = "how much work the method may cost; other options that are given win over what a level changes",
     .usual = "normal"},
    {.name = "ratio", .commands = SWEPT, .common = SWEPT, .group = target, .kind = PARE_VALUE_SHARES, .value = "R",
     .offset = AT(ratio), .low = 0, .high = 1, .open = true,
     .brief = "share of each layer's heads and channels to remove",
     .help = "share of the KV groups and FFN channels of each layer to remove, between 0 and 1; or a share for every "
             "layer, as 0,0.1,0.2,..."},
    {.name = "params", .commands = SWEPT, .common = SWEPT, .group = target, .kind = PARE_VALUE_PARAMETERS, .value = "P",
     .offset = AT(parameters), .low = 1, .high = 1e15,
     .brief = "instead: parameters that are to be left, as 5.4B",
     .help = "instead of a ratio: parameters that the whole model shall keep, such as 5.4B or 350M"},
    {.name = "bytes", .commands = SWEPT, .group = target, .kind = PARE_VALUE_SIZE, .value = "SIZE",
     .offset = AT(bytes), .low = 1, .high = 1152921504606846976.0,
     .help = "instead of a ratio: bytes of weights that shall be left, such as 10G"},
    {.name = "latency", .commands = PARE_IN_PRUNE, .group = target, .kind = PARE_VALUE_REAL, .value = "R",
     .offset = AT(latency), .low = 0, .high = 1, .open = true,
     .help = "instead of a ratio, with --allocate search: share of the dense model's time per generated token on this "
             "machine that shall be left, by times of attention and FFN that are measured first"},
    {.name = "latency-table", .commands = PARE_IN_PRUNE, .group = target, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(latency_table),
     .help = "take these times from a file, such as the pruning.json of an earlier run: then the same comes out"},
    {.name = "sparsity", .commands = SWEPT, .common = SWEPT, .group = target, .kind = PARE_VALUE_SHARES, .value = "S",
     .offset = AT(sparsity), .low = 0, .high = 1,
     .brief = "instead: share of single weights that become zero",
     .help = "instead of a ratio of units: share of single weights to remove, from 0 to 1, or a share for every layer; "
             "they become zeros in matrices that keep their shape"},
    {.name = "pattern", .commands = SWEPT, .common = SWEPT, .group = target, .kind = PARE_VALUE_PATTERN, .value = "N:M",
     .offset = AT(pattern), .low = 1, .high = 1024,
     .brief = "instead: keep N of every M weights, such as 2:4",
     .help = "instead of a ratio: KEEP N of every M neighbouring weights of an output, such as 2:4"},
    {.name = "targets", .commands = PARE_IN_PRUNE | PARE_IN_SWEEP, .group = target, .kind = PARE_VALUE_REPEATED,
     .value = "NAMES", .offset = AT(targets),
     .help = "matrices that lose single weights: modules such as q_proj, mlp or layers.3.*, with commas between",
     .usual = "all of the blocks"},
    {.name = "skip", .commands = PARE_IN_PRUNE | PARE_IN_SWEEP, .group = target, .kind = PARE_VALUE_REPEATED,
     .value = "NAMES", .offset = AT(skipped), .help = "matrices that keep their single weights, named as for --targets"},
    {.name = "mode", .commands = SHARED, .group = target, .kind = PARE_VALUE_CHOICE, .value = "MODE",
     .key = "mode", .choice = mode_name,
     .help = "heads and FFN channels of blocks, channels of the hidden state, whole layers, single weights, or whole experts",
     .usual = "block, or element with --sparsity and --pattern"},
    {.name = "layers", .commands = SHARED, .common = PARE_IN_SWEEP, .group = target, .kind = PARE_VALUE_SPAN, .value = "A:B",
     .offset = AT(layer_span), .low = 0, .high = 1e6,
     .brief = "only layers A up to but not including B",
     .help = "only layers A up to but not including B",
     .usual = "all, which keeps the widths uniform"},
    {.name = "drop-layers", .commands = SWEPT, .group = target, .kind = PARE_VALUE_LAYERS, .value = "N,A:B",
     .offset = AT(drops), .low = 0, .high = 1e6,
     .help = "whole layers to leave out, such as 3,7,20:24 (20 to 23): alone, or before a method prunes the others; "
             "other options keep the numbers that layers have in MODEL"},
    {.name = "attention-layers", .commands = SHARED, .group = target, .kind = PARE_VALUE_SPAN, .value = "A:B",
     .offset = AT(attention_span), .low = 0, .high = 1e6, .may_be_none = true,
     .help = "layers that lose heads, where they differ from --layers; or none"},
    {.name = "ffn-layers", .commands = SHARED, .group = target, .kind = PARE_VALUE_SPAN, .value = "A:B",
     .offset = AT(ffn_span), .low = 0, .high = 1e6, .may_be_none = true,
     .help = "layers that lose FFN channels, where they differ from --layers; or none"},
    {.name = "select", .commands = SHARED, .group = units, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "select", .choice = ranking_name,
     .help = "among which units scores are compared: those of a layer (local); all layers alike, heads against "
             "channels (uniform); all units, per parameter (global), by score (global-score) or as LLM-Pruner has it "
             "(global-raw); or local with a share that rises with depth (rising)"},
    {.name = "gqa", .commands = SHARED, .group = units, .kind = PARE_VALUE_CHOICE, .value = "UNIT", .key = "gqa",
     .choice = head_unit_name,
     .help = "whole KV groups, or as many query heads in every group",
     .usual = "kv"},
    {.name = "keep-min", .commands = SHARED, .group = units, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "keep_min", .low = 0, .high = 1, .help = "share of every layer's units that stays in any case",
     .usual = "0"},
    {.name = "rise", .commands = SHARED, .group = units, .kind = PARE_VALUE_REAL, .value = "S", .key = "rise",
     .low = 0, .high = 1, .help = "--select rising: from ratio (1 - S) in the first layer to ratio (1 + S) in the last"},
    {.name = "search-steps", .commands = SHARED, .group = units, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "search_steps", .low = 1, .high = 1e6,
     .help = "--allocate search: how often the whole model is measured at most",
     .usual = "400"},
    {.name = "search-rounds", .commands = SHARED, .group = units, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "search_rounds", .low = 1, .high = 5,
     .help = "--allocate search: how often levels of width are made anew around the best ones, each time twice as near "
             "to each other",
     .usual = "1"},
    {.name = "search-moves", .commands = SHARED, .group = units, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "search_moves", .choice = search_moves_name,
     .help = "--allocate search: measures what each half feels, and moves by promise; or moves at random alone, as "
             "Tyr-the-Pruner does (random)",
     .usual = "promise"},
    {.name = "drop-halves", .commands = SHARED, .group = units, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "drop_halves", .choice = drop_halves_name,
     .help = "--allocate search: attention or the FFN of a layer may go as a whole; the model is then for pare itself, "
             "llama.cpp and, with --remote-code, transformers",
     .usual = "no"},
    {.name = "iterations", .commands = SHARED, .group = units, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(iterations), .low = 1, .high = 1000,
     .help = "rounds, each scoring what the last one left",
     .usual = "1"},
    {.name = "round-to", .commands = SHARED, .group = units, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(round_to), .low = 1, .high = 65536,
     .help = "round the FFN (or hidden) width that is kept up to a multiple of N",
     .usual = "1"},

    {.name = "salience", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .key = "salience", .choice = salience_name, .help = "what an element counts"},
    {.name = "grouping", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .key = "reduction", .choice = grouping_name, .help = "how the coupled tensors of a unit become one number"},
    {.name = "compat", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "llm-pruner",
     .key = "alignment", .choice = alignment_name,
     .help = "sum the scores of query heads over the wrong KV groups, as LLM-Pruner does: for parity alone"},
    {.name = "choose", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "choose", .choice = choose_name,
     .help = "take the highest scores, or remove units greedily by the exact error they leave (obs)"},
    {.name = "compensate", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "compensate", .choice = compensation_name, .help = "refit what is left by least squares (ls), or do not; let biases make up for the mean of what goes (bias); "
             "single weights also column by column as SparseGPT does (obs), or by ADMM"},
    {.name = "experts", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "experts", .choice = fate_name,
     .help = "of --mode expert: drop the experts that go, or merge them into those that stay and make most alike"},
    {.name = "router", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "router", .choice = router_name,
     .help = "of --mode expert: keep the router's rows of the experts that stay, or fit them to the dense model's logits"},
    {.name = "reconstruct", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "reconstruct", .low = 0, .high = 1e6,
     .help = "in the end, train attention and FFN of each block for N steps to put out what the dense model's do",
     .usual = "0"},
    {.name = "reconstruct-rate", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "reconstruct_rate", .low = 0, .high = 1, .open = true, .help = "rate of the first step of --reconstruct",
     .usual = "1e-3"},
    {.name = "reconstruct-rank", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_INTEGER, .value = "R",
     .key = "reconstruct_rank", .low = 0, .high = 65536,
     .help = "--reconstruct trains factors of this rank beside the matrices; 0: all weights", .usual = "0"},
    {.name = "reconstruct-metric", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "reconstruct_metric", .choice = metric_name, .help = "what --reconstruct measures errors by",
     .usual = "plain"},
    {.name = "reconstruct-dense", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_REAL, .value = "A",
     .key = "reconstruct_dense", .low = 0, .high = 1,
     .help = "share of the dense model's hidden states in what --reconstruct learns, the rest being what its block "
             "makes of the pruned model's",
     .usual = "1"},
    {.name = "metric", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "metric", .choice = metric_name,
     .help = "what errors of outputs are measured by: their square, or what the loss feels of them (fisher)"},
    {.name = "readers", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_REAL, .value = "B",
     .key = "readers", .low = 0, .high = 1,
     .help = "refit what reads the hidden state, too: share of the correction, 0 to 1"},
    {.name = "final-norm", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "final_norm", .choice = final_norm_choice, .help = "refit the final norm"},
    {.name = "damping", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_REAL, .value = "D",
     .key = "damping", .low = 0, .high = 1e6,
     .help = "of Gram matrices that are solved with, relative to the mean diagonal"},
    {.name = "dense", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_REAL, .value = "A",
     .key = "dense", .low = 0, .high = 1, .help = "share of the dense model's outputs in what is fitted"},
};
/* clang-format on */

const pare_option_rows pare_option_rows_units = {rows, sizeof rows / sizeof *rows};
