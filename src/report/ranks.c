#include "report/ranks.h"
#include "support/json_build.h"

json_t *pare_report_ranks(const pare_rank_cost *ranks, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        pare_json_append(
            list, pare_json_of({"rank", pare_json_count((uint64_t)i)}, {"host", pare_json_name(ranks[i].host)},
                               {"waited", pare_json_real(ranks[i].waited)}, {"sent", pare_json_count(ranks[i].sent)}));
    return list;
}
