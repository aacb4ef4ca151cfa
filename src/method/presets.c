/* The preset table: every published method is one row. Those for whole experts: expert_presets.c. */
#include "method/recipe.h"

#include <string.h>

/* Published constants (MoreauPruner, appendix; spec 3.1). No constants were published for the element-wise l1 variant:
 * it takes those of the group-sparse one. The released loop has no use for rho. */
#define PLAIN_MOREAU                                                                                                   \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .prox = PARE_PROX_NONE, .tail = 1 }
#define GROUP_MOREAU                                                                                                   \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_GROUP,       \
        .tail = 1                                                                                                      \
    }
#define L1_MOREAU                                                                                                      \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_L1, .tail = 1 }
#define RELEASED_MOREAU                                                                                                \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .prox = PARE_PROX_RELEASED,                \
        .tail = PARE_RELEASED_TAIL, .unpulled = true                                                                   \
    }
#define RELEASED_GROUP_MOREAU                                                                                          \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_RELEASED,    \
        .tail = PARE_RELEASED_TAIL, .unpulled = true                                                                   \
    }
#define SMOOTH(passes)                                                                                                 \
    { .steps = passes, .draws = 1, .sigma = 0.05 }

/* Where the methods come from. */
#define BASELINE "a usual baseline"
#define MOREAU_PRUNER "MoreauPruner, Wang et al. 2024, arXiv 2406.07017"
#define LLM_PRUNER "LLM-Pruner, Ma et al. 2023, arXiv 2305.11627"
#define WANDA "Wanda, Sun et al. 2023, arXiv 2306.11695"
#define FLAP "FLAP, An et al. 2023, arXiv 2312.11983"
#define GBLM "GBLM-Pruner, Das et al. 2023, arXiv 2311.04902"
#define RIA "RIA, Zhang et al. 2024, Plug-and-Play (ICLR)"
#define SYMMETRIC "Symmetric Pruning, Yi and Richtarik 2025, arXiv 2501.18980"

static const pare_recipe presets[] = {
    {.name = "best",
     .summary =
         "pare's own: greedy removal by what the loss feels of the error, then all readers refitted (the default)",
     .source = PARE_METHOD_OWN,
     .choice = PARE_CHOOSE_OBS,
     .compensation = PARE_COMPENSATE_LS,
     .metric = PARE_METRIC_FISHER,
     .dense = 0.5,
     .readers = 1.0,
     .damping = 1e-2,
     .reader_damping = 0.1,
     .held_out = true,
     .fraction = 0.0625,
     .final_norm = true},
    {.name = "moreau-gs",
     .summary = "MoreauPruner-GS: gradient of the group-sparse Moreau envelope",
     .source = MOREAU_PRUNER ", Algorithm 1, eq. 8 to 11",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = GROUP_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau",
     .summary = "MoreauPruner: gradient of the Moreau envelope",
     .source = MOREAU_PRUNER ", eq. 6, 7, 9 and 10",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = PLAIN_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau-l1",
     .summary = "MoreauPruner with an element-wise l1 threshold",
     .source = MOREAU_PRUNER ", section 4",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = L1_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau-released",
     .summary = "MoreauPruner as its code has it: no proximal term, mean of the last five iterates",
     .source = MOREAU_PRUNER ": the code that its authors released",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = RELEASED_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "moreau-gs-released",
     .summary = "MoreauPruner-GS as its code has it, behind the published tables: see docs/methods.md",
     .source = MOREAU_PRUNER ": the code that its authors released",
     .signal = PARE_SIGNAL_MOREAU,
     .moreau = RELEASED_GROUP_MOREAU,
     .salience = &pare_salience_first_order},
    {.name = "taylor-rownorm",
     .summary = "what moreau-gs-released comes down to: Taylor with every row of the gradient at unit length",
     .source = PARE_METHOD_OWN ", read off the released code of MoreauPruner",
     .signal = PARE_SIGNAL_SMOOTH_ROWS,
     .moreau = SMOOTH(10),
     .salience = &pare_salience_first_order},
    {.name = "smoothgrad",
     .summary = "SmoothGrad: mean of |w g| over 100 passes with weight noise",
     .source = "Smilkov et al. 2017, arXiv 1706.03825; for pruning Table 13 of MoreauPruner",
     .signal = PARE_SIGNAL_SMOOTH,
     .moreau = SMOOTH(100),
     .salience = &pare_salience_first_order},
    {.name = "taylor",
     .summary = "LLM-Pruner: first-order Taylor expansion, element-wise (param_first, sum)",
     .source = LLM_PRUNER ", param_first",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_first_order},
    {.name = "taylor-second",
     .summary = "LLM-Pruner param_second: w^2 times the mean squared gradient of the samples",
     .source = LLM_PRUNER ", param_second",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_second_order},
    {.name = "taylor-mix",
     .summary = "LLM-Pruner param_mix: first and second order together",
     .source = LLM_PRUNER ", param_mix",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_mixed},
    {.name = "taylor-vector",
     .summary = "LLM-Pruner vectorize: the absolute value taken after the sum",
     .source = LLM_PRUNER ", vectorize",
     .signal = PARE_SIGNAL_GRADIENT,
     .salience = &pare_salience_vectorize},
    {.name = "taylor-entropy",
     .summary = "HFPrune: first-order Taylor expansion of the output's own entropy, which needs no labels",
     .source = "HFPrune, arXiv 2603.08083",
     .signal = PARE_SIGNAL_ENTROPY,
     .salience = &pare_salience_first_order},
    {.name = "wanda-structured",
     .summary = "Wanda summed over units: |w| times the norm of its input; needs no gradient",
     .source = WANDA ", summed over units",
     .signal = PARE_SIGNAL_INPUTS,
     .salience = &pare_salience_activation},
    {.name = "flap",
     .summary =
         "FLAP: how much the inputs of O and down fluctuate, by layer in standard deviations; biases make up for "
         "their means",
     .source = FLAP,
     .signal = PARE_SIGNAL_INPUTS,
     .salience = &pare_salience_fluctuation,
     .reduction = PARE_REDUCE_STANDARD,
     .ranking = PARE_RANK_GLOBAL_SCORE,
     .compensation = PARE_COMPENSATE_BIAS},
    {.name = "magnitude-l1",
     .summary = "sum of |w|, averaged over the coupled tensors; needs no data",
     .source = LLM_PRUNER ", its l1 baseline",
     .salience = &pare_salience_absolute,
     .reduction = PARE_REDUCE_MEAN},
    {.name = "magnitude-l2",
     .summary = "sum of w^2, averaged over the coupled tensors; needs no data",
     .source = LLM_PRUNER ", its l2 baseline",
     .salience = &pare_salience_square,
     .reduction = PARE_REDUCE_MEAN},
    {.name = "random",
     .summary = "uniform random scores, by seed: the baseline to beat",
     .source = LLM_PRUNER ", its random baseline"},
    {.name = "obs",
     .summary = "greedy optimal brain surgery: units go by the exact error they leave, the rest is refitted",
     .source = "optimal brain surgeon, Hassibi and Stork 1993, as SlimGPT has it: Ling et al. 2024, arXiv 2412.18110",
     .choice = PARE_CHOOSE_OBS,
     .compensation = PARE_COMPENSATE_LS,
     .damping = 1e-2,
     .reader_damping = 1e-2,
     .fraction = 0.0625},
    {.name = "gates",
     .summary = "DDP: a gate for every unit, trained by the loss and the dense model's predictions, then a repair",
     .source = "DDP, Huang et al. 2026, arXiv 2603.08065, and its code; the repair is this project's",
     .signal = PARE_SIGNAL_GATES,
     .ranking = PARE_RANK_GLOBAL,
     .compensation = PARE_COMPENSATE_LS,
     .dense = 0.5,
     .readers = 1.0,
     .damping = 1e-2,
     .reader_damping = 0.1,
     .held_out = true,
     .final_norm = true},
    {.name = "loraprune",
     .summary = "LoRAPrune: units go little by little while LoRA trains on --calib, by gradients of its factors",
     .source = "Zhang et al. 2023, arXiv 2305.18403, and its released script",
     .signal = PARE_SIGNAL_LORA},
    {.name = "layer-first",
     .summary = "keeps the first layers and drops the rest, as LLM-Pruner's layer mode does",
     .source = LLM_PRUNER ", its layer mode",
     .signal = PARE_SIGNAL_DEPTH,
     .mode = PARE_MODE_LAYER},
    {.name = "layer-influence",
     .summary = "drops the layers that change the hidden state least (ShortGPT's block influence)",
     .source = "ShortGPT, Men et al. 2024, arXiv 2403.03853",
     .signal = PARE_SIGNAL_INFLUENCE,
     .mode = PARE_MODE_LAYER},
    {.name = "layer-removal",
     .summary = "drops the layers without which the calibration loss is lowest",
     .source = BASELINE,
     .signal = PARE_SIGNAL_REMOVAL,
     .mode = PARE_MODE_LAYER},
    {.name = "best-sparse",
     .summary = "pare's own for single weights and N:M: what --sparsity and --pattern take if no method is named",
     .source = PARE_METHOD_OWN,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .compensation = PARE_COMPENSATE_ADMM,
     .metric = PARE_METRIC_FISHER,
     .dense = 0.75,
     .damping = 0.03,
     .reader_damping = 0.03,
     .final_norm = true,
     .element = {.compare = PARE_COMPARE_MATRIX,
                 .allocation = PARE_ALLOCATE_COST,
                 .admm_iterations = 12,
                 .admm_gradual = 12,
                 .admm_rho = 0.1,
                 .growth = 1.2,
                 .cg_iterations = 5,
                 .sequential = true}},
    {.name = "magnitude",
     .summary = "single weights by |w|, matrix by matrix; needs no data",
     .source = BASELINE,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_absolute,
     .element = {.compare = PARE_COMPARE_MATRIX}},
    {.name = "wanda",
     .summary = "Wanda: |w| times the norm of its input, output by output",
     .source = WANDA,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation},
    {.name = "wanda-variant",
     .summary = "Wanda with rows that lose the same share of their scores' sum",
     .source = WANDA ": use_variant of its code",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .element = {.compare = PARE_COMPARE_CUMULATIVE}},
    {.name = "wanda-owl",
     .summary = "Wanda with OWL's shares: layers with more outliers lose less",
     .source = "OWL, Yin et al. 2023, arXiv 2310.05175",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .element = {.allocation = PARE_ALLOCATE_OWL}},
    {.name = "sparsegpt",
     .summary = "SparseGPT: column by column, the error of each pushed on to those behind it",
     .source = "Frantar and Alistarh 2023, arXiv 2301.00774",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_inverse,
     .compensation = PARE_COMPENSATE_OBS,
     .damping = 1e-2,
     .element = {.compare = PARE_COMPARE_SLAB}},
    {.name = "gblm",
     .summary = "GBLM-Pruner: Wanda plus the l1 norm of the samples' gradients, scaled as its code has it",
     .source = GBLM " and its code",
     .signal = PARE_SIGNAL_SAMPLES,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_gblm,
     .element = {.absolutes = true, .scaling = PARE_SCALING_RELEASED}},
    {.name = "gblm-l2",
     .summary = "GBLM-Pruner with the l2 norm",
     .source = GBLM " and its code",
     .signal = PARE_SIGNAL_SAMPLES,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_gblm,
     .element = {.scaling = PARE_SCALING_RELEASED}},
    {.name = "gblm-gradient",
     .summary = "GBLM-Pruner's ablation: |w| times the l2 norm of the samples' gradients alone",
     .source = GBLM ", an ablation",
     .signal = PARE_SIGNAL_SAMPLES,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_gradient},
    {.name = "pruner-zero",
     .summary = "Pruner-Zero: w^2 times the gradient's norm, scaled to 0 .. 1",
     .source = "Dong et al. 2024, arXiv 2406.02924",
     .signal = PARE_SIGNAL_SAMPLES,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_pruner_zero},
    {.name = "wanda++",
     .summary = "Wanda++: Wanda plus the gradient of each block's own output",
     .source = "Yang et al. 2025, arXiv 2503.04992",
     .signal = PARE_SIGNAL_REGIONAL,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_gblm},
    {.name = "ria",
     .summary = "RIA: a weight's share of its row and column, times its input's norm to the power of 0.5",
     .source = RIA,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_ria,
     .element = {.compare = PARE_COMPARE_MATRIX}},
    {.name = "ri",
     .summary = "relative importance alone: RIA without data",
     .source = RIA,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_ri,
     .element = {.compare = PARE_COMPARE_MATRIX}},
    {.name = "stochria",
     .summary = "stochRIA: RIA with sums over a tenth of each row and column",
     .source = SYMMETRIC ", Lemma 3.10",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_stochria,
     .element = {.compare = PARE_COMPARE_MATRIX, .constants = {.exponent = 1.0}}},
    {.name = "ria-lp",
     .summary = "RIA with l_p norms of rows and columns (Symmetric Pruning, Lemma 3.8)",
     .source = SYMMETRIC ", Lemma 3.8",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_lp,
     .element = {.compare = PARE_COMPARE_MATRIX, .constants = {.exponent = 1.0}}},
    {.name = "symwanda",
     .summary = "Symmetric Pruning: |w| times the norms of its input and of its output",
     .source = SYMMETRIC ", Lemma 3.1",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_symwanda,
     .element = {.compare = PARE_COMPARE_MATRIX}},
    {.name = "owanda",
     .summary = "Symmetric Pruning's Corollary 3.3: |w| times the norm of its output",
     .source = SYMMETRIC ", Corollary 3.3",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_owanda,
     .element = {.compare = PARE_COMPARE_MATRIX}},
    {.name = "symmetric",
     .summary = "Symmetric Pruning's Corollary 3.4: |w| times the norms of its row and column; needs no data",
     .source = SYMMETRIC ", Corollary 3.4",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_symmetric,
     .element = {.compare = PARE_COMPARE_MATRIX, .constants = {.order = 2.0}}},
    {.name = "dsnot",
     .summary = "DSnoT: Wanda's mask, then swaps that bring each output's expected error to zero",
     .source = "Zhang et al. 2023, arXiv 2310.08915",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .element = {.refinement = PARE_REFINE_DSNOT, .attention_only = true, .measured = true}},
    {.name = "r2-dsnot",
     .summary = "R2-DSnoT: the same with relative importance in pruning and square-root input norms",
     .source = SYMMETRIC,
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .element = {.refinement = PARE_REFINE_DSNOT,
                 .attention_only = true,
                 .measured = true,
                 .dsnot = {.reweight = PARE_REWEIGHT_PRUNE, .alpha = 0.5}}},
    {.name = "sparseswaps",
     .summary = "SparseSwaps: Wanda's mask, then swaps while they lower the layer's exact error",
     .source = "arXiv 2512.10922",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .element = {.refinement = PARE_REFINE_SWAPS}},
    {.name = "admm",
     .summary = "ADMM on the Gram matrix: the mask grows while what is left is refitted",
     .source = "Boza 2024, arXiv 2401.02938, and ALPS, Meng et al. 2024, arXiv 2406.07831",
     .mode = PARE_MODE_ELEMENT,
     .salience = &pare_salience_activation,
     .compensation = PARE_COMPENSATE_ADMM,
     .damping = 1e-2,
     .element = {.admm_gradual = 15}},
};

enum { PRESETS = sizeof presets / sizeof *presets };

static const pare_recipe *preset_at(size_t index) {
    if (index < PRESETS) return &presets[index];
    return index - PRESETS < pare_expert_preset_count ? &pare_expert_presets[index - PRESETS] : NULL;
}

const pare_recipe *pare_recipe_find(const char *name) {
    const pare_recipe *preset;
    for (size_t i = 0; (preset = preset_at(i)); i++)
        if (strcmp(preset->name, name) == 0) return preset;
    return NULL;
}

const char *pare_recipe_name(size_t index) {
    return preset_at(index) ? preset_at(index)->name : NULL;
}

const char *pare_recipe_summary(size_t index) {
    return preset_at(index) ? preset_at(index)->summary : NULL;
}

const char *pare_recipe_source(size_t index) {
    return preset_at(index) ? preset_at(index)->source : NULL;
}

const char *pare_recipe_kind(size_t index) {
    return preset_at(index) ? pare_recipe_kind_of(preset_at(index)) : NULL;
}
