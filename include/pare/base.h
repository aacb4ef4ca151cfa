/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Status and messages, how a call uses the machine, and how options are
 * made. */
#ifndef PARE_BASE_H
#define PARE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of this header; pare_version() is that of the library. CMake reads them here. */
#define PARE_VERSION_MAJOR 0
#define PARE_VERSION_MINOR 1
#define PARE_VERSION_PATCH 0

/* What the shared library exports: the functions of pare.h, and no other name. */
#if defined(__GNUC__)
#define PARE_API __attribute__((visibility("default")))
#else
#define PARE_API
#endif

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
PARE_API const char *pare_message(void);

/* Where that failure came from, for whoever works on pare itself: a line "FILE:LINE: EXPRESSION" for each call that
 * handed it up. Empty unless PARE_TRACE=1 is in the environment, or the library was built for debugging (and
 * PARE_TRACE=0 is not). Valid likewise. */
PARE_API const char *pare_trace(void);

/* "0.1.0". */
PARE_API const char *pare_version(void);

/* Asks the running call to stop soon, undo what it has half done and return PARE_INTERRUPTED. Safe in a signal handler.
 */
PARE_API void pare_interrupt(void);
PARE_API void pare_interrupt_clear(void);

/* ---- the machine ----------------------------------------------------------------------------------------------- */

typedef enum pare_compute {
    PARE_COMPUTE_AUTO, /* bf16 where the CPU multiplies it natively, else fp32 */
    PARE_COMPUTE_BF16, /* matrix operands in bf16, accumulation and everything else in fp32 */
    PARE_COMPUTE_FP32
} pare_compute;

/* stage: a short noun phrase that stays the same while `total` does ("calibrating"), valid during the call alone;
 * done counts from 0 to total. */
typedef void (*pare_progress_fn)(void *user, const char *stage, uint64_t done, uint64_t total);

/* Where a limit of memory comes from. */
typedef enum pare_limit_origin {
    PARE_LIMIT_MACHINE,   /* 80 % of what the machine has available */
    PARE_LIMIT_CONTAINER, /* 80 % of what the control groups (a container, a batch system) leave, which is less */
    PARE_LIMIT_GIVEN      /* pare_runtime */
} pare_limit_origin;

/* A stage of a run, or several of the same name together. */
typedef struct pare_stage_time {
    const char *name;
    double seconds;
} pare_stage_time;

/* Called once the plan is made, before the work starts. All sizes in bytes. */
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
    bool pictures;        /* a sequence is a picture */
    uint64_t micro_batch; /* sequences that pass through a block at a time */
    uint64_t steps;       /* of training, of `sequences` each; 0: nothing is trained */
    const char *chat;  /* the format that the data's chats are put in ("chatml"); NULL: there are none, or no format */
    double zeros_lost; /* share of zeros in the matrices that are trained, which will not stay zero; 0: none */
    uint64_t blocks;   /* whose gradients a pass makes: layers times micro-batches; 0: it makes none */
    uint64_t kept;     /* of these, whose activations are kept in place of running them again */
    uint64_t imatrix;  /* of one more pass at the end, for an importance matrix of what is left; 0: none is made */
    /* What the run is expected to take from here on, by operations counted from shapes and a measurement of this
     * machine; of work that is over in a moment, by rates that are assumed. Borrowed. */
    const pare_stage_time *stages; /* [stage_count] under the names that the report's "seconds" has */
    size_t stage_count;            /* 0: not known */
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

/* Where the page of a run's report goes (report.h). If it cannot be made or written, that is a note (pare_runtime), and
 * no reason to lose what the run has made. */
typedef struct pare_page_options {
    size_t size;         /* of the struct, as its _INIT has it; or 0 */
    const char *file;    /* NULL: report.html in OUTPUT, if a folder is written */
    const char *figures; /* folder for every picture as SVG, made if it is not there; or NULL */
    const char *command; /* the command line that the report and its page show; or NULL */
    bool none;           /* no page: only what the report says of the command */
} pare_page_options;

/* The model card of an output: README.md with front matter for the Hub, what was done and measured, how to load it, and
 * how to make it again. The card of the model before is kept and added to. If it cannot be made, that is a note
 * (pare_runtime). No options (NULL): a card without a command. */
typedef struct pare_card_options {
    size_t size;         /* of the struct, as its _INIT has it; or 0 */
    const char *command; /* the command line that makes the model again; or NULL */
    bool none;           /* no card */
} pare_card_options;

#ifdef __cplusplus
}
#endif

#endif
