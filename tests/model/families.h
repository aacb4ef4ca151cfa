/* Tiny models of every family with what transformers makes of them (tests/data/families.json; those with experts:
 * tests/data/experts.json, which the runs named NAME/experts take in its place), written as checkpoints in fresh
 * folders. The weights are numbers that tests/oracle/families.py makes of the tensors' names, too. */
#ifndef PARE_TESTS_FAMILIES_H
#define PARE_TESTS_FAMILIES_H

#include "golden.h"
#include "model/pass.h"
#include "tiny_model.h"

#define FAMILIES_GOLDEN PARE_SOURCE_DIR "/tests/data/families.json"
#define EXPERTS_GOLDEN PARE_SOURCE_DIR "/tests/data/experts.json"

enum { FAMILY_SEQUENCES = 2, FAMILY_LENGTH = 48, FAMILY_TOKENS = FAMILY_SEQUENCES * FAMILY_LENGTH };

typedef struct families {
    json_t *golden, *cases;
    uint32_t *ids; /* [FAMILY_SEQUENCES, FAMILY_LENGTH] */
} families;

/* How a checkpoint is written; all zero: as transformers writes it, in one file of fp32. */
typedef struct family_form {
    pare_dtype dtype;
    uint32_t shards;               /* 0: one file */
    const char *const (*names)[2]; /* what names begin with and what they shall begin with instead; to {NULL} */
    const json_t *config;          /* in place of the case's own; borrowed */
    const char *without;           /* the tensor of this name (the case's) is left out */
    const char *more;              /* and one of this name, [more_rows, more_columns], is put in; columns 0: a vector */
    const char *more_like;         /* with the numbers of a tensor of this name; NULL: its own */
    uint32_t more_rows, more_columns;
    const char *more_dtype; /* "U8", "BOOL": bytes of 0 in place of numbers; NULL: as all others */
} family_form;

static inline families families_load_from(const char *path) {
    families all = {.golden = load_json(path)};
    size_t sequences, length;
    all.cases = json_object_get(all.golden, "cases");
    all.ids = golden_ids(json_object_get(all.golden, "ids"), &sequences, &length);
    assert_int_equal(sequences, FAMILY_SEQUENCES);
    assert_int_equal(length, FAMILY_LENGTH);
    return all;
}

/* True in the runs on models with experts. */
static inline bool families_have_experts(void) {
    const char *golden = getenv("PARE_GOLDEN");
    return golden && strcmp(golden, "experts") == 0;
}

static inline families families_load(void) {
    return families_load_from(families_have_experts() ? EXPERTS_GOLDEN : FAMILIES_GOLDEN);
}

/* As a file to calibrate on. */
static inline void family_write_ids(const families *all, const char *path) {
    tiny_check(json_dump_file(json_object_get(all->golden, "ids"), path, JSON_COMPACT) == 0, path);
}

static inline void families_free(families *all) {
    json_decref(all->golden);
    free(all->ids);
}

static inline const char *family_name(const json_t *one) {
    return json_string_value(json_object_get(one, "name"));
}

static inline const json_t *family_case(const families *all, const char *name) {
    size_t i;
    json_t *one;
    json_array_foreach(all->cases, i, one) if (strcmp(family_name(one), name) == 0) return one;
    fail_msg("families.json has no case %s", name);
    return NULL;
}

/* FNV-1a */
static inline uint32_t family_stream(const char *name) {
    uint32_t x = 0x811c9dc5u;
    for (const char *at = name; *at; at++)
        x = (x ^ (unsigned char)*at) * 0x01000193u;
    return x;
}

/* Around 0 to 1/2 in matrices and to 1/4 in biases; 1/4 to 5/4 in norms. */
static inline float family_weight(const char *name, size_t rank, uint32_t index) {
    float x = counted(family_stream(name), index);
    size_t length = strlen(name);
    if (rank > 1) return x / 4;
    return length >= 4 && strcmp(name + length - 4, "bias") == 0 ? x / 8 : 0.25f + fabsf(x) / 2;
}

static inline bool family_name_ends(const char *name, const char *end) {
    size_t length = strlen(name), own = strlen(end);
    return length >= own && strcmp(name + length - own, end) == 0;
}

/* Bytes of MXFP4: two numbers, or an exponent. */
static inline bool family_is_packed(const char *name) {
    return family_name_ends(name, "_blocks") || family_name_ends(name, "_scales");
}

static inline unsigned char family_byte(const char *name, uint32_t index) {
    float x = counted(family_stream(name), index);
    unsigned size = (unsigned)(fabsf(x) * 64.0f);
    if (family_name_ends(name, "_scales")) return (unsigned char)(120u + size % 4u);
    return (unsigned char)(size + (x < 0.0f ? 128u : 0u));
}

/* shape: of numbers. */
static inline void family_add(tiny_shard *shard, const family_form *form, const char *name, const char *written,
                              json_t *shape) {
    size_t i, count = 1;
    json_t *size;
    json_array_foreach(shape, i, size) count *= (size_t)json_integer_value(size);
    bool packed = family_is_packed(name), bytewise = packed || (form->more_dtype && strcmp(form->more, written) == 0);
    size_t bytes = bytewise ? count : count * pare_dtype_size(form->dtype);
    float *values = malloc(count * sizeof *values + 1);
    shard->data = realloc(shard->data, shard->bytes + bytes + 1);
    tiny_check(values && shard->data, "malloc");
    memset(shard->data + shard->bytes, 0, bytes);
    for (i = 0; i < count; i++)
        values[i] = family_weight(name, json_array_size(shape), (uint32_t)i);
    for (i = 0; packed && i < count; i++)
        shard->data[shard->bytes + i] = family_byte(name, (uint32_t)i);
    if (!bytewise) pare_from_float(shard->data + shard->bytes, form->dtype, values, count);
    free(values);
    json_object_set_new(shard->header, written,
                        json_pack("{s:s,s:O,s:[I,I]}", "dtype",
                                  packed     ? "U8"
                                  : bytewise ? form->more_dtype
                                             : pare_dtype_name(form->dtype),
                                  "shape", shape, "data_offsets", (json_int_t)shard->bytes,
                                  (json_int_t)(shard->bytes + bytes)));
    shard->bytes += bytes;
}

static inline void family_rename(const family_form *form, const char *name, char *written, size_t size) {
    const char *const(*pair)[2] = form->names;
    while (pair && (*pair)[0] && strncmp(name, (*pair)[0], strlen((*pair)[0])) != 0)
        pair++;
    bool other = pair && (*pair)[0];
    snprintf(written, size, "%s%s", other ? (*pair)[1] : "", name + (other ? strlen((*pair)[0]) : 0));
}

/* Tensors go to the shards in turn. */
static inline void family_fill(tiny_shard *shards, const family_form *form, const json_t *tensors) {
    size_t i;
    json_t *row;
    json_array_foreach(tensors, i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        char written[256];
        if (form->without && strcmp(form->without, name) == 0) continue;
        family_rename(form, name, written, sizeof written);
        family_add(&shards[i % form->shards], form, name, written, json_array_get(row, 1));
    }
    if (!form->more) return;
    json_t *shape = json_pack("[I]", (json_int_t)form->more_rows);
    if (form->more_columns) json_array_append_new(shape, json_integer(form->more_columns));
    family_add(&shards[0], form, form->more_like ? form->more_like : form->more, form->more, shape);
    json_decref(shape);
}

/* The folder of a new checkpoint, for tiny_remove and free(). */
static inline char *family_write(const json_t *one, family_form form) {
    form.shards = form.shards ? form.shards : 1;
    tiny_shard *shards = calloc(form.shards, sizeof *shards);
    tiny_check(shards != NULL, "calloc");
    for (uint32_t i = 0; i < form.shards; i++)
        shards[i].header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    family_fill(shards, &form, json_object_get(one, "tensors"));
    char *folder = tiny_folder();
    char *config = json_dumps(form.config ? form.config : json_object_get(one, "config"), 0);
    tiny_write_text(folder, "config.json", config);
    free(config);
    const tiny_model shape = {.shards = form.shards};
    tiny_write_shards(folder, &shape, shards);
    for (uint32_t i = 0; i < form.shards; i++) {
        json_decref(shards[i].header);
        free(shards[i].data);
    }
    free(shards);
    return folder;
}

/* A case's checkpoint, opened. */
typedef struct family_model {
    char *folder;
    pare_model *model;
} family_model;

static inline family_model family_open(const json_t *one, family_form form) {
    family_model m = {.folder = family_write(one, form)};
    if (pare_model_open(m.folder, &m.model) != PARE_OK) fail_msg("%s: %s", family_name(one), pare_message());
    return m;
}

static inline void family_close(family_model *m) {
    pare_model_close(m->model);
    tiny_remove(m->folder);
    free(m->folder);
}

/* Loss and logits, [tokens, vocabulary] or NULL, of the first sequences of the ids. */
static inline double family_forward(const pare_model *model, const pare_backend *backend, const uint32_t *ids,
                                    int64_t sequences, int64_t length, float *logits) {
    pare_source source = {.model = model, .backend = backend};
    pare_pass_shape shape = {.sequences = sequences, .length = length};
    pare_pass *pass;
    double sum;
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, ids, sequences), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, NULL, &sum), PARE_OK);
    if (logits) assert_int_equal(pare_pass_logits(pass, &source, 0, sequences * length, logits), PARE_OK);
    pare_pass_free(pass);
    return sum / (double)(sequences * (length - 1));
}

static inline double family_number(const json_t *one, const char *key) {
    return json_number_value(json_object_get(one, key));
}

/* The larger one; a NAN stays. */
static inline double family_worse(double worst, double error) {
    return isnan(error) || error > worst ? error : worst;
}

/* How far a is from b, of the largest of b. */
static inline double family_apart(const float *a, const float *b, size_t count) {
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        worst = family_worse(worst, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return worst / largest;
}

/* float [FAMILY_TOKENS, vocabulary] of a pass that is made for `model`, whatever model the source is of; freed with
 * free(). */
static inline float *family_logits(const pare_model *model, const pare_source *source, const uint32_t *ids) {
    pare_pass_shape shape = {.sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH, .composed = true};
    float *logits = malloc((size_t)FAMILY_TOKENS * model->config.vocabulary * sizeof *logits);
    pare_pass *pass;
    assert_non_null(logits);
    assert_int_equal(pare_pass_new(model, source->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, source, ids, FAMILY_SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, source, 0, FAMILY_TOKENS, logits), PARE_OK);
    pare_pass_free(pass);
    return logits;
}

/* Of the stored logits and dot products, relative to the largest logit of all. */
static inline double family_logit_error(const families *all, const json_t *one, const float *logits,
                                        uint32_t vocabulary) {
    const json_t *picked = json_object_get(all->golden, "picked"), *stored = json_object_get(one, "logits");
    double worst = 0.0, largest = family_number(one, "largest");
    for (size_t p = 0; p < json_array_size(picked); p++) {
        const float *row = logits + (size_t)json_integer_value(json_array_get(picked, p)) * vocabulary;
        const json_t *wanted = json_array_get(stored, p);
        for (size_t i = 0; i < json_array_size(wanted); i++)
            worst = family_worse(worst, fabs((double)row[8 * i] - json_number_value(json_array_get(wanted, i))));
    }
    /* The errors of a row add up like random ones in its product with numbers of size 1. */
    const json_t *dots = json_object_get(one, "dots");
    for (size_t t = 0; t < FAMILY_TOKENS; t++) {
        double sum = 0.0;
        for (uint32_t i = 0; i < vocabulary; i++)
            sum += (double)logits[t * vocabulary + i] * (double)counted(family_stream("logits"), i);
        worst = family_worse(worst, fabs(sum - json_number_value(json_array_get(dots, t))) / sqrt(vocabulary));
    }
    return worst / largest;
}

#endif
