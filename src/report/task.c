#include "report/task.h"

#include <math.h>

pare_share pare_share_of(uint64_t right, uint64_t n) {
    double p = (double)right / (double)n;
    return (pare_share){p, n > 1 ? sqrt(p * (1 - p) / (double)(n - 1)) : NAN};
}

double pare_task_chosen(const pare_task_result *result) {
    return result->chosen_norm ? result->norm.value : result->plain.value;
}

/* The error is null for a single document. */
static void put_share(json_t *json, const char *name, const char *error_name, pare_share share) {
    pare_json_put(json, name, pare_json_real(share.value));
    pare_json_put(json, error_name, pare_json_measured(share.error));
}

json_t *pare_report_task(const pare_task_result *r) {
    double request_rate = r->seconds > 0 ? (double)r->request_tokens / r->seconds : 0.0;
    double computed_rate = r->seconds > 0 ? (double)r->computed_tokens / r->seconds : 0.0;
    json_t *json = pare_json_of(
        {"task", pare_json_string(r->task)}, {"file", pare_json_name(r->file)}, {"sha256", pare_json_string(r->digest)},
        {"n", pare_json_count(r->documents)}, {"rows", pare_json_count(r->rows)},
        {"requests", pare_json_count(r->requests)}, {"truncated_requests", pare_json_count(r->truncated)},
        {"cut_continuations", pare_json_count(r->cut)}, {"request_tokens", pare_json_count(r->request_tokens)},
        {"computed_tokens", pare_json_count(r->computed_tokens)}, {"padded_tokens", pare_json_count(r->padded_tokens)},
        {"batches", pare_json_count(r->batches)}, {"seconds", pare_json_real(r->seconds)},
        {"request_tokens_per_second", pare_json_real(request_rate)},
        {"computed_tokens_per_second", pare_json_real(computed_rate)});
    if (r->note) pare_json_put(json, "note", pare_json_string(r->note));
    put_share(json, "acc", "acc_stderr", r->plain);
    if (r->has_norm) put_share(json, "acc_norm", "acc_norm_stderr", r->norm);
    pare_json_put(json, "chosen", pare_json_string(r->chosen_norm ? "acc_norm" : "acc"));
    return json;
}

json_t *pare_report_item(const pare_item *item) {
    json_t *choices = json_array();
    for (size_t i = 0; i < item->count; i++)
        pare_json_append(choices, pare_json_of({"ll", pare_json_real(item->choices[i].likelihood)},
                                               {"tokens", pare_json_count(item->choices[i].tokens)},
                                               {"chars", pare_json_count(item->choices[i].characters)}));
    return pare_json_of({"task", pare_json_string(item->task)}, {"doc", pare_json_count(item->document)},
                        {"gold", pare_json_count(item->gold)}, {"choices", choices},
                        {"pred", pare_json_count(item->predicted)},
                        {"pred_norm", pare_json_count(item->predicted_norm)});
}
