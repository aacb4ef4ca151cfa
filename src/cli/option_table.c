#include "options.h"

#define AT(member) offsetof(pare_arguments, member)
#define STUDIES (PARE_IN_SWEEP | PARE_IN_ROBUST)
#define EVERYWHERE (PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE | STUDIES | PARE_IN_EVAL | PARE_IN_GENERATE | PARE_IN_INSPECT | PARE_IN_BENCH)
#define WORKING (PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE | STUDIES | PARE_IN_EVAL | PARE_IN_GENERATE | PARE_IN_BENCH)
/* Of one pruning run; a sweep takes them, too, and has them as axes. */
#define SWEPT (PARE_IN_PRUNE | PARE_IN_SWEEP | PARE_IN_OVER)
#define SHARED (SWEPT | PARE_IN_ROBUST)

static const char points[] = "What to compare";
static const char target[] = "What to remove";
static const char calibration[] = "Calibration";
static const char elements[] = "Single weights (with --sparsity or --pattern; default: the method's)";
static const char scoring[] = "Scoring and repair (default: the method's)";
static const char training[] = "Training (--method loraprune; default: as in its released script)";
static const char examples[] = "Examples to train on";
static const char tuning[] = "Training (default: the preset's, here those of paper)";
static const char constants[] = "Constants of the method (default: as published)";
static const char recovery[] = "Recovery after pruning (pare recover has all its options)";
static const char evaluation[] = "Evaluation";
static const char sampling[] = "Text";
static const char measuring[] = "What to measure";
static const char output[] = "Output";
static const char merging[] = "What to merge";
static const char running[] = "How to run";

static const char *compute_name(size_t index) {
    static const char *const names[] = {
        [PARE_COMPUTE_AUTO] = "auto", [PARE_COMPUTE_BF16] = "bf16", [PARE_COMPUTE_FP32] = "fp32"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

static const char *displace_name(size_t index) {
    static const char *const names[] = {[PARE_DISPLACE_ALL] = "all", [PARE_DISPLACE_SCORED] = "scored"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* The choices of one setting as a function of their index alone. */
#define CHOICES(function, key)                                                                                         \
    static const char *function(size_t index) {                                                                        \
        return pare_setting_choice(key, index);                                                                        \
    }
CHOICES(salience_name, "salience")
CHOICES(grouping_name, "reduction")
CHOICES(mode_name, "mode")
CHOICES(ranking_name, "select")
CHOICES(head_unit_name, "gqa")
CHOICES(choose_name, "choose")
CHOICES(compensation_name, "compensate")
CHOICES(metric_name, "metric")
CHOICES(final_norm_choice, "final_norm")
CHOICES(alignment_name, "alignment")
CHOICES(comparison_name, "compare")
CHOICES(threshold_name, "threshold")
CHOICES(allocation_name, "allocate")
CHOICES(permutation_name, "permute")
CHOICES(refinement_name, "refine")
CHOICES(refine_scope_name, "refine_scope")
CHOICES(reweight_name, "reweight")
CHOICES(scaling_name, "alpha_scaling")
CHOICES(gradient_norm_name, "gradient_norm")
CHOICES(hidden_states_name, "hidden_states")
CHOICES(lora_score_name, "lora_score")
CHOICES(final_cut_name, "final_cut")
CHOICES(train_on_prompt_name, "train_on_prompt")
CHOICES(group_by_length_name, "group_by_length")
CHOICES(wording_name, "wording")

static const char *wording_of_examples(size_t index) {
    static const char *const names[] = {"alpaca", "none"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

const char *pare_choice_shape(size_t index) {
    static const char *const names[] = {"1b", "7b", "13b", "llama3-8b"};
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* clang-format off */
static const pare_option table[] = {
    {.name = "over", .commands = PARE_IN_SWEEP, .group = points, .kind = PARE_VALUE_REPEATED, .value = "NAME=VALUES",
     .offset = AT(over),
     .help = "an option of the run and what it takes in turn: values with commas between them (or semicolons, where "
             "values hold commas), or a range A:B:STEP; layers=A:B:N takes N layers at a time; repeated, every "
             "combination is a point"},
    {.name = "perturb", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "CHANGES",
     .offset = AT(perturb),
     .help = "what is changed a little, with commas between: bf16, fp16 (weights rounded), noise=S (every weight times "
             "1 + S z), seed, threads (1 against all), calib-shuffle (default: bf16,fp16)"},
    {.name = "methods", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "NAMES",
     .offset = AT(methods), .help = "methods to compare (default: taylor,moreau,moreau-gs,best); see Methods below"},
    {.name = "ratio", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_TEXT, .value = "R,...",
     .offset = AT(ratio_list), .help = "share of the units to remove, or several with commas between (default: 0.2)"},
    {.name = "seeds", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(seeds), .low = 1, .high = 1000,
     .help = "repeat with N seeds, beginning with --seed, and give mean and standard deviation (default: 1)"},
    {.name = "ranks", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_FLAG, .offset = AT(ranks),
     .help = "also the rank of every unit before and after the change (with --json)"},
    {.name = "lipschitz", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_FLAG,
     .offset = AT(lipschitz),
     .help = "also how much each method's gradient changes for small random changes of all weights, beside the bounds "
             "of Theorems 1 and 2"},
    {.name = "lipschitz-size", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_REAL, .value = "S",
     .offset = AT(lipschitz_size), .low = 0, .high = 1, .open = true,
     .help = "relative size of these changes (default: 1e-3)"},
    {.name = "lipschitz-draws", .commands = PARE_IN_ROBUST, .group = points, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(lipschitz_draws), .low = 1, .high = 1000, .help = "how many of them (default: 3)"},

    {.name = "method", .commands = SWEPT, .group = target, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(method), .choice = pare_recipe_name,
     .help = "how the units that go are found (default: best); see Methods below"},
    {.name = "recipe", .commands = SWEPT, .group = target, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(recipe), .help = "a method of your own: JSON with a base method and the choices that differ"},
    {.name = "ratio", .commands = SWEPT, .group = target, .kind = PARE_VALUE_SHARES, .value = "R",
     .offset = AT(ratio), .low = 0, .high = 1, .open = true,
     .help = "share of the KV groups and FFN channels of each layer to remove, between 0 and 1; or a share for every "
             "layer, as 0,0.1,0.2,..."},
    {.name = "params", .commands = SWEPT, .group = target, .kind = PARE_VALUE_PARAMETERS, .value = "P",
     .offset = AT(parameters), .low = 1, .high = 1e15,
     .help = "instead of a ratio: parameters that the whole model shall keep, such as 5.4B or 350M"},
    {.name = "bytes", .commands = SWEPT, .group = target, .kind = PARE_VALUE_SIZE, .value = "SIZE",
     .offset = AT(bytes), .low = 1, .high = 1152921504606846976.0,
     .help = "instead of a ratio: bytes of weights that shall be left, such as 10G"},
    {.name = "sparsity", .commands = SWEPT, .group = target, .kind = PARE_VALUE_SHARES, .value = "S",
     .offset = AT(sparsity), .low = 0, .high = 1,
     .help = "instead of a ratio of units: share of single weights to remove, from 0 to 1, or a share for every layer; "
             "they become zeros in matrices that keep their shape"},
    {.name = "pattern", .commands = SWEPT, .group = target, .kind = PARE_VALUE_PATTERN, .value = "N:M",
     .offset = AT(pattern), .low = 1, .high = 1024,
     .help = "instead of a ratio: KEEP N of every M neighbouring weights of an output, such as 2:4"},
    {.name = "targets", .commands = PARE_IN_PRUNE | PARE_IN_SWEEP, .group = target, .kind = PARE_VALUE_REPEATED,
     .value = "NAMES", .offset = AT(targets),
     .help = "matrices that lose single weights: modules such as q_proj, mlp or layers.3.*, with commas between "
             "(default: all of the blocks)"},
    {.name = "skip", .commands = PARE_IN_PRUNE | PARE_IN_SWEEP, .group = target, .kind = PARE_VALUE_REPEATED,
     .value = "NAMES", .offset = AT(skipped), .help = "matrices that do not, named likewise"},
    {.name = "mode", .commands = SHARED, .group = target, .kind = PARE_VALUE_CHOICE, .value = "MODE",
     .key = "mode", .choice = mode_name,
     .help = "heads and FFN channels of blocks, channels of the hidden state, whole layers, or single weights (default: "
             "block, or element with --sparsity and --pattern)"},
    {.name = "layers", .commands = SHARED, .group = target, .kind = PARE_VALUE_SPAN, .value = "A:B",
     .offset = AT(layer_span), .low = 0, .high = 1e6,
     .help = "only layers A up to but not including B (default: all, which keeps the widths uniform)"},
    {.name = "attention-layers", .commands = SHARED, .group = target, .kind = PARE_VALUE_SPAN, .value = "A:B",
     .offset = AT(attention_span), .low = 0, .high = 1e6, .may_be_none = true,
     .help = "layers that lose heads, where they differ from --layers; or none"},
    {.name = "ffn-layers", .commands = SHARED, .group = target, .kind = PARE_VALUE_SPAN, .value = "A:B",
     .offset = AT(ffn_span), .low = 0, .high = 1e6, .may_be_none = true,
     .help = "layers that lose FFN channels, where they differ from --layers; or none"},
    {.name = "select", .commands = SHARED, .group = target, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "select", .choice = ranking_name,
     .help = "among which units scores are compared: those of a layer (local); all layers alike, heads against "
             "channels (uniform); all units, per parameter (global) or as LLM-Pruner has it (global-raw); or local "
             "with a share that rises with depth (rising)"},
    {.name = "gqa", .commands = SHARED, .group = target, .kind = PARE_VALUE_CHOICE, .value = "UNIT", .key = "gqa",
     .choice = head_unit_name,
     .help = "whole KV groups, or as many query heads in every group (default: kv)"},
    {.name = "keep-min", .commands = SHARED, .group = target, .kind = PARE_VALUE_REAL, .value = "S",
     .key = "keep_min", .low = 0, .high = 1, .help = "share of every layer's units that stays in any case (default: 0)"},
    {.name = "rise", .commands = SHARED, .group = target, .kind = PARE_VALUE_REAL, .value = "S", .key = "rise",
     .low = 0, .high = 1, .help = "--select rising: from ratio (1 - S) in the first layer to ratio (1 + S) in the last"},
    {.name = "iterations", .commands = SHARED, .group = target, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(iterations), .low = 1, .high = 1000,
     .help = "rounds, each scoring what the last one left (default: 1)"},
    {.name = "round-to", .commands = SHARED, .group = target, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(round_to), .low = 1, .high = 65536,
     .help = "round the FFN (or hidden) width that is kept up to a multiple of N (default: 1)"},

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
     .key = "compensate", .choice = compensation_name, .help = "refit what is left by least squares (ls), or do not; single weights also column by column as SparseGPT does "
             "(obs), or by ADMM"},
    {.name = "metric", .commands = SHARED, .group = scoring, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "metric", .choice = metric_name,
     .help = "what --choose obs measures errors by: their square, or what the loss feels of them (fisher)"},
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

    {.name = "compare", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "compare", .choice = comparison_name,
     .help = "among which weights scores are compared: those of an output (row), of the matrix, of --slab columns, of "
             "the model (global), or rows by shares of their sums (cumulative)"},
    {.name = "threshold", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "threshold", .choice = threshold_name,
     .help = "for parity alone: where matrices or slabs are compared, remove exactly what is asked, or, as released "
             "code does, one weight more and all that tie with it (default: exact)"},
    {.name = "slab", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N", .key = "slab",
     .low = 1, .high = 1e6, .help = "columns that SparseGPT takes at a time (default: 128)"},
    {.name = "allocate", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "allocate", .choice = allocation_name, .help = "the same share for all matrices, OWL's, or by what the cheapest weights of all matrices cost"},
    {.name = "owl-times", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "M",
     .key = "owl_times", .low = 0, .high = 1e6, .open = true,
     .help = "an outlier is above M times the mean (default: 5)"},
    {.name = "owl-lambda", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "L",
     .key = "owl_lambda", .low = 0, .high = 1, .help = "how far shares may lie from the mean (default: 0.08)"},
    {.name = "reach", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "S", .key = "reach",
     .low = 0, .high = 1, .help = "how far a matrix's share may lie from the mean with --allocate cost (default: 0.1)"},
    {.name = "permute", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "permute", .choice = permutation_name,
     .help = "reorder the model's channels so that a pattern costs less, which computes the same: by serpentine "
             "allocation, or by linear assignment after it"},
    {.name = "alpha", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "A", .key = "alpha",
     .low = 0, .high = 1e12, .help = "weight of the gradient in gblm and wanda++ (default: 100)"},
    {.name = "alpha-scaling", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "alpha_scaling", .choice = scaling_name,
     .help = "against input norms over all tokens, as GBLM-Pruner's paper has it, or over the square root of the "
             "sequences, as its code has it"},
    {.name = "gradient-norm", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "l1|l2",
     .key = "gradient_norm", .choice = gradient_norm_name, .help = "how the samples' gradients are joined"},
    {.name = "exponent", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "A",
     .key = "exponent", .low = 0, .high = 16, .help = "power of the input norm in ria and its relatives"},
    {.name = "order", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "P", .key = "order",
     .low = 0, .high = 1e6, .help = "p of the rows' and columns' norms in ria-lp and symmetric"},
    {.name = "balance", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "L",
     .key = "balance", .low = 0, .high = 1e12, .help = "weight of the output norms in symwanda (default: 1)"},
    {.name = "share", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "B", .key = "share",
     .low = 0, .high = 1, .open = true, .help = "share of a row or column that stochria samples (default: 0.1)"},
    {.name = "refine", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "refine", .choice = refinement_name,
     .help = "swap weights in and out of the mask: by expected errors (dsnot), or while the layer's exact error falls "
             "(swaps)"},
    {.name = "refine-scope", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "WHICH",
     .key = "refine_scope", .choice = refine_scope_name, .help = "matrices that dsnot refines"},
    {.name = "cycles", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "cycles", .low = 1, .high = 1e6, .help = "swaps per row of dsnot at most (default: 50)"},
    {.name = "epsilon", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "E",
     .key = "epsilon", .low = 0, .high = 1e12, .help = "expected error at which dsnot leaves a row (default: 0.1)"},
    {.name = "reweight", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "PHASE",
     .key = "reweight", .choice = reweight_name,
     .help = "phase of dsnot that goes by relative importance (r2-dsnot)"},
    {.name = "swap-cycles", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "swap_cycles", .low = 0, .high = 1e9, .help = "exact swaps per row at most; 0: until none helps"},
    {.name = "admm-iterations", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "admm_iterations", .low = 1, .high = 1e6, .help = "iterations of --compensate admm (default: 20)"},
    {.name = "admm-gradual", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "admm_gradual", .low = 0, .high = 1e6, .help = "of these, how many still choose the mask"},
    {.name = "admm-rho", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "admm_rho", .low = 0, .high = 1e12, .open = true,
     .help = "ADMM's penalty, relative to the mean diagonal (default: 1)"},
    {.name = "cg-iterations", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "cg_iterations", .low = 0, .high = 1e6, .help = "conjugate gradient steps of --compensate ls, and after ADMM"},
    {.name = "true-sequential", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_FLAG,
     .key = "true_sequential",
     .help = "prune a block in four stages, each by what the stages before it have left"},
    {.name = "dense-propagation", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_FLAG,
     .key = "dense_propagation", .help = "show every block what the dense model would"},
    {.name = "hidden-states", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "fp32|bf16",
     .key = "hidden_states", .choice = hidden_states_name,
     .help = "how they are kept between blocks; bf16 takes half the room"},
    {.name = "measure-errors", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_FLAG, .key = "measure_errors",
     .help = "report every layer's output error, also where the method itself needs no Gram matrix"},
    {.name = "region-rounds", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "region_rounds", .low = 0, .high = 1e6,
     .help = "rounds of wanda++'s regional optimisation, which also changes what stays (default: 0)"},
    {.name = "region-samples", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "region_samples", .low = 1, .high = 1e6, .help = "sequences of such a round (default: 32)"},
    {.name = "region-rate", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "region_rate", .low = 0, .high = 1e6, .open = true, .help = "its step size (default: 3e-7)"},

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

    {.name = "calib", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(calibration),
     .help = ".txt, .jsonl or .json texts, a .json of token id lists, or 'self': text that the model writes itself "
             "(default: self)"},
    {.name = "protocol", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(protocol), .choice = pare_protocol_name,
     .help = "samples and length of a paper's calibration, and how they are drawn"},
    {.name = "field", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_TEXT, .value = "NAME",
     .offset = AT(field), .help = "the text's key in .jsonl and .json rows (default: text)"},
    {.name = "calib-stream", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_FLAG,
     .offset = AT(stream), .help = "cut sequences from all documents joined, instead of one from each document"},
    {.name = "samples", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(samples), .low = 1, .high = 1e6, .help = "sequences (default: 10, or 128 where weights are refitted, or all of an id file)"},
    {.name = "length", .commands = SHARED, .group = calibration, .kind = PARE_VALUE_INTEGER, .value = "T",
     .offset = AT(length), .low = 2, .high = 1048576,
     .help = "tokens per sequence (default: 128, or that of an id file)"},

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
     .help = "displace every tensor, or only those that can be cut (default: all)"},

    {.name = "data", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(data),
     .help = "what to train on: .json or .jsonl rows of instructions, completions, chats, texts or token ids, or a text "
             "file"},
    {.name = "field", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_TEXT, .value = "NAME",
     .offset = AT(field), .help = "the key of the text in rows that are to be learnt as plain text (default: text)"},
    {.name = "wording", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(wording), .choice = wording_of_examples, .help = "around instructions (default: alpaca)"},
    {.name = "cutoff", .commands = PARE_IN_RECOVER, .group = examples, .kind = PARE_VALUE_INTEGER, .value = "T",
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

    {.name = "preset", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(preset), .choice = pare_recover_preset_name,
     .help = "settings of a published recovery (default: paper); see Presets below"},
    {.name = "rank", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "R",
     .offset = AT(rank), .low = 1, .high = 65536, .help = "of the LoRA adapters (default: 8)"},
    {.name = "alpha", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "A",
     .offset = AT(alpha), .low = 0, .high = 1e6, .open = true,
     .help = "their products are added times A / rank (default: 16)"},
    {.name = "dropout", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "S",
     .offset = AT(dropout), .low = 0, .high = 0.99, .help = "share of their inputs that is dropped (default: 0.05)"},
    {.name = "targets", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_LIST, .value = "NAMES",
     .offset = AT(targets),
     .help = "modules with adapters: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj (default: all seven)"},
    {.name = "keep-sparsity", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_FLAG,
     .offset = AT(keep_sparsity), .help = "weights that are zero stay zero"},
    {.name = "full", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_FLAG, .offset = AT(full),
     .help = "train all weights instead of adapters: five numbers of 32 bits for each in memory"},
    {.name = "fresh", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_FLAG, .offset = AT(fresh),
     .help = "with --full: begin with random weights"},
    {.name = "epochs", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "N",
     .offset = AT(epochs), .low = 0, .high = 1e6, .open = true,
     .help = "how often every example is trained on (default: 2)"},
    {.name = "steps", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(training_steps), .low = 1, .high = 1e9, .help = "steps in place of epochs"},
    {.name = "batch", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(batch), .low = 1, .high = 1e6, .help = "examples of a step, or sequences with --pack (default: 64)"},
    {.name = "micro-batch", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(micro_batch), .low = 1, .high = 1e6,
     .help = "sequences through a block at a time; changes rounding only (default: chosen for speed and memory)"},
    {.name = "rate", .commands = PARE_IN_RECOVER, .group = tuning, .kind = PARE_VALUE_REAL, .value = "R",
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

    {.name = "recover", .commands = PARE_IN_PRUNE, .group = recovery, .kind = PARE_VALUE_TEXT, .value = "FILE",
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

    {.name = "eval", .commands = PARE_IN_PRUNE, .group = evaluation, .kind = PARE_VALUE_LIST, .value = "FILE...",
     .offset = AT(texts), .help = "the same as --text"},
    {.name = "text", .commands = PARE_IN_EVAL | PARE_IN_PRUNE | PARE_IN_RECOVER | STUDIES, .group = evaluation, .kind = PARE_VALUE_LIST,
     .value = "FILE...", .offset = AT(texts),
     .help = "texts to measure the perplexity on (prune, recover: before and after), or 'self' (not recover): text that the "
             "model writes itself; all following words are texts, and the option may be repeated"},
    {.name = "window", .commands = PARE_IN_EVAL | PARE_IN_RECOVER | SHARED, .group = evaluation, .kind = PARE_VALUE_INTEGER,
     .value = "N", .offset = AT(window), .low = 2, .high = 1048576, .help = "tokens per window (default: 128)"},
    {.name = "max-windows", .commands = PARE_IN_EVAL | PARE_IN_RECOVER | SHARED, .group = evaluation, .kind = PARE_VALUE_INTEGER,
     .value = "N", .offset = AT(max_windows), .low = 1, .high = 4294967295.0,
     .help = "only the first N windows of each text (default: all)"},
    {.name = "adapter", .commands = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(adapter_folder), .help = "folder of a PEFT adapter, which is put beside the weights of MODEL"},
    {.name = "against", .commands = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT, .value = "DENSE",
     .offset = AT(against),
     .help = "also the KL divergence and the top-1 agreement with this model; it then writes the text of 'self'"},
    {.name = "tasks", .commands = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT, .value = "NAMES",
     .offset = AT(tasks),
     .help = "zero-shot tasks, with commas between them, or all: boolq, piqa, hellaswag, winogrande, arc_easy, "
             "arc_challenge, openbookqa"},
    {.name = "data", .commands = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(data),
     .help = "folder with the tasks' files, in folders of their own (boolq/val.jsonl) or not (boolq.jsonl); with one "
             "task also its file"},
    {.name = "protocol", .commands = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(task_protocol), .choice = pare_task_protocol_name,
     .help = "rules of lm-evaluation-harness for the tasks: as it is, or as it was in 2023 (default: current)"},
    {.name = "limit", .commands = PARE_IN_EVAL, .group = evaluation, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(limit), .low = 1, .high = 4294967295.0, .help = "only N documents of each task (default: all)"},

    {.name = "prompt", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_TEXT, .value = "TEXT",
     .offset = AT(prompt), .may_be_empty = true, .help = "text to continue; may be empty"},
    {.name = "tokens", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(tokens), .low = 1, .high = 1e9, .help = "tokens to write at most (default: 128)"},
    {.name = "temperature", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_REAL, .value = "T",
     .offset = AT(temperature), .low = 0, .high = 100, .help = "0 takes the likeliest token each time (default: 0)"},
    {.name = "top-p", .commands = PARE_IN_GENERATE, .group = sampling, .kind = PARE_VALUE_REAL, .value = "P",
     .offset = AT(top_p), .low = 0, .high = 1,
     .help = "draw among the likeliest tokens that make up this probability (default: 1, all)"},

    {.name = "tensors", .commands = PARE_IN_INSPECT, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(tensors),
     .help = "also every tensor with its share of zeros, which reads the whole model"},

    {.name = "shape", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_CHOICE, .value = "NAME",
     .offset = AT(shape), .choice = pare_choice_shape,
     .help = "instead of MODEL: synthetic weights of this shape, in a sparse file"},
    {.name = "layers", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(layers), .low = 1, .high = 1000, .help = "layers of the synthetic model (default: 1)"},
    {.name = "samples", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(samples), .low = 1, .high = 1e6, .help = "sequences per pass (default: 10)"},
    {.name = "length", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "T",
     .offset = AT(length), .low = 2, .high = 1048576, .help = "tokens per sequence (default: 128)"},
    {.name = "repeats", .commands = PARE_IN_BENCH, .group = measuring, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(repeats), .low = 1, .high = 1000, .help = "passes of each kind; the median counts (default: 3)"},

    {.name = "adapter", .commands = PARE_IN_MERGE, .group = merging, .kind = PARE_VALUE_TEXT, .value = "DIR",
     .offset = AT(adapter_folder), .help = "folder of a PEFT LoRA adapter, as pare recover --adapter writes them"},

    {.name = "output", .letter = 'o', .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "OUT", .offset = AT(output), .help = "folder to write; needed except with --dry-run"},
    {.name = "output", .letter = 'o', .commands = PARE_IN_RECOVER | PARE_IN_MERGE, .group = output, .kind = PARE_VALUE_TEXT,
     .value = "OUT", .offset = AT(output), .help = "folder to write"},
    {.name = "adapter", .commands = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(adapter),
     .help = "write a PEFT adapter in place of a model with what was learnt merged into its weights"},
    {.name = "curve", .commands = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_TEXT, .value = "PREFIX",
     .offset = AT(curve), .help = "loss curve as PREFIX.csv and PREFIX.svg (default: OUT/loss.csv, OUT/loss.svg)"},
    {.name = "force", .commands = PARE_IN_PRUNE | PARE_IN_RECOVER | PARE_IN_MERGE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(force),
     .help = "replace OUT if it exists"},
    {.name = "resume", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(resume),
     .help = "keep the progress of long iterations in OUT.progress, and go on from what is there"},
    {.name = "resume", .commands = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(resume),
     .help = "keep the progress in OUT.progress, and go on from what is there"},
    {.name = "save-every", .commands = PARE_IN_RECOVER, .group = output, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(save_every), .low = 1, .high = 1e9,
     .help = "with --resume: steps between two times that the progress is kept (default: 200)"},
    {.name = "dry-run", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(dry_run),
     .help = "score and report, but write no model"},
    {.name = "scores", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(scores), .help = "also write the score of every unit as JSON"},
    {.name = "densities", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(densities),
     .help = "also write the density of every mask of single weights in 64 x 64 tiles as JSON, for plots"},
    {.name = "archive", .commands = PARE_IN_PRUNE, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(archive),
     .help = "write a bitmask archive, which only pare reads, in place of model.safetensors: 0.56 of the size at "
             "--sparsity 0.5 in 16 bits"},
    {.name = "csv", .commands = PARE_IN_SWEEP, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(csv),
     .help = "a table that gains a line with every point; run again with the same options, points that it holds are "
             "not run again"},
    {.name = "json-file", .commands = PARE_IN_SWEEP, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(json_file), .help = "the same as one JSON document, which is whole at any time"},
    {.name = "save-items", .commands = PARE_IN_EVAL, .group = output, .kind = PARE_VALUE_TEXT, .value = "FILE",
     .offset = AT(items), .help = "also write the likelihoods of every document of the tasks, one JSON line each"},
    {.name = "markdown", .commands = PARE_IN_EVAL, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(markdown),
     .help = "print tables as Markdown"},
    {.name = "verbose", .commands = PARE_IN_EVAL, .group = output, .kind = PARE_VALUE_FLAG, .offset = AT(verbose),
     .help = "of several models, too, print tables with standard errors"},
    {.name = "json", .commands = EVERYWHERE & ~(unsigned)PARE_IN_GENERATE, .group = output, .kind = PARE_VALUE_FLAG,
     .offset = AT(json), .help = "print the result as one JSON document"},
    {.name = "quiet", .commands = WORKING & ~(unsigned)PARE_IN_GENERATE, .group = output, .kind = PARE_VALUE_FLAG,
     .offset = AT(quiet),
     .help = "no plan and no progress"},

    {.name = "seed", .commands = SHARED | PARE_IN_RECOVER | PARE_IN_EVAL | PARE_IN_GENERATE, .group = running,
     .kind = PARE_VALUE_SEED, .value = "N", .offset = AT(seed), .help = "of everything that is drawn (default: 0)"},
    {.name = "compute", .commands = WORKING, .group = running, .kind = PARE_VALUE_CHOICE, .value = "bf16|fp32",
     .offset = AT(compute), .choice = compute_name,
     .help = "number format of matrix products (default: auto, bf16 where the CPU multiplies it natively)"},
    {.name = "threads", .commands = WORKING, .group = running, .kind = PARE_VALUE_INTEGER, .value = "N",
     .offset = AT(threads), .low = 1, .high = 4096, .help = "threads to use (default: all cores)"},
    {.name = "memory", .commands = WORKING, .group = running, .kind = PARE_VALUE_SIZE, .value = "SIZE",
     .offset = AT(memory), .low = 1048576, .high = 1152921504606846976.0,
     .help = "most memory to use, such as 8G or 512M (default: 80 % of what is available); the mapped weights do not "
             "count"},
    {.name = "scratch", .commands = PARE_IN_PRUNE | STUDIES | PARE_IN_BENCH, .group = running, .kind = PARE_VALUE_TEXT,
     .value = "DIR", .offset = AT(scratch),
     .help = "folder for state that does not fit into memory (default: $TMPDIR or /tmp)"},
    {.name = "help", .letter = 'h', .commands = EVERYWHERE, .group = running, .kind = PARE_VALUE_FLAG,
     .offset = AT(help), .help = "show this text"},
};
/* clang-format on */

_Static_assert(sizeof table / sizeof *table <= PARE_MOST_OPTIONS, "a command line notes which options it has seen");

const pare_option *pare_option_at(size_t index) {
    return index < sizeof table / sizeof *table ? &table[index] : NULL;
}
