#include "report/engines.h"

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
