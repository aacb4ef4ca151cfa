/* Writes a model of a well-known shape to measure whole runs on: bench_synthetic_model SHAPE OUT [LAYERS [holes]]. All
 * weights are random and differ from layer to layer; their variances keep the residual stream and the logits in the
 * range of a trained model's, so that losses are finite (a little above the logarithm of the vocabulary) and no product
 * is trivial. bf16 safetensors in shards, their index, config.json, and a tokenizer whose tokens are single bytes. With
 * `holes` all layers but the first are zeros that take no room on the disk, to plan on. */
#include "evaluate/synthetic.h"
#include "model/model.h"
#include "support/dtype.h"
#include "support/file.h"
#include "support/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 18, NAME = 96, SPECIAL = 3, GROWTH = 1 << 10 };
#define SHARD_BYTES ((uint64_t)4 << 30)

typedef struct tensor {
    char name[NAME];
    uint64_t rows, columns, offset; /* rows 0: a vector of ones; offset: in its shard's data */
    double deviation;
    uint32_t shard;
    bool hole;
} tensor;

typedef struct model {
    const pare_synthetic_shape *shape;
    const char *folder;
    uint32_t layers, shards;
    tensor *tensors;
    size_t count;
    uint64_t bytes;
    bool holes;
} model;

static void stop(const char *what, const char *name) {
    fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static uint64_t elements_of(const tensor *t) {
    return t->columns * (t->rows ? t->rows : 1);
}

static FILE *open_text(const model *m, const char *name) {
    char *path = pare_path_join(m->folder, name);
    FILE *file = path ? fopen(path, "wex") : NULL;
    if (!file) stop("cannot write", path ? path : name);
    free(path);
    return file;
}

static void close_text(FILE *file, const char *name) {
    if (fclose(file) != 0) stop("cannot write", name);
}

/* What a layer adds to the stream is as large at every depth together as the embedding is. */
static double deviation_of(const pare_synthetic_shape *s, const pare_synthetic_tensor *t) {
    if (!t->rows) return 0.0;
    if (t->layer < 0 && strcmp(t->name, "model.embed_tokens.weight") == 0) return 1.0;
    return 1.0 / sqrt((double)t->columns * (t->adds ? 2.0 * s->layers : 1.0));
}

static void add(void *context, const pare_synthetic_tensor *seen) {
    model *m = context;
    if (m->count % GROWTH == 0) {
        m->tensors = realloc(m->tensors, (m->count + GROWTH) * sizeof *m->tensors);
        if (!m->tensors) stop("no memory for", "the list of tensors");
    }
    tensor *t = &m->tensors[m->count++];
    *t = (tensor){.rows = seen->rows,
                  .columns = seen->columns,
                  .deviation = deviation_of(m->shape, seen),
                  .hole = m->holes && !pare_synthetic_filled(seen)};
    snprintf(t->name, sizeof t->name, "%s", seen->name);
    const tensor *before = m->count > 1 ? t - 1 : NULL;
    t->shard = before ? before->shard : 0;
    t->offset = before ? before->offset + 2 * elements_of(before) : 0;
    if (t->offset && t->offset + 2 * elements_of(t) > SHARD_BYTES) {
        t->shard++;
        t->offset = 0;
    }
    m->bytes += 2 * elements_of(t);
    m->shards = t->shard + 1;
}

static void put(int file, const void *bytes, size_t count, uint64_t at) {
    for (size_t done = 0; done < count;) {
        ssize_t written = pwrite(file, (const char *)bytes + done, count - done, (off_t)(at + done));
        if (written <= 0) stop("cannot write", "weights");
        done += (size_t)written;
    }
}

static void write_piece(int file, const tensor *t, size_t id, uint64_t first, uint64_t begin) {
    static _Thread_local float values[PIECE];
    static _Thread_local uint16_t rounded[PIECE];
    uint64_t left = elements_of(t) - first;
    size_t count = left < PIECE ? (size_t)left : PIECE;
    if (t->rows) pare_normal_fill(values, 1, 0, id, first, count);
    for (size_t i = 0; i < count; i++)
        values[i] = t->rows ? values[i] * (float)t->deviation : 1.0f;
    pare_from_float(rounded, PARE_DTYPE_BF16, values, count);
    put(file, rounded, count * sizeof *rounded, begin + t->offset + first * sizeof *rounded);
}

static void shard_name(const model *m, uint32_t shard, char name[NAME]) {
    snprintf(name, NAME, "model-%05" PRIu32 "-of-%05" PRIu32 ".safetensors", shard + 1, m->shards);
}

static char *header_of(const model *m, uint32_t shard, size_t *length) {
    char *text = NULL, separator = '{';
    FILE *file = open_memstream(&text, length);
    if (!file) stop("no memory for", "a header");
    for (size_t id = 0; id < m->count; id++) {
        const tensor *t = &m->tensors[id];
        if (t->shard != shard) continue;
        fprintf(file, "%c\"%s\":{\"dtype\":\"BF16\",\"shape\":[", separator, t->name);
        if (t->rows) fprintf(file, "%" PRIu64 ",", t->rows);
        fprintf(file, "%" PRIu64 "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", t->columns, t->offset,
                t->offset + 2 * elements_of(t));
        separator = ',';
    }
    fputc('}', file);
    while ((ftell(file) + 8) % 64)
        fputc(' ', file);
    close_text(file, "a header");
    return text;
}

static void write_shard(const model *m, uint32_t shard) {
    char name[NAME];
    size_t length;
    shard_name(m, shard, name);
    char *header = header_of(m, shard, &length), *path = pare_path_join(m->folder, name);
    int file = path ? open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666) : -1;
    if (file < 0) stop("cannot write", name);
    uint64_t header_bytes = length;
    put(file, &header_bytes, sizeof header_bytes, 0);
    put(file, header, length, sizeof header_bytes);
    uint64_t end = 0;
    for (size_t id = 0; id < m->count; id++) {
        const tensor *t = &m->tensors[id];
        if (t->shard != shard) continue;
        int64_t pieces = t->hole ? 0 : (int64_t)((elements_of(t) + PIECE - 1) / PIECE);
        end = t->offset + 2 * elements_of(t);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < pieces; i++)
            write_piece(file, t, id, (uint64_t)i * PIECE, sizeof header_bytes + length);
    }
    if (ftruncate(file, (off_t)(sizeof header_bytes + length + end)) != 0 || close(file) != 0)
        stop("cannot write", name);
    free(header);
    free(path);
}

static void write_index(const model *m) {
    FILE *file = open_text(m, "model.safetensors.index.json");
    fprintf(file, "{\"metadata\":{\"total_size\":%" PRIu64 "},\"weight_map\":{", m->bytes);
    for (size_t id = 0; id < m->count; id++) {
        char name[NAME];
        shard_name(m, m->tensors[id].shard, name);
        fprintf(file, "%s\n\"%s\":\"%s\"", id ? "," : "", m->tensors[id].name, name);
    }
    fputs("}}\n", file);
    close_text(file, "the index");
}

/* How byte-level tokenizers write a byte: printable ones as they are, the others from U+0100 on. */
static void put_byte(FILE *file, int byte, int *hidden) {
    bool shown = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    fprintf(file, "\"\\u%04x\"", shown ? (unsigned)byte : (unsigned)(0x100 + (*hidden)++));
}

static void write_tokenizer(const model *m) {
    static const char *const special[SPECIAL] = {"<unk>", "<s>", "</s>"};
    FILE *file = open_text(m, "tokenizer.json");
    fputs("{\"version\":\"1.0\",\"added_tokens\":[", file);
    for (int i = 0; i < SPECIAL; i++)
        fprintf(file,
                "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                "\"normalized\":false,\"special\":true}",
                i ? "," : "", i, special[i]);
    fputs("],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":"
          "true,"
          "\"use_regex\":true},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
          "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
          "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,"
          "\"ignore_merges\":false,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2",
          file);
    int hidden = 0;
    for (int byte = 0; byte < 256; byte++) {
        fputc(',', file);
        put_byte(file, byte, &hidden);
        fprintf(file, ":%d", SPECIAL + byte);
    }
    for (uint32_t id = SPECIAL + 256; id < m->shape->vocabulary; id++)
        fprintf(file, ",\"<unused%" PRIu32 ">\":%" PRIu32, id, id);
    fputs("},\"merges\":[]}}\n", file);
    close_text(file, "tokenizer.json");
}

static void write_configs(const model *m) {
    FILE *file = open_text(m, "config.json");
    pare_synthetic_config(file, m->shape, m->layers, m->shape->vocabulary);
    close_text(file, "config.json");
    file = open_text(m, "tokenizer_config.json");
    fputs("{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"bos_token\":\"<s>\",\"eos_token\":\"</"
          "s>\",\"unk_token\":\"<unk>\","
          "\"clean_up_tokenization_spaces\":false}\n",
          file);
    close_text(file, "tokenizer_config.json");
}

static uint32_t layers_of(const char *text, uint32_t usual) {
    char *end = NULL;
    if (!text || strcmp(text, "whole") == 0) return usual;
    unsigned long layers = strtoul(text, &end, 10);
    if (*end || layers < 1 || layers > 512) {
        fprintf(stderr, "%s layers: give a number from 1 to 512\n", text);
        exit(2);
    }
    return (uint32_t)layers;
}

int main(int count, char **arguments) {
    const pare_synthetic_shape *shape = count > 2 ? pare_synthetic_find(arguments[1]) : NULL;
    bool holes = count == 5 && strcmp(arguments[4], "holes") == 0;
    if (!shape || count > 5 || (count == 5 && !holes)) {
        fputs("bench_synthetic_model 1b|7b|13b|llama3-8b|70b|30b-a3b OUT [LAYERS [holes]]\n", stderr);
        return 2;
    }
    model m = {.shape = shape,
               .folder = arguments[2],
               .layers = layers_of(count > 3 ? arguments[3] : NULL, shape->layers),
               .holes = holes};
    if (mkdir(m.folder, 0777) != 0) stop("cannot make the folder", m.folder);
    pare_synthetic_list(shape, m.layers, shape->vocabulary, add, &m);
    write_configs(&m);
    write_tokenizer(&m);
    for (uint32_t shard = 0; shard < m.shards; shard++)
        write_shard(&m, shard);
    write_index(&m);
    printf("%s: %" PRIu32 " layers, %" PRIu64 " bytes of weights in %" PRIu32 " shards\n", m.folder, m.layers, m.bytes,
           m.shards);
    free(m.tensors);
    return 0;
}
