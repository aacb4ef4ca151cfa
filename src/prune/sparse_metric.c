/* What the loss feels of the outputs of the matrices that are pruned. */
#include "prune/prune_job.h"
#include "support/runtime.h"

/* Gate and up, wider than the hidden state, get diagonals: full matrices would be as large as Down's Gram matrix. Those
 * of queries, keys and values have a block of each head: what couples heads takes most of their room, and is worth next
 * to nothing (docs/measurements.md). */
pare_fisher_choice pare_sparse_metric_choice(const pare_prune_job *job) {
    return (pare_fisher_choice){.wanted = job->sparse.pruned, .widest = job->current->config.hidden, .by_head = true};
}

/* Full matrices, which may lie in a scratch file; and what is always in memory while they are gathered. */
static uint64_t fisher_bytes(const pare_prune_job *job) {
    pare_fisher_choice choice = pare_sparse_metric_choice(job);
    return pare_recipe_feels_outputs(&job->asked->recipe) ? pare_linear_fisher_bytes(job->current, &choice) : 0;
}

static uint64_t fisher_room(const pare_prune_job *job) {
    pare_fisher_choice choice = pare_sparse_metric_choice(job);
    return pare_recipe_feels_outputs(&job->asked->recipe)
               ? pare_linear_fisher_room_bytes(job->current, job->backend, &choice)
               : 0;
}

static bool fisher_in_file(const pare_prune_job *job) {
    return pare_limit_wants_file(pare_runtime_limit(job->runtime), fisher_bytes(job));
}

uint64_t pare_sparse_metric_kept(const pare_prune_job *job) {
    return fisher_in_file(job) ? 0 : fisher_bytes(job);
}

static pare_fisher_request fisher_request(const pare_prune_job *job, const pare_source *source) {
    uint64_t limit = pare_runtime_limit(job->runtime), room = fisher_room(job);
    uint64_t kept = room + pare_sparse_metric_kept(job);
    return (pare_fisher_request){.source = source,
                                 .runtime = job->runtime,
                                 .ids = job->windows.ids,
                                 .sequences = job->plan.shape.sequences,
                                 .length = job->plan.shape.length,
                                 .limit = pare_limit_beside(limit, kept),
                                 .scratch = fisher_in_file(job) ? pare_runtime_scratch(job->runtime) : NULL};
}

pare_status pare_sparse_metric_plan(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_fisher_request request = fisher_request(job, &source);
    pare_plan *plan = &job->plan.sizes;
    pare_pass_memory pass = {0};
    int64_t group;
    if (!pare_recipe_feels_outputs(&job->asked->recipe) || !request.sequences) return PARE_OK;
    pare_fisher_choice choice = pare_sparse_metric_choice(job);
    PARE_TRY(pare_linear_fisher_group(&request, &choice, &group, &pass));
    pare_work work = pare_linear_fisher_work(&request, &choice);
    pare_prune_plan_work(job, "feeling outputs", &work, 1.0);
    plan->metrics = fisher_bytes(job) + fisher_room(job);
    if (fisher_in_file(job)) plan->scratch += fisher_bytes(job);
    pare_prune_plan_pass(job, &pass);
    return PARE_OK;
}

typedef struct feeling {
    pare_fisher_request request;
    pare_fisher_choice choice;
    pare_linear_fisher *out;
} feeling;

static pare_status feel_kept(void *context, const char *state, const char *key) {
    feeling *f = context;
    f->request.state = state;
    f->request.key = key;
    return pare_linear_fisher_run(&f->request, &f->choice, f->out);
}

pare_status pare_sparse_metric(void *context) {
    pare_prune_job *job = context;
    pare_source source = {.model = job->current, .backend = job->backend};
    feeling f = {fisher_request(job, &source), pare_sparse_metric_choice(job), &job->sparse.fisher};
    PARE_TRY(pare_prune_kept(job, "felt-prune", feel_kept, &f));
    job->result.loss = job->sparse.fisher.loss;
    return PARE_OK;
}
