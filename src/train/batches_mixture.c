/* Several files in one training: which example is trained on in which place of an epoch.
 *
 * Places are dealt to the sources one after the other, each to the one that lags most behind its share (the lower one
 * among equals), so that any run of places, and any batch, has of each source what its share asks for, to within about
 * one example. An epoch has as many places as it takes for the first source to be gone through once, and one more for
 * each source whose share is too small for a place among these. Each source has its own order, drawn anew whenever it
 * has been gone through; where that is within an epoch, it is. So the example of a place is a pure function of the
 * seed, the epoch and the place. */
#include "support/memory.h"
#include "train/batches_internal.h"

#include <math.h>
#include <string.h>

enum { MOST_SOURCES = 255, MOST_PLACES = 1 << 24 };

static pare_status check_shares(const pare_batches_options *options, size_t examples) {
    double sum = 0.0;
    size_t count = 0;
    if (options->source_count > MOST_SOURCES)
        return pare_fail(PARE_BAD_ARGUMENT, "%zu files are more than pare mixes; give %d at most",
                         options->source_count, MOST_SOURCES);
    for (size_t i = 0; i < options->source_count; i++) {
        const pare_batches_source *source = &options->sources[i];
        sum += source->share;
        count += source->examples;
        if (!source->examples || !(source->share > 0.0))
            return pare_fail(PARE_BAD_ARGUMENT,
                             "source %zu of a mixture has %zu examples and the share %g; leave it out", i + 1,
                             source->examples, source->share);
    }
    if (count == examples && fabs(sum - 1.0) < 1e-6) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "the sources of a mixture have %zu of %zu examples and shares that sum to %g",
                     count, examples, sum);
}

/* Of what is held out, every source but the first gives its share, but no more than a tenth of its examples; the first
 * one gives the rest. */
static pare_status hold_out(pare_mixture *m, const pare_batches_options *options) {
    enum { SHORT = 10 };
    uint32_t left = options->validation;
    size_t begin = 0;
    for (size_t i = 0; i < m->count; i++) {
        const pare_batches_source *given = &options->sources[i];
        pare_mixture_source *source = &m->sources[i];
        uint32_t part = (uint32_t)(given->share * options->validation), tenth = (uint32_t)(given->examples / SHORT);
        *source = (pare_mixture_source){.share = given->share, .begin = begin, .examples = given->examples};
        source->held = i ? part < tenth ? part : tenth : 0;
        left -= source->held;
        begin += given->examples;
    }
    m->sources[0].held = left;
    if (left < m->sources[0].examples) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%u of the first file's %zu examples are to be held out, which leaves none to train on; hold out "
                     "fewer",
                     left, m->sources[0].examples);
}

/* Deals places until the first source is through and each has one; owners: of each place, or NULL to count them. */
static uint64_t deal(pare_mixture *m, uint8_t *owners) {
    uint64_t place = 0, all = m->sources[0].examples - m->sources[0].held;
    for (size_t i = 0; i < m->count; i++)
        m->sources[i].places = 0;
    for (; m->sources[0].places < all; place++) {
        size_t chosen = 0;
        double most = -INFINITY;
        for (size_t i = 0; i < m->count; i++) {
            double lag = m->sources[i].share * (double)(place + 1) - (double)m->sources[i].places;
            if (lag <= most) continue;
            most = lag;
            chosen = i;
        }
        m->sources[chosen].places++;
        if (owners) owners[place] = (uint8_t)chosen;
    }
    for (size_t i = 0; i < m->count; i++) {
        if (m->sources[i].places) continue;
        m->sources[i].places = 1;
        if (owners) owners[place] = (uint8_t)i;
        place++;
    }
    return place;
}

void pare_mixture_free(pare_mixture *mixture) {
    pare_free(mixture->sources);
    pare_free(mixture->owners);
    pare_free(mixture->order);
    *mixture = (pare_mixture){0};
}

pare_status pare_mixture_new(const pare_batches_options *options, size_t examples, pare_mixture *out) {
    *out = (pare_mixture){.count = options->source_count};
    if (!out->count) return PARE_OK;
    PARE_TRY(check_shares(options, examples));
    PARE_TRY(pare_alloc(&out->sources, out->count, sizeof *out->sources, "a mixture"));
    PARE_TRY(hold_out(out, options));
    const pare_mixture_source *first = out->sources;
    if ((double)(first->examples - first->held) / first->share > MOST_PLACES)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the first file's share of %g makes an epoch of more than %d examples; give it more weight",
                         first->share, MOST_PLACES);
    out->places = deal(out, NULL);
    PARE_TRY(
        pare_alloc_uninitialized(&out->owners, out->places, sizeof *out->owners, "the order of training examples"));
    deal(out, out->owners);
    for (size_t i = 0; i < out->count; i++)
        if (out->sources[i].examples > out->largest) out->largest = out->sources[i].examples;
    return pare_alloc_uninitialized(&out->order, out->largest, sizeof *out->order, "the order of training examples");
}

/* Of a place, and of an example in its source's order: what pare_rows_new, pare_epoch_new, pare_packer_new and
 * pare_mixture_new hold, and the sort by length. */
uint64_t pare_batches_mixture_bytes(const pare_batches *batches) {
    enum { LISTS = 8 };
    const pare_mixture *m = &batches->mixture;
    return m->places * (LISTS * sizeof(uint32_t) + sizeof *m->owners) + m->largest * sizeof *m->order;
}

void pare_mixture_arrange(pare_batches *batches, uint64_t number, uint32_t *members) {
    const pare_mixture *m = &batches->mixture;
    const uint32_t *trained = batches->trained;
    for (size_t i = 0; i < m->count; i++) {
        const pare_mixture_source *source = &m->sources[i];
        size_t count = source->examples - source->held;
        uint64_t drawn = number * source->places, pass = UINT64_MAX;
        for (uint64_t place = 0; place < m->places; place++) {
            if (m->owners[place] != i) continue;
            if (drawn / count != pass) {
                pass = drawn / count;
                memcpy(m->order, trained, count * sizeof *m->order);
                pare_batches_shuffle(batches->options.seed, PARE_DRAW_EXAMPLES, (uint64_t)i << 48 ^ pass, m->order,
                                     count);
            }
            members[place] = m->order[drawn++ % count];
        }
        trained += count;
    }
}

/* The first examples of each source in a drawn order. */
void pare_mixture_split(const pare_batches *batches, uint32_t *drawn, uint8_t *is_held) {
    const pare_mixture *m = &batches->mixture;
    for (size_t i = 0; i < m->count; i++) {
        const pare_mixture_source *source = &m->sources[i];
        for (size_t j = 0; j < source->examples; j++)
            drawn[j] = (uint32_t)(source->begin + j);
        pare_batches_shuffle(batches->options.seed, PARE_DRAW_SPLIT, (uint64_t)i << 48, drawn, source->examples);
        for (uint32_t j = 0; j < source->held; j++)
            is_held[drawn[j]] = 1;
    }
}
