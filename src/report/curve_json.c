#include "report/curve_json.h"

#include <math.h>

enum { POINTS = 200 };

/* Points [begin, end) as one: mean of the losses, last validation that was measured, last step. */
static void append(json_t *columns[3], const pare_curve_point *points, size_t begin, size_t end) {
    double sum = 0.0, count = 0.0, validation = NAN;
    for (size_t i = begin; i < end; i++) {
        if (isfinite(points[i].validation)) validation = points[i].validation;
        if (!isfinite(points[i].loss)) continue;
        sum += points[i].loss;
        count++;
    }
    pare_json_append(columns[0], pare_json_count(points[end - 1].step));
    pare_json_append(columns[1], pare_json_measured(sum / count));
    pare_json_append(columns[2], pare_json_measured(validation));
}

json_t *pare_curve_json(const pare_curve *curve) {
    json_t *columns[3] = {json_array(), json_array(), json_array()};
    size_t n = curve->count, rows = n < POINTS ? n : POINTS;
    for (size_t row = 0; row < rows; row++)
        append(columns, curve->list, row * n / rows, (row + 1) * n / rows);
    json_t *json = pare_json_of({"step", columns[0]}, {"loss", columns[1]}, {"validation", columns[2]});
    if (curve->pictures) pare_json_put(json, "pictures", json_true());
    return json;
}
