/* Points of a study, each run whole by one rank (support/peer.h), which sends what has come of it. */
#include "model/roles.h"
#include "robust/robust.h"
#include "support/memory.h"
#include "support/peer.h"

#include <string.h>

int pare_robust_owner(const pare_study *study, uint32_t repetition, size_t method, int ranks) {
    return (int)((repetition * study->methods + method) % (size_t)ranks);
}

static pare_status share_seed(const pare_robust_results *r, int owner, pare_robust_seed *seed) {
    pare_robust_seed own = *seed;
    PARE_TRY(pare_peer_broadcast(seed, sizeof *seed, owner));
    seed->heads = own.heads;
    seed->ffn = own.ffn;
    seed->texts = own.texts;
    PARE_TRY(pare_peer_broadcast(seed->heads, r->layers * sizeof *seed->heads, owner));
    PARE_TRY(pare_peer_broadcast(seed->ffn, r->layers * sizeof *seed->ffn, owner));
    return pare_peer_broadcast(seed->texts, r->text_count * sizeof *seed->texts, owner);
}

/* Ranks of one list; on others than the owner they are made here. */
static pare_status share_list(int owner, pare_rank_list *list) {
    PARE_TRY(pare_peer_broadcast(&list->count, sizeof list->count, owner));
    if (owner != pare_peer_rank()) {
        PARE_TRY(pare_alloc(&list->before, list->count, sizeof *list->before, "ranks"));
        PARE_TRY(pare_alloc(&list->after, list->count, sizeof *list->after, "ranks"));
    }
    PARE_TRY(pare_peer_broadcast(list->before, list->count * sizeof *list->before, owner));
    return pare_peer_broadcast(list->after, list->count * sizeof *list->after, owner);
}

static pare_status share_projection(int owner, pare_projection_ranks *projection) {
    pare_role role = 0;
    while (projection->name && strcmp(pare_roles[role].name, projection->name) != 0)
        role++;
    PARE_TRY(pare_peer_broadcast(&role, sizeof role, owner));
    PARE_TRY(pare_peer_broadcast(&projection->layer, sizeof projection->layer, owner));
    PARE_TRY(pare_peer_broadcast(&projection->correlation, sizeof projection->correlation, owner));
    projection->name = pare_roles[role].name;
    return share_list(owner, &projection->list);
}

static pare_status share_ranks(int owner, pare_robust_ranks *ranks) {
    size_t counts[] = {ranks->count, ranks->projection_count};
    PARE_TRY(pare_peer_broadcast(&ranks->groups, sizeof ranks->groups, owner));
    PARE_TRY(pare_peer_broadcast(counts, sizeof counts, owner));
    if (owner != pare_peer_rank()) {
        PARE_TRY(pare_alloc(&ranks->lists, counts[0], sizeof *ranks->lists, "ranks"));
        PARE_TRY(pare_alloc(&ranks->projections, counts[1], sizeof *ranks->projections, "ranks"));
        ranks->count = counts[0];
        ranks->projection_count = counts[1];
    }
    for (size_t i = 0; i < ranks->count; i++)
        PARE_TRY(share_list(owner, &ranks->lists[i]));
    for (size_t i = 0; i < ranks->projection_count; i++)
        PARE_TRY(share_projection(owner, &ranks->projections[i]));
    return PARE_OK;
}

static pare_status share_ratios(const pare_study *study, pare_robust_results *r, size_t change, size_t method) {
    size_t index = change * study->methods + method;
    int ranks = pare_peer_count();
    for (size_t i = 0; i < study->ratios; i++)
        for (uint32_t k = 0; k < study->seeds; k++)
            PARE_TRY(share_seed(r, pare_robust_owner(study, k, method, ranks),
                                &r->comparisons[index * study->ratios + i].seeds[k]));
    return r->ranked ? share_ranks(pare_robust_owner(study, 0, method, ranks), &r->ranks[index]) : PARE_OK;
}

pare_status pare_robust_share(const pare_study *study, pare_robust_results *results) {
    if (pare_peer_count() == 1) return PARE_OK;
    for (size_t change = 0; change < study->change_count; change++)
        for (size_t method = 0; method < study->methods; method++)
            PARE_TRY(share_ratios(study, results, change, method));
    return PARE_OK;
}
