/* A method is a recipe: one choice on each axis (docs/design.md 1). A preset is a row of presets.c or expert_presets.c;
 * options and recipe files change single choices (keys.c lists what can be changed, under which name, and where it
 * means something). */
#ifndef PARE_METHOD_RECIPE_H
#define PARE_METHOD_RECIPE_H

#include "calibrate/moreau.h"
#include "importance/scores.h"
#include "method/element.h"
#include "method/gates.h"
#include "method/lora.h"
#include "method/signal.h"
#include "method/survivors.h"
#include "select/target.h"

#include <jansson.h>

/* How the kept units are found. */
typedef enum pare_choice {
    PARE_CHOOSE_SCORES, /* the highest scores */
    PARE_CHOOSE_OBS     /* greedily, by the exact increase of the layer's output error */
} pare_choice;

/* What an error of a layer's output costs. */
typedef enum pare_metric {
    PARE_METRIC_PLAIN, /* its square */
    PARE_METRIC_FISHER /* what the loss feels of it: e^T F e, F the output's empirical Fisher matrix */
} pare_metric;

/* What becomes of whole experts that are not kept. */
typedef enum pare_experts_fate {
    PARE_EXPERTS_DROP,
    PARE_EXPERTS_MERGE /* into those that are kept */
} pare_experts_fate;

/* Values of a method where nobody has set others (effort.h). */
typedef enum pare_effort { PARE_EFFORT_NORMAL, PARE_EFFORT_QUICK, PARE_EFFORT_HIGH } pare_effort;

/* Keys that a recipe file, a setting or an option has set, as bits of their places in the list of all. */
enum { PARE_MOST_KEYS = 128 };
typedef struct pare_given {
    uint64_t bits[PARE_MOST_KEYS / 64];
} pare_given;

struct pare_recipe {
    const char *name;
    const char *summary;
    const char *source; /* the paper, or whose idea it is */
    pare_signal signal;
    pare_moreau moreau;            /* constants, where the signal has steps, draws or noise */
    const pare_salience *salience; /* NULL: units are scored at random, or layers by a signal of their own */
    pare_salience own;             /* what salience points at if the caller brought one */
    pare_reduction reduction;
    pare_alignment alignment;
    pare_mode mode;
    pare_ranking ranking;
    bool query_heads;
    double keep_min, rise;
    pare_choice choice;
    pare_compensation compensation;
    pare_experts_fate experts; /* in mode expert */
    bool router;               /* likewise: those of the experts that stay are fitted */
    pare_metric metric;        /* what OBS measures errors by */
    double dense;              /* share of the dense model's output in the target, the rest being the layer's own */
    double readers;            /* share of the correction of Q, K, V, gate and up; 0: they stay */
    double damping;            /* of the least squares, relative to the Gram matrix's mean diagonal */
    double reader_damping;     /* of the readers' */
    bool held_out;             /* that is where it starts; halves of the sequences choose it */
    double fraction;           /* of the channels left that OBS removes in one round */
    int32_t search_steps;      /* measurements of the whole model, where widths are searched */
    int32_t search_rounds;     /* walks that the search takes its levels from, each finer than the last */
    bool search_random;        /* it moves at random alone */
    bool drop_halves;          /* it may take all units of attention, or of the FFN, of a layer */
    bool final_norm;           /* fitted at the end */
    int32_t reconstruct;       /* steps of training for each half of a block, after all else; 0: none */
    double reconstruct_rate;
    int32_t reconstruct_rank;       /* of factors that are trained in place of all weights; 0: all weights */
    pare_metric reconstruct_metric; /* what it measures errors by */
    double reconstruct_dense;       /* the dense model's share in its targets */
    pare_element_recipe element;    /* in element mode */
    pare_lora_recipe lora;          /* where the signal trains */
    pare_gates_recipe gates;        /* where it learns gates */
    int32_t wording;                /* pare_template_name: of instructions and chats to calibrate or train on */
    const char *preset;             /* that it was made from; NULL: none */
    pare_effort effort;             /* pare_recipe_start makes it the normal one */
    pare_given given;
};

/* One thing that can be set in a recipe. */
typedef enum pare_key_kind {
    PARE_KEY_CHOICE,   /* an enumeration */
    PARE_KEY_SWITCH,   /* a bool with two names */
    PARE_KEY_SALIENCE, /* const pare_salience * */
    PARE_KEY_INTEGER,  /* int32_t */
    PARE_KEY_REAL      /* double */
} pare_key_kind;

typedef struct pare_key {
    const char *name;
    const char *option; /* of the command line, for messages; NULL: recipe files alone */
    pare_key_kind kind;
    size_t offset;
    const char *const *choices; /* names by value, NULL after the last */
    double low, high;
    bool open;        /* low itself is excluded */
    bool off_at_zero; /* 0 is as if there were no such constant */
    bool unsaid;      /* reports do not have it where it is as pare_recipe_start makes it */
    bool (*applies)(const pare_recipe *recipe);
    const char *with;   /* the option without which it means nothing, or NULL */
    const char *advice; /* "give a positive number, such as 0.2" */
} pare_key;

/* The names of a switch: no, yes. */
extern const char *const pare_key_answers[];
/* Those of methods that remove single weights. */
extern const pare_key pare_element_keys[];
extern const size_t pare_element_key_count;
/* Those of methods that prune while they train. */
extern const pare_key pare_lora_keys[];
extern const size_t pare_lora_key_count;
/* Those of methods that learn gates. */
extern const pare_key pare_gates_keys[];
extern const size_t pare_gates_key_count;

const pare_key *pare_key_at(size_t index); /* NULL after the last */
const pare_key *pare_key_find(const char *name);
/* Of an option that means nothing for a recipe: another one beside which it would, as given; or NULL. */
const char *pare_key_lacks(const char *option, const pare_recipe *recipe);
/* The row of a member of pare_recipe. */
const pare_key *pare_key_of(size_t offset);
#define PARE_KEY_OF(member) pare_key_of(offsetof(pare_recipe, member))
/* Sets a choice by its name, or a number; PARE_BAD_ARGUMENT lists the choices or the range. `where` begins the message
 * ("--mode", "r.json, line 4: mode"). */
pare_status pare_key_set_name(const pare_key *key, const char *where, const char *value, pare_recipe *recipe);
pare_status pare_key_set_number(const pare_key *key, const char *where, double value, pare_recipe *recipe);
/* Whichever of the two the text is. */
pare_status pare_key_set_text(const pare_key *key, const char *where, const char *value, pare_recipe *recipe);
/* True if one of these was called. */
bool pare_key_is_given(const pare_key *key, const pare_recipe *recipe);
/* True if what the key chooses is settled by the target, or by another choice. */
bool pare_key_is_settled(const pare_key *key, const pare_sparsity *target, const pare_recipe *recipe);
/* The value as JSON, null where there is none; a new reference. */
json_t *pare_key_json(const pare_key *key, const pare_recipe *recipe);

/* Reads a recipe file over *recipe: a JSON object of keys, and "base", a preset to begin with. Every mistake is named
 * with its line. */
pare_status pare_recipe_read(const char *path, pare_recipe *recipe);

/* Where the methods that are pare's own come from. */
#define PARE_METHOD_OWN "this project"

/* Presets for whole experts (expert_presets.c), which stand behind all others. */
extern const pare_recipe pare_expert_presets[];
extern const size_t pare_expert_preset_count;

/* A copy of the preset, with the repair's defaults where it does not repair. */
void pare_recipe_start(const pare_recipe *preset, pare_recipe *out);
/* What stands in a method's place if a salience is given and no method, for units or single weights; and a given
 * salience put into a recipe, with a signal that serves it. named: the salience that a setting asks for, too, or NULL.
 */
const pare_recipe *pare_recipe_of_own(bool weights);
pare_status pare_recipe_take_own(const pare_own_salience *own, const char *named, pare_recipe *recipe);
/* What prunes blocks removes single weights instead; other modes stay as they are. */
void pare_recipe_refine_to_elements(pare_recipe *recipe);
/* Refuses choices that contradict each other; where a recipe file made one of them, with its line. file: or NULL. */
pare_status pare_recipe_check(const pare_recipe *recipe, const char *file);
/* The line of the first of these keys (NULL after the last) that stands in the recipe file; 0: none does. */
int pare_recipe_line(const char *path, const char *const *keys);

/* "units", "weights", "layers", "experts" or "training". */
const char *pare_recipe_kind_of(const pare_recipe *recipe);
/* Calibration sequences where nobody says how many. */
uint32_t pare_recipe_usual_samples(const pare_recipe *recipe);

/* Every key that means something for the recipe, with its value, if it has one; a new reference. */
json_t *pare_recipe_json(const pare_recipe *recipe);
/* The same without the name of a salience of one's own; unset: with those that have no value, too. */
json_t *pare_recipe_settings_json(const pare_recipe *recipe, bool unset);

/* True if some stage reads calibration text; if a layer-by-layer repair follows the scores. */
bool pare_recipe_needs_data(const pare_recipe *recipe);
bool pare_recipe_repairs(const pare_recipe *recipe);
/* What the recipe reads of calibration data beside norms of inputs ("gradients"); NULL: nothing. */
const char *pare_recipe_beyond_norms(const pare_recipe *recipe);
/* True if widths of units, or shares of single weights, are searched. */
bool pare_recipe_searches(const pare_recipe *recipe);
/* True if some stage reads the loss of that text, or what it feels. */
bool pare_recipe_needs_loss(const pare_recipe *recipe);
/* True if masks or weights go by errors of outputs, which `metric` is of; if that is what the loss feels of them. */
bool pare_recipe_measures_outputs(const pare_recipe *recipe);
bool pare_recipe_feels_outputs(const pare_recipe *recipe);
/* True if units go while LoRA trains: prune/loraprune.h. */
bool pare_recipe_trains(const pare_recipe *recipe);
/* True if every unit has a gate that is learnt: score/score_gates.c. */
bool pare_recipe_gates(const pare_recipe *recipe);
/* Single weights go; the signal is an iteration that displaces weights; the salience looks at squares of gradients. */
bool pare_recipe_is_element(const pare_recipe *recipe);
bool pare_recipe_steps(const pare_recipe *recipe);
bool pare_recipe_needs_squares(const pare_recipe *recipe);

/* What `pare prune MODEL -o OUT --ratio R` does, and with --sparsity or --pattern in place of --ratio, or
 * with --mode expert. */
#define PARE_DEFAULT_METHOD "best"
#define PARE_DEFAULT_ELEMENT_METHOD "best-sparse"
#define PARE_DEFAULT_EXPERT_METHOD "best-experts"

#endif
