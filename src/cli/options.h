/* The command line: one table with every option of every command, and the values that a command line yields. Help is
 * generated from the same table. */
#ifndef PARE_CLI_OPTIONS_H
#define PARE_CLI_OPTIONS_H

#include <pare.h>

/* Exit codes of the program. */
enum { PARE_EXIT_DONE = 0, PARE_EXIT_FAILED = 1, PARE_EXIT_USAGE = 2 };

/* The commands that an option belongs to. */
enum {
    PARE_IN_PRUNE = 1,
    PARE_IN_EVAL = 2,
    PARE_IN_GENERATE = 4,
    PARE_IN_INSPECT = 8,
    PARE_IN_BENCH = 16,
    PARE_IN_SWEEP = 32,
    PARE_IN_ROBUST = 64,
    PARE_IN_OVER = 128, /* no command: what a sweep may go over */
    PARE_IN_RECOVER = 256,
    PARE_IN_MERGE = 512,
    PARE_IN_CLASSIFY = 1024,
    PARE_IN_REPORT = 2048,
    PARE_IN_EXPORT = 4096,
    PARE_IN_CONVERT = 8192,
    PARE_IN_IMATRIX = 16384,
};

/* Of integers where zero is a choice. */
#define PARE_NOT_GIVEN UINT32_MAX

typedef enum pare_value_kind {
    PARE_VALUE_FLAG,       /* bool; takes no value */
    PARE_VALUE_TEXT,       /* const char * */
    PARE_VALUE_LIST,       /* pare_word_list; takes all following words, and may be repeated */
    PARE_VALUE_REPEATED,   /* pare_word_list; one word each time */
    PARE_VALUE_CHOICE,     /* int: index into the option's choices */
    PARE_VALUE_INTEGER,    /* uint32_t */
    PARE_VALUE_SEED,       /* uint64_t */
    PARE_VALUE_REAL,       /* double */
    PARE_VALUE_SIZE,       /* uint64_t: bytes, with a unit */
    PARE_VALUE_PARAMETERS, /* uint64_t: a count, with a unit */
    PARE_VALUE_SPAN,       /* pare_layers */
    PARE_VALUE_LAYERS,     /* pare_layer_list */
    PARE_VALUE_SHARES,     /* pare_share_list */
    PARE_VALUE_PATTERN,    /* pare_pattern */
    PARE_VALUE_LEVEL,      /* a setting: a number, or q and a number for a quantile */
} pare_value_kind;

typedef struct pare_word_list {
    const char **words;
    size_t count;
} pare_word_list;

/* One share for all layers, or one for each. */
typedef struct pare_share_list {
    double one;
    double *each; /* [count], or NULL */
    size_t count;
} pare_share_list;

/* Layers by name: ranges, single ones of length 1. */
typedef struct pare_layer_list {
    pare_layers *list; /* [count], or NULL */
    size_t count;
} pare_layer_list;

/* Keep `keep` of every `of`; of = 0: none given. */
typedef struct pare_pattern {
    uint32_t keep, of;
} pare_pattern;

/* Choices of the method that the command line changes. */
typedef struct pare_setting_list {
    pare_setting *list;
    size_t count;
} pare_setting_list;

struct pare_option;

/* Every option that was given with a value, as it was written, in the order of the command line. */
typedef struct pare_given {
    const struct pare_option *option;
    const char *text;
} pare_given;

typedef struct pare_given_list {
    pare_given *list;
    size_t count;
} pare_given_list;

/* Zero, or -1 where zero is a choice, means that the option was not given. */
typedef struct pare_arguments {
    const char *model;
    bool help;
    pare_given_list given;
    /* prune */
    int method;
    const char *recipe;
    pare_setting_list settings;
    pare_share_list ratio;
    pare_share_list sparsity; /* one < 0: not given */
    pare_pattern pattern;
    pare_word_list targets, skipped;
    const char *densities, *imatrix, *importance;
    bool archive;
    uint64_t parameters, bytes;
    double latency;
    const char *latency_table;
    pare_layers layer_span, attention_span, ffn_span;
    pare_layer_list drops;
    uint32_t round_to, iterations;
    const char *calibration, *field;
    int protocol;
    bool stream;
    int displace;
    const char *output, *scores, *type;
    bool dry_run, force, resume;
    /* sweep */
    pare_word_list over;
    const char *csv, *json_file;
    /* robust */
    const char *perturb, *methods, *ratio_list, *plot; /* plot: also of sweep */
    uint32_t seeds, lipschitz_draws;
    bool ranks, lipschitz;
    double lipschitz_size;
    /* recover */
    int preset, wording, train_on_prompt, group_by_length;
    pare_word_list training;  /* files to train on, with their weights */
    double calibration_share; /* negative: not given */
    const char *curve;
    uint32_t cutoff, rank, batch, micro_batch, training_steps, validate_every, save_every;
    uint32_t warmup, decay, validation; /* PARE_NOT_GIVEN */
    const char *teacher, *teacher_cache;
    double ce, kd; /* negative: not given */
    double alpha, dropout, rate, epochs, clip, weight_decay, beta1, beta2;
    bool pack, full, fresh, keep_sparsity, adapter;
    int keep_activations;
    /* eval */
    pare_word_list texts;
    const char *images;
    uint32_t window, max_windows, continuations;
    const char *against;
    pare_word_list models; /* `model` is the first one */
    const char *tasks, *items, *lm_eval_json;
    int task_protocol;
    bool markdown, verbose;
    /* generate */
    const char *prompt;
    uint32_t tokens;
    double temperature, top_p;
    /* inspect */
    bool tensors;
    const char *map;
    /* bench */
    int shape;
    uint32_t layers, repeats;
    /* several */
    const char *data, *adapter_folder;
    uint32_t limit, samples, length, threads;
    uint64_t seed, memory;
    int compute;
    const char *scratch;
    const char *report, *figures;
    bool no_report, no_card, remote_code;
    bool quiet, json;
    char *command; /* the words, as a shell takes them; freed with the rest */
} pare_arguments;

/* What a part of the options is about. */
typedef struct pare_topic {
    const char *name, *heading, *about; /* as the help takes it; above its options; in one line */
} pare_topic;

typedef struct pare_option {
    const char *name; /* without the dashes */
    char letter;      /* of the short form, or 0 */
    unsigned commands;
    unsigned common; /* those of them whose short help shows it */
    const pare_topic *group;
    pare_value_kind kind;
    const char *value; /* the value's name in the help */
    size_t offset;     /* of the value in pare_arguments; unused where `key` is given */
    const char *key;   /* the value is this setting's, as text */
    const char *bare;  /* the choice that the option alone stands for, so that a value need not follow; or NULL */
    double low, high;  /* bounds of a numeric value */
    bool open;         /* the bounds themselves are excluded */
    bool may_be_empty;
    bool may_be_none;                    /* "none" is an empty span */
    const char *(*choice)(size_t index); /* the choices' names, NULL after the last */
    const char *brief;                   /* the first page's text, where it is shorter than the whole; or NULL */
    const char *help;
    const char *usual;                    /* what holds where the option is not given; or NULL */
    void (*more)(char *out, size_t size); /* text behind the choices; or NULL */
} pare_option;

/* The table, in the order of the help; NULL after the last. */
const pare_option *pare_option_at(size_t index);
/* The names that --shape takes. */
const char *pare_choice_shape(size_t index);

/* Parses `text` as the option's value into *target (of the kind's type). On failure false, and `reason` says what the
 * value must be: "must be ..., not '...'". */
bool pare_value_parse(const pare_option *option, const char *text, void *target, char *reason, size_t size);

/* What parsing needs to know about a command. */
typedef struct pare_syntax {
    const char *name;
    unsigned bit;
} pare_syntax;

/* Fills *out from the words after the command's name. Returns PARE_EXIT_DONE, or PARE_EXIT_USAGE after one sentence on
 * standard error. Free with pare_arguments_free in either case. */
int pare_arguments_parse(const pare_syntax *command, int count, char **words, pare_arguments *out);
void pare_arguments_free(pare_arguments *arguments);

/* A copy with room for `more` options, to be freed likewise; PARE_EXIT_FAILED without memory. */
int pare_arguments_copy(const pare_arguments *from, size_t more, pare_arguments *out);

/* The option "name" among those of the command's bit; NULL after one sentence. */
const pare_option *pare_option_find(const pare_syntax *command, const char *name);
/* Likewise of a word of the command line: "--name", "--name=value" or "-x". */
const pare_option *pare_option_find_word(const pare_syntax *command, const char *word);
/* Sets the option as if it stood on the command line (a flag: "yes" or "no"); returns the exit code. */
int pare_arguments_set(const pare_syntax *command, const pare_option *option, const char *text,
                       pare_arguments *arguments);

#endif
