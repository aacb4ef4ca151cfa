#include "recover/teacher.h"
#include "checkpoint/state_file.h"
#include "model/patches.h"
#include "recover/recover_job.h"
#include "support/file.h"
#include "support/peer.h"
#include "support/runtime.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static const char *folder_of(const pare_model *model) {
    return pare_checkpoint_directory(model->checkpoint);
}

static pare_status check_kind(const pare_model *model, const pare_model *teacher) {
    bool pictures = pare_reads_pictures(&model->config);
    if (pictures != pare_reads_pictures(&teacher->config))
        return pare_fail(
            PARE_BAD_ARGUMENT, "--teacher %s reads %s, and %s reads %s: a teacher must read what its student reads",
            folder_of(teacher), pictures ? "text" : "pictures", folder_of(model), pictures ? "pictures" : "text");
    if (model->config.architecture.bidirectional != teacher->config.architecture.bidirectional)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--teacher %s and %s do not predict the same: in one of them tokens see what comes after them",
                         folder_of(teacher), folder_of(model));
    return PARE_OK;
}

static pare_status check_vocabulary(const pare_model *model, const pare_model *teacher) {
    if (model->config.vocabulary == teacher->config.vocabulary) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--teacher %s has %u tokens in its vocabulary, and %s has %u: give the model that was pruned, or "
                     "another one that predicts the same",
                     folder_of(teacher), teacher->config.vocabulary, folder_of(model), model->config.vocabulary);
}

static pare_status check_length(const pare_recovery *s, const pare_model *teacher) {
    uint32_t positions = teacher->config.max_positions;
    if (s->cutoff <= positions) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--teacher %s has %u positions, and examples have up to %u tokens: give "
                     "--cutoff %u",
                     folder_of(teacher), positions, s->cutoff, positions);
}

/* Of one id, or why not. */
static pare_status piece_of(const pare_tokenizer *tokenizer, uint32_t id, char **text, size_t *bytes) {
    *text = NULL;
    *bytes = 0;
    if (id >= pare_tokenizer_size(tokenizer)) return PARE_OK;
    return pare_tokenizer_decode(tokenizer, &id, 1, text, bytes);
}

/* The same ids mean the same, wherever both have a tokenizer. */
static pare_status check_token(const pare_model *model, const pare_model *teacher, const pare_tokenizer *own,
                               const pare_tokenizer *other, uint32_t id) {
    enum { SHOWN = 40 };
    char *a, *b = NULL;
    size_t a_bytes, b_bytes = 0;
    pare_status status = piece_of(own, id, &a, &a_bytes);
    if (status == PARE_OK) status = piece_of(other, id, &b, &b_bytes);
    if (status == PARE_OK && (a_bytes != b_bytes || (a_bytes && memcmp(a, b, a_bytes) != 0)))
        status = pare_fail(PARE_BAD_ARGUMENT,
                           "token %u is \"%.*s\" in --teacher %s and \"%.*s\" in %s: a teacher must have its student's "
                           "tokenizer",
                           id, (int)(b_bytes < SHOWN ? b_bytes : SHOWN), b ? b : "", folder_of(teacher),
                           (int)(a_bytes < SHOWN ? a_bytes : SHOWN), a ? a : "", folder_of(model));
    pare_text_free(a);
    pare_text_free(b);
    return status;
}

static pare_status check_tokenizers(const pare_model *model, const pare_model *teacher) {
    const pare_tokenizer *own, *other;
    if (!pare_tokenizer_exists(folder_of(model)) || !pare_tokenizer_exists(folder_of(teacher))) return PARE_OK;
    PARE_TRY(pare_model_tokenizer(model, &own));
    PARE_TRY(pare_model_tokenizer(teacher, &other));
    for (uint32_t id = 0; id < model->config.vocabulary; id++)
        PARE_TRY(check_token(model, teacher, own, other, id));
    return PARE_OK;
}

static pare_status check(const pare_model *model, const pare_recovery *s, const pare_model *teacher) {
    PARE_TRY(check_kind(model, teacher));
    if (pare_reads_pictures(&model->config)) return pare_model_match_pictures(model, teacher, "--teacher");
    PARE_TRY(check_vocabulary(model, teacher));
    PARE_TRY(check_length(s, teacher));
    return check_tokenizers(model, teacher);
}

pare_status pare_teacher_open(const pare_model *model, const pare_recovery *s, pare_model **out) {
    *out = NULL;
    if (!s->teacher) return PARE_OK;
    PARE_TRY(pare_model_open(s->teacher, out));
    pare_status status = check(model, s, *out);
    if (status == PARE_OK) return status;
    pare_model_close(*out);
    *out = NULL;
    return status;
}

pare_status pare_teacher_check_other(const pare_model *model, const pare_recovery *s) {
    if (!s->teacher || s->fresh) return PARE_OK;
    char *own = realpath(folder_of(model), NULL), *other = realpath(s->teacher, NULL);
    bool same = own && other && strcmp(own, other) == 0;
    free(own);
    free(other);
    if (!same) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--teacher %s is the model that is to learn from it: give the model before it was pruned",
                     s->teacher);
}

static pare_status key_of(const pare_recover_job *job, pare_teacher_cache_key *key) {
    *key = (pare_teacher_cache_key){.seed = job->settings.seed,
                                    .predictions = pare_batches_predictions(job->batches),
                                    .vocabulary = job->model->config.vocabulary,
                                    .operand = (uint32_t)job->backend->operand};
    memcpy(key->teacher, job->teacher_digest, sizeof key->teacher);
    PARE_TRY(pare_batches_examples_digest(job->batches, key->data));
    return pare_recover_add_pictures(job, key->data);
}

static pare_status open_cache(pare_recover_job *job, const pare_teacher_cache_key *key) {
    if (!pare_peer_rank()) PARE_TRY(pare_teacher_cache_open(job->settings.teacher_cache, key, &job->cache));
    return pare_teacher_cache_share(pare_runtime_scratch(job->runtime), &job->cache);
}

/* The file is the first rank's. */
pare_status pare_recover_find_cache(pare_recover_job *job) {
    const char *path = job->settings.teacher_cache;
    pare_teacher_cache_key key;
    bool there = false;
    if (path) PARE_TRY(pare_state_there(path, &there));
    if (!there) return PARE_OK;
    PARE_TRY(key_of(job, &key));
    return open_cache(job, &key);
}

pare_status pare_recover_ask_teacher(pare_recover_job *job) {
    const char *path = job->settings.teacher_cache;
    pare_teacher_cache_key key;
    if (path && !job->cache) {
        PARE_TRY(key_of(job, &key));
        PARE_TRY(pare_teacher_cache_make(path, &key, job->teacher, job->backend, job->batches, job->training.memory,
                                         job->runtime));
        PARE_TRY(open_cache(job, &key));
    }
    job->training.teacher.cache = job->cache;
    return PARE_OK;
}
