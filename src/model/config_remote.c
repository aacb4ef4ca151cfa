#include "model/config_remote.h"
#include "model/config_blocks.h"
#include "model/config_kind.h"
#include "model/family.h"
#include "support/file.h"
#include "support/json.h"

#include <stdlib.h>
#include <string.h>

/* The module, as transformers names a class of it, and what our names for its own classes begin with. */
static const char module[] = "modeling_pare.", ours[] = "Pare", blocks_class[] = "DeciLMForCausalLM";

static bool names_ours(pare_fields fields) {
    const char *class_name = json_string_value(json_object_get(pare_field(fields, "auto_map"), "AutoConfig"));
    return class_name && strncmp(class_name, module, sizeof module - 1) == 0;
}

/* ["PareLlamaForCausalLM"] becomes ["LlamaForCausalLM"]. */
static void restore_classes(json_t *json) {
    const json_t *list = json_object_get(json, "architectures"), *entry;
    json_t *stock = json_array();
    size_t i, length = sizeof ours - 1;
    json_array_foreach(list, i, entry) {
        const char *name = json_string_value(entry);
        bool made = name && strncmp(name, ours, length) == 0;
        pare_json_append(stock, made ? pare_json_string(name + length) : pare_json_same(entry));
    }
    if (list)
        pare_json_put(json, "architectures", stock);
    else
        json_decref(stock);
}

pare_status pare_config_from_remote(pare_fields fields, json_t *json, bool *remote) {
    *remote = names_ours(fields);
    PARE_TRY(pare_config_from_blocks(fields, json));
    if (!*remote) return PARE_OK;
    restore_classes(json);
    json_object_del(json, "auto_map");
    return PARE_OK;
}

/* Classes of other families that are written as LLaMAs call their biases otherwise. */
static void state_biases(const pare_config *config, json_t *json) {
    uint32_t roles = config->architecture.roles;
    if (strcmp(config->family->class_name, pare_family_llama.class_name) != 0) return;
    pare_json_put(json, "attention_bias", json_boolean(roles & PARE_ROLES_QKVO_BIAS));
    pare_json_put(json, "mlp_bias", json_boolean(roles & PARE_ROLES_FFN_BIAS));
}

static void name_classes(const pare_config *config, const char *class_name, json_t *json) {
    const char *automatic = pare_reads_pictures(config) ? "AutoModelForImageClassification" : "AutoModelForCausalLM";
    json_t *map = pare_json_of({"AutoConfig", pare_json_format("%s%sConfig", module, class_name)},
                               {automatic, pare_json_format("%s%s", module, class_name)});
    if (pare_config_wrapper_class(config->json))
        pare_json_put(map, "AutoModelForImageTextToText", pare_json_format("%s%s", module, class_name));
    pare_json_put(json, "architectures", pare_json_list_of(pare_json_string(class_name)));
    pare_json_put(json, "auto_map", map);
}

pare_status pare_config_to_remote(const pare_config *config, char **text, pare_config_remote *out) {
    enum { SHORT_DIGITS = 15 };
    *text = NULL;
    *out = (pare_config_remote){0};
    PARE_TRY(pare_config_blocks_refusal(config, &out->why));
    json_t *json = json_deep_copy(config->json);
    const char *wrapper = pare_config_wrapper_class(config->json);
    char *class_name = pare_format("%s%s", ours, wrapper ? wrapper : config->family->class_name);
    out->vllm = !out->why;
    if (json && out->vllm) out->any_vllm = pare_config_to_blocks(config, json);
    if (json && !wrapper) state_biases(config, json);
    if (json && class_name) name_classes(config, out->vllm ? blocks_class : class_name, json);
    free(class_name);
    pare_status status = pare_whole();
    if (status == PARE_OK)
        status = pare_json_dump(json, "config.json", JSON_INDENT(2) | JSON_REAL_PRECISION(SHORT_DIGITS), text);
    json_decref(json);
    return status;
}
