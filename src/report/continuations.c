#include "report/continuations.h"

json_t *pare_report_continuations(const pare_continuation_scores *s) {
    json_t *json = pare_json_of({"texts", json_integer(s->texts)}, {"prompt", json_integer(s->prompt)},
                                {"tokens", json_integer(s->tokens)});
    pare_json_put_measured(json, "repeated_4grams", s->repeated);
    pare_json_put(json, "ended", pare_json_real(s->ended));
    return json;
}
