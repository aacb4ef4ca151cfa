#include "model/config_kind.h"
#include "model/family.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char known[] = "pare does not know it; \"pare help models\" lists the families that it knows";

/* Ways of quantising by quant_method, and what people call them. */
static const struct {
    const char *method, *name;
} quantisers[] = {
    {"awq", "AWQ"},
    {"gptq", "GPTQ"},
    {"bitsandbytes", "bitsandbytes"},
    {"fp8", "FP8"},
    {"fbgemm_fp8", "FP8 (FBGEMM)"},
    {"compressed-tensors", "compressed-tensors"},
    {"sparseml", "compressed-tensors"},
    {"modelopt", "TensorRT Model Optimizer"},
    {"mxfp4", "MXFP4"},
    {"auto-round", "AutoRound"},
    {"intel/auto-round", "AutoRound"},
    {"torchao", "torchao"},
    {"quanto", "Quanto"},
    {"hqq", "HQQ"},
    {"eetq", "EETQ"},
    {"aqlm", "AQLM"},
    {"vptq", "VPTQ"},
    {"spqr", "SpQR"},
    {"higgs", "HIGGS"},
    {"bitnet", "BitNet"},
    {"quip", "QuIP#"},
    {"exl2", "ExLlamaV2"},
    {"exl3", "ExLlamaV3"},
    {"quark", "Quark"},
    {"gguf", "GGUF"},
};

static const char *quantiser_of(pare_fields quantisation) {
    const char *method = json_string_value(pare_field(quantisation, "quant_method"));
    if (!method && json_is_true(pare_field(quantisation, "load_in_4bit"))) method = "bitsandbytes";
    if (!method && json_is_true(pare_field(quantisation, "load_in_8bit"))) method = "bitsandbytes";
    for (size_t i = 0; method && i < sizeof quantisers / sizeof *quantisers; i++)
        if (strcasecmp(quantisers[i].method, method) == 0) return quantisers[i].name;
    return method && strlen(method) < 40 ? method : "a way that is not named";
}

/* 0: not said. */
static int bits_of(pare_fields quantisation) {
    static const char *const keys[] = {"bits", "w_bit", "nbits"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_int_t bits = json_integer_value(pare_field(quantisation, keys[i]));
        if (bits >= 1 && bits <= 32) return (int)bits;
    }
    if (json_is_true(pare_field(quantisation, "load_in_4bit"))) return 4;
    return json_is_true(pare_field(quantisation, "load_in_8bit")) ? 8 : 0;
}

/* Packed weights that pare reads as the numbers that they are. */
static bool is_read(const pare_family *family, const char *key, pare_fields quantisation) {
    const char *method = json_string_value(pare_field(quantisation, "quant_method"));
    return family->mxfp4 && method && strcmp(key, "quantization_config") == 0 && strcmp(method, "mxfp4") == 0;
}

/* quantization_config is transformers' key, compression_config an older one, quantization that of MLX. An empty object
 * says nothing. */
static pare_status refuse_quantised(pare_fields fields, const pare_family *family) {
    static const char *const keys[] = {"quantization_config", "compression_config", "quantization"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = pare_field(fields, keys[i]);
        if (!value || json_is_false(value) || (json_is_object(value) && !json_object_size(value))) continue;
        pare_fields quantisation = {.path = fields.path, .object = value};
        if (is_read(family, keys[i], quantisation)) continue;
        bool mlx = strcmp(keys[i], "quantization") == 0;
        int bits = bits_of(quantisation);
        char *width = bits ? pare_format(", %d bits", bits) : pare_format("%s", "");
        pare_fail(PARE_UNSUPPORTED,
                  "%s: %s says that the weights are quantised (%s%s); pare prunes models that are not: take the "
                  "original, prune it, and quantise what comes out",
                  fields.path, keys[i], mlx ? "MLX" : quantiser_of(quantisation), width);
        free(width);
        return PARE_UNSUPPORTED;
    }
    return PARE_OK;
}

/* What the configurations of models with more senses, or more parts, than a language model have beside it. */
static const struct {
    const char *key, *what;
} parts[] = {
    {"vision_config", "text and images"},    {"audio_config", "text and sound"}, {"vision_tower", "text and images"},
    {"mm_vision_tower", "text and images"},  {"text_config", "more than text"},  {"thinker_config", "more than text"},
    {"encoder", "an encoder and a decoder"},
};

/* Models with pictures whose language model pare prunes: the outer model_type, and the inner one where it is not said.
 */
static const struct {
    const char *type, *class_name, *inner;
} wrappers[] = {
    {"gemma3", "Gemma3ForConditionalGeneration", "gemma3_text"},
    {"mistral3", "Mistral3ForConditionalGeneration", "mistral"},
    {"llama4", "Llama4ForConditionalGeneration", "llama4_text"},
};

static pare_status refuse_type(pare_fields fields) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!pare_field(fields, parts[i].key)) continue;
        char *expected = pare_format("a model of %s (it has %s): %s", parts[i].what, parts[i].key, known);
        pare_field_refuse(PARE_UNSUPPORTED, fields, "model_type", expected);
        free(expected);
        return PARE_UNSUPPORTED;
    }
    if (json_is_true(pare_field(fields, "is_encoder_decoder")))
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "model_type",
                                 "a model of an encoder and a decoder, where pare knows language models of one decoder "
                                 "(\"pare help models\")");
    return pare_field_refuse(PARE_UNSUPPORTED, fields, "model_type", known);
}

/* A class of any family with its head: model_type says which one holds. The first LLaMA repositories spell it
 * LLaMAForCausalLM. */
static bool has_head(const char *name, const char *class_name) {
    if (name && strcasecmp(name, class_name) == 0) return true;
    for (size_t i = 0; name && pare_family_at(i); i++)
        if (strcasecmp(pare_family_at(i)->class_name, name) == 0) return true;
    return false;
}

static pare_status check_architectures(pare_fields fields, const char *class_name) {
    const json_t *architectures = pare_field(fields, "architectures");
    for (size_t i = 0; i < json_array_size(architectures); i++)
        if (has_head(json_string_value(json_array_get(architectures, i)), class_name)) return PARE_OK;
    if (!architectures || (json_is_array(architectures) && !json_array_size(architectures))) return PARE_OK;
    char *expected = pare_format("pare prunes models of this family with their head (%s): load it as that in "
                                 "transformers and save it",
                                 class_name);
    pare_field_refuse(PARE_UNSUPPORTED, fields, "architectures", expected);
    free(expected);
    return PARE_UNSUPPORTED;
}

static pare_status enter_wrapper(pare_fields file, size_t index, const char **type, json_t **text) {
    *text = json_object_get(file.object, "text_config");
    if (!json_is_object(*text))
        return pare_field_refuse(PARE_FORMAT_ERROR, file, "text_config", "it must describe the language model");
    pare_fields fields = {.path = file.path, .object = *text};
    PARE_TRY(pare_field_text(fields, "model_type", type));
    if (!*type) *type = wrappers[index].inner;
    if (!pare_family_find(*type)) return refuse_type(fields);
    PARE_TRY(refuse_quantised(file, pare_family_find(*type)));
    PARE_TRY(refuse_quantised(fields, pare_family_find(*type)));
    return check_architectures(file, wrappers[index].class_name);
}

const char *pare_config_wrapper_class(const json_t *file) {
    const char *type = json_string_value(json_object_get(file, "model_type"));
    for (size_t i = 0; type && i < sizeof wrappers / sizeof *wrappers; i++)
        if (strcmp(wrappers[i].type, type) == 0) return wrappers[i].class_name;
    return NULL;
}

pare_status pare_config_kind_check(pare_fields file, const char **type, json_t **text) {
    *type = json_string_value(pare_field(file, "model_type"));
    *text = (json_t *)(uintptr_t)file.object;
    for (size_t i = 0; *type && i < sizeof wrappers / sizeof *wrappers; i++)
        if (strcmp(wrappers[i].type, *type) == 0) return enter_wrapper(file, i, type, text);
    if (!*type || !pare_family_find(*type)) return refuse_type(file);
    PARE_TRY(refuse_quantised(file, pare_family_find(*type)));
    return check_architectures(file, pare_family_find(*type)->class_name);
}
