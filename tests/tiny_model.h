/* Tiny random LLaMA checkpoints in fresh temporary folders, for the tests of every room. Written with nothing of pare's
 * own writer, so that a test of a reader is not a test of two things. */
#ifndef PARE_TESTS_TINY_MODEL_H
#define PARE_TESTS_TINY_MODEL_H

#include "counted.h"
#include "model/config.h"
#include "support/dtype.h"
#include "support/file.h"

#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Zero asks for the value in brackets. */
typedef struct tiny_model {
    uint32_t layers;          /* [2] */
    uint32_t hidden;          /* [16] */
    uint32_t heads, kv_heads; /* [4], [heads] */
    uint32_t head_size;       /* [hidden / heads] */
    uint32_t ffn, vocabulary; /* [24], [32] */
    uint32_t positions;       /* [64] */
    pare_dtype dtype;         /* [F32] */
    bool tied;
    uint32_t shards; /* [1] */
    uint64_t seed;
    double scale;              /* standard deviation of the weights [0.05]; norm weights lie around 1 */
    bool counted;              /* weights are numbers of counted.h instead: stream TINY_COUNTED + place in the file */
    const pare_widths *widths; /* [layers], or NULL for heads, kv_heads and ffn everywhere */
    const char *config;        /* JSON object whose members are put over those of config.json, or NULL */
} tiny_model;

enum { TINY_COUNTED = 100 };

static inline void tiny_check(bool fine, const char *what) {
    if (fine) return;
    fprintf(stderr, "tiny_model.h: %s failed\n", what);
    abort();
}

/* A fresh folder under $TMPDIR or /tmp; freed with free(). */
static inline char *tiny_folder(void) {
    const char *base = getenv("TMPDIR");
    char *path = pare_path_join(base && *base ? base : "/tmp", "pare-test-XXXXXX");
    tiny_check(mkdtemp(path) != NULL, path);
    return path;
}

static inline int tiny_remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static inline void tiny_remove(const char *folder) {
    nftw(folder, tiny_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes folder/name; bytes may be anything. */
static inline void tiny_write_file(const char *folder, const char *name, const void *data, size_t bytes) {
    char *path = pare_path_join(folder, name);
    FILE *file = fopen(path, "wb");
    tiny_check(file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0, path);
    free(path);
}

static inline void tiny_write_text(const char *folder, const char *name, const char *text) {
    tiny_write_file(folder, name, text, strlen(text));
}

/* Writes folder/name: length of the header, header, data. */
static inline void tiny_write_safetensors(const char *folder, const char *name, const char *header, const void *data,
                                          size_t bytes) {
    size_t length = strlen(header);
    unsigned char *file = malloc(8 + length + bytes + 1);
    tiny_check(file != NULL, "malloc");
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(file + 8, header, length);
    if (bytes) memcpy(file + 8 + length, data, bytes);
    tiny_write_file(folder, name, file, 8 + length + bytes);
    free(file);
}

/* splitmix64 */
static inline uint64_t tiny_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Standard normal by Box and Muller. */
static inline double tiny_normal(uint64_t *state) {
    double u = ((double)(tiny_random(state) >> 11) + 1) * 0x1p-53, v = (double)(tiny_random(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* One file under construction. */
typedef struct tiny_shard {
    json_t *header;
    unsigned char *data;
    size_t bytes;
} tiny_shard;

/* place: of the tensor among all. */
static inline void tiny_add(tiny_shard *shard, const tiny_model *model, uint32_t place, const char *name, uint32_t rows,
                            uint32_t columns, uint64_t *state) {
    size_t count = (size_t)rows * (columns ? columns : 1), bytes = count * pare_dtype_size(model->dtype);
    float *values = malloc(count * sizeof *values + 1);
    shard->data = realloc(shard->data, shard->bytes + bytes + 1);
    tiny_check(values && shard->data, "malloc");
    for (size_t i = 0; i < count; i++)
        values[i] = model->counted ? counted(TINY_COUNTED + place, (uint32_t)i)
                                   : (float)((columns ? 0 : 1) + model->scale * tiny_normal(state));
    pare_from_float(shard->data + shard->bytes, model->dtype, values, count);
    free(values);
    json_t *sizes =
        columns ? json_pack("[I,I]", (json_int_t)rows, (json_int_t)columns) : json_pack("[I]", (json_int_t)rows);
    json_object_set_new(shard->header, name,
                        json_pack("{s:s,s:o,s:[I,I]}", "dtype", pare_dtype_name(model->dtype), "shape", sizes,
                                  "data_offsets", (json_int_t)shard->bytes, (json_int_t)(shard->bytes + bytes)));
    shard->bytes += bytes;
}

/* *added counts the tensors that went before; they are dealt to the shards in runs of equal length. */
static inline void tiny_deal(tiny_shard *shards, const tiny_model *model, uint32_t *added, const char *name,
                             uint32_t rows, uint32_t columns, uint64_t *state) {
    uint32_t total = 9 * model->layers + 3, shard = *added * model->shards / total;
    tiny_add(&shards[shard], model, *added, name, rows, columns, state);
    ++*added;
}

static inline void tiny_deal_layer(tiny_shard *shards, const tiny_model *model, uint32_t *added, uint32_t layer,
                                   uint64_t *state) {
    pare_widths widths = {.heads = model->heads, .kv_heads = model->kv_heads, .ffn = model->ffn};
    if (model->widths) widths = model->widths[layer];
    uint32_t d = model->hidden, q = widths.heads * model->head_size, k = widths.kv_heads * model->head_size,
             f = widths.ffn;
    const struct {
        const char *part;
        uint32_t rows, columns;
    } parts[] = {{"input_layernorm", d, 0},  {"self_attn.q_proj", q, d}, {"self_attn.k_proj", k, d},
                 {"self_attn.v_proj", k, d}, {"self_attn.o_proj", d, q}, {"post_attention_layernorm", d, 0},
                 {"mlp.gate_proj", f, d},    {"mlp.up_proj", f, d},      {"mlp.down_proj", d, f}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[96];
        bool vector = strstr(parts[i].part, "norm") != NULL;
        if (!parts[i].rows || (!parts[i].columns && !vector)) continue; /* without elements */
        snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, parts[i].part);
        tiny_deal(shards, model, added, name, parts[i].rows, parts[i].columns, state);
    }
}

static inline json_t *tiny_widths(const tiny_model *model, int which) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < model->layers; i++) {
        pare_widths widths = model->widths[i];
        uint32_t value = which == 0 ? widths.heads : which == 1 ? widths.kv_heads : widths.ffn;
        json_array_append_new(list, json_integer(value));
    }
    return list;
}

static inline void tiny_write_config(const char *folder, const tiny_model *model) {
    json_t *config = json_pack(
        "{s:[s],s:s,s:i,s:i,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:b,s:i}", "architectures", "LlamaForCausalLM",
        "model_type", "llama", "bos_token_id", 1, "eos_token_id", 2, "hidden_act", "silu", "hidden_size",
        (int)model->hidden, "intermediate_size", (int)model->ffn, "max_position_embeddings", (int)model->positions,
        "num_attention_heads", (int)model->heads, "num_key_value_heads", (int)model->kv_heads, "num_hidden_layers",
        (int)model->layers, "head_dim", (int)model->head_size, "rms_norm_eps", 1e-5, "rope_theta", 10000.0,
        "tie_word_embeddings", (int)model->tied, "vocab_size", (int)model->vocabulary);
    tiny_check(config != NULL, "json_pack");
    if (model->widths) {
        json_object_set_new(config, "num_attention_heads", tiny_widths(model, 0));
        json_object_set_new(config, "num_key_value_heads", tiny_widths(model, 1));
        json_object_set_new(config, "intermediate_size", tiny_widths(model, 2));
    }
    json_t *over = model->config ? json_loads(model->config, 0, NULL) : NULL;
    tiny_check(!model->config || over, "parsing the config member");
    if (over) json_object_update(config, over);
    json_decref(over);
    char *text = json_dumps(config, JSON_INDENT(2));
    tiny_write_text(folder, "config.json", text);
    free(text);
    json_decref(config);
}

static inline void tiny_write_shards(const char *folder, const tiny_model *model, tiny_shard *shards) {
    json_t *map = json_object();
    for (uint32_t i = 0; i < model->shards; i++) {
        char *name = model->shards == 1 ? pare_format("model.safetensors")
                                        : pare_format("model-%05u-of-%05u.safetensors", i + 1, model->shards);
        const char *tensor;
        json_t *entry;
        json_object_foreach(shards[i].header, tensor, entry) json_object_set_new(map, tensor, json_string(name));
        json_object_del(map, "__metadata__");
        char *header = json_dumps(shards[i].header, JSON_COMPACT);
        tiny_write_safetensors(folder, name, header, shards[i].data, shards[i].bytes);
        free(header);
        free(name);
    }
    json_t *index = json_pack("{s:{},s:o}", "metadata", "weight_map", map);
    char *text = json_dumps(index, JSON_INDENT(2));
    if (model->shards > 1) tiny_write_text(folder, "model.safetensors.index.json", text);
    free(text);
    json_decref(index);
}

/* The folder of a new checkpoint, for tiny_remove and free(). The same members give the same bytes. */
static inline char *tiny_model_write(tiny_model model) {
    model.layers = model.layers ? model.layers : 2;
    model.hidden = model.hidden ? model.hidden : 16;
    model.heads = model.heads ? model.heads : 4;
    model.kv_heads = model.kv_heads ? model.kv_heads : model.heads;
    model.head_size = model.head_size ? model.head_size : model.hidden / model.heads;
    model.ffn = model.ffn ? model.ffn : 24;
    model.vocabulary = model.vocabulary ? model.vocabulary : 32;
    model.positions = model.positions ? model.positions : 64;
    model.shards = model.shards ? model.shards : 1;
    model.scale = model.scale > 0 ? model.scale : 0.05;
    tiny_shard *shards = calloc(model.shards, sizeof *shards);
    tiny_check(shards != NULL, "calloc");
    for (uint32_t i = 0; i < model.shards; i++)
        shards[i].header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint32_t added = 0;
    uint64_t state = model.seed + 1;
    tiny_deal(shards, &model, &added, "model.embed_tokens.weight", model.vocabulary, model.hidden, &state);
    for (uint32_t layer = 0; layer < model.layers; layer++)
        tiny_deal_layer(shards, &model, &added, layer, &state);
    tiny_deal(shards, &model, &added, "model.norm.weight", model.hidden, 0, &state);
    if (!model.tied) tiny_deal(shards, &model, &added, "lm_head.weight", model.vocabulary, model.hidden, &state);
    char *folder = tiny_folder();
    tiny_write_config(folder, &model);
    tiny_write_shards(folder, &model, shards);
    for (uint32_t i = 0; i < model.shards; i++) {
        json_decref(shards[i].header);
        free(shards[i].data);
    }
    free(shards);
    return folder;
}

/* Gives a single-file checkpoint one more tensor of floats at its end; columns 0: a vector. */
static inline void tiny_append(const char *folder, const char *name, uint32_t rows, uint32_t columns,
                               const float *values) {
    char *path = pare_path_join(folder, "model.safetensors");
    pare_mapping file;
    tiny_check(pare_mapping_open(path, &file) == PARE_OK, path);
    uint64_t length, more = (uint64_t)rows * (columns ? columns : 1) * sizeof *values;
    memcpy(&length, file.data, sizeof length);
    json_t *header = json_loadb((const char *)file.data + 8, length, 0, NULL);
    uint64_t data = file.bytes - 8 - length;
    json_t *sizes =
        columns ? json_pack("[I,I]", (json_int_t)rows, (json_int_t)columns) : json_pack("[I]", (json_int_t)rows);
    json_object_set_new(header, name,
                        json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", sizes, "data_offsets", (json_int_t)data,
                                  (json_int_t)(data + more)));
    char *text = json_dumps(header, JSON_COMPACT), *bytes = malloc(data + more);
    tiny_check(text && bytes, "malloc");
    memcpy(bytes, file.data + 8 + length, data);
    memcpy(bytes + data, values, more);
    pare_mapping_close(&file);
    tiny_write_safetensors(folder, "model.safetensors", text, bytes, data + more);
    free(bytes);
    free(text);
    free(path);
    json_decref(header);
}

#endif
