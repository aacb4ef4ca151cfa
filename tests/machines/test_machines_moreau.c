/* pare prune by Moreau gradients under mpirun, where each rank has some rows of the displacement: the model and the
 * state file of one process, to the last byte, and a share of the memory. */
#include "family_ranks.h"

#include <jansson.h>

#define LLAMA(state, ranks, samples, ...) SAME(*(state), "llama", false, ranks, samples, __VA_ARGS__)

/* All draws, the sample of the threshold, and the mean of the tail; with two shards the last of three ranks sees no
 * token, with one all ranks see all. */
static void test_variants(void **state) {
    if (!ranks_there()) skip();
    LLAMA(state, "3", "86", "moreau-gs", "--ratio", "0.3", "--steps", "2", "--draws", "2", "--eta", "q0.3");
    LLAMA(state, "2", "20", "moreau-l1", "--ratio", "0.3", "--steps", "2", "--eta", "q0.3", "--tail", "2");
}

/* Inside experts, and of latents; and where experts are scored as one. */
static void test_experts(void **state) {
    if (!ranks_there()) skip();
    SAME(*state, "deepseek_v2", true, "2", "86", "moreau-gs", "--steps", "2", "--attention-layers", "none", "--ratio",
         "0.3", "--compute", "fp32");
    SAME(*state, "mixtral", true, "3", "86", "moreau", "--steps", "2", "--mode", "channel", "--ratio", "0.3");
}

/* Where a folder stands in the way of the walk behind it, the state after the last step is left. */
static bytes state_left(const place *p, const char *folder, const char *ids, const char *ranks,
                        const char *const *words) {
    const char *command[PROGRAM_WORDS], *output = p->output[ranks != NULL];
    char beside[300], progress[300], obstacle[340], inside[350], kept[340];
    struct stat file;
    snprintf(progress, sizeof progress, "%s.progress", output);
    ranks_join(obstacle, sizeof obstacle, progress, "walk-repair.1.new");
    ranks_join(inside, sizeof inside, obstacle, "x");
    ranks_join(kept, sizeof kept, progress, "moreau.state");
    tiny_remove(output);
    assert_int_equal(mkdir(progress, 0700) | mkdir(obstacle, 0700) | mkdir(inside, 0700), 0);
    family_command(p, folder, ids, ranks != NULL, beside, words, command);
    program_result stopped =
        ranks ? ranks_run((const char *const[]){"-n", ranks, NULL}, command) : program_run(command + 1);
    assert_int_not_equal(stopped.code, 0);
    ranks_expect_said(stopped.err, "walk-repair.1.new");
    program_result_free(&stopped);
    tiny_remove(obstacle);
    assert_int_equal(stat(kept, &file), 0);
    return (bytes){ranks_file(kept), (size_t)file.st_size};
}

/* Rows that each rank has come to the file of one process, and from there to other ranks. */
static void test_kept(void **state) {
    const all *a = *state;
    const char *const words[] = {"--samples",    "86", "--length", "48",  "--method",   "moreau-gs-released",
                                 "--steps",      "3",  "--ratio",  "0.3", "--displace", "scored",
                                 "--compensate", "ls", "--resume", NULL};
    char ids[300], *folder;
    if (!ranks_there()) skip();
    folder = family_folder(a, "llama", false, ids);
    bytes alone = state_left(a->place, folder, ids, NULL, words), other = state_left(a->place, folder, ids, "3", words);
    assert_int_equal(alone.count, other.count);
    assert_memory_equal(alone.data, other.data, alone.count);
    prune(a->place, folder, ids, NULL, words);
    prune(a->place, folder, ids, "2", words);
    expect_same_outputs(a->place, "taken up");
    free(alone.data);
    free(other.data);
    tiny_remove(folder);
    free(folder);
}

/* The anonymous memory of the first rank, and what the plan says of the state. */
static void memory_of(const place *p, const char *ranks, json_int_t *peak, json_int_t *planned) {
    static const char *const words[] = {"--method",
                                        "moreau",
                                        "--steps",
                                        "2",
                                        "--draws",
                                        "2",
                                        "--tail",
                                        "2",
                                        "--ratio",
                                        "0.3",
                                        "--samples",
                                        "8",
                                        "--keep-activations",
                                        "no",
                                        NULL};
    const char *command[PROGRAM_WORDS];
    command_of(p, words, ranks != NULL, command);
    program_result result =
        ranks ? ranks_run((const char *const[]){"-n", ranks, NULL}, command) : program_run(command + 1);
    if (result.code) fail_msg("%s", result.err);
    json_t *document = json_loads(result.out, 0, NULL), *memory = json_object_get(document, "memory");
    *peak = json_integer_value(json_object_get(memory, "anonymous_peak"));
    *planned = json_integer_value(json_object_get(json_object_get(memory, "plan"), "state"));
    assert_true(*peak > 0 && *planned > 0);
    json_decref(document);
    program_result_free(&result);
}

/* Three copies of 1.3 million numbers, 15.0 MiB, or a half of that and a window of 0.75 MiB; MPI's own 3 MiB come on
 * top, and what each rank computes is the same, as there is one shard. */
static void test_share(void **state) {
    const place *p = ((const all *)*state)->place;
    json_int_t peak[2], planned[2];
    if (!ranks_there()) skip();
    memory_of(p, NULL, &peak[0], &planned[0]);
    memory_of(p, "2", &peak[1], &planned[1]);
    assert_true(2 * planned[1] >= planned[0] && 2 * planned[1] < planned[0] + 2 * (1 << 20));
    if (peak[0] - peak[1] < 2 << 20) fail_msg("%lld and %lld bytes", (long long)peak[0], (long long)peak[1]);
    expect_same_outputs(p, "shares");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_variants), cmocka_unit_test(test_experts),
                                       cmocka_unit_test(test_kept), cmocka_unit_test(test_share)};
    return cmocka_run_group_tests(tests, set_up_families, tear_down_families);
}
