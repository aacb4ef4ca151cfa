/* Opening a teacher's cache, and the teacher that says what is in it. */
#include "support/memory.h"
#include "support/peer.h"
#include "support/scratch.h"
#include "train/teacher_cache_internal.h"

#include <math.h>
#include <stdlib.h>

struct pare_teacher_cache {
    pare_mapping file;
    pare_cache_head head;
    const pare_cache_record *records; /* [head.predictions] */
    pare_scratch copy;                /* of the first rank's file, in place of a mapping of it */
};

static pare_status damaged(const pare_mapping *file) {
    return pare_fail(PARE_FORMAT_ERROR, "%s is damaged: delete it to have the teacher asked anew", file->path);
}

static pare_status check_key(const pare_mapping *file, const pare_cache_head *head, const pare_cache_head *wanted) {
    const struct {
        bool other;
        const char *what;
    } rows[] = {{memcmp(head->teacher, wanted->teacher, sizeof head->teacher) != 0, "of another teacher"},
                {memcmp(head->data, wanted->data, sizeof head->data) != 0 || head->predictions != wanted->predictions,
                 "of other data, or data cut in another way"},
                {head->seed != wanted->seed, "with another --seed"},
                {head->vocabulary != wanted->vocabulary || head->draws != wanted->draws, "of another vocabulary"},
                {head->operand != wanted->operand, "with another --compute"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].other)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "--teacher-cache %s was made %s: name another file, or delete this one to have the "
                             "teacher asked anew",
                             file->path, rows[i].what);
    return PARE_OK;
}

/* Numbers that no teacher says, in a file whose seal is right. */
static bool is_sound(const pare_cache_record *record, uint32_t vocabulary) {
    uint32_t draws = pare_cache_draws(vocabulary), bytes = pare_cache_id_bytes(vocabulary), before = 0;
    if (!isfinite(record->add) || record->likeliest >= vocabulary) return false;
    for (uint32_t k = 0; k < draws; k++) {
        uint32_t id = pare_cache_draw(record, bytes, k);
        if (id >= vocabulary || id < before) return false;
        before = id;
    }
    return true;
}

static pare_status check(pare_teacher_cache *cache, const pare_teacher_cache_key *key) {
    const pare_mapping *file = &cache->file;
    pare_cache_head wanted = pare_cache_head_of(key);
    bool whole;
    size_t there = file->bytes < sizeof cache->head ? file->bytes : sizeof cache->head;
    if (there) memcpy(&cache->head, file->data, there); /* an empty file has no mapping */
    if (memcmp(cache->head.magic, wanted.magic, sizeof wanted.magic) != 0 || cache->head.version != wanted.version)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s is no teacher's cache of this version of pare: name another file with --teacher-cache",
                         file->path);
    if (file->bytes < sizeof cache->head + PARE_SEAL_BYTES) return damaged(file);
    PARE_TRY(pare_sealed_check(file, &whole));
    if (!whole) return damaged(file);
    PARE_TRY(check_key(file, &cache->head, &wanted));
    if (file->bytes != pare_teacher_cache_bytes(key)) return damaged(file);
    cache->records = (const void *)(file->data + sizeof cache->head);
    for (uint64_t i = 0; i < key->predictions; i++)
        if (!is_sound(cache->records + i, key->vocabulary)) return damaged(file);
    return PARE_OK;
}

pare_status pare_teacher_cache_open(const char *path, const pare_teacher_cache_key *key, pare_teacher_cache **out) {
    pare_teacher_cache *cache;
    *out = NULL;
    PARE_TRY(pare_alloc(&cache, 1, sizeof *cache, "the teacher's cache"));
    pare_status status = pare_mapping_open(path, &cache->file);
    if (status == PARE_OK) {
        status = check(cache, key);
        if (status != PARE_OK) pare_mapping_close(&cache->file);
    }
    if (status == PARE_OK)
        *out = cache;
    else
        pare_free(cache);
    return status;
}

void pare_teacher_cache_close(pare_teacher_cache *cache) {
    if (!cache) return;
    if (cache->copy.data)
        pare_scratch_close(&cache->copy);
    else
        pare_mapping_close(&cache->file);
    pare_free(cache);
}

static pare_status receive(const char *scratch, uint64_t bytes, pare_teacher_cache *cache) {
    PARE_TRY(pare_scratch_open(&cache->copy, bytes, scratch, "the first rank's teacher's cache"));
    PARE_TRY(pare_peer_broadcast(cache->copy.data, (size_t)bytes, 0));
    cache->file = (pare_mapping){.data = cache->copy.data, .bytes = (size_t)bytes};
    memcpy(&cache->head, cache->file.data, sizeof cache->head);
    cache->records = (const void *)(cache->file.data + sizeof cache->head);
    return PARE_OK;
}

pare_status pare_teacher_cache_share(const char *scratch, pare_teacher_cache **cache) {
    uint64_t bytes = *cache ? (*cache)->file.bytes : 0;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_broadcast(&bytes, sizeof bytes, 0));
    if (*cache) return pare_peer_broadcast((void *)(uintptr_t)(*cache)->file.data, (size_t)bytes, 0);
    PARE_TRY(pare_alloc(cache, 1, sizeof **cache, "the teacher's cache"));
    pare_status status = receive(scratch, bytes, *cache);
    if (status == PARE_OK) return PARE_OK;
    pare_teacher_cache_close(*cache);
    *cache = NULL;
    return status;
}

void pare_teacher_cache_digest(const pare_teacher_cache *cache, char text[PARE_DIGEST_TEXT]) {
    memcpy(text, cache->file.data + cache->file.bytes - PARE_SEAL_BYTES, PARE_SEAL_BYTES);
    text[PARE_SEAL_BYTES] = '\0';
}

struct pare_cached_teacher {
    pare_teacher teacher;
    const pare_teacher_cache *cache;
    uint32_t *numbers; /* [tokens] of the batch's predictions */
    float *tile;       /* [PARE_HEAD_TOKENS or less, PARE_HEAD_VOCABULARY or less] */
};

/* A logit that leaves nothing of a probability. */
static const float NEVER = -1e4f;

static pare_status begin(void *context, const pare_layout *layout, const uint32_t *ids, int64_t sequences) {
    pare_cached_teacher *t = context;
    (void)ids;
    if (!layout->targets || !layout->numbers)
        return pare_fail(PARE_BAD_ARGUMENT, "predictions without numbers are in no cache; lay them out with them");
    for (int64_t i = 0, n = 0; i < sequences * layout->length; i++)
        if (layout->targets[i] != -1) t->numbers[n++] = layout->numbers[i];
    return PARE_OK;
}

/* Logs of the shares that ids [row, row + rows) have among the draws. */
static void fill_row(const pare_cache_record *record, uint32_t vocabulary, int64_t row, int64_t rows, float *out) {
    uint32_t draws = pare_cache_draws(vocabulary), bytes = pare_cache_id_bytes(vocabulary);
    for (int64_t i = 0; i < rows; i++)
        out[i] = NEVER;
    for (uint32_t k = 0, next; k < draws; k = next) {
        uint32_t id = pare_cache_draw(record, bytes, k);
        for (next = k + 1; next < draws && pare_cache_draw(record, bytes, next) == id;)
            next++;
        int64_t at = (int64_t)id - row;
        if (at >= 0 && at < rows) out[at] = (float)log((double)(next - k) / draws);
    }
}

static pare_status tile(void *context, int64_t first, int64_t count, int64_t row, int64_t rows, const float **logits) {
    pare_cached_teacher *t = context;
    const pare_cache_record *records = t->cache->records;
    uint32_t vocabulary = t->cache->head.vocabulary;
#pragma omp parallel for schedule(static) if (count * rows > 8192)
    for (int64_t i = 0; i < count; i++)
        fill_row(records + t->numbers[first + i], vocabulary, row, rows, t->tile + i * rows);
    *logits = t->tile;
    return PARE_OK;
}

static void known(void *context, int64_t prediction, double *add, int32_t *likeliest) {
    const pare_cached_teacher *t = context;
    const pare_cache_record *record = t->cache->records + t->numbers[prediction];
    *add = (double)record->add;
    *likeliest = (int32_t)record->likeliest;
}

static uint64_t tile_elements(uint32_t vocabulary, int64_t tokens) {
    uint64_t rows = vocabulary < PARE_HEAD_VOCABULARY ? vocabulary : PARE_HEAD_VOCABULARY;
    return rows * (uint64_t)(tokens < PARE_HEAD_TOKENS ? tokens : PARE_HEAD_TOKENS);
}

uint64_t pare_cached_teacher_bytes(uint32_t vocabulary, int64_t tokens) {
    return tile_elements(vocabulary, tokens) * sizeof(float) + (uint64_t)tokens * sizeof(uint32_t);
}

pare_status pare_cached_teacher_new(const pare_teacher_cache *cache, int64_t tokens, double ce, double kd,
                                    pare_cached_teacher **out) {
    pare_cached_teacher *t;
    *out = NULL;
    PARE_TRY(pare_alloc(&t, 1, sizeof *t, "the teacher"));
    t->cache = cache;
    t->teacher = (pare_teacher){.ce = ce, .kd = kd, .begin = begin, .tile = tile, .known = known, .context = t};
    size_t elements = tile_elements(cache->head.vocabulary, tokens);
    pare_status status = pare_alloc_uninitialized(&t->tile, elements, sizeof(float), "the teacher's logits");
    if (status == PARE_OK)
        status = pare_alloc_uninitialized(&t->numbers, (size_t)tokens, sizeof *t->numbers, "the teacher's predictions");
    if (status == PARE_OK)
        *out = t;
    else
        pare_cached_teacher_free(t);
    return status;
}

void pare_cached_teacher_free(pare_cached_teacher *t) {
    if (!t) return;
    pare_free(t->tile);
    pare_free(t->numbers);
    pare_free(t);
}

const pare_teacher *pare_cached_teacher_of(const pare_cached_teacher *t) {
    return &t->teacher;
}
