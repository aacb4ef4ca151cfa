/* The choices of a method that removes single weights: docs/design.md 1, for the unit "element" or "N of M". */
#ifndef PARE_METHOD_ELEMENT_H
#define PARE_METHOD_ELEMENT_H

#include "importance/salience.h"
#include "method/allocation.h"
#include "method/survivors.h"
#include "select/dsnot.h"
#include "select/element_select.h"
#include "select/permute.h"
#include "select/swap.h"

/* How the gradient term of GBLM is scaled against the input norms: as in the paper, ||X_i||_2 over all tokens, or as in
 * the released code, which divides it by the square root of the number of sequences. */
typedef enum pare_alpha_scaling { PARE_SCALING_PAPER, PARE_SCALING_RELEASED } pare_alpha_scaling;

typedef struct pare_element_recipe {
    pare_comparison compare;
    bool inclusive; /* thresholds as in released code: see pare_element_target */
    int32_t slab;   /* columns that SparseGPT takes at a time */
    pare_salience_constants constants;
    bool absolutes; /* the samples' gradients are joined by their l1 norm, not l2 */
    pare_alpha_scaling scaling;
    pare_allocation allocation;
    double owl_times, owl_lambda;
    double spread;         /* how far a matrix's share may lie from the mean */
    double fisher_damping; /* of the outputs' metric */
    int32_t inner;         /* conjugate gradient steps inside an ADMM iteration */
    double growth;         /* of ADMM's penalty */
    pare_permutation_kind permutation;
    pare_refinement refinement;
    pare_dsnot dsnot;
    bool attention_only; /* DSnoT refines the attention's projections alone */
    int32_t swap_cycles;
    int32_t admm_iterations, admm_gradual;
    double admm_rho;
    int32_t cg_iterations;
    bool sequential; /* four stages in a block instead of one */
    bool dense_propagation;
    bool half_stream;                      /* hidden states are kept in bf16 */
    bool measured;                         /* layer errors are measured even where no Gram matrix is needed otherwise */
    int32_t region_rounds, region_samples; /* regional optimisation; 0 rounds: none */
    double region_rate;
    int32_t residual_rank; /* of the adapter that holds what is lost; 0: none is made */
} pare_element_recipe;

/* What the walk over the blocks must observe for such a recipe. */
typedef struct pare_element_needs {
    bool norms, variance, outputs, gram, regional;
} pare_element_needs;

struct pare_recipe;
pare_element_needs pare_element_needs_of(const struct pare_recipe *recipe);
/* True if it needs any, so that calibration text goes through the blocks. */
bool pare_element_walks(const struct pare_recipe *recipe);

/* Published constants in place of zeros (docs/single-weights.md, "Presets"). */
void pare_element_defaults(pare_element_recipe *element);

#endif
