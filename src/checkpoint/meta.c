/* Names and shapes in Meta's format; n: number of files, each of which holds 1 / n of every matrix.
 *
 *   tok_embeddings.weight              [vocabulary, dim / n], or [vocabulary / n, dim] since Llama 3
 *   layers.L.attention.wq, wk.weight   [heads / n * head size, dim]; within a head, rows that are turned together by
 *                                      rotary positions stand side by side (0, 1 are a pair), where transformers has
 *                                      them half a head apart (0 and head size / 2)
 *   layers.L.attention.wv.weight       [kv heads / n * head size, dim]
 *   layers.L.attention.wo.weight       [dim, heads / n * head size]
 *   layers.L.feed_forward.w1, w3, w2   gate, up: [ffn / n, dim]; down: [dim, ffn / n]
 *   layers.L.attention_norm, ffn_norm.weight, norm.weight   [dim], in every file alike
 *   output.weight                      [vocabulary / n, dim]
 *   rope.freqs                         ignored: computed
 *
 * Mistral's consolidated.safetensors has the same names, in one file.
 */
#include "checkpoint/meta.h"
#include "checkpoint/view.h"
#include "support/memory.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96, FILE_LIMIT = 100 };

struct pare_meta_view {
    pare_view view;
    char name[NAME_BYTES];
};

/* How the parts of a matrix lie in the files. */
typedef enum axis { AXIS_NONE, AXIS_ROWS, AXIS_COLUMNS, AXIS_EITHER } axis;

typedef struct entry {
    const char *own, *name; /* of a tensor in a layer: behind its number */
    axis axis;
    bool turned; /* its rows are in Meta's order */
} entry;

static const entry ends[] = {
    {"tok_embeddings.weight", "model.embed_tokens.weight", AXIS_EITHER, false},
    {"norm.weight", "model.norm.weight", AXIS_NONE, false},
    {"output.weight", "lm_head.weight", AXIS_ROWS, false},
    {NULL, NULL, AXIS_NONE, false},
};

static const entry in_layers[] = {
    {"attention.wq.weight", "self_attn.q_proj.weight", AXIS_ROWS, true},
    {"attention.wk.weight", "self_attn.k_proj.weight", AXIS_ROWS, true},
    {"attention.wv.weight", "self_attn.v_proj.weight", AXIS_ROWS, false},
    {"attention.wo.weight", "self_attn.o_proj.weight", AXIS_COLUMNS, false},
    {"feed_forward.w1.weight", "mlp.gate_proj.weight", AXIS_ROWS, false},
    {"feed_forward.w2.weight", "mlp.down_proj.weight", AXIS_COLUMNS, false},
    {"feed_forward.w3.weight", "mlp.up_proj.weight", AXIS_ROWS, false},
    {"attention_norm.weight", "input_layernorm.weight", AXIS_NONE, false},
    {"ffn_norm.weight", "post_attention_layernorm.weight", AXIS_NONE, false},
    {NULL, NULL, AXIS_NONE, false},
};

bool pare_meta_is_name(const char *name) {
    return fnmatch("consolidated.[0-9][0-9].pth", name, 0) == 0 || strcmp(name, "consolidated.safetensors") == 0;
}

bool pare_meta_is_folder(const char *folder) {
    return pare_folder_has(folder, "params.json") &&
           (pare_folder_has(folder, "consolidated.00.pth") || pare_folder_has(folder, "consolidated.safetensors"));
}

static int is_shard(const struct dirent *found) {
    return fnmatch("consolidated.[0-9][0-9].pth", found->d_name, 0) == 0;
}

/* The number of files; those of a row are numbered from 0 on. */
static pare_status count_shards(const char *folder, size_t *count) {
    struct dirent **found;
    int all = scandir(folder, &found, is_shard, alphasort);
    pare_status status = PARE_OK;
    for (int i = 0; i < all; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "consolidated.%02d.pth", i);
        if (status == PARE_OK && strcmp(found[i]->d_name, expected) != 0)
            status = pare_fail(PARE_FILE_ERROR, "%s has %s, but not %s; download that file, too", folder,
                               found[i]->d_name, expected);
        free(found[i]);
    }
    if (all >= 0) free(found);
    *count = all > 0 ? (size_t)all : 0;
    if (status != PARE_OK || *count) return status;
    return pare_fail(PARE_FILE_ERROR, "%s has no file consolidated.00.pth", folder);
}

pare_status pare_meta_list(const char *folder, bool safetensors, char ***names, size_t *count) {
    *names = NULL;
    *count = 1;
    if (!safetensors) PARE_TRY(count_shards(folder, count));
    PARE_TRY(pare_alloc(names, *count, sizeof **names, "the list of files"));
    for (size_t i = 0; i < *count; i++)
        (*names)[i] = safetensors ? pare_format("consolidated.safetensors") : pare_format("consolidated.%02zu.pth", i);
    pare_status status = pare_whole();
    if (status != PARE_OK) pare_meta_names_free(*names, *count);
    return status;
}

void pare_meta_names_free(char **names, size_t count) {
    for (size_t i = 0; i < count && names; i++)
        free(names[i]);
    pare_free(names);
}

/* What is being composed. */
typedef struct composing {
    const pare_meta_params *params;
    const pare_safetensors *files;
    size_t file_count;
    pare_meta *out;
} composing;

static const entry *find_in(const entry *list, const char *own) {
    for (; list->own; list++)
        if (strcmp(list->own, own) == 0) return list;
    return NULL;
}

/* The row of a stored name, with its name in transformers; NULL: none. */
static const entry *find_entry(const composing *c, const char *own, char name[NAME_BYTES]) {
    unsigned layer;
    int read = 0;
    const entry *found = find_in(ends, own);
    if (found) snprintf(name, NAME_BYTES, "%s", found->name);
    if (found || sscanf(own, "layers.%5u.%n", &layer, &read) != 1 || !read || layer >= c->params->layers) return found;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "layers.%u.", layer);
    if (strncmp(own, prefix, strlen(prefix)) != 0) return NULL;
    found = find_in(in_layers, own + strlen(prefix));
    if (found) snprintf(name, NAME_BYTES, "model.layers.%u.%s", layer, found->name);
    return found;
}

static pare_status refuse(const composing *c, size_t file, const pare_tensor *tensor, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s %s", c->files[file].mapping.path, tensor->name, what);
}

static const pare_tensor *find_tensor(const pare_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

/* parts: [file_count] the same tensor's data in all files. */
static pare_status find_parts(const composing *c, const entry *row, const pare_tensor *first, const void **parts) {
    for (size_t i = 0; i < c->file_count; i++) {
        const pare_tensor *part = find_tensor(&c->files[i], first->name);
        if (!part || part->dtype != first->dtype || part->rank != first->rank ||
            memcmp(part->shape, first->shape, sizeof part->shape) != 0)
            return refuse(c, i, first, "is missing, or has another shape or dtype than in the first file");
        if (row->axis == AXIS_NONE && memcmp(part->data, first->data, first->bytes) != 0)
            return refuse(c, i, first, "has other values than in the first file; the files are of different models");
        parts[i] = part->data;
    }
    return PARE_OK;
}

static pare_status view_rows(const composing *c, const entry *row, const pare_tensor *stored, pare_view *view) {
    int64_t columns = (int64_t)stored->shape[1], head = c->params->head_size;
    *view = row->turned ? pare_view_of_pairs(columns, head) : pare_view_of_rows(columns);
    if (!row->turned || (int64_t)stored->shape[0] % head == 0) return PARE_OK;
    return refuse(c, 0, stored, "has a number of rows that is no multiple of the size of a head in params.json");
}

static axis axis_of(const composing *c, const entry *row, const pare_tensor *stored) {
    if (row->axis != AXIS_EITHER) return row->axis;
    return stored->shape[1] == c->params->width ? AXIS_ROWS : AXIS_COLUMNS;
}

/* The tensor that file 0 has as `stored`. */
static pare_status compose(const composing *c, const entry *row, const pare_tensor *stored) {
    pare_meta *out = c->out;
    pare_meta_view *named = &out->views[out->count];
    pare_tensor *tensor = &out->tensors[out->count];
    const void **parts = &out->parts[out->count * c->file_count];
    bool vector = row->axis == AXIS_NONE, divided = !vector && c->file_count > 1;
    if (stored->rank != (vector ? 1 : 2) || !stored->count)
        return refuse(c, 0, stored, vector ? "is not a vector" : "is not a matrix");
    PARE_TRY(find_parts(c, row, stored, parts));
    *tensor = *stored;
    tensor->name = named->name;
    out->count++;
    if (!divided && !row->turned) return PARE_OK;
    PARE_TRY(view_rows(c, row, stored, &named->view));
    tensor->view = &named->view;
    if (divided) {
        named->view.shards = parts;
        named->view.shard_count = (int)c->file_count;
        named->view.by_columns = axis_of(c, row, stored) == AXIS_COLUMNS;
        tensor->shape[named->view.by_columns ? 1 : 0] *= c->file_count;
        tensor->count *= c->file_count;
        tensor->bytes *= c->file_count;
    }
    if (tensor->shape[1] * pare_dtype_size(tensor->dtype) <= PARE_VIEW_ROW_BYTES) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s has rows of more than %d bytes", c->files[0].mapping.path,
                     stored->name, PARE_VIEW_ROW_BYTES);
}

/* A model of which a file is missing shows in the number of its heads. */
static pare_status check_heads(const composing *c) {
    const struct {
        const char *name, *what;
        uint32_t heads;
    } all[] = {{"model.layers.0.self_attn.q_proj.weight", "queries", c->params->heads},
               {"model.layers.0.self_attn.k_proj.weight", "keys", c->params->kv_heads}};
    for (size_t i = 0; i < 2 * c->out->count; i++) {
        const pare_tensor *tensor = &c->out->tensors[i / 2];
        uint64_t rows = (uint64_t)all[i % 2].heads * c->params->head_size;
        if (strcmp(tensor->name, all[i % 2].name) != 0 || tensor->shape[0] == rows) continue;
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: %u heads of %u are %llu rows of %s, but %zu file%s %llu: a file is missing, or the files "
                         "are of another model or hold some rows twice",
                         c->params->path, all[i % 2].heads, c->params->head_size, (unsigned long long)rows,
                         all[i % 2].what, c->file_count, c->file_count == 1 ? " has" : "s have",
                         (unsigned long long)tensor->shape[0]);
    }
    return PARE_OK;
}

static pare_status compose_all(const composing *c) {
    const pare_safetensors *first = &c->files[0];
    pare_meta *out = c->out;
    size_t parts;
    if (c->file_count > FILE_LIMIT || __builtin_mul_overflow(first->count, c->file_count, &parts))
        return pare_fail(PARE_UNSUPPORTED, "%s is in more than %d files", c->params->path, FILE_LIMIT);
    PARE_TRY(pare_alloc(&out->tensors, first->count, sizeof *out->tensors, "tensor descriptions"));
    PARE_TRY(pare_alloc(&out->views, first->count, sizeof *out->views, "tensor descriptions"));
    PARE_TRY(pare_alloc(&out->parts, parts, sizeof *out->parts, "tensor descriptions"));
    for (size_t i = 0; i < first->count; i++) {
        const pare_tensor *stored = &first->tensors[i];
        if (strcmp(stored->name, "rope.freqs") == 0) continue;
        const entry *row = find_entry(c, stored->name, out->views[out->count].name);
        if (!row) return refuse(c, 0, stored, "has no place in a LLaMA or a Mistral of the sizes in params.json");
        PARE_TRY(compose(c, row, stored));
    }
    return check_heads(c);
}

pare_status pare_meta_compose(const pare_meta_params *params, const pare_safetensors *files, size_t file_count,
                              pare_meta *out) {
    *out = (pare_meta){0};
    const composing c = {.params = params, .files = files, .file_count = file_count, .out = out};
    pare_status status = compose_all(&c);
    if (status != PARE_OK) pare_meta_free(out);
    return status;
}

void pare_meta_free(pare_meta *meta) {
    pare_free(meta->tensors);
    pare_free(meta->views);
    pare_free(meta->parts);
    *meta = (pare_meta){0};
}
