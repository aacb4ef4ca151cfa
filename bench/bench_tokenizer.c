/* Speed of encoding one file on one core: bench_tokenizer TOKENIZER TEXT [REPEATS]. Prints one JSON object. */
#include "pare.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/progress.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(void) {
    fprintf(stderr, "bench_tokenizer: %s\n", pare_message());
    return 1;
}

/* The fastest of `repeats` encodings in seconds, each from a cold cache; negative on failure. */
static double time_encoding(const pare_tokenizer *tokenizer, const char *text, size_t bytes, int repeats,
                            size_t *count) {
    double best = -1;
    for (int i = 0; i < repeats; i++) {
        uint32_t *ids;
        double start = pare_clock();
        if (pare_tokenizer_encode(tokenizer, text, bytes, &ids, count) != PARE_OK) return -1;
        double seconds = pare_clock() - start;
        pare_ids_free(ids);
        if (best < 0 || seconds < best) best = seconds;
    }
    return best;
}

int main(int argc, char **argv) {
    pare_tokenizer *tokenizer;
    char *text;
    size_t bytes, count = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenizer TOKENIZER TEXT [REPEATS]\n");
        return 2;
    }
    double start = pare_clock();
    if (pare_tokenizer_open(argv[1], &tokenizer) != PARE_OK) return fail();
    double opened = pare_clock() - start;
    if (pare_file_read(argv[2], UINT64_MAX - 1, &text, &bytes) != PARE_OK) return fail();
    double seconds = time_encoding(tokenizer, text, bytes, argc > 3 ? atoi(argv[3]) : 3, &count);
    if (seconds < 0) return fail();
    printf(
        "{\"bytes\": %zu, \"tokens\": %zu, \"seconds\": %.6f, \"megabytes_per_second\": %.2f, \"tokens_per_second\": "
        "%.0f, \"open_seconds\": %.4f}\n",
        bytes, count, seconds, (double)bytes / 1e6 / seconds, (double)count / seconds, opened);
    pare_free(text);
    pare_tokenizer_close(tokenizer);
    return 0;
}
