/* What one run leaves for another: ids, and progress that is taken up again. Both kinds of progress end with a digest
 * and begin with the key of their run, which no change survives: here whatever bytes there are get key and digest as
 * they should be, so that all that lies behind is read. */
#include "fuzz/target.h"

#include "calibrate/calibration.h"
#include "calibrate/moreau_file.h"
#include "calibrate/moreau_run.h"
#include "forge.h"
#include "train/teacher_cache_internal.h"
#include "train/tiny_trainer.h"

static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* key_at: where the key stands. Refuses what no reader of pare opens (a pointer that Git LFS has left). */
static pare_status seal(const char *folder, const char *path, size_t key_at) {
    pare_mapping file;
    PARE_TRY(pare_mapping_open(path, &file));
    size_t bytes = file.bytes;
    unsigned char *data = malloc(bytes + 1);
    tiny_check(data != NULL, "malloc");
    if (bytes) memcpy(data, file.data, bytes);
    pare_mapping_close(&file);
    if (bytes >= key_at + 2 * FORGE_DIGITS) {
        memcpy(data + key_at, key, FORGE_DIGITS);
        forge_seal(data, bytes);
    }
    tiny_write_file(folder, strrchr(path, '/') + 1, data, bytes);
    free(data);
    return PARE_OK;
}

static pare_trainer_options training;

static void open_run(tiny_run *run) {
    training = tiny_training(1e-2, 6);
    tiny_run_open(run, &training, NULL);
}

/* A state that is taken is one that training goes on from, and that is written as it was read. */
static pare_status read_training(const char *folder, const char *path) {
    enum { KEY_AT = 16 };
    tiny_run run;
    uint64_t held = pare_memory_current();
    PARE_TRY(seal(folder, path, KEY_AT));
    open_run(&run);
    pare_status status = pare_trainer_load(&run.trainer, path, key);
    if (status == PARE_OK) {
        char *again = pare_path_join(folder, "again");
        fuzz_check(run.trainer.steps_done <= training.schedule.total, "steps are steps of the run");
        fuzz_check(run.trainer.curve.count <= training.schedule.total + 1, "a step has one point");
        fuzz_check(pare_trainer_save(&run.trainer, again, key) == PARE_OK, "a state that was read is written");
        fuzz_check(pare_file_bytes(again) == pare_file_bytes(path), "a state is as long as it was");
        unlink(again);
        free(again);
    }
    tiny_run_close(&run);
    fuzz_check(pare_memory_current() == held, "a trainer holds no memory afterwards");
    return status;
}

static void seed_training(const char *folder) {
    tiny_run run;
    char *path = pare_path_join(folder, "state");
    double loss;
    open_run(&run);
    tiny_run_steps(&run, 1);
    tiny_check(pare_trainer_validate(&run.trainer, &loss) == PARE_OK, pare_message());
    tiny_check(pare_trainer_save(&run.trainer, path, key) == PARE_OK, pare_message());
    tiny_run_close(&run);
    free(path);
}

static const tiny_model tiny = {.layers = 1, .hidden = 8, .heads = 2, .ffn = 6, .vocabulary = 9};
static const pare_moreau moreau = {
    .steps = 3, .draws = 1, .sigma = 0.1, .rho = 0.2, .gamma = 0.1, .eta = 0.01, .tail = 2};

static void all_tensors(bool displaced[128]) {
    memset(displaced, 1, 128 * sizeof *displaced);
}

static pare_status read_moreau(const char *folder, const char *path) {
    enum { KEY_AT = 32 };
    bool displaced[128];
    tiny_pass pass = tiny_pass_open(tiny, 1, 5, 1);
    pare_moreau_state state;
    all_tensors(displaced);
    PARE_TRY(seal(folder, path, KEY_AT));
    tiny_check(pare_moreau_state_new(pass.model, displaced, &moreau, NULL, &state) == PARE_OK, pare_message());
    pare_status status = pare_moreau_load(pass.model, &moreau, path, key, &state);
    fuzz_check(state.steps_done >= 0 && state.steps_done <= moreau.steps, "steps done are steps of the iteration");
    if (status != PARE_OK) fuzz_check(state.steps_done == 0, "what is refused changes nothing");
    pare_moreau_state_free(&state);
    tiny_pass_close(&pass);
    return status;
}

static void seed_moreau(const char *folder) {
    bool displaced[128];
    tiny_pass pass = tiny_pass_open(tiny, 1, 5, 1);
    char *path = pare_path_join(folder, "steps");
    pare_moreau_state state;
    all_tensors(displaced);
    moreau_job job = {.moreau = moreau, .displaced = displaced};
    tiny_check(moreau_try(&pass, &job, &state) == PARE_OK, pare_message());
    state.steps_done = 2;
    tiny_check(pare_moreau_save(pass.model, &state, path, key) == PARE_OK, pare_message());
    pare_moreau_state_free(&state);
    tiny_pass_close(&pass);
    free(path);
}

static const pare_teacher_cache_key cached = {
    .teacher = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .data = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .seed = 3,
    .predictions = 5,
    .vocabulary = 9};

/* What it says of every prediction is a distribution over the vocabulary, and an id. */
static void check_cache(const pare_teacher_cache *cache) {
    enum { PREDICTIONS = 5, VOCABULARY = 9 };
    static const int32_t targets[PREDICTIONS] = {0};
    static const uint32_t numbers[PREDICTIONS] = {4, 3, 2, 1, 0}, ids[PREDICTIONS] = {0};
    const pare_layout layout = {.length = PREDICTIONS, .targets = targets, .numbers = numbers};
    pare_cached_teacher *teacher;
    const float *logits;
    tiny_check(pare_cached_teacher_new(cache, PREDICTIONS, 0.5, 0.5, &teacher) == PARE_OK, pare_message());
    const pare_teacher *t = pare_cached_teacher_of(teacher);
    tiny_check(t->begin(t->context, &layout, ids, 1) == PARE_OK, pare_message());
    tiny_check(t->tile(t->context, 0, PREDICTIONS, 0, VOCABULARY, &logits) == PARE_OK, pare_message());
    for (int64_t i = 0; i < PREDICTIONS; i++) {
        double sum = 0.0, add;
        int32_t likeliest;
        for (int64_t id = 0; id < VOCABULARY; id++)
            sum += exp((double)logits[i * VOCABULARY + id]);
        t->known(t->context, i, &add, &likeliest);
        fuzz_check(fabs(sum - 1.0) < 1e-5, "shares add up to 1");
        fuzz_check(isfinite(add) && likeliest >= 0 && likeliest < VOCABULARY, "the likeliest id is the vocabulary's");
    }
    pare_cached_teacher_free(teacher);
}

static pare_status read_cache(const char *folder, const char *path) {
    enum { KEY_AT = 40 }; /* the teacher's digest */
    pare_teacher_cache *cache;
    char digest[PARE_DIGEST_TEXT];
    PARE_TRY(seal(folder, path, KEY_AT));
    PARE_TRY(pare_teacher_cache_open(path, &cached, &cache));
    pare_teacher_cache_digest(cache, digest);
    fuzz_check(strlen(digest) == PARE_SEAL_BYTES, "a cache has a digest");
    check_cache(cache);
    pare_teacher_cache_close(cache);
    return PARE_OK;
}

/* Draws that rise: of each id, a share. */
static void seed_cache(const char *folder) {
    unsigned char data[sizeof(pare_cache_head) + 5 * sizeof(pare_cache_record) + PARE_SEAL_BYTES] = {0};
    pare_cache_head head = pare_cache_head_of(&cached);
    memcpy(data, &head, sizeof head);
    for (size_t n = 0; n < 5; n++) {
        pare_cache_record record = {.add = 0.25f, .likeliest = (uint32_t)n};
        for (uint32_t k = 0; k < pare_cache_draws(cached.vocabulary); k++) {
            uint16_t id = (uint16_t)(k * cached.vocabulary / pare_cache_draws(cached.vocabulary));
            memcpy(record.drawn + 2 * k, &id, sizeof id);
        }
        memcpy(data + sizeof head + n * sizeof record, &record, sizeof record);
    }
    tiny_write_file(folder, "cache", data, sizeof data);
}

static void prepare_ids(const char *folder) {
    char *made = tiny_model_write(tiny);
    fuzz_copy(made, "config.json", folder, "config.json");
    fuzz_copy(made, "model.safetensors", folder, "model.safetensors");
    tiny_remove(made);
    free(made);
}

/* Ready ids for a model without a tokenizer. */
static pare_status read_ids(const char *folder, const char *path) {
    pare_model *model;
    pare_windows windows;
    char digest[PARE_DIGEST_TEXT];
    pare_calibration_options options = {.source = path};
    pare_calibration_request request = {.options = &options, .usual = 2};
    PARE_TRY(pare_model_open(folder, &model));
    pare_status status = pare_calibration_load(model, NULL, NULL, &request, &windows, digest);
    if (status == PARE_OK) {
        fuzz_check(windows.length >= 2 && windows.length <= model->config.max_positions, "windows fit the model");
        for (uint64_t i = 0; i < (uint64_t)windows.count * windows.length; i++)
            fuzz_check(windows.ids[i] < model->config.vocabulary, "an id is the vocabulary's");
        pare_windows_free(&windows);
    }
    pare_model_close(model);
    return status;
}

static void seed_ids(const char *folder) {
    tiny_write_text(folder, "lists", "[[1, 2, 3], [4, 5, 8]]");
}

const fuzz_target *const fuzz_state_targets[] = {
    &(const fuzz_target){.name = "ids", .file = "ids.json", .prepare = prepare_ids, .seed = seed_ids, .read = read_ids},
    &(const fuzz_target){.name = "teacher-cache", .file = "teacher.cache", .seed = seed_cache, .read = read_cache},
    &(const fuzz_target){
        .name = "training-state", .file = "training.state", .seed = seed_training, .read = read_training},
    &(const fuzz_target){.name = "moreau-state", .file = "moreau.state", .seed = seed_moreau, .read = read_moreau},
    NULL};
