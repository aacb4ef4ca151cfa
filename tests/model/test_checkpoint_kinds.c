/* Logits of checkpoints whose config.json or tensors can be read in two ways, against transformers 5 (fp32).
 *
 * The values came from tests/oracle/checkpoint_kinds.py, run on the folders that this test makes (PARE_TEST_KEEP=1
 * keeps and names them); they belong to the weights that tiny_model.h draws. */
#include "tiny_pass.h"
#include "tiny_variants.h"

enum { LENGTH = 48, LOGITS = 4, VOCABULARY = 61, HIDDEN = 32 };

typedef enum change { CHANGE_NONE, CHANGE_HEAD_EQUAL, CHANGE_HEAD_APART, CHANGE_HEAD_ALONE } change;

typedef struct reference {
    const char *what;
    tiny_model tiny;
    change change;
    double loss;           /* mean over all next tokens */
    double logits[LOGITS]; /* the first ones of the last token */
} reference;

#define WIDE .layers = 2, .positions = 512, .vocabulary = VOCABULARY, .scale = 0.35, .hidden = HIDDEN, .heads = 4
#define LLAMA3 "\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0"
#define MISTRAL "\"model_type\": \"mistral\", \"architectures\": [\"MistralForCausalLM\"]"

static const reference references[] = {
    {"dynamic within its positions",
     {WIDE, .seed = 20, .config = "{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4.0}}"},
     CHANGE_NONE,
     6.1877264,
     {-0.6941583, 1.2544371, -1.4237156, 3.4088600}},
    {"rope_scaling beside rope_parameters",
     {WIDE, .seed = 21,
      .config = "{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2.0}, \"rope_parameters\": {\"rope_type\": "
                "\"default\", \"rope_theta\": 10000.0}}"},
     CHANGE_NONE,
     5.9186278,
     {1.2657216, 0.9965038, 0.0519543, -0.2526023}},
    {"an empty rope_scaling beside rope_parameters",
     {WIDE, .seed = 22,
      .config = "{\"rope_scaling\": {}, \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2.0, "
                "\"rope_theta\": 5000.0}}"},
     CHANGE_NONE,
     5.6628571,
     {-6.0838208, -1.6425735, -1.3177091, -1.8801576}},
    {"theta in rope_scaling and beside it",
     {WIDE, .seed = 23,
      .config = "{\"rope_theta\": 20000.0, \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2.0, "
                "\"rope_theta\": 500.0}}"},
     CHANGE_NONE,
     6.0053391,
     {-0.7083401, -2.7728181, -0.5139018, 0.1133395}},
    {"theta in rope_parameters and beside it",
     {WIDE, .seed = 24,
      .config = "{\"rope_theta\": 20000.0, \"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 500.0}}"},
     CHANGE_NONE,
     6.7170513,
     {0.1141594, 1.7696627, -1.2337121, -2.4111114}},
    {"original positions one level up",
     {WIDE, .seed = 25, .config = "{\"rope_scaling\": {" LLAMA3 "}, \"original_max_position_embeddings\": 16}"},
     CHANGE_NONE,
     6.1126801,
     {-2.0996211, -0.5514266, -0.0407793, -0.7572823}},
    {"original positions on both levels",
     {WIDE, .seed = 26,
      .config = "{\"rope_scaling\": {" LLAMA3
                ", \"original_max_position_embeddings\": 64}, \"original_max_position_embeddings\": 16}"},
     CHANGE_NONE,
     6.4575889,
     {1.1625310, -0.7350032, 2.0321162, 3.8848774}},
    {"no original positions",
     {WIDE, .seed = 27, .config = "{\"rope_scaling\": {" LLAMA3 "}}"},
     CHANGE_NONE,
     6.1536929,
     {-1.4242430, 2.7970052, -4.4997516, -2.3223867}},
    {"partial_rotary_factor, which the class ignores",
     {WIDE, .seed = 28, .config = "{\"partial_rotary_factor\": 0.5}"},
     CHANGE_NONE,
     5.9626247,
     {1.0085115, -1.1290128, 4.4855070, 1.1637276}},
    {"a window, which the class ignores",
     {WIDE, .seed = 29,
      .config = "{\"sliding_window\": 8, \"layer_types\": [\"sliding_attention\", \"sliding_attention\"]}"},
     CHANGE_NONE,
     6.3032363,
     {0.9117327, -2.5520813, -1.4651921, -3.5802600}},
    {"swish",
     {WIDE, .seed = 30, .config = "{\"hidden_act\": \"swish\"}"},
     CHANGE_NONE,
     6.2594416,
     {-1.4231923, 1.4401933, -1.4362029, -2.3471880}},
    {"end tokens beyond the vocabulary",
     {WIDE, .seed = 31, .config = "{\"eos_token_id\": [500, 3], \"bos_token_id\": 61, \"pad_token_id\": -1}"},
     CHANGE_NONE,
     5.8046310,
     {1.3044611, 0.3663640, 0.7637802, -3.1518376}},
    {"an empty rope_parameters",
     {WIDE, .seed = 32, .config = "{\"rope_parameters\": {}, \"rope_theta\": 700.0}"},
     CHANGE_NONE,
     5.3197286,
     {-3.8374403, 2.6150436, 0.0949655, -1.9184371}},
    {"a Mistral whose window is wide enough",
     {WIDE, .seed = 33, .config = "{" MISTRAL ", \"sliding_window\": 48}"},
     CHANGE_NONE,
     6.4370219,
     {3.2636755, 0.0002583, -1.0984702, 3.5550745}},
    {"a Mistral of defaults",
     {WIDE, .seed = 34, .config = "{" MISTRAL ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 3}}"},
     CHANGE_NONE,
     5.3997186,
     {0.8780696, -1.5298294, -1.1527277, 0.8997226}},
    {"a Mistral with biases in its file, which the class ignores",
     {WIDE, .seed = 35, .config = "{" MISTRAL ", \"attention_bias\": true, \"sliding_window\": null}"},
     CHANGE_NONE,
     6.4592920,
     {2.3241630, 3.5914514, 0.5341755, -1.8877113}},
    {"tied, with its head stored, too",
     {WIDE, .seed = 36, .tied = true},
     CHANGE_HEAD_EQUAL,
     6.8272873,
     {-1.0307736, -3.9967608, 0.2354527, -1.7955897}},
    {"tied by its config, with another head",
     {WIDE, .seed = 37, .tied = true},
     CHANGE_HEAD_APART,
     5.6867719,
     {0.0871841, 2.2448287, 0.8686433, -2.3329687}},
    {"tied, stored as the head alone",
     {WIDE, .seed = 38, .tied = true},
     CHANGE_HEAD_ALONE,
     6.1089778,
     {1.6694015, 1.5677891, -0.9624423, 0.7107982}},
};

static void make_change(const char *folder, change what) {
    if (what == CHANGE_HEAD_EQUAL) tiny_store_head(folder, VOCABULARY, HIDDEN, 0.0f);
    if (what == CHANGE_HEAD_APART) tiny_store_head(folder, VOCABULARY, HIDDEN, 0.125f);
    if (what == CHANGE_HEAD_ALONE) tiny_rename(folder, "model.embed_tokens.weight", "lm_head.weight");
}

static double differs(const pare_model *model, const reference *r) {
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    uint32_t ids[LENGTH];
    for (uint32_t i = 0; i < LENGTH; i++)
        ids[i] = (7 + 13 * i + i * i) % model->config.vocabulary;
    pare_source source = {.model = model, .backend = backend};
    pare_pass_shape shape = {.sequences = 1, .length = LENGTH};
    pare_pass *pass;
    double sum;
    float logits[VOCABULARY];
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, ids, 1), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, NULL, &sum), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, &source, LENGTH - 1, 1, logits), PARE_OK);
    pare_pass_free(pass);
    pare_backend_close(backend);
    double worst = fabs(sum / (LENGTH - 1) - r->loss);
    for (int i = 0; i < LOGITS; i++)
        worst = fmax(worst, fabs((double)logits[i] - r->logits[i]));
    return worst;
}

static void check(const reference *r) {
    char *folder = tiny_model_write(r->tiny);
    pare_model *model;
    make_change(folder, r->change);
    if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s: %s", r->what, pare_message());
    double worst = differs(model, r);
    print_message("%s: differs by %.2g\n", r->what, worst);
    pare_model_close(model);
    if (getenv("PARE_TEST_KEEP"))
        print_message("kept %s\n", folder);
    else
        tiny_remove(folder);
    free(folder);
    /* transformers has the angles in fp32, pare in fp64; another reading of a file differs by 0.01 and more. */
    if (!getenv("PARE_TEST_KEEP")) assert_true(worst < 5e-5);
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
