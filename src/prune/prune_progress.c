#include "prune/prune_progress.h"
#include "checkpoint/durable.h"
#include "checkpoint/temporary.h"
#include "model/patches.h"
#include "prune/prune_job.h"
#include "report/manifest_read.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/peer.h"
#include "surgery/cut.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *range_json(pare_layer_range range) {
    return pare_json_list_of(json_integer(range.begin), json_integer(range.end));
}

/* Of single weights: how many, and ids of the matrices. */
static json_t *sparsity_json(const pare_prune_job *job) {
    const pare_sparsity *s = &job->asked->target.sparsity;
    json_t *json = json_array(), *shares = json_array(), *pruned = json_array();
    for (size_t i = 0; s->shares && i < s->share_count; i++)
        pare_json_append(shares, pare_json_real(s->shares[i]));
    for (size_t id = 0; job->sparse.pruned && id < job->model->tensor_count; id++)
        if (job->sparse.pruned[id]) pare_json_append(pruned, json_integer((json_int_t)id));
    pare_json_append(json, pare_json_list_of(pare_json_real(s->share), json_integer(s->keep), json_integer(s->of)));
    pare_json_append(json, shares);
    pare_json_append(json, pruned);
    return json;
}

/* Everything that the result depends on. */
static json_t *identity(const pare_prune_job *job) {
    const pare_target *t = &job->target;
    const pare_job *o = job->asked;
    json_t *json = json_object(), *ratios = json_array();
    for (size_t i = 0; t->ratios && i < o->target.ratio_count; i++)
        pare_json_append(ratios, pare_json_real(t->ratios[i]));
    pare_json_put(json, "pare", pare_json_string(pare_version()));
    pare_json_put(json, "weights", pare_json_string(job->scan.digest));
    pare_json_put(json, "recipe", pare_recipe_json(&job->asked->recipe));
    pare_json_put(json, "calibration", pare_json_string(job->calibration_digest));
    pare_json_put(json, "seed", json_integer((json_int_t)o->seed));
    pare_json_put(json, "operand", json_integer((json_int_t)job->backend->operand));
    pare_json_put(json, "displace", json_integer((json_int_t)o->displace));
    pare_json_put(json, "all_scores", json_boolean(o->outputs.scores != NULL));
    pare_json_put(json, "rounds", json_integer(job->asked->target.rounds));
    pare_json_put(json, "ratio", pare_json_real(t->ratio));
    pare_json_put(json, "ratios", ratios);
    pare_json_put(json, "parameters", json_integer((json_int_t)t->parameters));
    pare_json_put(json, "bytes", json_integer((json_int_t)t->bytes));
    pare_json_put(json, "batches", json_integer(job->asked->calibration.batches));
    if (job->latency.report) pare_json_put(json, "latency", pare_json_same(job->latency.report));
    pare_json_put(json, "attention", range_json(t->attention));
    pare_json_put(json, "ffn", range_json(t->ffn));
    pare_json_put(json, "round_to", json_integer(t->round_to));
    if (job->asked->target.sparsity.given) pare_json_put(json, "sparsity", sparsity_json(job));
    return json;
}

static pare_status digest_round(const pare_prune_job *job) {
    char *text = pare_format("%s round %u", job->progress->resume.key, job->round);
    pare_status status = !text ? pare_whole() : pare_resume_key_of_text(text, job->progress->round_key);
    free(text);
    return status;
}

/* What its names begin with: from the record on all of them, from the rounds on, from the states of the round in hand.
 */
enum { RECORD, ROUNDS, STATES };
static const char *const own[] = {"progress.json",  "round-",         "pare-model.", "moreau.state", "passes.state",
                                  "training.state", "reconstructed.", "walk-",       "felt-"};

static bool is_own(const char *name, size_t from) {
    for (size_t i = from; i < sizeof own / sizeof *own; i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0) return true;
    return false;
}

/* What goes on from other files. */
static bool leans(const char *name) {
    static const char record[] = "progress.json", states[] = "states";
    size_t length = strlen(name), end = sizeof states - 1;
    return strcmp(name, record) == 0 || (length > end && strcmp(name + length - end, states) == 0);
}

static void sweep(const char *folder, size_t from, const char *except, bool leaning) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        bool stays = (except && strcmp(entry->d_name, except) == 0) || leans(entry->d_name) != leaning;
        if (is_own(entry->d_name, from) && !stays) pare_folder_remove_at(dirfd(directory), entry->d_name);
    }
    if (directory) closedir(directory);
}

/* Removes what pare keeps there, but for `except`; what else lies in the folder stays. A run that is killed meanwhile
 * leaves nothing that goes on from what is gone. */
static void sweep_folder(const char *folder, size_t from, const char *except) {
    sweep(folder, from, except, true);
    pare_durable_sync_folder(folder); /* as far as it can be */
    sweep(folder, from, except, false);
}

static char *round_folder(const pare_prune_progress *progress, uint32_t rounds_done) {
    return pare_format("%s/round-%u", progress->folder, rounds_done);
}

/* Of all that a round left: config.json and the weights. */
static pare_status digest_model(const pare_prune_job *job, const char *folder, char digest[PARE_DIGEST_TEXT]) {
    enum { MOST = 1 << 26 };
    pare_runtime silent = job->runtime ? *job->runtime : (pare_runtime){0}; /* with as many threads */
    pare_scan scan;
    silent.progress = NULL;
    char *path = pare_path_join(folder, "config.json"), *config = NULL, *all = NULL;
    pare_status status = path ? pare_file_read(path, MOST, &config, NULL) : pare_whole();
    free(path);
    if (status == PARE_OK) status = pare_checkpoint_scan(job->current->checkpoint, &silent, &scan);
    if (status == PARE_OK) {
        all = pare_format("%s %s", scan.digest, config);
        status = all ? pare_resume_key_of_text(all, digest) : pare_whole();
        pare_scan_free(&scan);
    }
    free(all);
    pare_free(config);
    return status;
}

static pare_status put_round(const pare_prune_job *job, uint32_t rounds_done, json_t *json) {
    char digest[PARE_DIGEST_TEXT], *folder = round_folder(job->progress, rounds_done);
    pare_status status = folder ? digest_model(job, folder, digest) : pare_whole();
    free(folder);
    PARE_TRY(status);
    pare_json_put(json, "model", pare_json_string(digest));
    pare_json_put(json, "experts", pare_prune_load_json(job));
    pare_json_put(json, "layers", pare_report_layers(&job->composed));
    pare_json_put(json, "hidden_channels_kept", pare_report_hidden(&job->composed));
    return PARE_OK;
}

/* SHA-256 of all other members, as they are printed. */
static pare_status seal(json_t *json) {
    char digest[PARE_DIGEST_TEXT];
    PARE_TRY(pare_resume_key(pare_json_same(json), digest));
    pare_json_put(json, "seal", pare_json_string(digest));
    return PARE_OK;
}

static pare_status check_seal(json_t *json, bool *whole) {
    char digest[PARE_DIGEST_TEXT];
    const char *stored = json_string_value(json_object_get(json, "seal"));
    char *kept = pare_format("%s", stored ? stored : "");
    if (!kept) return pare_whole();
    json_object_del(json, "seal");
    pare_status status = pare_resume_key(pare_json_same(json), digest);
    *whole = status == PARE_OK && strcmp(kept, digest) == 0;
    free(kept);
    return status;
}

/* rounds_done: the last of them is in hand. */
static pare_status write_progress(const pare_prune_job *job, uint32_t rounds_done) {
    const pare_prune_progress *progress = job->progress;
    json_t *json = json_object();
    pare_json_put(json, "pare", pare_json_string(pare_version()));
    pare_json_put(json, "key", pare_json_string(progress->resume.key));
    pare_json_put(json, "rounds_done", json_integer(rounds_done));
    pare_json_put(json, "traces", pare_json_same(job->traces));
    pare_status status = rounds_done ? put_round(job, rounds_done, json) : PARE_OK;
    if (status == PARE_OK) status = seal(json);
    if (status != PARE_OK) {
        json_decref(json);
        return status;
    }
    char *path = pare_path_join(progress->folder, "progress.json");
    pare_staged staged = {0};
    status = pare_staged_write(json, path, &staged);
    if (status == PARE_OK) status = pare_staged_place(&staged);
    pare_staged_drop(&staged);
    free(path);
    return status == PARE_OK ? pare_durable_sync_folder(progress->folder) : status;
}

static pare_status damaged(const pare_prune_progress *progress) {
    return pare_fail(PARE_FORMAT_ERROR, "%s is damaged; delete that folder to begin anew", progress->folder);
}

/* True if the model has the shape that the selection leaves. */
static bool fits(const pare_model *model, const pare_selection *selection) {
    bool same = pare_selection_layers(selection) == model->config.layers && selection->hidden == model->config.hidden;
    for (uint32_t i = 0, left = 0; same && i < selection->layers; i++) {
        const pare_kept *kept = &selection->layer[i];
        if (kept->dropped) continue;
        const pare_widths *w = &model->config.widths[left++];
        same = w->heads == kept->heads && w->kv_heads == kept->kv_heads && w->ffn == kept->ffn;
    }
    return same;
}

static pare_status open_round(pare_prune_job *job, uint32_t rounds_done) {
    char *folder = round_folder(job->progress, rounds_done);
    pare_temporary_model next = {0};
    pare_status status = pare_model_open(folder, &next.model);
    free(folder);
    if (status == PARE_OK) status = pare_model_share_album(next.model, job->origin);
    if (status != PARE_OK || !fits(next.model, &job->composed)) {
        pare_temporary_model_free(&next);
        return status == PARE_OUT_OF_MEMORY ? status : damaged(job->progress);
    }
    pare_temporary_model_free(&job->temporary);
    job->temporary = next;
    job->current = next.model;
    return PARE_OK;
}

/* That it is the model that the round left. */
static pare_status check_round(const pare_prune_job *job, uint32_t rounds_done, const json_t *json) {
    const char *stored = json_string_value(json_object_get(json, "model"));
    char digest[PARE_DIGEST_TEXT], *folder = round_folder(job->progress, rounds_done);
    pare_status status = folder ? digest_model(job, folder, digest) : pare_whole();
    free(folder);
    if (status == PARE_NUMERIC_ERROR) return damaged(job->progress);
    PARE_TRY(status);
    return stored && strcmp(stored, digest) == 0 ? PARE_OK : damaged(job->progress);
}

/* The first rank's folder has it. */
static pare_status take_round(pare_prune_job *job, uint32_t done, const json_t *json) {
    if (pare_peer_rank()) return pare_prune_share_round(job, NULL);
    PARE_TRY(open_round(job, done));
    PARE_TRY(check_round(job, done, json));
    char *folder = round_folder(job->progress, done);
    pare_status status = folder ? pare_prune_share_round(job, folder) : pare_whole();
    free(folder);
    return status;
}

/* Goes to the first round that is not finished. */
static pare_status take_up(pare_prune_job *job, const json_t *json) {
    const char *key = json_string_value(json_object_get(json, "key"));
    json_int_t done = json_integer_value(json_object_get(json, "rounds_done"));
    json_t *traces = json_object_get(json, "traces");
    if (key && strcmp(key, job->progress->resume.key) != 0)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s was kept by a run with another model, other options or other calibration data; run that "
                         "one, or delete the folder to begin anew",
                         job->progress->folder);
    if (!key || done < 0 || done >= (json_int_t)job->asked->target.rounds || !json_is_array(traces))
        return damaged(job->progress);
    if (done == 0) return PARE_OK;
    PARE_TRY(pare_selection_all(job->model, &job->composed));
    pare_status status = pare_manifest_kept(json, job->progress->folder, job->model, &job->composed);
    if (status != PARE_OK) return status == PARE_OUT_OF_MEMORY ? status : damaged(job->progress);
    PARE_TRY(take_round(job, (uint32_t)done, json));
    bool sound;
    PARE_TRY(pare_prune_load_take(job, json_object_get(json, "experts"), &sound));
    if (!sound) return damaged(job->progress);
    pare_json_extend(job->traces, traces);
    job->round = (uint32_t)done;
    uint32_t sequences = job->windows.count / job->asked->calibration.batches;
    return pare_prune_plan(job, sequences, job->windows.length, false);
}

static pare_status read_progress(pare_prune_job *job, const char *text, size_t bytes) {
    json_t *json = json_loadb(text, bytes, 0, NULL);
    bool whole = false;
    pare_status status = json_is_object(json) ? check_seal(json, &whole) : PARE_OK;
    if (status == PARE_OK) status = whole ? take_up(job, json) : damaged(job->progress);
    json_decref(json);
    return status;
}

/* *text: of the first rank, where there is one. */
static pare_status find_record(const pare_prune_progress *progress, char **text, size_t *bytes) {
    enum { MOST = 1 << 28 };
    if (pare_peer_rank()) return PARE_OK;
    char *path = pare_path_join(progress->folder, "progress.json");
    pare_status status = path ? PARE_OK : pare_whole();
    if (status == PARE_OK && pare_file_exists(path)) status = pare_file_read(path, MOST, text, bytes);
    free(path);
    return status;
}

static pare_status open_folder(pare_prune_job *job) {
    pare_prune_progress *progress = job->progress;
    PARE_TRY(pare_resume_key(identity(job), progress->resume.key));
    PARE_TRY(pare_resume_open(&progress->resume));
    char *text = NULL;
    size_t bytes = 0;
    pare_status status = find_record(progress, &text, &bytes);
    if (status == PARE_OK) status = pare_prune_share_record(&text, &bytes);
    if (status == PARE_OK && text) status = read_progress(job, text, bytes);
    if (status == PARE_OK && !text && !pare_peer_rank()) status = write_progress(job, 0);
    pare_free(text);
    return status == PARE_OK ? digest_round(job) : status;
}

pare_status pare_prune_progress_name(void *context) {
    pare_prune_job *job = context;
    char *folder = job->asked->outputs.progress;
    if (!folder || (!job->run.output && !pare_peer_rank())) return PARE_OK;
    PARE_TRY(pare_alloc(&job->progress, 1, sizeof *job->progress, "progress"));
    job->progress->folder = folder;
    job->progress->state = pare_path_join(job->progress->folder, "moreau.state");
    job->progress->passes = pare_path_join(job->progress->folder, "passes.state");
    job->progress->training = pare_path_join(job->progress->folder, "training.state");
    job->progress->reconstructed = pare_path_join(job->progress->folder, "reconstructed.");
    pare_resume_keep(&job->progress->resume, job->progress->folder);
    return pare_whole();
}

pare_status pare_prune_progress_begin(void *context) {
    pare_prune_job *job = context;
    return job->progress ? open_folder(job) : PARE_OK;
}

/* Written beside, then put into the place of what a run that was stopped here may have left. */
static pare_status write_round(const pare_prune_job *job, const char *folder) {
    pare_temporary_model next;
    pare_status status =
        pare_temporary_model_begin(job->current, &job->selection, job->progress->folder, job->runtime, &next);
    if (status == PARE_OK)
        status = pare_cut_write(job->current, &job->selection, &job->repaired, next.folder, job->runtime);
    if (status == PARE_OK) status = pare_durable_sync_folder(next.folder);
    pare_folder_remove(folder);
    if (status == PARE_OK && rename(next.folder, folder) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot put %s into place: %s", folder, strerror(errno));
    if (status == PARE_OK) {
        free(next.folder);
        next.folder = NULL;
    }
    pare_temporary_model_free(&next);
    return status;
}

static pare_status keep_round(pare_prune_job *job, uint32_t rounds_done) {
    char *folder = round_folder(job->progress, rounds_done);
    pare_status status = write_round(job, folder);
    if (status == PARE_OK) status = open_round(job, rounds_done);
    /* States are one round's: a record that says that it is through must not find them beside it. */
    if (status == PARE_OK) sweep_folder(job->progress->folder, STATES, NULL);
    if (status == PARE_OK) status = write_progress(job, rounds_done);
    if (status == PARE_OK) sweep_folder(job->progress->folder, ROUNDS, strrchr(folder, '/') + 1);
    free(folder);
    return status;
}

pare_status pare_prune_progress_round(pare_prune_job *job) {
    if (!pare_peer_rank()) PARE_TRY(keep_round(job, job->round + 1));
    job->round++;
    pare_status status = digest_round(job);
    job->round--;
    return status;
}

void pare_prune_progress_remove(const pare_prune_job *job) {
    if (!job->progress || pare_peer_rank()) return;
    sweep_folder(job->progress->folder, STATES, NULL); /* while the record says which round they are of */
    sweep_folder(job->progress->folder, RECORD, NULL);
    pare_resume_remove(job->progress->folder, job->runtime);
}

void pare_prune_progress_end(pare_prune_job *job) {
    if (!job->progress) return;
    pare_resume_close(&job->progress->resume);
    free(job->progress->state);
    free(job->progress->passes);
    free(job->progress->training);
    free(job->progress->reconstructed);
    pare_free(job->progress);
    job->progress = NULL;
}
