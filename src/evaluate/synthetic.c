#include "evaluate/synthetic.h"
#include "checkpoint/temporary.h"
#include "model/model.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/random.h"
#include "support/text_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VOCABULARY = 1024 };

static const pare_synthetic_shape shapes[] = {
    {"1b", 2048, 32, 4, 5632, 22, 32000, 10000.0},    {"7b", 4096, 32, 32, 11008, 32, 32000, 10000.0},
    {"13b", 5120, 40, 40, 13824, 40, 32000, 10000.0}, {"llama3-8b", 4096, 32, 8, 14336, 32, 128256, 500000.0},
    {"70b", 8192, 64, 8, 28672, 80, 32000, 10000.0},
};

const pare_synthetic_shape *pare_synthetic_find(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

void pare_synthetic_config(FILE *file, const pare_synthetic_shape *s, uint32_t layers, uint32_t vocabulary) {
    fprintf(
        file,
        "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":\"silu\",\"hidden_size\":%u,"
        "\"intermediate_size\":%u,\"num_hidden_layers\":%u,\"num_attention_heads\":%u,\"num_key_value_heads\":%u,"
        "\"head_dim\":%u,\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-5,\"rope_theta\":%.1f,"
        "\"tie_word_embeddings\":false,\"vocab_size\":%u,\"torch_dtype\":\"bfloat16\",\"bos_token_id\":1,\"eos_token_"
        "id\":2}\n",
        s->hidden, s->ffn, layers, s->heads, s->kv_heads, s->hidden / s->heads, s->theta, vocabulary);
}

void pare_synthetic_matrix(const pare_synthetic_shape *s, int role, uint64_t *rows, uint64_t *columns) {
    uint64_t d = s->hidden, f = s->ffn, kv = d / s->heads * s->kv_heads;
    const uint64_t of_role[PARE_LAYER_ROLES] = {d, kv, kv, d, f, f, d, 0, 0};
    *rows = of_role[role];
    *columns = role == PARE_ROLE_DOWN ? f : d;
}

typedef struct header {
    FILE *text;
    uint64_t offset;
} header;

static void declare(header *h, const char *name, uint64_t rows, uint64_t columns) {
    uint64_t bytes = 2 * columns * (rows ? rows : 1);
    fprintf(h->text, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[", h->offset ? "," : "{", name);
    if (rows) fprintf(h->text, "%llu,", (unsigned long long)rows);
    fprintf(h->text, "%llu],\"data_offsets\":[%llu,%llu]}", (unsigned long long)columns, (unsigned long long)h->offset,
            (unsigned long long)(h->offset + bytes));
    h->offset += bytes;
}

static void declare_layer(header *h, const pare_synthetic_shape *s, uint32_t layer) {
    for (int role = 0; role < PARE_LAYER_ROLES; role++) {
        char name[96];
        uint64_t rows, columns;
        pare_role_name(layer, (pare_role)role, name, sizeof name);
        pare_synthetic_matrix(s, role, &rows, &columns);
        declare(h, name, rows, columns);
    }
}

/* All of it; false with errno set. */
static bool put(int file, const void *data, size_t bytes, uint64_t at) {
    for (size_t done = 0; done < bytes;) {
        ssize_t written = pwrite(file, (const char *)data + done, bytes - done, (off_t)(at + done));
        if (written < 0 && errno != EINTR) return false;
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* Small random bf16 numbers, enough that no product is trivial. */
static pare_status write_random(int file, uint64_t at, uint64_t bytes) {
    enum { COUNT = 1 << 18 };
    float *values;
    uint16_t *rounded;
    PARE_TRY(pare_alloc(&values, COUNT, sizeof *values, "random weights"));
    pare_status status = pare_alloc(&rounded, COUNT, sizeof *rounded, "random weights");
    for (uint64_t done = 0; done < bytes && status == PARE_OK;) {
        uint64_t left = (bytes - done) / 2, count = left < COUNT ? left : COUNT;
        pare_normal_fill(values, 1, 0, 0, done / 2, (size_t)count);
        for (uint64_t i = 0; i < count; i++)
            rounded[i] = pare_float_to_bf16(values[i] * 0.02f);
        if (!put(file, rounded, (size_t)count * 2, at + done))
            status = pare_fail(PARE_FILE_ERROR, "cannot write random weights: %s", strerror(errno));
        done += count * 2;
    }
    pare_free(values);
    pare_free(rounded);
    return status;
}

static pare_status write_weights(const char *path, const pare_synthetic_shape *s, uint32_t layers) {
    char *text = NULL;
    size_t length = 0;
    header h = {.text = pare_text_stream(&text, &length)};
    if (!h.text) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a header");
    declare(&h, "model.embed_tokens.weight", VOCABULARY, s->hidden);
    uint64_t filled = 0;
    for (uint32_t layer = 0; layer < layers; layer++) {
        declare_layer(&h, s, layer);
        if (layer == 0) filled = h.offset;
    }
    declare(&h, "model.norm.weight", 0, s->hidden);
    declare(&h, "lm_head.weight", VOCABULARY, s->hidden);
    fputc('}', h.text);
    while ((ftell(h.text) + 8) % 64)
        fputc(' ', h.text);
    if (fclose(h.text) != 0) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a header");
    uint64_t header_bytes = length;
    int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    pare_status status = PARE_OK;
    if (file < 0 || !put(file, &header_bytes, 8, 0) || !put(file, text, length, 8) ||
        ftruncate(file, (off_t)(8 + length + h.offset)) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", path, strerror(errno));
    if (status == PARE_OK) status = write_random(file, 8 + length, filled);
    if (file >= 0) close(file);
    free(text);
    return status;
}

static pare_status write_model(const char *folder, const pare_synthetic_shape *s, uint32_t layers) {
    char *config = pare_path_join(folder, "config.json"), *weights = pare_path_join(folder, "model.safetensors");
    FILE *file = config ? fopen(config, "we") : NULL;
    pare_status status = file ? PARE_OK : pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", config, strerror(errno));
    if (file) {
        pare_synthetic_config(file, s, layers, VOCABULARY);
        if (fclose(file) != 0) status = pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", config, strerror(errno));
    }
    if (status == PARE_OK) status = write_weights(weights, s, layers);
    free(config);
    free(weights);
    return status;
}

static void remove_files(const char *folder) {
    char *config = pare_path_join(folder, "config.json"), *weights = pare_path_join(folder, "model.safetensors");
    if (config) unlink(config);
    if (weights) unlink(weights);
    rmdir(folder);
    free(config);
    free(weights);
}

pare_status pare_synthetic_open(const char *name, uint32_t layers, const char *parent, pare_model **out) {
    *out = NULL;
    const pare_synthetic_shape *s = pare_synthetic_find(name);
    if (!s) return pare_fail(PARE_BAD_ARGUMENT, "--shape %s: known shapes are 1b, 7b, 13b, llama3-8b and 70b", name);
    if (layers < 1 || layers > 512)
        return pare_fail(PARE_BAD_ARGUMENT, "--layers %u: give a number from 1 to 512", layers);
    char *folder;
    int lock;
    PARE_TRY(pare_temporary_scratch(parent, "pare-bench", &folder, &lock));
    pare_status status = write_model(folder, s, layers);
    if (status == PARE_OK) status = pare_model_open(folder, out);
    remove_files(folder);
    if (lock >= 0) close(lock);
    free(folder);
    return status;
}
