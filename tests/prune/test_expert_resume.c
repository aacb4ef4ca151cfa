/* Walks layer by layer over models with experts, with --resume: what was done inside experts is taken up with the
 * layers that were finished, to the same bytes. */
#include "family_place.h"
#include "prune/resume_run.h"

typedef struct walk_case {
    const char *name, *method, *file; /* that is there when a walk is under way */
    uint64_t stride;
    const char *steps; /* of a reconstruction; NULL: none */
} walk_case;

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), json_null());
}

/* Half of what the method removes, without heads, beside a run that never stopped. */
static resume_scene scene_of(const place *p, const char *method, const pare_setting *settings, size_t count) {
    resume_scene s = {.run = {.folder = p->folder,
                              .model_folder = p->m.folder,
                              .ids = p->ids,
                              .output = p->output,
                              .scores = p->scores,
                              .model = p->m.model,
                              .options = PARE_PRUNE_OPTIONS_INIT,
                              .runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32}}};
    s.progress = pare_path_join(p->folder, "output.progress");
    s.run.options.output = p->output;
    s.run.options.force = true;
    s.run.options.calibration = calibration_on(p);
    s.run.options.settings = settings;
    s.run.options.setting_count = count;
    prune_run_method(&s.run, method);
    if (s.run.options.ratio > 0.0) s.run.options.attention = (pare_layers){.given = true};
    prune_run_do(&s.run);
    prune_run_digest(s.run.output, s.expected);
    tiny_remove(s.run.output);
    s.run.options.resume = true;
    return s;
}

static void finished_experts_are_taken_up(void **state) {
    static const walk_case cases[] = {
        {"mixtral", "obs", "walk-repair.1", 7},
        {"granitemoe", "obs", "walk-repair.1", 9},
        {"qwen2_moe", "best", "walk-repair.1", 13},
        {"mixtral", "sparsegpt", "walk-prune.1", 41},
        {"qwen3_moe", "wanda-structured", "passes.state", 2},
        {"granitemoe", "magnitude-l2", "reconstructed.0", 5, "4"},
        {"deepseek_v3", "magnitude-l2", "reconstructed.1", 7, "3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p = place_open(*state, cases[i].name);
        const pare_setting steps = {"reconstruct", cases[i].steps};
        resume_scene s = scene_of(&p, cases[i].method, &steps, cases[i].steps ? 1 : 0);
        if (!resume_stop_again_and_again(&s, cases[i].file, cases[i].stride))
            fail_msg("%s kept nothing", cases[i].method);
        free(s.progress);
        place_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finished_experts_are_taken_up)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
