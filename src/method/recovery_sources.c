#include "method/recovery.h"

static size_t given(const pare_recovery *r) {
    return r->source_count ? r->source_count : r->data != NULL;
}

static bool has_calibration(const pare_recovery *r) {
    return r->calibration && r->calibration_share > 0.0;
}

size_t pare_recovery_sources(const pare_recovery *r) {
    return given(r) + has_calibration(r);
}

pare_recovery_source pare_recovery_source_at(const pare_recovery *r, size_t index) {
    double left = has_calibration(r) ? 1.0 - r->calibration_share : 1.0, sum = 0.0;
    if (index == given(r))
        return (pare_recovery_source){
            .option = "--calib", .path = r->calibration, .share = r->calibration_share, .calibration = true};
    if (!r->source_count) return (pare_recovery_source){.option = "--data", .path = r->data, .share = left};
    for (size_t i = 0; i < r->source_count; i++)
        sum += r->sources[i].weight;
    return (pare_recovery_source){
        .option = "--data", .path = r->sources[index].path, .share = left * r->sources[index].weight / sum};
}
