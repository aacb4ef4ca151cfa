#include "report/speed.h"

static json_t *work_json(const pare_work_speed *work) {
    return pare_json_of({"seconds", pare_json_real(work->seconds)},
                        {"tokens_per_second", pare_json_real(work->tokens_per_second)},
                        {"gflops", pare_json_real(work->gflops)}, {"fraction_of_gemm", pare_json_real(work->fraction)});
}

json_t *pare_report_speed(const void *results) {
    static const char *const rates[] = {"gemm_gflops_fp32", "gemm_gflops_bf16"};
    const pare_speed_results *r = results;
    json_t *json = json_object();
    pare_json_put(json, "shape", r->shape ? pare_json_string(r->shape) : json_null());
    pare_json_put(json, "layers", json_integer(r->layers));
    pare_json_put(json, "tokens", pare_json_count(r->tokens));
    pare_json_put(json, "threads", json_integer(r->threads));
    pare_json_put(json, "compute", pare_json_string(r->bf16 ? "bf16" : "fp32"));
    pare_json_put(json, "block_bytes", pare_json_count(r->block_bytes));
    pare_json_put(json, "model_bytes", pare_json_count(r->model_bytes));
    for (int i = 0; i < 2; i++) { /* what passes compute in comes first */
        bool bf16 = (i == 0) == r->bf16;
        pare_json_put_measured(json, rates[bf16], bf16 ? r->gemm_bf16 : r->gemm_fp32);
    }
    pare_json_put(json, "forward", work_json(&r->forward));
    pare_json_put(json, "forward_backward", work_json(&r->forward_backward));
    pare_json_put(json, "moreau_state_bytes", pare_json_count(r->moreau_state_bytes));
    pare_json_put(json, "moreau_state_in_file", json_boolean(r->moreau_state_in_file));
    pare_json_put(json, "moreau", work_json(&r->moreau));
    pare_json_put(json, "anonymous_bytes", pare_json_count(r->anonymous_bytes));
    return json;
}
