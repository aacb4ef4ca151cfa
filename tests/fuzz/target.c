#include "fuzz/target.h"

#include "support/memory.h"
#include "tiny_model.h"

static const fuzz_target *const *const rooms[] = {
    fuzz_checkpoint_targets, fuzz_model_targets,  fuzz_text_targets,   fuzz_image_targets,    fuzz_job_targets,
    fuzz_state_targets,      fuzz_resume_targets, fuzz_family_targets, fuzz_exchange_targets, fuzz_command_targets};

const fuzz_target *fuzz_target_at(size_t index) {
    for (size_t room = 0; room < sizeof rooms / sizeof *rooms; room++)
        for (size_t i = 0; rooms[room][i]; i++)
            if (index-- == 0) return rooms[room][i];
    return NULL;
}

const fuzz_target *fuzz_target_find(const char *name) {
    const fuzz_target *target = NULL;
    for (size_t i = 0; (target = fuzz_target_at(i)) && strcmp(target->name, name) != 0;)
        i++;
    return target;
}

void fuzz_check(bool fine, const char *what) {
    if (fine) return;
    fprintf(stderr, "does not hold: %s (message: %s)\n", what, pare_message());
    abort();
}

void fuzz_copy(const char *from, const char *name, const char *to, const char *as) {
    char *path = pare_path_join(from, name);
    pare_mapping file;
    tiny_check(pare_mapping_open(path, &file) == PARE_OK, path);
    tiny_write_file(to, as, file.data, file.bytes);
    pare_mapping_close(&file);
    free(path);
}

static char *folder;
static const fuzz_target *prepared;

static void leave(void) {
    if (!folder) return;
    tiny_remove(folder);
    free(folder);
    folder = NULL;
}

static void enter(const fuzz_target *target) {
    static bool registered;
    if (prepared == target) return;
    leave();
    folder = tiny_folder();
    if (!registered) atexit(leave);
    registered = true;
    prepared = target;
    if (target->prepare) target->prepare(folder);
}

/* A refusal is one sentence, on one line, without a full stop. */
static void check_message(void) {
    const char *message = pare_message();
    size_t length = strlen(message);
    fuzz_check(length > 0, "a refusal has a message");
    fuzz_check(!strchr(message, '\n'), "a message is one line");
    fuzz_check(message[length - 1] != '.', "a message has no full stop");
}

pare_status fuzz_try(const fuzz_target *target, const unsigned char *data, size_t bytes) {
    enter(target);
    tiny_write_file(folder, target->file, data, bytes);
    char *path = pare_path_join(folder, target->file);
    uint64_t held = pare_memory_current();
    pare_status status = target->read(folder, path);
    if (status != PARE_OK) check_message();
    fuzz_check(pare_memory_current() == held, "a reader holds no memory afterwards");
    free(path);
    return status;
}
