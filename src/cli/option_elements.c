/* Options: single weights. */
#include "option_rows.h"

static const pare_topic elements[] = {{"single-weights",
                                       "Single weights (with --sparsity or --pattern; default: the method's)",
                                       "scores, masks and repair of single weights"}};

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
CHOICES(true_sequential_name, "true_sequential")
CHOICES(dense_propagation_name, "dense_propagation")
CHOICES(measure_errors_name, "measure_errors")

/* clang-format off */
static const pare_option rows[] = {
    {.name = "compare", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "compare", .choice = comparison_name,
     .help = "among which weights scores are compared: those of an output (row), of the matrix, of --slab columns, of "
             "the model (global), or rows by shares of their sums (cumulative)"},
    {.name = "threshold", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "threshold", .choice = threshold_name,
     .help = "for parity alone: where matrices or slabs are compared, remove exactly what is asked, or, as "
             "released code does, one weight more and all that tie with it",
     .usual = "exact"},
    {.name = "slab", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N", .key = "slab",
     .low = 1, .high = 1e6, .help = "columns that SparseGPT takes at a time",
     .usual = "128"},
    {.name = "allocate", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "allocate", .choice = allocation_name, .help = "the same share for all matrices, OWL's, or by what the cheapest weights of all matrices cost; "
             "or search: by the divergence of the whole model from the dense one, for widths of units with --choose obs, too"},
    {.name = "owl-times", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "M",
     .key = "owl_times", .low = 0, .high = 1e6, .open = true,
     .help = "an outlier is above M times the mean",
     .usual = "5"},
    {.name = "owl-lambda", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "L",
     .key = "owl_lambda", .low = 0, .high = 1, .help = "how far shares may lie from the mean",
     .usual = "0.08"},
    {.name = "reach", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "S", .key = "reach",
     .low = 0, .high = 1, .help = "how far a matrix's share may lie from the mean with --allocate cost",
     .usual = "0.1"},
    {.name = "permute", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "permute", .choice = permutation_name,
     .help = "reorder the model's channels so that a pattern costs less, which computes the same: by serpentine "
             "allocation, or by linear assignment after it"},
    {.name = "alpha", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "A", .key = "alpha",
     .low = 0, .high = 1e12, .help = "weight of the gradient in gblm and wanda++",
     .usual = "100"},
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
     .key = "balance", .low = 0, .high = 1e12, .help = "weight of the output norms in symwanda",
     .usual = "1"},
    {.name = "share", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "B", .key = "share",
     .low = 0, .high = 1, .open = true, .help = "share of a row or column that stochria samples",
     .usual = "0.1"},
    {.name = "refine", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "HOW",
     .key = "refine", .choice = refinement_name,
     .help = "swap weights in and out of the mask: by expected errors (dsnot), or while the layer's exact error falls "
             "(swaps)"},
    {.name = "refine-scope", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "WHICH",
     .key = "refine_scope", .choice = refine_scope_name, .help = "matrices that dsnot refines"},
    {.name = "cycles", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "cycles", .low = 1, .high = 1e6, .help = "swaps per row of dsnot at most",
     .usual = "50"},
    {.name = "epsilon", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "E",
     .key = "epsilon", .low = 0, .high = 1e12, .help = "expected error at which dsnot leaves a row",
     .usual = "0.1"},
    {.name = "reweight", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "PHASE",
     .key = "reweight", .choice = reweight_name,
     .help = "phase of dsnot that goes by relative importance (r2-dsnot)"},
    {.name = "swap-cycles", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "swap_cycles", .low = 0, .high = 1e9, .help = "exact swaps per row at most; 0: until none helps"},
    {.name = "admm-iterations", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "admm_iterations", .low = 1, .high = 1e6, .help = "iterations of --compensate admm",
     .usual = "20"},
    {.name = "admm-gradual", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "admm_gradual", .low = 0, .high = 1e6, .help = "how many iterations of ADMM still choose the mask"},
    {.name = "admm-rho", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "admm_rho", .low = 0, .high = 1e12, .open = true,
     .help = "ADMM's penalty, relative to the mean diagonal",
     .usual = "1"},
    {.name = "cg-iterations", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "cg_iterations", .low = 0, .high = 1e6, .help = "conjugate gradient steps of --compensate ls, and after ADMM"},
    {.name = "true-sequential", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "true_sequential", .choice = true_sequential_name, .bare = "yes",
     .help = "prune a block in four stages, each by what the stages before it have left"},
    {.name = "dense-propagation", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "dense_propagation", .choice = dense_propagation_name, .bare = "yes", .help = "show every block what the dense model would"},
    {.name = "hidden-states", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "fp32|bf16",
     .key = "hidden_states", .choice = hidden_states_name,
     .help = "how hidden states are kept between blocks; bf16 takes half the room"},
    {.name = "measure-errors", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_CHOICE, .value = "yes|no",
     .key = "measure_errors", .choice = measure_errors_name, .bare = "yes",
     .help = "report every layer's output error, also where the method itself needs no Gram matrix"},
    {.name = "residual-rank", .commands = PARE_IN_PRUNE, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "R",
     .key = "residual_rank", .low = 0, .high = 65536,
     .help = "also what the matrices have lost, in closed form (EoRA), as a PEFT adapter of this rank in "
             "OUT/residual-adapter; 0: none",
     .usual = "0"},
    {.name = "region-rounds", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "region_rounds", .low = 0, .high = 1e6,
     .help = "rounds of wanda++'s regional optimisation, which also changes what stays",
     .usual = "0"},
    {.name = "region-samples", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_INTEGER, .value = "N",
     .key = "region_samples", .low = 1, .high = 1e6, .help = "sequences of a round of --region-rounds",
     .usual = "32"},
    {.name = "region-rate", .commands = SWEPT, .group = elements, .kind = PARE_VALUE_REAL, .value = "R",
     .key = "region_rate", .low = 0, .high = 1e6, .open = true, .help = "step size of --region-rounds",
     .usual = "3e-7"},
};
/* clang-format on */

const pare_option_rows pare_option_rows_elements = {rows, sizeof rows / sizeof *rows};
