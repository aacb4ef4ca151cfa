#include "support/runtime.h"
#include "support/machine.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>

pare_status pare_runtime_check(const pare_runtime *runtime) {
    return runtime ? PARE_OPTIONS_CHECK(pare_runtime, runtime) : PARE_OK;
}

uint64_t pare_runtime_limit(const pare_runtime *runtime) {
    if (runtime && runtime->memory_limit) return runtime->memory_limit;
    uint64_t available = pare_memory_available(), limit = available / 10 * 8;
    return available && !limit ? 1 : limit;
}

uint64_t pare_limit_beside(uint64_t limit, uint64_t taken) {
    return limit > taken ? limit - taken : limit != 0;
}

pare_limit_origin pare_runtime_limit_origin(const pare_runtime *runtime) {
    if (runtime && runtime->memory_limit) return PARE_LIMIT_GIVEN;
    return pare_machine_memory_left("").contained ? PARE_LIMIT_CONTAINER : PARE_LIMIT_MACHINE;
}

const char *pare_runtime_scratch(const pare_runtime *runtime) {
    if (runtime && runtime->scratch) return runtime->scratch;
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

void pare_runtime_note(const pare_runtime *runtime, const char *sentence) {
    if (runtime && runtime->note && sentence) runtime->note(runtime->progress_user, sentence);
}

void pare_runtime_left_out(const pare_runtime *runtime, const char *what) {
    char sentence[1280];
    snprintf(sentence, sizeof sentence, "%s was left out: %s", what, pare_message());
    pare_runtime_note(runtime, sentence);
}
