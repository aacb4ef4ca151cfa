/* Reports of every kind with all that a page shows, of any number of layers, as text that tests parse. */
#ifndef PARE_TESTS_PAGE_DOCUMENTS_H
#define PARE_TESTS_PAGE_DOCUMENTS_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char page_recovery[] =
    "{\"pare\":\"0.1.0\",\"model\":{\"path\":\"dir/small\",\"parameters\":90},"
    "\"settings\":{\"preset\":\"paper\",\"betas\":[0.9,0.999],\"lora\":{\"rank\":8},\"full\":false},"
    "\"data\":{\"file\":\"d/alpaca.json\",\"examples\":1334,\"mixture\":[{\"file\":\"d/"
    "alpaca.json\",\"share\":0.75,\"examples\":1234},"
    "{\"file\":\"d/c4.jsonl\",\"share\":0.25}]},\"trained\":{\"kind\":\"lora\",\"parameters\":9,"
    "\"share\":0.1},\"steps\":3,\"tokens\":30,\"validation\":{\"before\":2.5,\"best\":2.25},"
    "\"curve\":{\"step\":[0,1,2,3],\"loss\":[null,2.5,2.25,2.125],\"validation\":[2.5,null,null,2.25]},"
    "\"texts\":[{\"file\":\"t/wiki.txt\",\"before\":{\"perplexity\":12.5},\"after\":{\"perplexity\":11.25}}],"
    "\"output\":{\"path\":\"healed\",\"load\":\"loads as ever\",\"files\":[\"a\",\"b\"],\"bytes\":1000},"
    "\"seconds\":{\"training\":2.5,\"writing\":0.5},\"memory\":{\"anonymous_peak\":1000000}}";

static const char page_evaluation[] =
    "{\"models\":[{\"model\":\"m/one\",\"compute\":\"bf16\",\"window\":128,\"against\":\"m/dense\","
    "\"parameters\":100,\"texts\":[{\"file\":\"t/wiki.txt\",\"perplexity\":10.5,\"kl\":0.25,\"top1\":0.75,"
    "\"tokens\":10,\"continuations\":{\"repeated_4grams\":0.125,\"ended\":0.5,\"against\":{\"repeated_4grams\":"
    "0.0625,\"ended\":0.75}}}],\"tasks\":[{\"task\":\"boolq\",\"acc\":0.5,\"acc_stderr\":0.1,\"chosen\":\"acc\"}],"
    "\"average\":0.5,\"images\":{\"files\":10,\"top1\":0.9,\"top5\":1.0,\"loss\":0.5,\"agreement\":0.8}},"
    "{\"model\":\"m/two\",\"texts\":[{\"file\":\"t/wiki.txt\",\"perplexity\":null}],\"tasks\":[{\"task\":\"boolq\","
    "\"acc\":0.25,\"acc_stderr\":null,\"acc_norm\":0.3,\"acc_norm_stderr\":0.1,\"chosen\":\"acc_norm\"}]}]}";

static const char page_robustness[] =
    "{\"model\":{\"name\":\"m/one\"},\"seeds\":2,\"comparisons\":[{\"change\":\"bf16\",\"method\":\"taylor\","
    "\"ratio\":0.2,\"summary\":{\"kept\":{\"mean\":0.9,\"sd\":0.05},\"rank_correlation\":{\"mean\":0.8,\"sd\":null},"
    "\"texts\":[{\"perplexity\":{\"mean\":10,\"sd\":1},\"changed\":{\"mean\":11,\"sd\":1},\"difference\":{\"mean\":1,"
    "\"sd\":0.5}}]}},{\"change\":\"bf16\",\"method\":\"best\",\"ratio\":0.2,\"summary\":{\"kept\":{\"mean\":1}}}],"
    "\"ranks\":[{\"change\":\"bf16\",\"method\":\"taylor\",\"units\":{\"blocks\":[{\"ffn\":{\"before\":[0,1,2],"
    "\"after\":[0,2,1]}}]}},{\"change\":\"bf16\",\"method\":\"best\",\"units\":null}]}";

static const char page_sweep[] =
    "{\"sweep\":{\"model\":{\"folder\":\"m/one\"},\"over\":[\"ratio\",\"method\",\"seed\"]},\"command\":\"pare sweep\","
    "\"rows\":[{\"ratio\":0.1,\"method\":\"taylor\",\"seed\":0,\"perplexity before t/w.txt\":9,\"perplexity after "
    "t/w.txt\":10,\"kept_share\":0.9,\"kept_sha256\":\"ab\"},{\"ratio\":0.1,\"method\":\"taylor\",\"seed\":1,"
    "\"perplexity before t/w.txt\":9,\"perplexity after t/w.txt\":12,\"kept_share\":0.9},{\"ratio\":0.2,\"method\":"
    "\"best\",\"seed\":0,\"perplexity before t/w.txt\":9,\"perplexity after t/w.txt\":14,\"kept_share\":0.8}]}";

static const char page_merge[] = "{\"model\":{\"path\":\"m/one\"},\"adapter\":{\"path\":\"a/dapter\"},\"tensors\":"
                                 "{\"all\":10,\"changed\":4},\"output\":{\"path\":\"merged\"},\"seconds\":{\"a\":1}}";

/* Text that grows. */
typedef struct page_text {
    char *text;
    size_t bytes;
    FILE *out;
} page_text;

static inline void page_write_layers(FILE *out, int layers, const char *each) {
    for (int i = 0; i < layers; i++)
        fprintf(out, "%s%s", i ? "," : "", each);
}

static inline void page_write_strips(FILE *out, int layers) {
    for (int i = 0; i < layers; i++)
        fprintf(out, "%s{\"layer\":%d,\"values\":[0,0.5,1.5],\"kept\":[0,0,3],\"removed\":[1,2,0],\"cut\":1}",
                i ? "," : "", i);
}

static inline void page_write_matrices(FILE *out, int layers) {
    for (int i = 0; i < layers; i++)
        fprintf(out,
                "%s{\"name\":\"model.layers.%d.mlp.up_proj.weight\",\"sparsity\":0.%d,\"error\":{\"dense_output\":10,"
                "\"mask\":2,\"refined\":null,\"written\":1,\"relative\":0.1}}",
                i ? "," : "", i, i % 7 + 1);
}

static inline json_t *page_parse(const char *text) {
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json) fprintf(stderr, "line %d, column %d: %s\n", error.line, error.column, error.text);
    return json;
}

/* A pruning of units; sparse: of single weights. */
static inline json_t *page_pruning(int layers, int sparse) {
    page_text t = {0};
    t.out = open_memstream(&t.text, &t.bytes);
    fputs("{\"pare\":\"0.1.0\",\"method\":\"best\",\"recipe\":{\"mode\":\"block\",\"choose\":\"obs\",\"compensate\":"
          "\"ls\",\"fraction\":0.0625},\"seed\":7,\"model\":{\"name\":\"m/one\",\"parameters\":1000000,\"bytes\":"
          "2000000,\"hidden\":64,\"layers\":[",
          t.out);
    page_write_layers(t.out, layers, "{\"query_heads\":4,\"kv_heads\":2,\"ffn\":3,\"experts\":3}");
    fputs("]},\"output\":{\"path\":\"o/smaller\",\"load\":\"loads as any LLaMA\",\"files\":[\"config.json\"],\"bytes\":"
          "1500000},\"calibration\":{\"source\":\"t/calib.txt\",\"sequences\":8,\"length\":128},\"parameters\":"
          "{\"before\":1000000,\"after\":750000},\"bytes\":{\"before\":2000000,\"after\":1500000},\"layers\":[",
          t.out);
    page_write_layers(t.out, layers,
                      "{\"kv_heads_kept\":[0],\"query_heads_kept\":[0,1],\"ffn_channels_kept\":[0,2],"
                      "\"experts_kept\":[1,2]}");
    fputs("],\"experts\":{\"chosen\":1,\"layers\":[", t.out);
    page_write_layers(t.out, layers,
                      "{\"layer\":0,\"tokens_before\":[3,2,1],\"tokens_after\":[null,4,2],\"unreached\":[],"
                      "\"rerouted\":0.5}");
    fputs("]},\"scores\":{\"ffn\":[", t.out);
    page_write_strips(t.out, layers);
    fputs("]},\"trace\":[{\"step\":1,\"loss\":2.5},{\"step\":2,\"loss\":2.4,\"left\":0.8,\"rank_correlation\":0.9}],"
          "\"repair\":[",
          t.out);
    page_write_layers(t.out, layers,
                      "{\"attention\":{\"error\":{\"before\":20,\"after\":10}},\"ffn\":{\"error\":{\"before\":30,"
                      "\"after\":3},\"curve\":{\"units\":3,\"removed\":[1,2],\"error\":[0.5,1.5]}}}");
    fputs("],\"texts\":[{\"file\":\"t/wiki.txt\",\"windows\":3,\"before\":{\"perplexity\":10.5,\"nll\":2.3},\"after\":"
          "{\"perplexity\":12.25},\"recovered\":{\"perplexity\":11.5}}],\"seconds\":{\"scoring\":1.5,\"repairing\":2},"
          "\"warnings\":[\"mind the gap\"],\"memory\":{\"anonymous_peak\":5000000,\"plan\":{\"activations\":3000000,"
          "\"limit\":9000000}},\"images\":{\"file\":\"d/"
          "digits\",\"before\":{\"top1\":0.97},\"after\":{\"top1\":0.96,\"agreement\":0.95}},"
          "\"command\":\"pare prune m/one -o o/smaller\",\"training\":{\"losses\":[{\"step\":1,\"loss\":3}],\"ratios\":"
          "[{\"step\":1,\"ratio\":0.1}]},\"recovery\":",
          t.out);
    fputs(page_recovery, t.out);
    if (sparse) {
        fputs(",\"sparsity\":{\"share\":0.5,\"removed\":400000,\"matrices\":[", t.out);
        page_write_matrices(t.out, layers);
        fputs("]}", t.out);
    }
    fputs("}", t.out);
    fclose(t.out);
    json_t *json = page_parse(t.text);
    free(t.text);
    return json;
}

enum { PAGE_KINDS = 7 };

/* One of each kind. */
static inline json_t *page_document(int kind) {
    static const char *const texts[] = {page_recovery, page_evaluation, page_robustness, page_sweep, page_merge};
    return kind < 2 ? page_pruning(3, kind) : page_parse(texts[kind - 2]);
}

#endif
