/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Perplexity, zero-shot tasks, generation, and speed. */
#ifndef PARE_EVALUATE_H
#define PARE_EVALUATE_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- evaluation ------------------------------------------------------------------------------------------------ */

/* Zero-shot tasks by name, NULL after the last: "boolq", "piqa", "hellaswag", "winogrande", "arc_easy",
 * "arc_challenge", "openbookqa"; and the short title that tables have for one, NULL for other names. */
PARE_API const char *pare_task_name(size_t index);
PARE_API const char *pare_task_title(const char *name);

/* Rules for making requests of them, NULL after the last: "current" (lm-evaluation-harness as it is), "4d21ab6b" (as it
 * was in 2023, for published numbers; but computed as everything else is here, not in fp16). */
PARE_API const char *pare_task_protocol_name(size_t index);

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

PARE_API pare_status pare_tasks_open(const pare_tasks_options *options, pare_tasks **out);
PARE_API void pare_tasks_close(pare_tasks *tasks);

typedef struct pare_evaluate_options {
    size_t size;              /* of the struct, as its _INIT has it; or 0 */
    const char *const *texts; /* .txt files, or id files as for calibration; or "self" with a seed; for a model that
                               * reads pictures one folder of them */
    size_t text_count;
    uint32_t window;           /* tokens; 0: 128 */
    uint32_t max_windows;      /* 0: all */
    const pare_model *against; /* dense model for KL divergence and top-1 agreement, or NULL; one that reads pictures
                                * has the same classes, takes and prepares the same pictures, and makes as many tokens
                                * of them */
    uint64_t seed;             /* of "self": text sampled from `against`, or from the model itself */
    const char *adapter;       /* folder of a PEFT LoRA adapter beside the model's weights, or NULL */
    const pare_tasks *tasks;   /* or NULL */
    const char *items;         /* file for what every document of the tasks gave, one JSON line each; or NULL */
    uint32_t continuations; /* texts that are written on from the beginnings of so many windows of each text; 0: none */
    const char *lm_eval_json; /* file for the tasks' results in the form of lm-evaluation-harness; or NULL */
} pare_evaluate_options;

/* Perplexity: one stream, one BOS, non-overlapping windows, remainder dropped, fp64 mean over all windows' window-1
 * predictions (structured pruning protocol of LLM-Pruner / MoreauPruner). Tasks: accuracy, and accuracy by likelihoods
 * per character, with standard errors; "chosen" is the one that papers print, "average" the mean of those. A
 * perplexity that no number holds is null, with "perplexity_reason" beside it. Pictures: "images": {"files", "top1",
 * "top5", "loss": mean cross-entropy of the labels, with `against` "kl" and "agreement"} in place of texts.
 * Continuations: 64 tokens drawn at temperature 1 behind 32 of the text; "continuations": {"texts", "prompt", "tokens",
 * "repeated_4grams": mean share of 4-grams that stood in the same text before (null where no text has four tokens),
 * "ended": share of texts that came to an end token, with `against` the same of that model under "against"}. *report:
 * JSON, free with pare_text_free. */
PARE_API pare_status pare_evaluate(const pare_model *model, const pare_evaluate_options *options,
                                   const pare_runtime *runtime, char **report);

/* ---- importance matrices --------------------------------------------------------------------------------------- */

typedef struct pare_imatrix_options {
    size_t size;                          /* of the struct, as its _INIT has it; or 0 */
    const char *output;                   /* the file to write; what is there is replaced */
    pare_calibration_options calibration; /* the text; source NULL: self; samples 0: 128 */
    uint64_t seed;
} pare_imatrix_options;

/* Measures what llama.cpp's llama-imatrix does, over sequences that are cut from all documents of the text joined: for
 * every matrix of the layers, and the head where it is not the embedding, the sum of squares of each of its inputs over
 * all tokens, by the names and in the order of columns of the model's GGUF file. The file is one of GGUF. *report: JSON
 * (free with pare_text_free). PARE_UNSUPPORTED for a model that no GGUF file can hold. */
PARE_API pare_status pare_imatrix(const pare_model *model, const pare_imatrix_options *options,
                                  const pare_runtime *runtime, char **report);

/* ---- pictures -------------------------------------------------------------------------------------------------- */

typedef struct pare_classify_options {
    size_t size;              /* of the struct, as its _INIT has it; or 0 */
    const char *const *files; /* pictures, and folders of them */
    size_t file_count;
    const char *adapter; /* folder of a PEFT LoRA adapter beside the model's weights, or NULL */
} pare_classify_options;

/* What a vision transformer takes pictures for: *report is a JSON list of {"file", "label": the likeliest class as
 * id2label names it, "probability"}, in the order of the files; free with pare_text_free. Pictures that
 * cannot be read are left out and named to the runtime; it fails where none can. */
PARE_API pare_status pare_classify(const pare_model *model, const pare_classify_options *options,
                                   const pare_runtime *runtime, char **report);

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

PARE_API pare_status pare_generate(const pare_model *model, const pare_generate_options *options,
                                   const pare_runtime *runtime, pare_piece_fn piece, void *user);

/* ---- measuring ------------------------------------------------------------------------------------------------- */

typedef struct pare_bench_options {
    size_t size;              /* of the struct, as its _INIT has it; or 0 */
    const char *shape;        /* "7b", "13b", "llama3-8b", "1b", "70b", "30b-a3b", or NULL with a model */
    uint32_t layers;          /* layers of a synthetic model; 0: 1 */
    uint32_t samples, length; /* 0: 10 x 128 */
    uint32_t repeats;         /* 0: 3; the median counts */
} pare_bench_options;

/* GEMM rate of this machine (of bf16: null where the CPU has no such products), tokens per second and fraction of that
 * rate for forward, forward + backward, and a Moreau step; anonymous memory. model NULL: a synthetic checkpoint of
 * `shape` (a sparse file). *report: JSON. */
PARE_API pare_status pare_bench(const pare_model *model, const pare_bench_options *options, const pare_runtime *runtime,
                                char **report);

#ifdef __cplusplus
}
#endif

#endif
