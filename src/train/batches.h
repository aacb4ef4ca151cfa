/* Which examples are trained on in which step, as token ids and a layout: a pure function of the seed, so a run can be
 * taken up at any step. */
#ifndef PARE_TRAIN_BATCHES_H
#define PARE_TRAIN_BATCHES_H

#include "model/layout.h"
#include "model/model.h"
#include "text/examples.h"

/* Examples that follow each other in the list, and which share of what is trained on they are. */
typedef struct pare_batches_source {
    size_t examples; /* 1 or more */
    double share;    /* above 0; of all sources they sum to 1 */
} pare_batches_source;

typedef struct pare_batches_options {
    uint32_t batch;       /* examples per step; pack: full sequences */
    uint32_t length;      /* most tokens of a sequence, and no less than those of the longest example */
    uint32_t validation;  /* examples that are held out, drawn by the seed alone */
    bool pack;            /* a step is `batch` sequences of `length` tokens, of as many examples as they hold */
    bool group_by_length; /* examples (pack: sequences) of like length in one step, whose order is still drawn */
    uint64_t seed;
    const pare_batches_source *sources; /* [source_count] of a mixture, which has all examples; copied */
    size_t source_count;                /* 0: all examples alike */
} pare_batches_options;

typedef struct pare_batches pare_batches;

/* Sequences of one step, or some of them, the longest first. A sequence is a row of one example or several, one behind
 * the other, none of which sees another: losses and gradients are those of the examples alone, in whatever rows they
 * are. So a step's examples are put into as few tokens, padding included, as best-fit decreasing finds: rows of the
 * longest example's length, or up to a quarter more. Arrays belong to the batches and are valid until the next call of
 * the function that made the batch. */
typedef struct pare_batch {
    const uint32_t *ids; /* [sequences, layout.length]; id 0 as padding */
    int64_t sequences;
    const int32_t *lengths; /* [sequences] real tokens of each */
    pare_layout layout; /* length: the longest sequence's, rounded up to a multiple of 8 if that fits the limit; targets
                         * always; positions and start where examples share a row */
    uint64_t predictions, tokens; /* targets; real tokens, without padding */
} pare_batch;

/* examples_check.c: refuses ids that the model has no embedding of. name: the file. */
/* Tells the runtime what of the file was skipped or replaced, and in which format its chats are. */
void pare_examples_say(const pare_examples *examples, const char *name, const pare_chat_style *style,
                       const pare_runtime *runtime);
pare_status pare_examples_check(const pare_examples *examples, const char *name, const pare_model *model);

/* Of a mixture every batch has each source's share, to within about one example, and every epoch one of each at least
 * (as examples are drawn: of a whole epoch where they are packed or grouped by length); an epoch goes once through the
 * examples of the first source, while the others begin anew, in another order, whenever they are through. Of the
 * held-out examples, sources but the first have their share, but no more than a tenth of their examples.
 *
 * `examples` must outlive the batches. Fails if fewer than one example would be left to train on, or one is longer than
 * a sequence. Free with pare_batches_free. */
pare_status pare_batches_new(const pare_examples *examples, const pare_batches_options *options, pare_batches **out);
void pare_batches_free(pare_batches *batches);
const pare_batches_options *pare_batches_options_of(const pare_batches *batches);

/* Steps of one epoch, the same number in all; the last one may have fewer examples. Sequences of all held-out
 * examples. */
uint64_t pare_batches_steps(const pare_batches *batches);
uint64_t pare_batches_validation(const pare_batches *batches);

/* Step `step` (from 0, on through all epochs, each in an order of its own): the whole optimiser batch.
 * layout.predictions is the whole batch's. Any step may follow any other and is the same whatever came before it;
 * another epoch than the last call's costs a pass over the list of examples. */
pare_status pare_batches_step(pare_batches *batches, uint64_t step, pare_batch *out);
/* Sequences [first, first + count) of it, padded to their own longest; layout.predictions stays the whole batch's. */
pare_status pare_batches_part(pare_batches *batches, const pare_batch *whole, int64_t first, int64_t count,
                              pare_batch *out);
/* Held-out sequences [first, first + count), at most as many as there are, maybe none; the longest of all first. */
pare_status pare_batches_held_out(pare_batches *batches, uint64_t first, uint64_t count, pare_batch *out);

/* Examples [first, first + count), all of which there are, in the file's order, each in a row of its own; and how many
 * predictions all examples have: layout.numbers are below that, whatever batch they come in. */
pare_status pare_batches_listed(pare_batches *batches, size_t first, size_t count, pare_batch *out);
size_t pare_batches_examples(const pare_batches *batches);
/* Examples that are held out of source `index` of a mixture. */
uint32_t pare_batches_source_held(const pare_batches *batches, size_t index);
/* Bytes of the order of a mixture, whose epochs may have more places than there are examples; 0: no mixture. */
uint64_t pare_batches_mixture_bytes(const pare_batches *batches);
uint64_t pare_batches_predictions(const pare_batches *batches);

/* SHA-256 of the examples alone: ids, and what of them is learnt. */
pare_status pare_batches_examples_digest(const pare_batches *batches, char text[65]);
/* SHA-256 of all that decides what is trained on: ids, what of them is learnt, and options. */
pare_status pare_batches_digest(const pare_batches *batches, char text[65]);

#endif
