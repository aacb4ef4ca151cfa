#include "report/engines.h"
#include "model/gguf_target.h"
#include "support/memory.h"

static const char *const own[] = {"pare", NULL}, *const some[] = {"transformers", "pare", NULL},
                         *const all[] = {"transformers", "vllm", "llama.cpp", "pare", NULL},
                         *const trusted[] = {"transformers", "vllm", "pare", NULL},
                         *const adapter[] = {"peft", "pare", NULL};

const char *const *pare_report_engines(const pare_config *config, pare_config_kind kind, bool changed) {
    if (kind == PARE_CONFIG_PER_LAYER) return own;
    if (pare_reads_pictures(config)) return some;
    if (kind == PARE_CONFIG_LLAMA || kind == PARE_CONFIG_MISTRAL) return all;
    return kind == PARE_CONFIG_OWN && !changed ? all : some;
}

pare_status pare_report_fits_gguf(const pare_config *config, const pare_selection *selection, uint32_t added_biases,
                                  bool *fits) {
    pare_gguf_target held;
    pare_config left = *config;
    left.architecture.roles |= added_biases;
    left.widths = NULL, left.plan = NULL, left.layers = 0;
    pare_status status = pare_alloc(&left.widths, config->layers, sizeof *left.widths, "widths of layers");
    if (status == PARE_OK) status = pare_alloc(&left.plan, config->layers, sizeof *left.plan, "kinds of layers");
    if (status == PARE_OK) pare_selection_widths(selection, left.widths);
    for (uint32_t i = 0; status == PARE_OK && i < config->layers; i++)
        if (!selection->layer[i].dropped) left.plan[left.layers++] = config->plan[i];
    *fits = status == PARE_OK && pare_gguf_target_find(&left, "the model", &held) == PARE_OK;
    pare_free(left.widths);
    pare_free(left.plan);
    return status;
}

const char *pare_report_pipeline(const pare_config *config) {
    return pare_reads_pictures(config) ? "image-classification" : "text-generation";
}

const char *const *pare_report_engines_of(const pare_config *config) {
    const pare_config_sizes sizes = {.hidden = config->hidden, .layers = config->layers, .widths = config->widths};
    return pare_report_engines(config, pare_config_kind_of(config, &sizes), false);
}

const char *const *pare_report_engines_own(void) {
    return own;
}

const char *const *pare_report_engines_trusted(bool vllm) {
    return vllm ? trusted : some;
}

const char *const *pare_report_engines_adapter(void) {
    return adapter;
}
