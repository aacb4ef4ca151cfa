#include "support/runtime.h"
#include "support/memory.h"

#include <stdlib.h>

uint64_t pare_runtime_limit(const pare_runtime *runtime) {
    if (runtime && runtime->memory_limit) return runtime->memory_limit;
    return pare_memory_available() / 10 * 8;
}

const char *pare_runtime_scratch(const pare_runtime *runtime) {
    if (runtime && runtime->scratch) return runtime->scratch;
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

void pare_runtime_note(const pare_runtime *runtime, const char *sentence) {
    if (runtime && runtime->note && sentence) runtime->note(runtime->progress_user, sentence);
}
