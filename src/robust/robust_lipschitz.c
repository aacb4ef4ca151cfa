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
#include "model/gradient_sink.h"
#include "robust/robust.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SMOOTH_DRAWS = 10 };

typedef struct gradient {
    float *data, **of; /* [tensor_count] into data */
} gradient;

typedef struct lipschitz {
    const pare_model *model;
    const pare_study *study;
    pare_runtime runtime; /* with a limit that leaves room for the gradients */
    pare_cache *cache;
    uint64_t elements;
    pare_temporary_model *moved; /* [draws] of the study */
    double weight_squares;
    gradient here, there;
    double *norm;             /* [methods] the largest that was seen of a plain gradient */
    double beta, plain_ratio; /* of the plain gradient: the largest norm, the largest ratio */
    pare_lipschitz_results *results;
} lipschitz;

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

static pare_status store_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                              const float *values, const float *squares) {
    (void)squares;
    const gradient *g = context;
    memcpy(g->of[id] + first * columns, values, (size_t)(rows * columns) * sizeof *values);
    return PARE_OK;
}

static pare_status moreau_gradient(const pare_prune_job *job, pare_pass *pass, pare_source *source, gradient *out) {
    const pare_moreau *moreau = &job->asked->recipe.moreau;
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
        .model = model, .backend = job->backend, .perturbed = job->plan.displaced, .seed = job->asked->seed};
    pare_gradient_sink sink = {.wants = pare_gradient_all, .rows = store_rows, .context = out};
    int32_t steps = job->asked->recipe.moreau.steps;
    pare_smooth smooth = {.draws = steps < SMOOTH_DRAWS ? steps : SMOOTH_DRAWS,
                          .sigma = job->asked->recipe.moreau.sigma};
    double loss;
    pare_pass_shape shape = job->plan.shape;
    shape.keep = PARE_KEPT_NONE; /* whole gradients are beside it */
    PARE_TRY(pare_pass_new(model, job->backend, &shape, &pass));
    pare_status status;
    if (pare_signal_has(job->asked->recipe.signal, PARE_TRAIT_STEPS))
        status = moreau_gradient(job, pass, &source, out);
    else if (pare_signal_has(job->asked->recipe.signal, PARE_TRAIT_PLAIN))
        status = pare_pass_gradient(pass, &source, job->windows.ids, &sink, &loss);
    else
        status = pare_smoothed_gradient_run(pass, &source, job->windows.ids, &smooth,
                                            !pare_signal_has(job->asked->recipe.signal, PARE_TRAIT_ABSOLUTES),
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
            pare_tensor_values(x, at, n, a);
            pare_tensor_values(y, at, n, b);
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
    PARE_TRY(pare_alloc(&l->moved, l->study->draws, sizeof *l->moved, "changed models"));
    for (uint32_t k = 0; k < l->study->draws; k++) {
        pare_perturbation how = {
            .kind = PARE_PERTURB_NOISE, .epsilon = l->study->size, .seed = l->study->seed + 7919u * (k + 1u)};
        PARE_TRY(pare_perturbed_model_new(l->model, &how, NULL, &l->runtime, &l->moved[k]));
        measure_change(l, l->moved[k].model, &l->results->change_norms[k]);
    }
    return PARE_OK;
}

static pare_lipschitz_bound bound_of(const char *from, double beta, double rho, double s) {
    double room = s - rho * beta;
    return (pare_lipschitz_bound){.beta_from = from,
                                  .beta = beta,
                                  .rho_below = beta > 0 ? s / beta : 0.0,
                                  .applies = rho > 0 && rho * beta < s,
                                  .bound = s / fmin(s * rho, room),
                                  .bound_of_proof = fmax(1.0 / rho, beta / room)};
}

static void add_bounds(const lipschitz *l, const pare_recipe *recipe, pare_lipschitz_method *out) {
    out->bounded = pare_signal_has(recipe->signal, PARE_TRAIT_STEPS) && recipe->moreau.prox != PARE_PROX_RELEASED;
    double s = recipe->moreau.sigma * sqrt(l->weight_squares / (double)l->elements);
    if (!out->bounded) return;
    out->rho = recipe->moreau.rho;
    out->isotropic_sigma = s;
    out->bounds[0] = bound_of("gradient norm", l->beta, recipe->moreau.rho, s);
    out->bounds[1] = bound_of("gradient ratio", s * l->plain_ratio, recipe->moreau.rho, s);
}

static bool is_plain(const pare_job *job) {
    return pare_signal_has(job->recipe.signal, PARE_TRAIT_PLAIN);
}

static bool has_gradient(const pare_job *job) {
    return pare_signal_has(job->recipe.signal, PARE_TRAIT_PLAIN | PARE_TRAIT_STEPS | PARE_TRAIT_NOISE);
}

static pare_status run_draws(lipschitz *l, const pare_prune_job *job, pare_lipschitz_method *out, double *largest) {
    for (uint32_t k = 0; k < l->study->draws; k++) {
        PARE_TRY(gradient_of(job, l->moved[k].model, &l->there));
        out->ratios[k] = norm(l->there.data, l->here.data, l->elements) / l->results->change_norms[k];
        out->largest = fmax(out->largest, out->ratios[k]);
        if (is_plain(job->asked)) *largest = fmax(*largest, norm(l->there.data, NULL, l->elements));
    }
    return PARE_OK;
}

static pare_status measure(lipschitz *l, const pare_prune_job *job, pare_lipschitz_method *out, double *largest) {
    PARE_TRY(gradient_of(job, l->model, &l->here));
    out->gradient_norm = norm(l->here.data, NULL, l->elements);
    *largest = out->gradient_norm;
    PARE_TRY(run_draws(l, job, out, largest));
    /* free of the gradient's scale, which T gamma / rho sets while an iteration is short */
    out->relative = out->gradient_norm > 0 ? out->largest * sqrt(l->weight_squares) / out->gradient_norm : NAN;
    return PARE_OK;
}

static pare_status run_method(lipschitz *l, const pare_job *asked, uint32_t index) {
    pare_job cached = *asked;
    pare_prune_job job;
    cached.cache = l->cache;
    pare_status status = pare_prune_begin(l->model, &cached, &l->runtime, &job);
    if (status == PARE_OK) status = pare_prune_calibrate(&job);
    if (status == PARE_OK) status = measure(l, &job, &l->results->methods[index], &l->norm[index]);
    pare_prune_end(&job);
    return status;
}

/* Each by one rank (support/peer.h). */
static pare_status run_own(lipschitz *l, uint32_t ranks, uint32_t rank) {
    uint32_t index = 0;
    for (size_t i = 0; i < l->study->gradient_count; i++) {
        if (!has_gradient(&l->study->gradients[i])) continue;
        if (index % ranks == rank) PARE_TRY(run_method(l, &l->study->gradients[i], index));
        index++;
    }
    return PARE_OK;
}

static pare_status share(lipschitz *l, int owner, uint32_t index) {
    pare_lipschitz_method *m = &l->results->methods[index];
    double values[] = {m->gradient_norm, m->largest, m->relative, l->norm[index]};
    PARE_TRY(pare_peer_broadcast(values, sizeof values, owner));
    m->gradient_norm = values[0];
    m->largest = values[1];
    m->relative = values[2];
    l->norm[index] = values[3];
    return pare_peer_broadcast(m->ratios, l->study->draws * sizeof *m->ratios, owner);
}

/* The plain gradient comes first, which the bounds of the others need. */
static void bound_all(lipschitz *l) {
    uint32_t index = 0;
    for (size_t i = 0; i < l->study->gradient_count; i++) {
        const pare_job *asked = &l->study->gradients[i];
        if (!has_gradient(asked)) continue;
        pare_lipschitz_method *m = &l->results->methods[index];
        if (is_plain(asked)) l->beta = fmax(l->beta, l->norm[index]);
        if (is_plain(asked)) l->plain_ratio = fmax(l->plain_ratio, m->largest);
        add_bounds(l, &asked->recipe, m);
        index++;
    }
}

static pare_status run_methods(lipschitz *l) {
    uint32_t ranks = (uint32_t)pare_peer_count(), rank = (uint32_t)pare_peer_rank();
    pare_peer_set_apart(true);
    pare_status status = run_own(l, ranks, rank);
    pare_peer_set_apart(false);
    PARE_TRY(status);
    for (uint32_t i = 0; i < l->results->count; i++)
        PARE_TRY(share(l, (int)(i % ranks), i));
    bound_all(l);
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

static pare_status make_results(lipschitz *l) {
    pare_lipschitz_results *r = l->results;
    r->relative_size = l->study->size;
    r->draws = l->study->draws;
    PARE_TRY(pare_alloc(&r->methods, l->study->gradient_count, sizeof *r->methods, "results"));
    PARE_TRY(pare_alloc(&l->norm, l->study->gradient_count, sizeof *l->norm, "results"));
    for (size_t i = 0; i < l->study->gradient_count; i++) {
        if (!has_gradient(&l->study->gradients[i])) continue;
        pare_lipschitz_method *m = &r->methods[r->count++];
        m->name = l->study->gradients[i].recipe.name;
        PARE_TRY(pare_alloc(&m->ratios, l->study->draws, sizeof *m->ratios, "ratios of gradients"));
    }
    return pare_alloc(&r->change_norms, l->study->draws, sizeof *r->change_norms, "changed models");
}

pare_status pare_robust_lipschitz(const pare_model *model, const pare_study *study, const pare_runtime *runtime,
                                  pare_lipschitz_results *out) {
    lipschitz l = {.model = model,
                   .study = study,
                   .elements = pare_model_parameters(model),
                   .cache = pare_cache_new(),
                   .results = out};
    *out = (pare_lipschitz_results){0};
    pare_status status = make_results(&l);
    if (status == PARE_OK) status = make_room(&l, runtime);
    if (status == PARE_OK) status = move_model(&l);
    if (status == PARE_OK) status = run_methods(&l);
    out->weight_norm = sqrt(l.weight_squares);
    for (uint32_t k = 0; l.moved && k < study->draws; k++)
        pare_temporary_model_free(&l.moved[k]);
    pare_free(l.moved);
    pare_free(l.norm);
    gradient_free(&l.here);
    gradient_free(&l.there);
    pare_cache_free(l.cache);
    return status;
}
