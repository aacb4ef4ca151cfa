#include "prune/prune_job.h"

void pare_sparse_count(const pare_prune_job *job, uint64_t *gone, uint64_t *all) {
    pare_matrices_count(job->model, job->sparse.results, gone, all);
}

json_t *pare_sparse_json(const pare_prune_job *job) {
    const pare_sparsity *s = &job->asked->target.sparsity;
    pare_residual_results residual = pare_sparse_residual_results(job);
    pare_sparsity_results results = {.model = job->model,
                                     .matrices = job->sparse.results,
                                     .keep = s->keep,
                                     .of = s->of,
                                     .share = s->share,
                                     .shares = s->shares,
                                     .share_count = s->share_count,
                                     .permutation = job->sparse.permutation,
                                     .residual = job->sparse.residual ? &residual : NULL};
    return pare_report_sparsity(&results);
}

json_t *pare_sparse_densities(const pare_prune_job *job) {
    return pare_report_densities(job->model, job->sparse.results);
}
