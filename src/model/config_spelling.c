#include "model/config_spelling.h"
#include "support/json.h"

#include <string.h>

/* As transformers maps them; the BLOOM models themselves say n_embed and num_attention_heads. */
static const struct {
    const char *model_type, *other, *own;
} spellings[] = {
    {"gpt2", "hidden_size", "n_embd"},
    {"gpt2", "num_hidden_layers", "n_layer"},
    {"gpt2", "num_attention_heads", "n_head"},
    {"gpt2", "max_position_embeddings", "n_positions"},
    {"gptj", "hidden_size", "n_embd"},
    {"gptj", "num_hidden_layers", "n_layer"},
    {"gptj", "num_attention_heads", "n_head"},
    {"gptj", "max_position_embeddings", "n_positions"},
    {"gpt_neo", "num_hidden_layers", "num_layers"},
    {"gpt_neo", "num_attention_heads", "num_heads"},
    {"bloom", "n_embed", "hidden_size"},
    {"bloom", "num_hidden_layers", "n_layer"},
    {"bloom", "num_attention_heads", "n_head"},
    {"mpt", "hidden_size", "d_model"},
    {"mpt", "num_hidden_layers", "n_layers"},
    {"mpt", "num_attention_heads", "n_heads"},
};

enum { NUMBER_LIMIT = 1 << 30 };

/* Sizes that a class has where the file says none, as files of Gemma 3 with pictures do. */
static const struct {
    const char *model_type, *key;
    int size;
} sizes[] = {
    {"gemma3_text", "vocab_size", 262208},
    {"gemma3_text", "hidden_size", 2304},
    {"gemma3_text", "num_hidden_layers", 26},
    {"gemma3_text", "num_attention_heads", 8},
    {"vit", "hidden_size", 768},
    {"vit", "num_hidden_layers", 12},
    {"vit", "num_attention_heads", 12},
    {"deit", "hidden_size", 768},
    {"deit", "num_hidden_layers", 12},
    {"deit", "num_attention_heads", 12},
};

static pare_status respell(pare_fields fields, const char *other, const char *own, json_t *text) {
    json_t *value = json_object_get(text, other);
    const json_t *beside = pare_field(fields, own);
    uint32_t number;
    if (!pare_field(fields, other)) return PARE_OK;
    PARE_TRY(pare_field_whole(fields, other, 1, NUMBER_LIMIT, -1, &number));
    if (beside && !json_equal(beside, value))
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, other,
                                 "it is another name of a key that is there, too, with another value: remove the wrong "
                                 "one");
    pare_json_put(text, own, pare_json_same(value));
    json_object_del(text, other);
    return PARE_OK;
}

pare_status pare_config_respell(pare_fields fields, const char *model_type, json_t *text) {
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcmp(spellings[i].model_type, model_type) == 0)
            PARE_TRY(respell(fields, spellings[i].other, spellings[i].own, text));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (strcmp(sizes[i].model_type, model_type) != 0 || json_object_get(text, sizes[i].key)) continue;
        pare_json_put(text, sizes[i].key, json_integer(sizes[i].size));
    }
    return pare_json_check(text, fields.path);
}
