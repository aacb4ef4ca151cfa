/* SPDX-License-Identifier: Apache-2.0
 *
 * pare: prunes trained transformers.
 *
 * One header, one library. Everything here
 *   - returns a pare_status; on anything but PARE_OK, pare_message() is one sentence for a person;
 *   - never prints, never exits, never changes its input files;
 *   - gives the same bits for the same inputs, seed and thread count.
 * Handles are opaque and belong to the caller, who frees them with the function named beside the one that made them.
 * A model may be read by several calls, one at a time. Matrix products are threaded inside; calls are not re-entrant.
 *
 * What belongs to the whole process: while a call runs, OpenMP's number of threads and its `dynamic` (of the calling
 * thread) and OpenBLAS's number of threads are the call's; when it returns, they are what they were. pare_interrupt
 * stops whatever call runs. Memory limits count all that pare holds in the process. Locale, signals, environment and
 * working folder are left alone.
 *
 * Notation: L layers, d hidden size, H query heads, K key/value heads, h head size, F FFN width, V vocabulary size.
 */
#ifndef PARE_H
#define PARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ---------------------------------------------------------------------------------------------------- */

typedef enum pare_status {
    PARE_OK = 0,
    PARE_BAD_ARGUMENT,  /* an option's value makes no sense, here or for this model */
    PARE_FILE_ERROR,    /* a file cannot be opened, read, written, or there is no room for it */
    PARE_FORMAT_ERROR,  /* a file is not what it claims to be */
    PARE_UNSUPPORTED,   /* a sound file of a kind pare does not know */
    PARE_NUMERIC_ERROR, /* NaN or infinity where a number is needed */
    PARE_OUT_OF_MEMORY, /* the machine, or the limit that was set, has too little memory */
    PARE_INTERRUPTED,   /* pare_interrupt() was called */
    PARE_CHECK_FAILED   /* a result did not pass pare's own check of it */
} pare_status;

/* The sentence that belongs to this thread's last failure. Valid until the thread's next failure. */
const char *pare_message(void);

const char *pare_version(void);

/* Asks the running call to stop soon, undo what it has half done and return PARE_INTERRUPTED. Safe in a signal handler.
 */
void pare_interrupt(void);
void pare_interrupt_clear(void);

/* ---- the machine ----------------------------------------------------------------------------------------------- */

typedef enum pare_compute {
    PARE_COMPUTE_AUTO, /* bf16 where the CPU multiplies it natively, else fp32 */
    PARE_COMPUTE_BF16, /* matrix operands in bf16, accumulation and everything else in fp32 */
    PARE_COMPUTE_FP32
} pare_compute;

/* stage: a short noun phrase that stays the same while `total` does ("calibrating"); done counts from 0 to total. */
typedef void (*pare_progress_fn)(void *user, const char *stage, uint64_t done, uint64_t total);

/* Where a limit of memory comes from. */
typedef enum pare_limit_origin {
    PARE_LIMIT_MACHINE,   /* 80 % of what the machine has available */
    PARE_LIMIT_CONTAINER, /* 80 % of what the control groups (a container, a batch system) leave, which is less */
    PARE_LIMIT_GIVEN      /* pare_runtime */
} pare_limit_origin;

/* Called once the memory plan is made, before the work starts. All sizes in bytes. */
typedef struct pare_plan {
    uint64_t mapped;      /* weights, mapped read-only: the kernel may drop them at any time */
    uint64_t weights;     /* one block of weights in the form the pass needs, where that differs from the file */
    uint64_t activations; /* block inputs of all layers, and one block's workspace */
    uint64_t gradients;   /* the weight-gradient buffers that exist at a time */
    uint64_t state;       /* the signal's own state (the Moreau displacement) */
    uint64_t metrics;     /* what the loss feels of each layer's output (the Fisher matrices of best and obs) */
    uint64_t
        repair; /* of the layer-by-layer work (a repair, or single weights), when the others but the metrics are gone */
    uint64_t scratch; /* the part of state, metrics and repair that lives in a scratch file */
    uint64_t limit;   /* the limit the plan was made for */
    pare_limit_origin limit_origin;
    uint64_t sequences; /* calibration sequences, of `length` tokens each (of training: at most) */
    uint64_t length;
    uint64_t micro_batch; /* sequences that pass through a block at a time */
    uint64_t steps;       /* of training, of `sequences` each; 0: nothing is trained */
    const char *chat;  /* the format that the data's chats are put in ("chatml"); NULL: there are none, or no format */
    double zeros_lost; /* share of zeros in the matrices that are trained, which will not stay zero; 0: none */
    uint64_t blocks;   /* whose gradients a pass makes: layers times micro-batches; 0: it makes none */
    uint64_t kept;     /* of these, whose activations are kept in place of running them again */
} pare_plan;

typedef void (*pare_plan_fn)(void *user, const pare_plan *plan);

/* Called in a training after every step and every measurement of the validation loss. */
typedef struct pare_training_state {
    uint64_t step, steps;     /* done, of all */
    double loss;              /* of the last step; NaN before the first */
    double validation;        /* the last one that was measured; NaN: none */
    double rate;              /* learning rate of the last step; NaN before the first */
    double tokens_per_second; /* of this run so far, validation included */
    double seconds_left;      /* by the same pace; NaN before the first step */
} pare_training_state;

typedef void (*pare_training_fn)(void *user, const pare_training_state *state);

/* Whether what blocks compute is kept until their backward, which then need not run them again. The same bytes come out
 * either way. */
typedef enum pare_keep {
    PARE_KEEP_AUTO, /* of as many blocks as memory_limit leaves room for beside all weights; of none without room */
    PARE_KEEP_YES, /* of all blocks, the mapped weights not counted; PARE_OUT_OF_MEMORY where memory_limit is too low */
    PARE_KEEP_NO
} pare_keep;

/* Called with one sentence about what a file of text or rows had that was skipped or replaced, or how it is read. */
typedef void (*pare_note_fn)(void *user, const char *sentence);

/* ---- options ---------------------------------------------------------------------------------------------------
 *
 * An options struct starts as its PARE_..._INIT (in C an initialiser, in C++ a value), after which only what differs is
 * set:
 *
 *     pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
 *     options.method = "moreau";
 *     options.ratio = 0.2;
 *
 * That asks for the method's and the preset's values everywhere. Where zero is no sensible value, 0 asks for them;
 * where it is one ("negative: ..."), a negative number does, and 0 is zero. A struct that is zeroed instead ({0}, size
 * 0) asks for the method's and the preset's values by 0 in all members: zero itself needs the _INIT. A size other than
 * 0 and the library's own is refused with PARE_BAD_ARGUMENT: header and library are then not of one version. */

/* How a call may use the machine. All zero is a good default, and so is no pare_runtime at all (NULL). */
typedef struct pare_runtime {
    size_t size; /* of the struct, as its _INIT has it; or 0 */
    int threads; /* 0: as many as the cores that the process may use: its affinity, its control groups' quota and
                  * OMP_NUM_THREADS say so */
    pare_compute compute;
    uint64_t memory_limit; /* bytes of anonymous memory; 0: 80 % of what the machine or a container has left */
    const char *scratch;   /* folder for state that does not fit; NULL: $TMPDIR or /tmp */
    pare_keep keep_activations;
    pare_progress_fn progress; /* may be NULL */
    pare_plan_fn plan;         /* may be NULL */
    pare_training_fn training; /* may be NULL */
    pare_note_fn note;         /* may be NULL */
    void *progress_user;       /* passed to all four */
} pare_runtime;

/* ---- models ---------------------------------------------------------------------------------------------------- */

typedef struct pare_model pare_model;

/* Opens a Hugging Face checkpoint of the LLaMA family: config.json, model.safetensors or its shards. path: the folder;
 * or a .safetensors file with config.json beside it; or a models--ORG--NAME folder of the Hugging Face cache, or
 * ORG/NAME that is in it (docs/checkpoints.md). Weights are mapped, not read. Every header, offset, shape and dtype is
 * checked here. Free with pare_model_close. */
pare_status pare_model_open(const char *path, pare_model **out);
void pare_model_close(pare_model *model);

/* Everything about a model as one JSON text: architecture, widths per layer, parameters, dtype, bytes, tokens (or why
 * its tokenizer cannot be used); with `tensors` also every tensor's shape, dtype and share of zeros (which reads the
 * whole model). Free with pare_text_free. */
pare_status pare_model_describe(const pare_model *model, bool tensors, char **json);
void pare_text_free(char *text);

/* What the headers of safetensors files tell of any model, as one JSON text: names, shapes, dtypes, parameters, and
 * from config.json architecture and rotary positions. For what pare_model_open refuses: `refused` is its sentence,
 * which becomes the member "refused". Fails if there are no safetensors files that can be read. */
pare_status pare_checkpoint_describe(const char *path, const char *refused, char **json);

uint64_t pare_model_parameters(const pare_model *model);
uint64_t pare_model_bytes(const pare_model *model);

/* ---- calibration ----------------------------------------------------------------------------------------------- */

typedef struct pare_calibration_options {
    const char *source; /* a file of text, or of JSON rows: texts, chats, integer lists = ready ids (docs/text.md); or
                         * "self"; NULL: "self" */
    const char *field;  /* the text's key in rows; NULL: "text" */
    uint32_t samples;   /* 0: 10 (128 for methods that refit), or all sequences of an id file */
    uint32_t length;    /* tokens per sample; 0: 128, or the length of an id file's sequences */
    bool stream;        /* windows from one joined stream instead of from single documents; always so for a refit */
} pare_calibration_options;

/* ---- pruning --------------------------------------------------------------------------------------------------- */

typedef struct pare_recipe pare_recipe; /* a method: one choice on each axis (docs/design.md 1) */

/* The preset of that name, or NULL. Names are listed by pare_recipe_name(0..), NULL after the last. */
const pare_recipe *pare_recipe_find(const char *name);
const char *pare_recipe_name(size_t index);
const char *pare_recipe_summary(size_t index);
const char *pare_recipe_source(size_t index); /* the paper, or whose idea it is */
/* What goes: "units" (heads and channels), "weights" (single ones), "layers", or "training" (units, while LoRA trains).
 */
const char *pare_recipe_kind(size_t index);

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

/* Which tensors the Moreau iteration displaces and perturbs. */
typedef enum pare_displace { PARE_DISPLACE_ALL, PARE_DISPLACE_SCORED } pare_displace;

/* One choice of a method, changed: a key of a recipe file and its value ("select", "global"). pare_setting_key lists
 * them, docs/methods.md says what they mean. */
typedef struct pare_setting {
    const char *key, *value;
} pare_setting;

/* The keys that may be set, and the choices of one ("sum", "mean", ...); NULL after the last, and for keys whose values
 * are numbers. */
const char *pare_setting_key(size_t index);
const char *pare_setting_choice(const char *key, size_t index);

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
const char *pare_protocol_name(size_t index);

/* What several calls can share: calibration and evaluation windows, scores, the dense model's perplexities and output
 * metrics. A call that finds what it needs made from the same model, options and data takes it, and the same comes out
 * (but for rank correlations of a trace, which may be missing). Text files are taken to stay as they are while the
 * cache lives. Free with pare_cache_free. */
typedef struct pare_cache pare_cache;
pare_cache *pare_cache_new(void); /* NULL without memory */
void pare_cache_free(pare_cache *cache);

/* A file, and what messages call it ("--csv"). */
typedef struct pare_named_file {
    const char *name, *path;
} pare_named_file;

struct pare_recover_options;

/* Constants of the method that are 0, or negative where zero means something, are the published ones. */
typedef struct pare_prune_options {
    size_t size;        /* of the struct, as its _INIT has it; or 0 */
    const char *method; /* NULL: "best" ("best-sparse" for single weights); with a salience: nothing else */
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
    const char *output; /* directory to write; NULL with dry_run */
    bool dry_run, force;
    bool resume;              /* keep the progress in OUTPUT.progress, and go on from what is there */
    const char *scores;       /* file for the unit scores, or NULL; refused for methods that choose greedily */
    const char *densities;    /* file for the binned mask densities of every matrix, or NULL; single weights only */
    bool archive;             /* write a bitmask archive in place of model.safetensors; single weights only */
    const char *const *texts; /* perplexity before and after on each of these; may be NULL */
    size_t text_count;
    uint32_t window, max_windows;   /* of that evaluation; 0: 128, all */
    pare_cache *cache;              /* or NULL */
    const pare_named_file *besides; /* what the caller writes itself: refused if the run reads or writes it, too; may be
                                     * NULL */
    size_t beside_count;
    /* What is left is trained before it is written (pare_recover): output, force, seed, texts and window are this
     * struct's, and zeros of single weights stay. NULL: not. Not with dry_run, archive or resume. */
    const struct pare_recover_options *recover;
} pare_prune_options;

/* *text: the constants that these options give their method, as one line ("steps 10, draws 1"; "none" for methods
 * without), freed with pare_text_free. Fails as pare_prune would on a method or constants that make no sense. */
pare_status pare_recipe_constants(const pare_prune_options *options, char **text);

/* *json: what these options make of their method: its name ("method"), "summary" and "source"; its "kind", as
 * pare_recipe_kind has it; "settings", every setting that means something there, with its value or null, as a report
 * has them under "recipe" (without those that the target settles); "settled", those of them that the others leave no
 * choice; "uses", the options of pare prune that only some methods have a use for ("samples"), and whether this one
 * has; "defaults" of such options, where methods differ; and "ignored", those that are given but have no meaning. Fails
 * likewise; freed with pare_text_free. */
pare_status pare_recipe_describe(const pare_prune_options *options, char **json);

/* True if the method leaves the first tenth of the layers and the last one alone, and no layers were named (LoRAPrune).
 * False for options that pare_prune would refuse. */
bool pare_recipe_spares_layers(const pare_prune_options *options);

/* Scores, selects, repairs, cuts, writes and checks; docs/methods.md has the formulas and their papers. A failure
 * leaves nothing behind but, with `resume`, the progress. *report: JSON with parameters, bytes, perplexities, seconds
 * per stage, widths, files, and with `recover` that report under "recovery" (free with pare_text_free). */
pare_status pare_prune(const pare_model *model, const pare_prune_options *options, const pare_runtime *runtime,
                       char **report);

/* Fails as pare_prune would before any work; nothing is written, and OUT may be missing. */
pare_status pare_prune_check(const pare_model *model, const pare_prune_options *options);

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
    bool ranks;               /* also the rank of every unit before and after */
    bool lipschitz;           /* also how far gradients follow small random changes of all weights, against Theorems 1
                               * and 2 of the MoreauPruner paper; holds two fp32 gradients of all weights */
    double lipschitz_size;    /* of these, relative to each weight; 0: 1e-3 */
    uint32_t lipschitz_draws; /* 0: 3 */
} pare_robust_options;

/* Prunes the model and a slightly changed one with each method (not with a salience of one's own), and compares what is
 * kept, how units are ranked, and perplexities at full precision (Tables 1 and 8 of the MoreauPruner paper). All runs
 * read the same calibration text, except under "seed". Nothing is written but temporary models in the scratch folder.
 * *report: JSON, free with pare_text_free. */
pare_status pare_robust(const pare_model *model, const pare_robust_options *options, const pare_runtime *runtime,
                        char **report);

/* ---- recovery -------------------------------------------------------------------------------------------------- */

/* Named settings of published recoveries, NULL after the last: "paper" (LLM-Pruner and MoreauPruner on Alpaca),
 * "lamini" (the same on LaMini), "llm-pruner" (its program's own defaults), "loraprune". */
const char *pare_recover_preset_name(size_t index);
const char *pare_recover_preset_summary(size_t index);

/* How instructions and chats are worded, NULL after the last: "auto" (chats as the model's chat template has them, if
 * it has one, all else as in Alpaca), "alpaca", "none", and a name for each chat format. */
const char *pare_wording_name(size_t index);

/* What is 0, or negative where zero means something, is the preset's. */
typedef struct pare_recover_options {
    size_t size;         /* of the struct, as its _INIT has it; or 0 */
    const char *preset;  /* NULL: "paper" */
    const char *data;    /* what to train on: rows of JSON, or text (docs/recovery.md lists the kinds of rows) */
    const char *field;   /* the text's key in rows of plain text; NULL: "text" */
    const char *wording; /* pare_wording_name; NULL: "auto" */
    uint32_t limit;      /* only the first so many rows; 0: all */
    uint32_t cutoff;     /* most tokens of an example */
    int train_on_prompt; /* 1: yes; -1: no */
    int group_by_length; /* likewise: examples of like length in one step */
    bool pack;           /* a step is `batch` sequences of `cutoff` tokens full of examples */

    bool full;          /* all weights instead of LoRA */
    bool fresh;         /* with full: from random weights */
    bool keep_sparsity; /* weights that are zero stay zero */
    uint32_t rank;
    double alpha;
    double dropout;             /* negative: the preset's; 0: none */
    const char *const *targets; /* modules with adapters ("q_proj", ...); NULL: all seven */
    size_t target_count;

    double rate;          /* highest learning rate */
    uint32_t batch;       /* examples per step; pack: sequences */
    uint32_t micro_batch; /* sequences at a time; 0: chosen for speed and memory. Changes rounding only */
    double epochs;
    uint64_t steps;      /* instead of epochs; 0: epochs */
    int64_t warmup;      /* steps of the linear rise of the rate; negative: the preset's, but no more than a tenth */
    int64_t decay;       /* steps of its linear fall; negative: all after the warm-up */
    double clip;         /* of the gradient's norm; negative: the preset's; 0: none */
    double weight_decay; /* negative: the preset's */
    double beta1, beta2; /* 0: 0.9, 0.999 */
    int64_t validation;  /* examples held out; negative: the preset's, but no more than a tenth */
    uint32_t validate_every; /* steps */
    uint32_t save_every;     /* steps between checkpoints of a run that may be resumed; 0: the preset's */
    bool resume;             /* keep the progress in OUTPUT.progress, and go on from what is there */
    uint64_t seed;

    const char *output;       /* directory to write */
    bool adapter;             /* a PEFT adapter instead of a merged model */
    bool force;               /* replace output if it exists */
    const char *curve;        /* prefix of loss curve files (PREFIX.csv, PREFIX.svg); NULL: OUTPUT/loss.csv and .svg */
    const char *const *texts; /* perplexity before and after on each of these; may be NULL */
    size_t text_count;
    uint32_t window, max_windows; /* of that evaluation; 0: 128, all */
} pare_recover_options;

/* Trains LoRA adapters (or all weights) on a model, streamed block by block, and writes it with what was learnt merged
 * into its weights, or the adapter alone. OUTPUT appears complete or not at all. *report: JSON with settings, losses,
 * perplexities, tokens per second, seconds, files (free with pare_text_free). */
pare_status pare_recover(const pare_model *model, const pare_recover_options *options, const pare_runtime *runtime,
                         char **report);

/* Fails as pare_recover would before any work on options that make no sense. */
pare_status pare_recover_check(const pare_model *model, const pare_recover_options *options);

/* *json: what these options come to before a model and data are known: the "preset" and its "summary"; "settings", by
 * the names of pare recover's options, with their values; "uses", options and whether the others leave them a use; and
 * "defaults" that settle themselves later, as text. Fails as pare_recover would on what makes no sense; freed with
 * pare_text_free. */
pare_status pare_recover_describe(const pare_recover_options *options, char **json);

typedef struct pare_merge_options {
    size_t size;         /* of the struct, as its _INIT has it; or 0 */
    const char *adapter; /* folder of a PEFT LoRA adapter */
    const char *output;  /* directory to write */
    bool force;          /* replace output if it exists */
} pare_merge_options;

/* Writes the model with an adapter that was kept apart merged into its weights, as pare_recover would have: W + scale B
 * A, rounded once. OUTPUT appears complete or not at all. *report: JSON with parameters, bytes, how many tensors
 * changed, seconds, files (free with pare_text_free). */
pare_status pare_merge(const pare_model *model, const pare_merge_options *options, const pare_runtime *runtime,
                       char **report);

/* ---- evaluation ------------------------------------------------------------------------------------------------ */

/* Zero-shot tasks by name, NULL after the last: "boolq", "piqa", "hellaswag", "winogrande", "arc_easy",
 * "arc_challenge", "openbookqa"; and the short title that tables have for one, NULL for other names. */
const char *pare_task_name(size_t index);
const char *pare_task_title(const char *name);

/* Rules for making requests of them, NULL after the last: "current" (lm-evaluation-harness as it is), "4d21ab6b" (as it
 * was in 2023, for published numbers; but computed as everything else is here, not in fp16). */
const char *pare_task_protocol_name(size_t index);

/* The documents of some tasks, read once for any number of models. Free with pare_tasks_close. */
typedef struct pare_tasks pare_tasks;

typedef struct pare_tasks_options {
    size_t size;              /* of the struct, as its _INIT has it; or 0 */
    const char *const *names; /* NULL: all seven */
    size_t name_count;
    const char *data;     /* folder with their files, as docs/methods.md lists them; with one task also its file */
    const char *protocol; /* NULL: "current" */
    uint32_t limit;       /* documents of each task; 0: all */
} pare_tasks_options;

pare_status pare_tasks_open(const pare_tasks_options *options, pare_tasks **out);
void pare_tasks_close(pare_tasks *tasks);

typedef struct pare_evaluate_options {
    size_t size;              /* of the struct, as its _INIT has it; or 0 */
    const char *const *texts; /* .txt files, or id files as for calibration; or "self" with a seed */
    size_t text_count;
    uint32_t window;           /* tokens; 0: 128 */
    uint32_t max_windows;      /* 0: all */
    const pare_model *against; /* dense model for KL divergence and top-1 agreement, or NULL */
    uint64_t seed;             /* of "self": text sampled from `against`, or from the model itself */
    const char *adapter;       /* folder of a PEFT LoRA adapter beside the model's weights, or NULL */
    const pare_tasks *tasks;   /* or NULL */
    const char *items;         /* file for what every document of the tasks gave, one JSON line each; or NULL */
} pare_evaluate_options;

/* Perplexity: one stream, one BOS, non-overlapping windows, remainder dropped, fp64 mean over all windows' window-1
 * predictions (structured pruning protocol of LLM-Pruner / MoreauPruner). Tasks: accuracy, and accuracy by likelihoods
 * per character, with standard errors; "chosen" is the one that papers print, "average" the mean of those. *report:
 * JSON, free with pare_text_free. */
pare_status pare_evaluate(const pare_model *model, const pare_evaluate_options *options, const pare_runtime *runtime,
                          char **report);

/* ---- generation ------------------------------------------------------------------------------------------------ */

/* piece: UTF-8 bytes of the text as it comes; return false to stop. */
typedef bool (*pare_piece_fn)(void *user, const char *piece, size_t bytes);

typedef struct pare_generate_options {
    size_t size;        /* of the struct, as its _INIT has it; or 0 */
    const char *prompt; /* may be empty: starts from BOS */
    uint32_t tokens;    /* 0: 128 */
    double temperature; /* 0: greedy */
    double top_p;       /* 0 or 1: off */
    uint64_t seed;
    const char *adapter; /* folder of a PEFT LoRA adapter beside the model's weights, or NULL */
} pare_generate_options;

pare_status pare_generate(const pare_model *model, const pare_generate_options *options, const pare_runtime *runtime,
                          pare_piece_fn piece, void *user);

/* ---- text ------------------------------------------------------------------------------------------------------ */

typedef struct pare_tokenizer pare_tokenizer;

/* path: tokenizer.model (SentencePiece BPE), tokenizer.json (byte-level or SentencePiece-style BPE), or a directory
 * with either (tokenizer.json is taken first). Free with pare_tokenizer_close. */
pare_status pare_tokenizer_open(const char *path, pare_tokenizer **out);
void pare_tokenizer_close(pare_tokenizer *tokenizer);

/* *ids: the text's ids without any automatic BOS (free with pare_ids_free). Any bytes are allowed. */
pare_status pare_tokenizer_encode(const pare_tokenizer *tokenizer, const char *text, size_t bytes, uint32_t **ids,
                                  size_t *count);
void pare_ids_free(uint32_t *ids);

/* The ids' text (free with pare_text_free); *bytes may be NULL. */
pare_status pare_tokenizer_decode(const pare_tokenizer *tokenizer, const uint32_t *ids, size_t count, char **text,
                                  size_t *bytes);

uint32_t pare_tokenizer_size(const pare_tokenizer *tokenizer);
/* -1 if the tokenizer names none. add_bos: whether it puts BOS in front of a text by itself. */
int64_t pare_tokenizer_bos(const pare_tokenizer *tokenizer);
int64_t pare_tokenizer_eos(const pare_tokenizer *tokenizer);
bool pare_tokenizer_adds_bos(const pare_tokenizer *tokenizer);

/* ---- measuring ------------------------------------------------------------------------------------------------- */

typedef struct pare_bench_options {
    size_t size;              /* of the struct, as its _INIT has it; or 0 */
    const char *shape;        /* "7b", "13b", "llama3-8b", "1b", or NULL with a model */
    uint32_t layers;          /* layers of a synthetic model; 0: 1 */
    uint32_t samples, length; /* 0: 10 x 128 */
    uint32_t repeats;         /* 0: 3; the median counts */
} pare_bench_options;

/* GEMM rate of this machine (of bf16: null where the CPU has no such products), tokens per second and fraction of that
 * rate for forward, forward + backward, and a Moreau step; anonymous memory. model NULL: a synthetic checkpoint of
 * `shape` (a sparse file). *report: JSON. */
pare_status pare_bench(const pare_model *model, const pare_bench_options *options, const pare_runtime *runtime,
                       char **report);

/* ---- how options start ----------------------------------------------------------------------------------------- */

#ifndef __cplusplus
#define PARE_RUNTIME_INIT                                                                                              \
    { .size = sizeof(pare_runtime) }
#define PARE_CALIBRATION_OPTIONS_INIT                                                                                  \
    { 0 }
#define PARE_PRUNE_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_prune_options), .sigma = -1, .eta = -1 }
#define PARE_ROBUST_OPTIONS_INIT                                                                                       \
    { .size = sizeof(pare_robust_options) }
#define PARE_RECOVER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        .size = sizeof(pare_recover_options), .dropout = -1, .warmup = -1, .decay = -1, .clip = -1,                    \
        .weight_decay = -1, .validation = -1                                                                           \
    }
#define PARE_MERGE_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_merge_options) }
#define PARE_TASKS_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_tasks_options) }
#define PARE_EVALUATE_OPTIONS_INIT                                                                                     \
    { .size = sizeof(pare_evaluate_options) }
#define PARE_GENERATE_OPTIONS_INIT                                                                                     \
    { .size = sizeof(pare_generate_options) }
#define PARE_BENCH_OPTIONS_INIT                                                                                        \
    { .size = sizeof(pare_bench_options) }
#else
} /* extern "C" */

template <class Options> inline Options pare_options_init() {
    Options options = Options();
    options.size = sizeof options;
    return options;
}

template <> inline pare_prune_options pare_options_init<pare_prune_options>() {
    pare_prune_options options = pare_prune_options();
    options.size = sizeof options;
    options.sigma = options.eta = -1;
    return options;
}

template <> inline pare_recover_options pare_options_init<pare_recover_options>() {
    pare_recover_options options = pare_recover_options();
    options.size = sizeof options;
    options.dropout = options.clip = options.weight_decay = -1;
    options.warmup = options.decay = options.validation = -1;
    return options;
}

#define PARE_RUNTIME_INIT pare_options_init<pare_runtime>()
#define PARE_CALIBRATION_OPTIONS_INIT pare_calibration_options()
#define PARE_PRUNE_OPTIONS_INIT pare_options_init<pare_prune_options>()
#define PARE_ROBUST_OPTIONS_INIT pare_options_init<pare_robust_options>()
#define PARE_RECOVER_OPTIONS_INIT pare_options_init<pare_recover_options>()
#define PARE_MERGE_OPTIONS_INIT pare_options_init<pare_merge_options>()
#define PARE_TASKS_OPTIONS_INIT pare_options_init<pare_tasks_options>()
#define PARE_EVALUATE_OPTIONS_INIT pare_options_init<pare_evaluate_options>()
#define PARE_GENERATE_OPTIONS_INIT pare_options_init<pare_generate_options>()
#define PARE_BENCH_OPTIONS_INIT pare_options_init<pare_bench_options>()
#endif

#endif
