/* pare prune under mpirun, by signals that are no gradients, without calibration text, in rounds, without layers and
 * beside other outputs: the model of one process, to the last byte. */
#include "family_ranks.h"

#define LLAMA(state, ranks, ...) SAME(*(state), "llama", false, ranks, __VA_ARGS__)

static void test_inputs(void **state) {
    if (!ranks_there()) skip();
    LLAMA(state, "2", "172", "flap", "--ratio", "0.3", "--iterations", "2");
    SAME(*state, "olmoe", true, "2", "172", "wanda-structured", "--ratio", "0.3", "--attention-layers", "none");
}

/* With two shards the last of three ranks sees no token. */
static void test_layers(void **state) {
    if (!ranks_there()) skip();
    LLAMA(state, "3", "86", "layer-removal", "--ratio", "0.4");
    LLAMA(state, "2", "172", "layer-influence", "--ratio", "0.4");
}

/* In the end the first rank alone measures what was written. */
static void test_beside(void **state) {
    const place *p = ((const all *)*state)->place;
    char *file[2], path[300];
    struct stat size[2];
    if (!ranks_there()) skip();
    LLAMA(state, "2", "172", "wanda", "--pattern", "2:4", "--permute", "allocate", "--drop-layers", "0", "--imatrix",
          BESIDE);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s.beside", p->output[i]);
        assert_int_equal(stat(path, &size[i]), 0);
        file[i] = ranks_file(path);
    }
    assert_int_equal(size[0].st_size, size[1].st_size);
    assert_memory_equal(file[0], file[1], (size_t)size[0].st_size);
    free(file[0]);
    free(file[1]);
}

/* Drawn sequences go from the rank that has them to all. */
static void test_regions(void **state) {
    if (!ranks_there()) skip();
    LLAMA(state, "3", "172", "wanda++", "--sparsity", "0.5", "--region-rounds", "2");
}

static void test_training(void **state) {
    if (!ranks_there()) skip();
    expect_same(*state, "llama", false, "2",
                (const char *const[]){"--samples", "172", "--method", "loraprune", "--ratio", "0.3", "--train-steps",
                                      "4", "--train-batch", "172", "--prune-every", "2", NULL});
}

/* Gates that one process has begun to train, and two ranks go on with. */
static void test_taken_up(void **state) {
    const place *p = ((const all *)*state)->place;
    const char *const words[] = {"--samples",    "172", "--length",     "48", "--method", "gates", "--ratio", "0.3",
                                 "--gate-steps", "20",  "--gate-batch", "86", "--resume", NULL};
    const char *command[PROGRAM_WORDS];
    char ids[300], beside[300], kept[400], *folder;
    if (!ranks_there()) skip();
    folder = family_folder(*state, "llama", false, ids);
    tiny_remove(p->output[1]);
    snprintf(kept, sizeof kept, "%s.progress/training.state", p->output[1]);
    family_command(p, folder, ids, 1, beside, words, command);
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    pid_t child = program_start(command + 1, fileno(out), fileno(err), NULL);
    for (int look = 0; access(kept, F_OK) != 0 && look < 60000; look++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_not_equal(program_wait(child, PROGRAM_SECONDS), 0);
    assert_int_equal(access(kept, F_OK), 0);
    fclose(out);
    fclose(err);
    prune(p, folder, ids, "2", words);
    assert_int_equal(access(kept, F_OK), -1);
    prune(p, folder, ids, NULL, words);
    expect_same_outputs(p, "gates");
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inputs),   cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_beside),   cmocka_unit_test(test_regions),
                                       cmocka_unit_test(test_training), cmocka_unit_test(test_taken_up)};
    return cmocka_run_group_tests(tests, set_up_families, tear_down_families);
}
