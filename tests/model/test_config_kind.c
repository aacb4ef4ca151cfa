/* What config.json says of a model that pare does not prune is said before its weights are looked at: they are not even
 * there in these tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/config.h"
#include "tiny_model.h"

#define LLAMA "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], "

static const char *const refusals[][2] = {
    {LLAMA "\"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4}}", "quantised (AWQ, 4 bits)"},
    {LLAMA "\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 8}}", "quantised (GPTQ, 8 bits)"},
    {LLAMA "\"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}}",
     "quantised (bitsandbytes, 4 bits)"},
    {LLAMA "\"quantization_config\": {\"load_in_8bit\": true}}", "quantised (bitsandbytes, 8 bits)"},
    {LLAMA "\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128]}}",
     "quantised (FP8)"},
    {LLAMA "\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"config_groups\": {}}}",
     "quantised (compressed-tensors)"},
    {LLAMA "\"quantization_config\": {\"quant_method\": \"torchao\"}}", "quantised (torchao)"},
    {LLAMA "\"quantization_config\": {\"quant_method\": \"newest\"}}", "quantised (newest)"},
    {LLAMA "\"quantization_config\": {\"bits\": 3}}", "3 bits"},
    {LLAMA "\"compression_config\": {\"quant_method\": \"sparseml\"}}", "compression_config"},
    {LLAMA "\"quantization\": {\"group_size\": 64, \"bits\": 4}}", "quantised (MLX, 4 bits)"},
    {"{\"model_type\": \"rwkv\"}", "model_type is \"rwkv\"; pare does not know it"},
    {"{}", "has no model_type; pare does not know it"},
    {"{\"model_type\": \"llava\", \"text_config\": {}, \"vision_config\": {}}",
     "text and images (it has vision_config)"},
    {"{\"model_type\": \"qwen2_audio\", \"audio_config\": {}}", "text and sound"},
    {"{\"model_type\": \"gemma9\", \"text_config\": {}}", "more than text (it has text_config)"},
    {"{\"model_type\": \"t5\", \"is_encoder_decoder\": true}", "an encoder and a decoder"},
    {"{\"model_type\": \"llama\", \"architectures\": [\"LlamaForSequenceClassification\"]}", "with their head"},
    {"{\"model_type\": \"llama\", \"architectures\": [\"LlamaModel\"]}", "LlamaModel"},
    {"{\"model_type\": \"llama\", \"architectures\": [\"Eagle3LlamaForCausalLM\"]}", "Eagle3LlamaForCausalLM"},
};

static void is_said_without_weights(void **state) {
    (void)state;
    char *folder = tiny_folder();
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        pare_config config;
        pare_model *model;
        tiny_write_text(folder, "config.json", refusals[i][0]);
        pare_status status = pare_config_read(folder, &config);
        if (status != PARE_UNSUPPORTED || !strstr(pare_message(), refusals[i][1]))
            fail_msg("%s: status %d: %s", refusals[i][0], status, pare_message());
        assert_int_equal(pare_model_open(folder, &model), PARE_UNSUPPORTED);
        assert_non_null(strstr(pare_message(), refusals[i][1]));
    }
    tiny_remove(folder);
    free(folder);
}

/* A value that is cut says so. */
static void long_values_end_in_dots(void **state) {
    (void)state;
    char *folder = tiny_folder(), text[400];
    pare_config config;
    snprintf(text, sizeof text, "{\"model_type\": \"%0200d\"}", 7);
    tiny_write_text(folder, "config.json", text);
    assert_int_equal(pare_config_read(folder, &config), PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), "0...; pare does not know"));
    tiny_remove(folder);
    free(folder);
}

/* Nothing that is said of quantisation, and code of a model's own beside a class that transformers has. */
static void what_says_nothing_is_accepted(void **state) {
    (void)state;
    static const char *const configs[] = {"{\"quantization_config\": {}}", "{\"quantization_config\": null}",
                                          "{\"architectures\": null}", "{\"architectures\": []}",
                                          "{\"auto_map\": {\"AutoModelForCausalLM\": \"modeling_x.X\"}}"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        char *folder = tiny_model_write((tiny_model){.config = configs[i]});
        pare_model *model;
        if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s: %s", configs[i], pare_message());
        pare_model_close(model);
        tiny_remove(folder);
        free(folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_said_without_weights),
        cmocka_unit_test(long_values_end_in_dots),
        cmocka_unit_test(what_says_nothing_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
