/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Pruning, and how robust it is. */
#ifndef PARE_PRUNE_H
#define PARE_PRUNE_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pruning --------------------------------------------------------------------------------------------------- */

typedef struct pare_recipe pare_recipe; /* a method: one choice on each axis (docs/design.md 1) */

/* The preset of that name, or NULL. Names are listed by pare_recipe_name(0..), NULL after the last. */
PARE_API const pare_recipe *pare_recipe_find(const char *name);
PARE_API const char *pare_recipe_name(size_t index);
PARE_API const char *pare_recipe_summary(size_t index);
PARE_API const char *pare_recipe_source(size_t index); /* the paper, or whose idea it is */
/* What goes: "units" (heads and channels), "weights" (single ones), "layers", or "training" (units, while LoRA trains).
 */
PARE_API const char *pare_recipe_kind(size_t index);

/* What a salience of one's own reads beside the weights. */
enum {
    PARE_READS_INPUTS = 1,   /* L2 norm of every input feature over the calibration tokens */
    PARE_READS_OUTPUTS = 2,  /* L2 norm of every output over them; single weights only */
    PARE_READS_MOMENTS = 4,  /* mean and variance of every input feature; single weights only */
    PARE_READS_GRADIENT = 8, /* of the loss; what kind, is the method's choice of signal: plain unless it has one */
    PARE_READS_SQUARES = 16  /* mean over the calibration sequences of the squared gradient of each */
};

/* A matrix that is to be scored. NULL: what was not asked for. All of it is valid during the call alone. */
typedef struct pare_matrix_view {
    const char *tensor; /* "model.layers.3.mlp.up_proj.weight" */
    const char *module; /* "up_proj" */
    int32_t layer;      /* -1: of none (embedding, final norm, head) */
    int64_t rows, columns;
    const float *weights;  /* [rows, columns]: outputs by inputs */
    const float *inputs;   /* [columns]; for single weights over the root of the number of sequences, as Wanda has it */
    const float *outputs;  /* [rows], likewise */
    const float *mean;     /* [columns] mean over the sequences of the feature's sum over their tokens */
    const float *variance; /* [columns] variance within the sequences, pooled */
    const float *gradient; /* [rows, columns] */
    const float *squares;  /* [rows, columns] */
} pare_matrix_view;

/* Fills scores [rows, columns]: how important every weight is, finite and from 0 up; the lowest go, of equal ones the
 * one that comes first. Called by the thread that called pare, one matrix at a time, more than once for the same
 * matrix where a method looks again; may use threads inside, must not call pare with the same model. The same matrix
 * must get the same scores. Anything but PARE_OK stops the call, which returns it. */
typedef pare_status (*pare_salience_fn)(void *user, const pare_matrix_view *matrix, float *scores);

/* A salience of one's own. Scores of single weights are taken as they are; for units they are summed and joined as any
 * other salience's (docs/methods.md, "From elements to units"). name is what pruning.json and messages call it; with
 * `resume` it stands for the formula: another formula, another name. */
typedef struct pare_own_salience {
    const char *name;
    unsigned reads; /* PARE_READS_* */
    pare_salience_fn fill;
    void *user;
} pare_own_salience;

/* What a method's effort, the key "effort", sets where nobody has set it: "quick" or "high", the normal one being the
 * method itself. key: of a recipe file, or "samples"; option: of the program, or NULL. */
typedef struct pare_effort_change {
    const char *method, *effort, *key, *option, *value;
    bool where_it_fits; /* and not where the target, or another choice, has no room for it */
} pare_effort_change;

/* The rows of all methods that have some, a method's together; false after the last. */
PARE_API bool pare_effort_at(size_t index, pare_effort_change *out);

/* Which tensors the Moreau iteration displaces and perturbs. */
typedef enum pare_displace { PARE_DISPLACE_ALL, PARE_DISPLACE_SCORED } pare_displace;

/* One choice of a method, changed: a key of a recipe file and its value ("select", "global"). pare_setting_key lists
 * them, docs/methods.md says what they mean. */
typedef struct pare_setting {
    const char *key, *value;
} pare_setting;

/* The keys that may be set, and the choices of one ("sum", "mean", ...); NULL after the last, and for keys whose values
 * are numbers. */
PARE_API const char *pare_setting_key(size_t index);
PARE_API const char *pare_setting_choice(const char *key, size_t index);

/* Half-open range of layers; begin == end: none. Not given: that of layer_begin and layer_end. */
typedef struct pare_layers {
    bool given;
    int32_t begin, end;
} pare_layers;

/* How many single weights go: a share, or all but `keep` of every `of` neighbouring inputs of an output ("2:4" KEEPS
 * two of four). All zero: whole units go, not single weights. */
typedef struct pare_sparsity {
    bool given;
    double share;         /* 0 .. 1, of every matrix on average; unused with a pattern */
    const double *shares; /* one for each layer, or NULL */
    size_t share_count;
    uint32_t keep, of;                           /* of = 0: no pattern */
    const char *const *targets, *const *skipped; /* names of matrices that are pruned, are not; NULL: all, none. A name
                                                  * is a module ("q_proj", "mlp"), a path ("layers.3.mlp.up_proj") or a
                                                  * pattern with * and ? */
    size_t target_count, skipped_count;
} pare_sparsity;

/* Calibration protocols by name, NULL after the last: "llm-pruner", "moreau-head", "paper". */
PARE_API const char *pare_protocol_name(size_t index);

/* What several calls can share: calibration and evaluation windows, scores, the dense model's perplexities and output
 * metrics. A call that finds what it needs made from the same model, options and data takes it, and the same comes out
 * (but for rank correlations of a trace, which may be missing, and for how far the pruned model is from the dense one,
 * which is not measured). Text files are taken to stay as they are while the cache lives. Free with pare_cache_free. */
typedef struct pare_cache pare_cache;
PARE_API pare_cache *pare_cache_new(void); /* NULL without memory */
PARE_API void pare_cache_free(pare_cache *cache);

/* A file, and what messages call it ("--csv"). */
typedef struct pare_named_file {
    const char *name, *path;
    bool written; /* by the caller; pare_prune takes all that it is given beside the run for that */
} pare_named_file;

struct pare_recover_options;

/* Constants of the method that are 0, or negative where zero means something, are the published ones. */
typedef struct pare_prune_options {
    size_t size;        /* of the struct, as its _INIT has it; or 0 */
    const char *method; /* NULL: "best" ("best-sparse" for single weights, "best-experts" for whole experts); with a salience: nothing else */
    const pare_own_salience *salience; /* in place of the method's, or NULL; a method that ranks by something else than
                                        * a salience is refused */
    const char *recipe;                /* a recipe file instead of a method, or NULL */
    const pare_setting *settings;      /* choices that differ from the method's */
    size_t setting_count;
    pare_sparsity sparsity; /* of single weights; or not given, with another target */
    double ratio;           /* share of units per layer, in (0, 1); or 0 with another target */
    const double *ratios;   /* a share for each layer, or NULL */
    size_t ratio_count;
    uint64_t parameters; /* target total parameters; 0: use ratio */
    uint64_t bytes;      /* target bytes of weights; 0: use ratio */
    int32_t layer_begin; /* half-open range of layers to prune; both 0: all layers */
    int32_t layer_end;
    pare_layers attention, ffn; /* ranges of their own for heads and for FFN channels */
    const pare_layers *drops; /* ranges of whole layers that go before anything else, which numbers of layers elsewhere
                               * do not feel; with no other amount they are all that goes. NULL: none */
    size_t drop_count;
    uint32_t round_to;    /* kept FFN (hidden) widths are rounded up to a multiple of this; 0: not */
    uint32_t iterations;  /* rounds of scoring and removing, each on what the last one left; 0: 1 */
    const char *protocol; /* calibration protocol, or NULL; samples and length override it */
    pare_calibration_options calibration;
    int32_t steps;     /* T */
    int32_t draws;     /* m, noise draws per step */
    double sigma;      /* noise, relative to |w|; negative: published; 0: none */
    double rho, gamma; /* envelope parameter and step size */
    double eta;        /* threshold level; negative: published; 0: none */
    pare_displace displace;
    uint64_t seed;
    const char *output; /* directory to write, or a GGUF file, OUT.gguf; NULL with dry_run */
    bool dry_run, force;
    bool resume; /* keep every finished layer, pass and step in OUTPUT.progress, and go on from what is there: the same
                  * bytes as without a stop; refused for single weights
                  * without calibration data, and for measured times (latency without latency_table) */
    const char *scores;       /* file for the unit scores, or NULL; refused for methods that choose greedily */
    const char *densities;    /* file for the binned mask densities of every matrix, or NULL; single weights only */
    const char *type;         /* of a GGUF file's numbers, as pare_export has it; NULL: f16, or no such file */
    bool archive;             /* write a bitmask archive in place of model.safetensors; single weights only */
    const char *const *texts; /* perplexity before and after on each of these, and without a cache KL divergence from
                                 the dense model and agreement with it; or a folder of pictures; may be NULL */
    size_t text_count;
    uint32_t window, max_windows;   /* of that evaluation; 0: 128, all */
    pare_cache *cache;              /* or NULL */
    const pare_named_file *besides; /* what the caller writes itself: refused if the run reads or writes it, too; may be
                                     * NULL */
    size_t beside_count;
    /* What is left is trained before it is written (pare_recover): output, force, seed, texts and window are this
     * struct's, and zeros of single weights stay. NULL: not. Not with dry_run, archive or resume. */
    const struct pare_recover_options *recover;
    const pare_page_options *page; /* of the report; NULL: none */
    uint32_t continuations; /* texts that the model before, the pruned one and the recovered one write on, from the
                               beginnings of so many windows of each text (pare_evaluate); 0: none, as with a cache */
    const pare_card_options *card; /* of the output; NULL: as it comes */
    /* File for the importance matrix of what is left (a GGUF file, for llama.cpp's llama-quantize), over the text that
     * calibration names, whatever the method reads; NULL: none. With `recover`: of the model that was trained. */
    const char *imatrix;
    double latency; /* share of the dense model's time per generated token on this machine, in (0, 1), by measured times
                       of its halves; needs the setting allocate=search; 0: use ratio */
    const char *latency_table; /* these times from a file, such as the pruning.json of an earlier run; NULL: measured */
    bool remote_code; /* where layers differ in width, a modeling file beside the model, with which transformers loads
                         it (trust_remote_code), and vLLM where its DeciLMForCausalLM can hold it; a folder alone */
} pare_prune_options;

/* *text: the constants that these options give their method, as one line ("steps 10, draws 1"; "none" for methods
 * without), freed with pare_text_free. Fails as pare_prune would on a method or constants that make no sense. */
PARE_API pare_status pare_recipe_constants(const pare_prune_options *options, char **text);

/* *json: what these options make of their method: its name ("method"), "summary" and "source"; its "kind", as
 * pare_recipe_kind has it; "settings", every setting that means something there, with its value or null, as a report
 * has them under "recipe" (without those that the target settles); "settled", those of them that the others leave no
 * choice; "uses", the options of pare prune that only some methods have a use for ("samples"), and whether this one
 * has; "defaults" of such options, where methods differ; "calib_share", the share of every batch of a recovery that is
 * calibration text (0: none); and "ignored", those that are given but have no meaning. Fails
 * likewise; freed with pare_text_free. */
PARE_API pare_status pare_recipe_describe(const pare_prune_options *options, char **json);

/* True if the method leaves the first tenth of the layers and the last one alone, and no layers were named (LoRAPrune).
 * False for options that pare_prune would refuse. */
PARE_API bool pare_recipe_spares_layers(const pare_prune_options *options);

/* Scores, selects, repairs, cuts, writes and checks; docs/methods.md has the formulas and their papers. A failure
 * leaves nothing behind but, with `resume`, the progress. *report: JSON with parameters, bytes, perplexities, seconds
 * per stage, widths, files, and with `recover` that report under "recovery" (free with pare_text_free). */
PARE_API pare_status pare_prune(const pare_model *model, const pare_prune_options *options, const pare_runtime *runtime,
                                char **report);

/* Fails as pare_prune would before any work; nothing is written, and OUT may be missing. */
PARE_API pare_status pare_prune_check(const pare_model *model, const pare_prune_options *options);

/* ---- robustness ------------------------------------------------------------------------------------------------ */

typedef struct pare_robust_options {
    size_t size;                     /* of the struct, as its _INIT has it; or 0 */
    const pare_prune_options *prune; /* of every run, but for method, recipe, target, output, scores and cache */
    const char *const *methods;      /* NULL: taylor, moreau, moreau-gs, best */
    size_t method_count;
    const double *ratios; /* NULL: 0.2 */
    size_t ratio_count;
    /* What is changed: "bf16", "fp16" (weights rounded), "noise=1e-3" (w (1 + 1e-3 z)), "seed", "threads" (1 against
     * the runtime's), "calib-shuffle" (the same sequences in another order). NULL: bf16, fp16 */
    const char *const *changes;
    size_t change_count;
    uint32_t seeds;           /* repetitions with prune->seed, + 1, ...; 0: 1 */
    bool ranks;               /* also the rank of every unit, and of each projection's channels, before and after */
    bool lipschitz;           /* also how far gradients follow small random changes of all weights, against Theorems 1
                               * and 2 of the MoreauPruner paper; holds two fp32 gradients of all weights */
    double lipschitz_size;    /* of these, relative to each weight; 0: 1e-3 */
    uint32_t lipschitz_draws; /* 0: 3 */
    const char *plot; /* ranks as pictures and as a table: PLOT-ranks-...svg, PLOT-ranks.csv; with a / at its end
                       * they lie in that folder; NULL: none */
    const char *csv;  /* perplexities as a table; NULL: none */
} pare_robust_options;

/* Prunes the model and a slightly changed one with each method (not with a salience of one's own), and compares what is
 * kept, how units are ranked, and perplexities at full precision (Tables 1 and 8 of the MoreauPruner paper). All runs
 * read the same calibration text, except under "seed". Beside plot and csv, nothing is written but
 * temporary models in the scratch folder.
 * *report: JSON, free with pare_text_free. */
PARE_API pare_status pare_robust(const pare_model *model, const pare_robust_options *options,
                                 const pare_runtime *runtime, char **report);

/* ---- sweeps ---------------------------------------------------------------------------------------------------- */

/* Sums up a document of pare sweep, as its --json prints it: means and standard deviations of perplexities (or
 * accuracies) over seeds (free with pare_text_free), and draws them: one line for each method, or value of another
 * axis, error bars over seeds, the dense model as a level. picture: file to write, .svg; NULL: none. */
PARE_API pare_status pare_sweep_summary(const char *sweep, const char *picture, char **summary);

#ifdef __cplusplus
}
#endif

#endif
