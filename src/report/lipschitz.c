#include "report/lipschitz.h"
#include "support/memory.h"

#include <math.h>

static json_t *bound_json(const pare_lipschitz_bound *b) {
    json_t *json = pare_json_of({"beta_from", pare_json_string(b->beta_from)}, {"beta", pare_json_real(b->beta)},
                                {"rho_below", pare_json_real(b->rho_below)}, {"applies", json_boolean(b->applies)});
    if (!b->applies) return json;
    pare_json_put(json, "bound", pare_json_real(b->bound));
    pare_json_put(json, "bound_of_proof", pare_json_real(b->bound_of_proof));
    return json;
}

static json_t *reals_json(const double *values, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        pare_json_append(list, pare_json_real(values[i]));
    return list;
}

static json_t *method_json(const pare_lipschitz_method *m, uint32_t draws) {
    json_t *json =
        pare_json_of({"method", pare_json_string(m->name)}, {"gradient_norm", pare_json_real(m->gradient_norm)},
                     {"largest", pare_json_real(m->largest)}, {"ratios", reals_json(m->ratios, draws)});
    if (!isnan(m->relative)) pare_json_put(json, "relative", pare_json_real(m->relative));
    if (!m->bounded) return json;
    pare_json_put(json, "rho", pare_json_real(m->rho));
    pare_json_put(json, "isotropic_sigma", pare_json_real(m->isotropic_sigma));
    pare_json_put(json, "bounds", pare_json_list_of(bound_json(&m->bounds[0]), bound_json(&m->bounds[1])));
    return json;
}

json_t *pare_report_lipschitz(const pare_lipschitz_results *r) {
    static const char assumptions[] =
        "isotropic noise of the standard deviation that gives as much noise in all as the relative one; beta estimated "
        "from below; ratios are of the iterate after T steps, not of the exact envelope";
    json_t *methods = json_array();
    for (uint32_t i = 0; i < r->count; i++)
        pare_json_append(methods, method_json(&r->methods[i], r->draws));
    return pare_json_of({"assumptions", pare_json_string(assumptions)},
                        {"relative_size", pare_json_real(r->relative_size)},
                        {"change_norms", reals_json(r->change_norms, r->draws)},
                        {"weight_norm", pare_json_real(r->weight_norm)}, {"methods", methods});
}

void pare_lipschitz_results_free(pare_lipschitz_results *r) {
    for (uint32_t i = 0; r->methods && i < r->count; i++)
        pare_free(r->methods[i].ratios);
    pare_free(r->methods);
    pare_free(r->change_norms);
    *r = (pare_lipschitz_results){0};
}
