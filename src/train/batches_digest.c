#include "support/digest.h"
#include "train/batches_internal.h"

enum { CHUNK = 1024 };

/* As little-endian uint32. */
static void add_words(pare_digest *digest, const uint32_t *words, size_t count) {
    unsigned char bytes[CHUNK * 4];
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        for (size_t i = 0; i < n * 4; i++)
            bytes[i] = (unsigned char)(words[at + i / 4] >> i % 4 * 8);
        pare_digest_add(digest, bytes, n * 4);
    }
}

static void add_examples(pare_digest *digest, const pare_examples *examples) {
    for (size_t i = 0; i < examples->count; i++) {
        const pare_example *example = examples->list + i;
        add_words(digest, (const uint32_t[]){example->count, example->prompt}, 2);
        add_words(digest, examples->ids + example->start, example->count);
        if (examples->labels) add_words(digest, (const uint32_t[]){(uint32_t)examples->labels[i]}, 1);
        if (examples->learnt) pare_digest_add(digest, examples->learnt + example->start, example->count);
    }
}

pare_status pare_batches_examples_digest(const pare_batches *batches, char text[65]) {
    static const char version[] = "training examples 1";
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, version, sizeof version);
    add_words(digest, (const uint32_t[]){batches->examples->learnt != NULL}, 1);
    add_examples(digest, batches->examples);
    pare_digest_finish(digest, text);
    return PARE_OK;
}

/* Where examples of a mixture end, and how they are shared: the share in 2^-32. */
static void add_mixture(pare_digest *digest, const pare_mixture *mixture) {
    for (size_t i = 0; i < mixture->count; i++) {
        const pare_mixture_source *source = &mixture->sources[i];
        add_words(digest, (const uint32_t[]){(uint32_t)source->examples, (uint32_t)(source->share * 4294967295.0)}, 2);
    }
}

pare_status pare_batches_digest(const pare_batches *batches, char text[65]) {
    static const char version[] = "training batches 2";
    const pare_batches_options *options = &batches->options;
    const pare_examples *examples = batches->examples;
    uint64_t count = examples->count;
    const uint32_t head[] = {options->batch,
                             options->length,
                             options->validation,
                             options->pack,
                             options->group_by_length,
                             (uint32_t)options->seed,
                             (uint32_t)(options->seed >> 32),
                             (uint32_t)count,
                             (uint32_t)(count >> 32),
                             examples->learnt != NULL};
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, version, sizeof version);
    add_words(digest, head, sizeof head / sizeof *head);
    add_mixture(digest, &batches->mixture);
    add_examples(digest, examples);
    pare_digest_finish(digest, text);
    return PARE_OK;
}
