/* Logits of random models against transformers (fp32): rotary scalings, head sizes that hidden / heads is not, shared
 * keys, windows of several attention tiles.
 *
 * The values came from tests/model/reference_logits.py, run on the folders that this test makes (PARE_TEST_KEEP=1 keeps
 * and names them); they belong to the weights that tiny_model.h draws. */
#include "tiny_pass.h"

enum { LENGTH = 300, LOGITS = 4 };

typedef struct reference {
    const char *what;
    tiny_model tiny;
    double loss;           /* mean over all next tokens */
    double logits[LOGITS]; /* the first ones of the last token */
} reference;

#define WIDE .layers = 2, .positions = 512, .vocabulary = 61, .scale = 0.35, .hidden = 32
#define LLAMA3                                                                                                         \
    "\"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "                                           \
    "\"original_max_position_embeddings\": 64"

static const reference references[] = {
    {"head size 6 of hidden 32, 4 heads, 2 key heads",
     {WIDE, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13},
     6.0197477,
     {-1.4779972, 0.1847759, -3.4872372, 1.5245978}},
    {"head size 20, one key head, tied",
     {WIDE, .heads = 2, .kv_heads = 1, .head_size = 20, .tied = true, .seed = 1},
     6.2614188,
     {1.0643872, -1.6121614, -4.4964437, 2.0428565}},
    {"linear scaling, rope_scaling",
     {WIDE, .heads = 4, .seed = 2, .config = "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}}"},
     6.2617941,
     {-0.2697026, 3.4352982, 1.5998394, 1.4308953}},
    {"linear scaling, rope_parameters",
     {WIDE, .heads = 2, .seed = 3,
      .config = "{\"rope_parameters\": {\"rope_type\": \"linear\", \"rope_theta\": 5000.0, \"factor\": 2.5}}"},
     6.1888981,
     {2.2919178, 1.4682895, 1.5257738, 1.5296594}},
    {"llama3 scaling, rope_scaling",
     {WIDE, .heads = 2, .kv_heads = 1, .seed = 4,
      .config = "{\"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", " LLAMA3 "}}"},
     6.0595303,
     {-0.2902612, -1.3672292, 2.3758371, -0.4566843}},
    {"llama3 scaling, rope_parameters",
     {WIDE, .heads = 4, .kv_heads = 2, .head_size = 16, .seed = 5,
      .config = "{\"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 500000.0, " LLAMA3 "}}"},
     6.2677469,
     {-0.5805703, 2.0924747, 1.0254019, 2.2570055}},
};

static void check(const reference *r) {
    tiny_pass t = tiny_pass_open(r->tiny, 1, LENGTH, 1);
    for (uint32_t i = 0; i < LENGTH; i++)
        t.ids[i] = (7 + 13 * i + i * i) % t.model->config.vocabulary;
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_pass_shape shape = {.sequences = 1, .length = LENGTH};
    pare_pass *pass;
    double sum;
    float *logits = malloc(t.model->config.vocabulary * sizeof *logits);
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, t.ids, 1), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, NULL, &sum), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, &source, LENGTH - 1, 1, logits), PARE_OK);
    double worst = fabs(sum / (LENGTH - 1) - r->loss);
    for (int i = 0; i < LOGITS; i++)
        worst = fmax(worst, fabs((double)logits[i] - r->logits[i]));
    print_message("%s: differs by %.2g\n", r->what, worst);
    pare_pass_free(pass);
    free(logits);
    if (getenv("PARE_TEST_KEEP")) {
        print_message("kept %s\n", t.folder);
        t.folder = tiny_folder();
    }
    tiny_pass_close(&t);
    assert_true(worst < 2e-5);
}

static void equal_transformers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        check(&references[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(equal_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
