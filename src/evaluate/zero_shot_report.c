#include "evaluate/zero_shot_report.h"
#include "support/json.h"

#include <math.h>
#include <string.h>

pare_share pare_share_of(uint64_t right, uint64_t n) {
    double p = (double)right / (double)n;
    return (pare_share){p, n > 1 ? sqrt(p * (1 - p) / (double)(n - 1)) : NAN};
}

typedef struct counts {
    uint64_t plain, normalised;
} counts;

static counts count_right(const pare_task_file *file, const pare_zero_shot_scores *scores) {
    counts right = {0};
    for (uint32_t d = 0; d < file->count; d++) {
        const pare_task_document *document = &file->documents[d];
        pare_zero_shot_answer answer =
            pare_zero_shot_answer_of(document, scores->likelihoods + scores->requests.first[d]);
        right.plain += answer.plain == document->gold;
        right.normalised += answer.normalised == document->gold;
    }
    return right;
}

static void set_share(json_t *entry, const char *name, const char *error_name, pare_share share) {
    pare_json_put(entry, name, pare_json_real(share.value));
    pare_json_put(entry, error_name, pare_json_measured(share.error));
}

/* Files of HellaSwag with ready contexts, in which something of the original is lost. */
static const char *note_on(const pare_task_file *file) {
    if (strstr(file->path, "hellaswag_val_1000_lmeval_exact"))
        return "1000 of HellaSwag's 10042 validation documents, derived from the original";
    if (strstr(file->path, "hellaswag_val_lmeval_recon"))
        return "derived from the original; leading spaces of endings are lost, so acc_norm differs slightly";
    return NULL;
}

static json_t *entry_of(const pare_task_file *file, const pare_zero_shot_scores *scores) {
    double rate = scores->seconds > 0 ? (double)scores->request_tokens / scores->seconds : 0.0;
    json_t *entry = pare_json_of(
        {"task", pare_json_string(file->task->name)}, {"file", pare_json_name(file->path)},
        {"sha256", pare_json_string(file->digest)}, {"n", json_integer((json_int_t)file->count)},
        {"rows", json_integer((json_int_t)file->rows)}, {"requests", json_integer((json_int_t)scores->requests.count)},
        {"truncated_requests", json_integer((json_int_t)scores->requests.truncated)},
        {"cut_continuations", json_integer((json_int_t)scores->requests.cut)},
        {"request_tokens", json_integer((json_int_t)scores->request_tokens)},
        {"computed_tokens", json_integer((json_int_t)scores->computed_tokens)},
        {"padded_tokens", json_integer((json_int_t)scores->padded_tokens)},
        {"batches", json_integer((json_int_t)scores->batches)}, {"seconds", pare_json_real(scores->seconds)},
        {"request_tokens_per_second", pare_json_real(rate)});
    double computed = scores->seconds > 0 ? (double)scores->computed_tokens / scores->seconds : 0.0;
    pare_json_put(entry, "computed_tokens_per_second", pare_json_real(computed));
    if (note_on(file)) pare_json_put(entry, "note", pare_json_string(note_on(file)));
    return entry;
}

pare_status pare_zero_shot_entry(const pare_task_file *file, const pare_zero_shot_scores *scores, json_t **out,
                                 double *chosen) {
    counts right = count_right(file, scores);
    pare_share plain = pare_share_of(right.plain, file->count), norm = pare_share_of(right.normalised, file->count);
    *chosen = file->task->chosen_norm ? norm.value : plain.value;
    *out = entry_of(file, scores);
    if (!*out) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the report");
    set_share(*out, "acc", "acc_stderr", plain);
    if (file->task->normalised) set_share(*out, "acc_norm", "acc_norm_stderr", norm);
    pare_json_put(*out, "chosen", pare_json_string(file->task->chosen_norm ? "acc_norm" : "acc"));
    return PARE_OK;
}
