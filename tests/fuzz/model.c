/* Files that say what a model is. */
#include "fuzz/target.h"
#include "gguf_of_llama.h"
#include "model/gguf_models.h"
#include "report/manifest_read.h"
#include "train/adapter_file.h"
#include "train/write.h"

static const tiny_model tiny = {.layers = 1, .hidden = 8, .heads = 2, .ffn = 6, .vocabulary = 9};

/* A tiny model's file `name`, as folder/`as`; other: what its config.json has otherwise. */
static void put_part(const char *folder, const char *name, const char *as, const char *other) {
    tiny_model of = tiny;
    of.config = other;
    char *made = tiny_model_write(of);
    fuzz_copy(made, name, folder, as);
    tiny_remove(made);
    free(made);
}

static void prepare_weights(const char *folder) {
    put_part(folder, "model.safetensors", "model.safetensors", NULL);
}

static pare_status describe(const char *path) {
    pare_model *model;
    char *text = NULL;
    PARE_TRY(pare_model_open(path, &model));
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_widths *widths = &model->config.widths[i];
        fuzz_check(!widths->kv_heads || widths->heads % widths->kv_heads == 0, "KV groups have the same query heads");
    }
    pare_status status = pare_model_describe(model, true, &text);
    pare_text_free(text);
    pare_model_close(model);
    return status;
}

static pare_status read_config(const char *folder, const char *path) {
    (void)path;
    return describe(folder);
}

static void seed_config(const char *folder) {
    static const char *const others[] = {
        NULL, "{\"model_type\": \"mistral\", \"architectures\": [\"MistralForCausalLM\"], \"sliding_window\": 8}",
        "{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
        "\"high_freq_factor\": "
        "4.0, \"original_max_position_embeddings\": 32}}",
        "{\"num_attention_heads\": [2], \"num_key_value_heads\": [2], \"intermediate_size\": [6]}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *name = pare_format("config-%zu.json", i);
        put_part(folder, "config.json", name, others[i]);
        free(name);
    }
}

/* Meta's own format: params.json beside one file of weights. */
static void prepare_meta_weights(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/meta1", "consolidated.00.pth", folder, "consolidated.00.pth");
}

static void seed_params(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/meta1", "params.json", folder, "meta");
}

static void prepare_params(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/meta1", "params.json", folder, "params.json");
}

static void seed_meta(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/meta1", "consolidated.00.pth", folder, "meta");
}

static void prepare_mistral(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/mistral", "params.json", folder, "params.json");
}

static void seed_mistral(const char *folder) {
    fuzz_copy(PARE_SOURCE_DIR "/tests/data/pytorch/mistral", "consolidated.safetensors", folder, "mistral");
}

static pare_status read_gguf_model(const char *folder, const char *path) {
    (void)folder;
    return describe(path);
}

/* Experts, halves that are one tensor, and latents. */
static void seed_gguf_experts(const char *folder) {
    static const char *const names[] = {"mixtral", "granitemoe", "deepseek_v3"};
    families all = gguf_models_load_from("gguf_experts.json.gz");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gguf_bytes file = gguf_model_bytes(family_case(&all, names[i]));
        char *name = pare_format("%s.gguf", names[i]);
        tiny_write_file(folder, name, file.data, file.count);
        free(name);
        free(file.data);
    }
    families_free(&all);
}

static void seed_gguf_model(const char *folder) {
    char *made = tiny_model_write(tiny);
    pare_model *model;
    tiny_check(pare_model_open(made, &model) == PARE_OK, pare_message());
    gguf_of_llama(model, folder, "llama", (gguf_form){0});
    gguf_of_llama(model, folder, "deci", (gguf_form){.layered = true});
    pare_model_close(model);
    tiny_remove(made);
    free(made);
    seed_gguf_experts(folder);
}

static pare_backend *backend;
static pare_model *adapted;

static void close_adapted(void) {
    pare_model_close(adapted);
    pare_backend_close(backend);
}

/* The model that adapters are for: its folder can go, as it is mapped. */
static void open_adapted(void) {
    if (adapted) return;
    char *made = tiny_model_write(tiny);
    tiny_check(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend) == PARE_OK, pare_message());
    tiny_check(pare_model_open(made, &adapted) == PARE_OK, pare_message());
    tiny_remove(made);
    free(made);
    atexit(close_adapted);
}

static void write_adapter(const char *folder) {
    pare_lora_options options = {.rank = 2, .alpha = 4, .targets = {[PARE_ROLE_Q] = true, [PARE_ROLE_V] = true}};
    pare_trained *lora;
    open_adapted();
    tiny_check(pare_trained_lora(adapted, backend, &options, &lora) == PARE_OK, pare_message());
    tiny_check(pare_lora_write_adapter(lora, &options, "some/base", folder) == PARE_OK, pare_message());
    pare_trained_free(lora);
}

static pare_status read_adapter(const char *folder, const char *path) {
    (void)path;
    pare_lora_options options = {0};
    pare_trained *lora;
    PARE_TRY(pare_lora_read_adapter(adapted, backend, folder, &options, &lora));
    pare_trained_free(lora);
    return PARE_OK;
}

static void seed_adapter(const char *folder, const char *name, const char *as) {
    char *made = tiny_folder();
    write_adapter(made);
    fuzz_copy(made, name, folder, as);
    tiny_remove(made);
    free(made);
}

static void seed_adapter_config(const char *folder) {
    seed_adapter(folder, "adapter_config.json", "config");
}

static void seed_adapter_weights(const char *folder) {
    seed_adapter(folder, "adapter_model.safetensors", "weights");
}

static pare_status read_manifest(const char *folder, const char *path) {
    (void)path;
    pare_manifest manifest;
    pare_status status = pare_manifest_read(folder, adapted, &manifest);
    pare_selection_free(&manifest.kept);
    return status;
}

static void prepare_manifest(const char *folder) {
    (void)folder;
    open_adapted();
}

static void seed_manifest(const char *folder) {
    tiny_write_text(folder, "units",
                    "{\"layers\": [{\"kv_heads_kept\": [0, 1], \"query_heads_kept\": [0, 1], \"ffn_channels_kept\": "
                    "[0, 2, 3, 5]}], \"hidden_kept\": [0, 1, 2, 3, 4, 5, 6, 7]}");
    tiny_write_text(folder, "permuted",
                    "{\"layers\": [{\"kv_heads_kept\": [1], \"query_heads_kept\": [1], \"ffn_channels_kept\": "
                    "[0, 5]}], \"permutation\": {\"method\": \"assign\"}}");
}

const fuzz_target *const fuzz_model_targets[] = {
    &(const fuzz_target){.name = "params",
                         .file = "params.json",
                         .prepare = prepare_meta_weights,
                         .seed = seed_params,
                         .read = read_config},
    &(const fuzz_target){.name = "meta",
                         .file = "consolidated.00.pth",
                         .prepare = prepare_params,
                         .seed = seed_meta,
                         .read = read_config},
    &(const fuzz_target){.name = "mistral",
                         .file = "consolidated.safetensors",
                         .prepare = prepare_mistral,
                         .seed = seed_mistral,
                         .read = read_config},
    &(const fuzz_target){
        .name = "config", .file = "config.json", .prepare = prepare_weights, .seed = seed_config, .read = read_config},
    &(const fuzz_target){.name = "gguf-model", .file = "model.gguf", .seed = seed_gguf_model, .read = read_gguf_model},
    &(const fuzz_target){.name = "adapter-config",
                         .file = "adapter_config.json",
                         .prepare = write_adapter,
                         .seed = seed_adapter_config,
                         .read = read_adapter},
    &(const fuzz_target){.name = "adapter-weights",
                         .file = "adapter_model.safetensors",
                         .prepare = write_adapter,
                         .seed = seed_adapter_weights,
                         .read = read_adapter},
    &(const fuzz_target){.name = "manifest",
                         .file = "pruning.json",
                         .prepare = prepare_manifest,
                         .seed = seed_manifest,
                         .read = read_manifest},
    NULL};
