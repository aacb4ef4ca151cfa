/* A LLaMA's folder as GGUF files, whole or in parts, as it is or with matrices of Q8_0; and the folder that such a file
 * is equal to. Names, order of rows and blocks are this file's own. */
#ifndef PARE_TESTS_GGUF_OF_LLAMA_H
#define PARE_TESTS_GGUF_OF_LLAMA_H

#define BUILDER_ROOM (1 << 22)
#include "gguf_builder.h"
#include "model/model.h"

typedef struct gguf_form {
    bool packed;           /* matrices whose rows are whole blocks are Q8_0, and all others F16 */
    bool layered;          /* sizes are lists: architecture deci */
    int parts;             /* 0: one file */
    const char *tokenizer; /* tokenizer.json of a SentencePiece model; NULL: none */
} gguf_form;

enum { FORM_F32 = 0, FORM_F16 = 1, FORM_Q8_0 = 8, FORM_BLOCK = 32 };

static inline uint32_t form_type(const pare_tensor *tensor, gguf_form form) {
    if (!form.packed || tensor->rank == 1) return FORM_F32;
    return tensor->shape[1] % FORM_BLOCK ? FORM_F16 : FORM_Q8_0;
}

/* 32 numbers as a block; `values` become those that it stands for. */
static inline void form_pack(float *values, unsigned char block[34]) {
    float largest = 0;
    uint16_t half;
    for (int i = 0; i < FORM_BLOCK; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    float scale = largest / 127;
    pare_from_float(&half, PARE_DTYPE_F16, &scale, 1);
    pare_to_float(&scale, &half, PARE_DTYPE_F16, 1);
    memcpy(block, &half, sizeof half);
    for (int i = 0; i < FORM_BLOCK; i++) {
        float q = scale > 0 ? roundf(values[i] / scale) : 0;
        int8_t byte = (int8_t)fmaxf(-127, fminf(127, q));
        memcpy(block + 2 + i, &byte, 1);
        values[i] = (float)byte * scale;
    }
}

/* Bytes of a row as stored, into `out`; `values` become what they stand for. */
static inline size_t form_row(uint32_t type, float *values, size_t count, unsigned char *out) {
    if (type == FORM_F32) memcpy(out, values, count * sizeof *values);
    if (type == FORM_F32) return count * sizeof *values;
    if (type == FORM_F16) {
        pare_from_float(out, PARE_DTYPE_F16, values, count);
        pare_to_float(values, out, PARE_DTYPE_F16, count);
        return 2 * count;
    }
    for (size_t i = 0; i < count / FORM_BLOCK; i++)
        form_pack(values + i * FORM_BLOCK, out + i * 34);
    return count / FORM_BLOCK * 34;
}

static inline size_t form_bytes(const pare_tensor *tensor, gguf_form form) {
    uint32_t type = form_type(tensor, form);
    return type == FORM_Q8_0 ? tensor->count / FORM_BLOCK * 34 : tensor->count * (type == FORM_F16 ? 2 : 4);
}

static inline void form_name(const pare_tensor *tensor, char *name, size_t size) {
    static const char *const parts[][2] = {
        {"self_attn.q_proj", "attn_q"},
        {"self_attn.k_proj", "attn_k"},
        {"self_attn.v_proj", "attn_v"},
        {"self_attn.o_proj", "attn_output"},
        {"mlp.gate_proj", "ffn_gate"},
        {"mlp.up_proj", "ffn_up"},
        {"mlp.down_proj", "ffn_down"},
        {"input_layernorm", "attn_norm"},
        {"post_attention_layernorm", "ffn_norm"},
        {"model.embed_tokens", "token_embd"},
        {"model.norm", "output_norm"},
        {"lm_head", "output"},
    };
    unsigned layer;
    bool inside = sscanf(tensor->name, "model.layers.%u.", &layer) == 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(tensor->name, parts[i][0])) continue;
        if (inside) snprintf(name, size, "blk.%u.%s.weight", layer, parts[i][1]);
        if (!inside) snprintf(name, size, "%s.weight", parts[i][1]);
        return;
    }
    tiny_check(false, tensor->name);
}

/* The row of the folder's that stands in row `row` of the file. */
static inline size_t form_source_row(const pare_tensor *tensor, size_t head, size_t row) {
    bool paired = strstr(tensor->name, "q_proj") || strstr(tensor->name, "k_proj");
    size_t inside = row % head;
    return paired ? row - inside + inside % 2 * (head / 2) + inside / 2 : row;
}

static inline void form_size(gguf_builder *b, const pare_model *model, gguf_form form, const char *key, int which) {
    const pare_widths *w = model->config.widths;
    char name[96];
    snprintf(name, sizeof name, "%s.%s", form.layered ? "deci" : "llama", key);
    if (form.layered) builder_array(b, name, BUILDER_I32, model->config.layers);
    if (!form.layered) builder_key(b, name, BUILDER_U32);
    for (uint32_t i = 0; i < (form.layered ? model->config.layers : 1); i++)
        builder_u32(b, which == 0 ? w[i].heads : which == 1 ? w[i].kv_heads : w[i].ffn);
}

static inline uint64_t form_tokenizer(gguf_builder *b, const char *path) {
    json_t *json = path ? json_load_file(path, 0, NULL) : NULL, *id;
    if (!json) return 0;
    json_t *vocab = json_object_get(json_object_get(json, "model"), "vocab");
    size_t count = json_object_size(vocab);
    const char **tokens = calloc(count, sizeof *tokens), *text;
    json_object_foreach(vocab, text, id) tokens[json_integer_value(id)] = text;
    builder_string(b, "tokenizer.ggml.model", "llama");
    builder_array(b, "tokenizer.ggml.tokens", BUILDER_STRING, count);
    for (size_t i = 0; i < count; i++)
        builder_text(b, tokens[i]);
    builder_array(b, "tokenizer.ggml.scores", BUILDER_F32, count);
    for (size_t i = 0; i < count; i++)
        builder_float(b, -(float)i);
    builder_array(b, "tokenizer.ggml.token_type", BUILDER_I32, count);
    for (size_t i = 0; i < count; i++)
        builder_u32(b, i == 0 ? 2 : i < 3 ? 3 : strncmp(tokens[i], "<0x", 3) == 0 ? 6 : 1);
    free(tokens);
    json_decref(json);
    return 4;
}

static inline uint64_t form_metadata(gguf_builder *b, const pare_model *model, gguf_form form) {
    const pare_config *c = &model->config;
    const char *arch = form.layered ? "deci" : "llama";
    const struct {
        const char *key;
        uint32_t value;
    } sizes[] = {{"block_count", c->layers},
                 {"context_length", c->stated_positions},
                 {"embedding_length", c->hidden},
                 {"attention.key_length", c->head_size},
                 {"rope.dimension_count", c->head_size}};
    char name[96];
    builder_string(b, "general.architecture", arch);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(name, sizeof name, "%s.%s", arch, sizes[i].key);
        builder_whole(b, name, sizes[i].value);
    }
    form_size(b, model, form, "attention.head_count", 0);
    form_size(b, model, form, "attention.head_count_kv", 1);
    form_size(b, model, form, "feed_forward_length", 2);
    snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", arch);
    builder_key(b, name, BUILDER_F32);
    builder_float(b, (float)c->rms_eps);
    builder_whole(b, "tokenizer.ggml.bos_token_id", 1);
    builder_whole(b, "tokenizer.ggml.eos_token_id", 2);
    return 12 + form_tokenizer(b, form.tokenizer);
}

static inline void form_data(gguf_builder *b, const pare_model *model, const pare_tensor *tensor, gguf_form form) {
    size_t rows = (size_t)pare_tensor_rows(tensor), columns = (size_t)pare_tensor_columns(tensor);
    float *values = malloc(columns * sizeof *values);
    unsigned char *bytes = malloc(columns * sizeof *values);
    for (size_t row = 0; row < rows; row++) {
        size_t from = form_source_row(tensor, model->config.head_size, row);
        pare_tensor_values(tensor, from * columns, columns, values);
        builder_put(b, bytes, form_row(form_type(tensor, form), values, columns, bytes));
    }
    free(values);
    free(bytes);
    builder_align(b);
}

/* Tensors [first, end) of the model, in part `part`. */
static inline void form_write_part(const pare_model *model, const char *folder, const char *stem, gguf_form form,
                                   int part, size_t first, size_t end) {
    gguf_builder *b = calloc(1, sizeof *b);
    uint64_t entries = 0, offset = 0;
    int parts = form.parts ? form.parts : 1;
    char name[160];
    builder_put(b, "GGUF", 4);
    builder_u32(b, 3);
    builder_u64(b, end - first);
    size_t count_at = b->count;
    builder_u64(b, 0);
    if (!part) entries += form_metadata(b, model, form);
    if (parts > 1) {
        builder_whole(b, "split.no", (uint32_t)part);
        builder_whole(b, "split.count", (uint32_t)parts);
        builder_whole(b, "split.tensors.count", (uint32_t)pare_checkpoint_count(model->checkpoint));
        entries += 3;
    }
    memcpy(b->bytes + count_at, &entries, sizeof entries);
    for (size_t i = first; i < end; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(model->checkpoint, i);
        form_name(tensor, name, sizeof name);
        builder_tensor(b, name, form_type(tensor, form), (uint64_t)pare_tensor_columns(tensor),
                       tensor->rank == 2 ? tensor->shape[0] : 0, offset);
        offset += (form_bytes(tensor, form) + 31) / 32 * 32;
    }
    builder_align(b);
    for (size_t i = first; i < end; i++)
        form_data(b, model, pare_checkpoint_at(model->checkpoint, i), form);
    if (parts > 1) snprintf(name, sizeof name, "%s-%05d-of-%05d.gguf", stem, part + 1, parts);
    if (parts == 1) snprintf(name, sizeof name, "%s.gguf", stem);
    tiny_write_file(folder, name, b->bytes, b->count);
    free(b);
}

static inline void gguf_of_llama(const pare_model *model, const char *folder, const char *stem, gguf_form form) {
    size_t parts = form.parts ? (size_t)form.parts : 1, count = pare_checkpoint_count(model->checkpoint);
    for (size_t part = 0; part < parts; part++)
        form_write_part(model, folder, stem, form, (int)part, count * part / parts, count * (part + 1) / parts);
}

/* Writes folder/model.safetensors: the numbers of the packed file, those of blocks in bf16. */
static inline void gguf_equal_weights(const pare_model *model, const char *folder, gguf_form form) {
    const tiny_model shape = {.shards = 1};
    tiny_shard shard = {.header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt")};
    for (size_t i = 0; i < pare_checkpoint_count(model->checkpoint); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(model->checkpoint, i);
        uint32_t type = form_type(tensor, form);
        pare_dtype dtype = type == FORM_F32 ? PARE_DTYPE_F32 : type == FORM_F16 ? PARE_DTYPE_F16 : PARE_DTYPE_BF16;
        size_t columns = (size_t)pare_tensor_columns(tensor), bytes = tensor->count * pare_dtype_size(dtype);
        float *values = malloc(tensor->count * sizeof *values);
        unsigned char *ignored = malloc(columns * sizeof *values);
        pare_tensor_values(tensor, 0, tensor->count, values);
        for (size_t at = 0; at < tensor->count; at += columns)
            form_row(type, values + at, columns, ignored);
        shard.data = realloc(shard.data, shard.bytes + bytes + 1);
        pare_from_float(shard.data + shard.bytes, dtype, values, tensor->count);
        json_t *sizes = json_pack("[I]", (json_int_t)tensor->shape[0]);
        if (tensor->rank == 2) json_array_append_new(sizes, json_integer((json_int_t)tensor->shape[1]));
        json_object_set_new(shard.header, tensor->name,
                            json_pack("{s:s,s:o,s:[I,I]}", "dtype", pare_dtype_name(dtype), "shape", sizes,
                                      "data_offsets", (json_int_t)shard.bytes, (json_int_t)(shard.bytes + bytes)));
        shard.bytes += bytes;
        free(values);
        free(ignored);
    }
    tiny_write_shards(folder, &shape, &shard);
    json_decref(shard.header);
    free(shard.data);
}

#endif
