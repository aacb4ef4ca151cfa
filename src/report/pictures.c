#include "report/pictures.h"

json_t *pare_report_picture_scores(const pare_picture_scores *scores) {
    json_t *json = pare_json_of({"files", pare_json_count(scores->files)});
    if (scores->labelled != scores->files) pare_json_put(json, "labelled", pare_json_count(scores->labelled));
    pare_json_put_measured(json, "top1", scores->top1);
    pare_json_put_measured(json, "top5", scores->top5);
    pare_json_put_measured(json, "loss", scores->loss);
    if (!scores->compared) return json;
    pare_json_put(json, "kl", pare_json_real(scores->kl));
    pare_json_put(json, "agreement", pare_json_real(scores->agreement));
    return json;
}
