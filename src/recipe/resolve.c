#include "recipe/recipe.h"

#include "support/memory.h"

#include <math.h>
#include <stdio.h>

static pare_status out_of_range(const char *option, double value, const char *advice) {
    return pare_fail(PARE_BAD_ARGUMENT, "%s %g: %s", option, value, advice);
}

const char *pare_recipe_ignored(const pare_prune_options *o, const pare_recipe *recipe) {
    if (recipe->signal == PARE_SIGNAL_MOREAU)
        return recipe->moreau.prox == PARE_PROX_NONE && o->eta > 0.0 ? "--eta" : NULL;
    return o->steps          ? "--steps"
           : o->draws        ? "--draws"
           : o->sigma >= 0.0 ? "--sigma"
           : o->rho != 0.0   ? "--rho"
           : o->gamma != 0.0 ? "--gamma"
           : o->eta >= 0.0   ? "--eta"
           : o->displace     ? "--displace"
                             : NULL;
}

static pare_status check_constants(const pare_moreau *m) {
    if (m->steps < 1 || m->steps > 1000000)
        return out_of_range("--steps", m->steps, "give a number of steps from 1 to 1000000");
    if (m->draws < 1 || m->draws > 1000000)
        return out_of_range("--draws", m->draws, "give a number of draws from 1 to 1000000");
    if (!(m->sigma <= 100.0))
        return out_of_range("--sigma", m->sigma, "give the noise as a share of each weight, such as 0.05");
    if (!(m->rho > 0.0) || !isfinite(m->rho))
        return out_of_range("--rho", m->rho, "give a positive number, such as 0.2");
    if (!(m->gamma > 0.0) || !isfinite(m->gamma))
        return out_of_range("--gamma", m->gamma, "give a positive step size, such as 2e-4");
    if (m->gamma > m->rho)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--gamma %g is larger than --rho %g: the proximal step would overshoot; give at most rho",
                         m->gamma, m->rho);
    if (!isfinite(m->eta)) return out_of_range("--eta", m->eta, "give a threshold of 0 or more, such as 5e-6");
    return PARE_OK;
}

pare_status pare_recipe_resolve(const pare_prune_options *o, pare_recipe *out) {
    const char *method = o->method ? o->method : "moreau-gs";
    const pare_recipe *preset = pare_recipe_find(method);
    if (!preset)
        return pare_fail(PARE_BAD_ARGUMENT, "--method %s: no such method; `pare help prune` lists them", method);
    *out = *preset;
    if (out->signal != PARE_SIGNAL_MOREAU) return PARE_OK;
    pare_moreau *m = &out->moreau;
    if (o->steps) m->steps = o->steps;
    if (o->draws) m->draws = o->draws;
    if (!(o->sigma < 0.0)) m->sigma = o->sigma;
    if (o->rho != 0.0) m->rho = o->rho;
    if (o->gamma != 0.0) m->gamma = o->gamma;
    if (!(o->eta < 0.0) && m->prox != PARE_PROX_NONE) m->eta = o->eta;
    return check_constants(m);
}

pare_status pare_recipe_constants(const pare_prune_options *options, char **text) {
    enum { SIZE = 256 };
    pare_recipe recipe;
    *text = NULL;
    PARE_TRY(pare_recipe_resolve(options, &recipe));
    PARE_TRY(pare_alloc(text, SIZE, 1, "constants"));
    const pare_moreau *m = &recipe.moreau;
    if (recipe.signal != PARE_SIGNAL_MOREAU)
        snprintf(*text, SIZE, "none");
    else
        snprintf(*text, SIZE, "T = %d steps, m = %d draws of noise sigma = %g, rho = %g, gamma = %g, eta = %g",
                 m->steps, m->draws, m->sigma, m->rho, m->gamma, m->eta);
    return PARE_OK;
}

json_t *pare_recipe_json(const pare_recipe *recipe) {
    static const char *const signals[] = {
        [PARE_SIGNAL_NONE] = "none", [PARE_SIGNAL_GRADIENT] = "gradient", [PARE_SIGNAL_MOREAU] = "moreau"};
    static const char *const proxes[] = {[PARE_PROX_NONE] = "none", [PARE_PROX_GROUP] = "group", [PARE_PROX_L1] = "l1"};
    static const char *const reductions[] = {[PARE_REDUCE_SUM] = "sum", [PARE_REDUCE_MEAN] = "mean"};
    json_t *json = json_object();
    json_object_set_new(json, "signal", json_string(signals[recipe->signal]));
    json_object_set_new(json, "salience", json_string(recipe->salience ? recipe->salience->name : "random"));
    json_object_set_new(json, "reduction", json_string(reductions[recipe->reduction]));
    json_object_set_new(json, "unit", json_string("KV group, FFN channel"));
    json_object_set_new(json, "selection", json_string("per layer"));
    if (recipe->signal != PARE_SIGNAL_MOREAU) return json;
    const pare_moreau *m = &recipe->moreau;
    json_object_set_new(json, "steps", json_integer(m->steps));
    json_object_set_new(json, "draws", json_integer(m->draws));
    json_object_set_new(json, "sigma", json_real(m->sigma));
    json_object_set_new(json, "rho", json_real(m->rho));
    json_object_set_new(json, "gamma", json_real(m->gamma));
    json_object_set_new(json, "eta", json_real(m->eta));
    json_object_set_new(json, "prox", json_string(proxes[m->prox]));
    return json;
}
