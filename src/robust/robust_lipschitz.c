/* Theorems 1 and 2 of the MoreauPruner paper: if the loss is beta-Lipschitz, its Gaussian-smoothed form (isotropic
 * noise of standard deviation s) has a Moreau gradient with the Lipschitz constant
 *
 *   s / min(s rho, s - rho beta),  for 0 < rho < s / beta
 *
 * of which the proof's own last step is max(1/rho, beta / (s - rho beta)). Here noise is relative, sigma |w|; the s of
 * as much noise in all is sigma times the root mean square of the weights. beta is not known; two estimates from below
 * stand for it: the largest norm of the plain gradient that was seen, and s times the plain gradient's own largest
 * ratio (since a beta-Lipschitz loss smoothed by s has a gradient that is beta/s-Lipschitz). */
#include "calibrate/smooth.h"
#include "robust/robust.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SMOOTH_DRAWS = 10, DRAWS = 3 };

typedef struct gradient {
    float *data, **of; /* [tensor_count] into data */
} gradient;

typedef struct lipschitz {
    const pare_model *model;
    const pare_robust_options *options;
    pare_runtime runtime; /* with a limit that leaves room for the gradients */
    pare_cache *cache;
    uint64_t elements;
    uint32_t draws;
    pare_temporary_model *moved; /* [draws] */
    double *distance;            /* [draws] norm of their change */
    double weight_squares;
    gradient here, there;
    double beta, plain_ratio; /* of the plain gradient: the largest norm, the largest ratio */
    json_t *methods;
} lipschitz;

static uint64_t count_elements(const pare_model *model) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        total += model->tensors[id]->count;
    return total;
}

static pare_status gradient_new(const pare_model *model, uint64_t elements, gradient *out) {
    PARE_TRY(pare_alloc(&out->of, model->tensor_count, sizeof *out->of, "gradient table"));
    PARE_TRY(pare_alloc_uninitialized(&out->data, elements, sizeof *out->data, "a gradient of all weights"));
    float *at = out->data;
    for (size_t id = 0; id < model->tensor_count; id++) {
        out->of[id] = at;
        at += model->tensors[id]->count;
    }
    return PARE_OK;
}

static void gradient_free(gradient *g) {
    pare_free(g->data);
    pare_free(g->of);
    *g = (gradient){0};
}

static bool wants_all(void *context, size_t id) {
    (void)context, (void)id;
    return true;
}

static pare_status store_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                              const float *values, const float *squares) {
    (void)squares;
    const gradient *g = context;
    memcpy(g->of[id] + first * columns, values, (size_t)(rows * columns) * sizeof *values);
    return PARE_OK;
}

static pare_status moreau_gradient(const pare_prune_job *job, pare_pass *pass, pare_source *source, gradient *out) {
    const pare_moreau *moreau = &job->recipe.moreau;
    pare_moreau_state state;
    float scale = (float)(1.0 / moreau->rho);
    PARE_TRY(pare_moreau_state_new(source->model, job->plan.displaced, moreau, job->plan.scratch, &state));
    pare_status status = pare_moreau_run(pass, source, job->windows.ids, moreau, NULL, &state);
    float *const *signal = pare_moreau_signal(&state);
    for (size_t id = 0; id < source->model->tensor_count && status == PARE_OK; id++)
        for (uint64_t i = 0; i < source->model->tensors[id]->count; i++)
            out->of[id][i] = signal[id][i] * scale;
    pare_moreau_state_free(&state);
    return status;
}

/* The method's gradient of all weights of `model`: that which its scores are made of. */
static pare_status gradient_of(const pare_prune_job *job, const pare_model *model, gradient *out) {
    pare_pass *pass;
    pare_source source = {
        .model = model, .backend = job->backend, .perturbed = job->plan.displaced, .seed = job->options->seed};
    pare_gradient_sink sink = {.wants = wants_all, .rows = store_rows, .context = out};
    int32_t steps = job->recipe.moreau.steps;
    pare_smooth smooth = {.draws = steps < SMOOTH_DRAWS ? steps : SMOOTH_DRAWS, .sigma = job->recipe.moreau.sigma};
    double loss;
    pare_pass_shape shape = job->plan.shape;
    shape.keep = PARE_KEPT_NONE; /* whole gradients are beside it */
    PARE_TRY(pare_pass_new(model, job->backend, &shape, &pass));
    pare_status status;
    if (pare_signal_has(job->recipe.signal, PARE_TRAIT_STEPS))
        status = moreau_gradient(job, pass, &source, out);
    else if (pare_signal_has(job->recipe.signal, PARE_TRAIT_PLAIN))
        status = pare_pass_gradient(pass, &source, job->windows.ids, &sink, &loss);
    else
        status = pare_smoothed_gradient_run(pass, &source, job->windows.ids, &smooth,
                                            !pare_signal_has(job->recipe.signal, PARE_TRAIT_ABSOLUTES),
                                            job->plan.scratch, &sink, &loss);
    pare_pass_free(pass);
    return status;
}

static double norm(const float *a, const float *b, uint64_t count) {
    double squares = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        double x = (double)a[i] - (b ? (double)b[i] : 0.0);
        squares += x * x;
    }
    return sqrt(squares);
}

/* ||e|| of a moved model, and the weights' own squares. */
static void measure_change(lipschitz *l, const pare_model *moved, double *distance) {
    enum { CHUNK = 4096 };
    float a[CHUNK], b[CHUNK];
    double squares = 0.0, weights = 0.0;
    for (size_t id = 0; id < l->model->tensor_count; id++) {
        const pare_tensor *x = l->model->tensors[id], *y = moved->tensors[id];
        for (uint64_t at = 0; at < x->count; at += CHUNK) {
            size_t n = (size_t)(x->count - at < CHUNK ? x->count - at : CHUNK);
            pare_to_float(a, (const char *)x->data + at * pare_dtype_size(x->dtype), x->dtype, n);
            pare_to_float(b, (const char *)y->data + at * pare_dtype_size(y->dtype), y->dtype, n);
            for (size_t i = 0; i < n; i++) {
                double e = (double)b[i] - (double)a[i];
                squares += e * e;
                weights += (double)a[i] * (double)a[i];
            }
        }
    }
    *distance = sqrt(squares);
    l->weight_squares = weights;
}

static pare_status move_model(lipschitz *l) {
    double size = l->options->lipschitz_size > 0 ? l->options->lipschitz_size : 1e-3;
    PARE_TRY(pare_alloc(&l->moved, l->draws, sizeof *l->moved, "changed models"));
    PARE_TRY(pare_alloc(&l->distance, l->draws, sizeof *l->distance, "changed models"));
    for (uint32_t k = 0; k < l->draws; k++) {
        pare_perturbation how = {
            .kind = PARE_PERTURB_NOISE, .epsilon = size, .seed = l->options->prune->seed + 7919u * (k + 1u)};
        PARE_TRY(pare_perturbed_model_new(l->model, &how, NULL, &l->runtime, &l->moved[k]));
        measure_change(l, l->moved[k].model, &l->distance[k]);
    }
    return PARE_OK;
}

static json_t *bound_json(const char *from, double beta, double rho, double s) {
    json_t *json = pare_json_of({"beta_from", pare_json_string(from)}, {"beta", pare_json_real(beta)},
                                {"rho_below", pare_json_real(beta > 0 ? s / beta : 0.0)});
    bool applies = rho > 0 && rho * beta < s;
    pare_json_put(json, "applies", json_boolean(applies));
    if (!applies) return json;
    double room = s - rho * beta;
    pare_json_put(json, "bound", pare_json_real(s / fmin(s * rho, room)));
    pare_json_put(json, "bound_of_proof", pare_json_real(fmax(1.0 / rho, beta / room)));
    return json;
}

static void add_bounds(const lipschitz *l, const pare_recipe *recipe, json_t *json) {
    bool moreau = pare_signal_has(recipe->signal, PARE_TRAIT_STEPS) && recipe->moreau.prox != PARE_PROX_RELEASED;
    double s = recipe->moreau.sigma * sqrt(l->weight_squares / (double)l->elements);
    if (!moreau) return;
    pare_json_put(json, "rho", pare_json_real(recipe->moreau.rho));
    pare_json_put(json, "isotropic_sigma", pare_json_real(s));
    pare_json_put(json, "bounds",
                  pare_json_list_of(bound_json("gradient norm", l->beta, recipe->moreau.rho, s),
                                    bound_json("gradient ratio", s * l->plain_ratio, recipe->moreau.rho, s)));
}

static pare_status run_draws(lipschitz *l, const pare_prune_job *job, json_t *ratios, double *largest) {
    bool plain = pare_signal_has(job->recipe.signal, PARE_TRAIT_PLAIN);
    *largest = 0.0;
    for (uint32_t k = 0; k < l->draws; k++) {
        PARE_TRY(gradient_of(job, l->moved[k].model, &l->there));
        double ratio = norm(l->there.data, l->here.data, l->elements) / l->distance[k];
        *largest = fmax(*largest, ratio);
        if (plain) l->beta = fmax(l->beta, norm(l->there.data, NULL, l->elements));
        pare_json_append(ratios, pare_json_real(ratio));
    }
    if (plain) l->plain_ratio = fmax(l->plain_ratio, *largest);
    return PARE_OK;
}

static pare_status measure(lipschitz *l, const pare_prune_job *job) {
    json_t *ratios = json_array();
    double largest;
    pare_status status = gradient_of(job, l->model, &l->here);
    double own = status == PARE_OK ? norm(l->here.data, NULL, l->elements) : 0.0;
    if (pare_signal_has(job->recipe.signal, PARE_TRAIT_PLAIN)) l->beta = fmax(l->beta, own);
    if (status == PARE_OK) status = run_draws(l, job, ratios, &largest);
    if (status != PARE_OK) {
        json_decref(ratios);
        return status;
    }
    json_t *json = pare_json_of({"method", pare_json_string(job->recipe.name)}, {"gradient_norm", pare_json_real(own)},
                                {"largest", pare_json_real(largest)}, {"ratios", ratios});
    if (own > 0) /* free of the gradient's scale, which T gamma / rho sets while an iteration is short */
        pare_json_put(json, "relative", pare_json_real(largest * sqrt(l->weight_squares) / own));
    add_bounds(l, &job->recipe, json);
    pare_json_append(l->methods, json);
    return PARE_OK;
}

static pare_status run_method(lipschitz *l, const char *method) {
    double ratio = l->options->ratios ? l->options->ratios[0] : 0.2;
    pare_robust_request request = {.base = l->options->prune,
                                   .method = method,
                                   .ratio = ratio,
                                   .seed = l->options->prune->seed,
                                   .cache = l->cache};
    pare_prune_options options = pare_robust_run_options(&request);
    pare_prune_job job;
    options.displace = PARE_DISPLACE_ALL;
    options.text_count = 0;
    pare_status status = pare_prune_begin(l->model, &options, &l->runtime, &job);
    if (status == PARE_OK) status = pare_prune_calibrate(&job);
    bool has_gradient = pare_signal_has(job.recipe.signal, PARE_TRAIT_PLAIN | PARE_TRAIT_STEPS | PARE_TRAIT_NOISE);
    if (status == PARE_OK && has_gradient) status = measure(l, &job);
    pare_prune_end(&job);
    return status;
}

/* The plain gradient first, which the bounds of the others need. */
static pare_status run_methods(lipschitz *l) {
    const char *method;
    PARE_TRY(run_method(l, "taylor"));
    PARE_TRY(run_method(l, "smoothgrad"));
    for (size_t i = 0; (method = pare_robust_method(l->options, i)); i++)
        if (strcmp(method, "taylor") != 0 && strcmp(method, "smoothgrad") != 0) PARE_TRY(run_method(l, method));
    return PARE_OK;
}

/* Both gradients in memory; what is left is for the passes. */
static pare_status make_room(lipschitz *l, const pare_runtime *runtime) {
    uint64_t limit = pare_runtime_limit(runtime), own = 2 * l->elements * sizeof(float);
    l->runtime = runtime ? *runtime : (pare_runtime){0};
    l->runtime.plan = NULL;
    l->runtime.compute = PARE_COMPUTE_FP32; /* bf16 operands would round small changes away */
    if (limit && own >= limit)
        return pare_fail(PARE_OUT_OF_MEMORY,
                         "--lipschitz keeps two gradients of all weights, %llu MiB, and the limit is %llu MiB; give "
                         "more with --memory, or leave it out",
                         (unsigned long long)(own >> 20), (unsigned long long)(limit >> 20));
    if (limit) l->runtime.memory_limit = limit - own;
    PARE_TRY(gradient_new(l->model, l->elements, &l->here));
    return gradient_new(l->model, l->elements, &l->there);
}

static json_t *lipschitz_json(const lipschitz *l) {
    json_t *changes = json_array();
    for (uint32_t k = 0; k < l->draws; k++)
        pare_json_append(changes, pare_json_real(l->distance[k]));
    double size = l->options->lipschitz_size > 0 ? l->options->lipschitz_size : 1e-3;
    return pare_json_of(
        {"assumptions",
         pare_json_string(
             "isotropic noise of the standard deviation that gives as much noise in all as the relative one; "
             "beta estimated from below; ratios are of the iterate after T steps, not of the exact envelope")},
        {"relative_size", pare_json_real(size)}, {"change_norms", changes},
        {"weight_norm", pare_json_real(sqrt(l->weight_squares))}, {"methods", pare_json_same(l->methods)});
}

pare_status pare_robust_lipschitz(const pare_model *model, const pare_robust_options *options,
                                  const pare_runtime *runtime, json_t **out) {
    lipschitz l = {.model = model,
                   .options = options,
                   .elements = count_elements(model),
                   .draws = options->lipschitz_draws ? options->lipschitz_draws : DRAWS,
                   .cache = pare_cache_new(),
                   .methods = json_array()};
    *out = NULL;
    pare_status status = make_room(&l, runtime);
    if (status == PARE_OK) status = move_model(&l);
    if (status == PARE_OK) status = run_methods(&l);
    if (status == PARE_OK) *out = lipschitz_json(&l);
    for (uint32_t k = 0; l.moved && k < l.draws; k++)
        pare_temporary_model_free(&l.moved[k]);
    pare_free(l.moved);
    pare_free(l.distance);
    gradient_free(&l.here);
    gradient_free(&l.there);
    pare_cache_free(l.cache);
    json_decref(l.methods);
    return status;
}
