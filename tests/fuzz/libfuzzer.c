/* The program that libFuzzer and AFL++ drive: PARE_FUZZ names the target. */
#include "fuzz/target.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const fuzz_target *target;
    if (!target) {
        const char *name = getenv("PARE_FUZZ");
        target = name ? fuzz_target_find(name) : NULL;
    }
    if (!target) {
        fprintf(stderr, "PARE_FUZZ must name one of:");
        for (size_t i = 0; fuzz_target_at(i); i++)
            fprintf(stderr, " %s", fuzz_target_at(i)->name);
        fprintf(stderr, "\n");
        exit(2);
    }
    fuzz_try(target, data, size);
    return 0;
}
