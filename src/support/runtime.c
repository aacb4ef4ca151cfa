#include "support/runtime.h"
#include "support/memory.h"

uint64_t pare_runtime_limit(const pare_runtime *runtime) {
    if (runtime && runtime->memory_limit) return runtime->memory_limit;
    return pare_memory_available() / 10 * 8;
}
