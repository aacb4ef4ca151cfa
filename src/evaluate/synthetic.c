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
    {"1b", 2048, 32, 4, 5632, 22, 32000, 10000.0, 0, 0, 0},
    {"7b", 4096, 32, 32, 11008, 32, 32000, 10000.0, 0, 0, 0},
    {"13b", 5120, 40, 40, 13824, 40, 32000, 10000.0, 0, 0, 0},
    {"llama3-8b", 4096, 32, 8, 14336, 32, 128256, 500000.0, 0, 0, 0},
    {"70b", 8192, 64, 8, 28672, 80, 32000, 10000.0, 0, 0, 0},
    {"30b-a3b", 2048, 32, 4, 768, 48, 151936, 1e6, 128, 128, 8},
};

const pare_synthetic_shape *pare_synthetic_find(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

static uint32_t head_dim_of(const pare_synthetic_shape *s) {
    return s->head_dim ? s->head_dim : s->hidden / s->heads;
}

void pare_synthetic_config(FILE *file, const pare_synthetic_shape *s, uint32_t layers, uint32_t vocabulary) {
    fprintf(file,
            "{\"architectures\":[\"%s\"],\"model_type\":\"%s\",\"hidden_act\":\"silu\",\"hidden_size\":%u,"
            "\"intermediate_size\":%u,\"num_hidden_layers\":%u,\"num_attention_heads\":%u,\"num_key_value_heads\":%u,"
            "\"head_dim\":%u,\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-5,\"rope_theta\":%.1f,",
            s->experts ? "Qwen3MoeForCausalLM" : "LlamaForCausalLM", s->experts ? "qwen3_moe" : "llama", s->hidden,
            s->ffn, layers, s->heads, s->kv_heads, head_dim_of(s), s->theta);
    if (s->experts)
        fprintf(file,
                "\"moe_intermediate_size\":%u,\"num_experts\":%u,\"num_experts_per_tok\":%u,\"norm_topk_prob\":true,",
                s->ffn, s->experts, s->chosen);
    fprintf(file,
            "\"tie_word_embeddings\":false,\"vocab_size\":%u,\"torch_dtype\":\"bfloat16\",\"bos_token_id\":1,\"eos_"
            "token_id\":2}\n",
            vocabulary);
}

bool pare_synthetic_filled(const pare_synthetic_tensor *t) {
    return t->layer <= 0 || t->routes || !t->rows;
}

typedef struct listing {
    const pare_synthetic_shape *shape;
    pare_synthetic_fn *see;
    void *context;
} listing;

static void list_end(const listing *l, const char *name, uint64_t rows) {
    pare_synthetic_tensor t = {.rows = rows, .columns = l->shape->hidden, .layer = -1};
    snprintf(t.name, sizeof t.name, "%s", name);
    l->see(l->context, &t);
}

static void list_role(const listing *l, uint32_t layer, pare_role role) {
    const pare_synthetic_shape *s = l->shape;
    uint64_t h = head_dim_of(s);
    const uint64_t of_span[] = {[PARE_SPAN_HIDDEN] = s->hidden,
                                [PARE_SPAN_HEADS] = s->heads * h,
                                [PARE_SPAN_FFN] = s->ffn,
                                [PARE_SPAN_KV_HEADS] = s->kv_heads * h,
                                [PARE_SPAN_HEAD] = h};
    pare_synthetic_tensor t = {.rows = pare_role_is_matrix(role) ? of_span[pare_roles[role].rows] : 0,
                               .columns = of_span[pare_roles[role].columns],
                               .layer = layer,
                               .adds = pare_role_writes(role)};
    pare_role_name(layer, role, t.name, sizeof t.name);
    l->see(l->context, &t);
}

static void list_expert(const listing *l, uint32_t layer, uint32_t expert) {
    static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
    const pare_synthetic_shape *s = l->shape;
    for (int i = 0; i < 3; i++) {
        bool down = i == 2;
        pare_synthetic_tensor t = {
            .rows = down ? s->hidden : s->ffn, .columns = down ? s->ffn : s->hidden, .layer = layer, .adds = down};
        snprintf(t.name, sizeof t.name, "model.layers.%u.mlp.experts.%u.%s.weight", layer, expert, parts[i]);
        l->see(l->context, &t);
    }
}

/* What a Qwen3-MoE has in place of a LLaMA's FFN, and beside its attention. */
static void list_experts(const listing *l, uint32_t layer) {
    const pare_synthetic_shape *s = l->shape;
    pare_synthetic_tensor router = {.rows = s->experts, .columns = s->hidden, .layer = layer, .routes = true};
    snprintf(router.name, sizeof router.name, "model.layers.%u.mlp.gate.weight", layer);
    list_role(l, layer, PARE_ROLE_Q_NORM);
    list_role(l, layer, PARE_ROLE_K_NORM);
    l->see(l->context, &router);
    for (uint32_t expert = 0; expert < s->experts; expert++)
        list_expert(l, layer, expert);
}

void pare_synthetic_list(const pare_synthetic_shape *s, uint32_t layers, uint32_t vocabulary, pare_synthetic_fn *see,
                         void *context) {
    const listing l = {s, see, context};
    list_end(&l, "model.embed_tokens.weight", vocabulary);
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (pare_role role = 0; role < PARE_LAYER_ROLES; role++)
            if (!s->experts || !pare_role_is_matrix(role) || !pare_role_in(role, PARE_PART_FFN))
                list_role(&l, layer, role);
        if (s->experts) list_experts(&l, layer);
    }
    list_end(&l, "model.norm.weight", 0);
    list_end(&l, "lm_head.weight", vocabulary);
}

/* Where numbers lie in the file, behind the header. */
typedef struct run {
    uint64_t begin, end;
} run;

typedef struct header {
    FILE *text;
    uint64_t offset;
    run *filled;
    size_t count;
    pare_status status;
} header;

static void note_filled(header *h, uint64_t bytes) {
    if (h->count && h->filled[h->count - 1].end == h->offset) {
        h->filled[h->count - 1].end += bytes;
        return;
    }
    run *filled = realloc(h->filled, (h->count + 1) * sizeof *filled);
    if (!filled) {
        h->status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a header");
        return;
    }
    h->filled = filled;
    h->filled[h->count++] = (run){h->offset, h->offset + bytes};
}

static void declare(void *context, const pare_synthetic_tensor *t) {
    header *h = context;
    uint64_t bytes = 2 * t->columns * (t->rows ? t->rows : 1);
    fprintf(h->text, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[", h->offset ? "," : "{", t->name);
    if (t->rows) fprintf(h->text, "%llu,", (unsigned long long)t->rows);
    fprintf(h->text, "%llu],\"data_offsets\":[%llu,%llu]}", (unsigned long long)t->columns,
            (unsigned long long)h->offset, (unsigned long long)(h->offset + bytes));
    if (pare_synthetic_filled(t)) note_filled(h, bytes);
    h->offset += bytes;
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

/* Small random bf16 numbers, enough that no product is trivial: those of [begin, end) behind the header. */
static pare_status write_random(int file, uint64_t header_bytes, run bytes) {
    enum { COUNT = 1 << 18 };
    float *values;
    uint16_t *rounded;
    PARE_TRY(pare_alloc(&values, COUNT, sizeof *values, "random weights"));
    pare_status status = pare_alloc(&rounded, COUNT, sizeof *rounded, "random weights");
    for (uint64_t at = bytes.begin; at < bytes.end && status == PARE_OK;) {
        uint64_t left = (bytes.end - at) / 2, count = left < COUNT ? left : COUNT;
        pare_normal_fill(values, 1, 0, 0, at / 2, (size_t)count);
        for (uint64_t i = 0; i < count; i++)
            rounded[i] = pare_float_to_bf16(values[i] * 0.02f);
        if (!put(file, rounded, (size_t)count * 2, header_bytes + at))
            status = pare_fail(PARE_FILE_ERROR, "cannot write random weights: %s", strerror(errno));
        at += count * 2;
    }
    pare_free(values);
    pare_free(rounded);
    return status;
}

static pare_status write_file(const char *path, const header *h, const char *text, size_t length) {
    uint64_t header_bytes = length;
    int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    pare_status status = PARE_OK;
    if (file < 0 || !put(file, &header_bytes, 8, 0) || !put(file, text, length, 8) ||
        ftruncate(file, (off_t)(8 + length + h->offset)) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", path, strerror(errno));
    for (size_t i = 0; i < h->count && status == PARE_OK; i++)
        status = write_random(file, 8 + length, h->filled[i]);
    if (file >= 0) close(file);
    return status;
}

static pare_status write_weights(const char *path, const pare_synthetic_shape *s, uint32_t layers) {
    char *text = NULL;
    size_t length = 0;
    header h = {.text = pare_text_stream(&text, &length)};
    if (!h.text) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a header");
    pare_synthetic_list(s, layers, VOCABULARY, declare, &h);
    fputc('}', h.text);
    while ((ftell(h.text) + 8) % 64)
        fputc(' ', h.text);
    if (fclose(h.text) != 0 && h.status == PARE_OK)
        h.status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a header");
    if (h.status == PARE_OK) h.status = write_file(path, &h, text, length);
    free(h.filled);
    free(text);
    return h.status;
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
    if (!s)
        return pare_fail(PARE_BAD_ARGUMENT, "--shape %s: known shapes are 1b, 7b, 13b, llama3-8b, 70b and 30b-a3b",
                         name);
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
