/* Making a teacher's cache: one pass over all examples. Ranks (support/peer.h) run batches of them in turns, and the
 * first writes what the teacher has said. */
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "train/teacher_cache_internal.h"

typedef struct making {
    const pare_teacher_cache_key *key;
    pare_source source;
    pare_pass *pass;
    pare_batches *batches;
    size_t examples; /* through the pass at a time */
    pare_drawing *drawings;
    pare_cache_record *records; /* [tokens of a pass] both */
    uint64_t done;              /* predictions of the batches before */
    uint64_t *said;             /* [ranks] predictions of the batches in hand, one of each rank */
    pare_sealed file;           /* of the first rank */
    const pare_runtime *runtime;
} making;

pare_cache_head pare_cache_head_of(const pare_teacher_cache_key *key) {
    pare_cache_head head = {.version = PARE_CACHE_VERSION,
                            .draws = pare_cache_draws(key->vocabulary),
                            .vocabulary = key->vocabulary,
                            .operand = key->operand,
                            .seed = key->seed,
                            .predictions = key->predictions};
    memcpy(head.magic, PARE_CACHE_MAGIC, sizeof head.magic);
    memcpy(head.teacher, key->teacher, sizeof head.teacher);
    memcpy(head.data, key->data, sizeof head.data);
    return head;
}

uint64_t pare_teacher_cache_bytes(const pare_teacher_cache_key *key) {
    return sizeof(pare_cache_head) + key->predictions * sizeof(pare_cache_record) + PARE_SEAL_BYTES;
}

static pare_status draw_tile(void *context, int64_t first, int64_t count, int64_t row, int64_t rows,
                             const float *logits, const float *logsum) {
    making *m = context;
    uint32_t draws = pare_cache_draws(m->key->vocabulary);
#pragma omp parallel for schedule(static) if (count * rows > 8192)
    for (int64_t t = 0; t < count; t++)
        pare_drawing_go_on(m->drawings + first + t, logits + t * rows, row, rows, logsum[t], draws);
    return PARE_OK;
}

/* Into the records. */
static pare_status ask(making *m, const pare_batch *batch) {
    uint64_t count = batch->predictions;
    if (!count) return PARE_OK;
    for (uint64_t i = 0; i < count; i++)
        pare_drawing_begin(m->key->seed, m->done + i, m->drawings + i);
    pare_pass_arrange(m->pass, &batch->layout);
    PARE_TRY(pare_pass_forward(m->pass, &m->source, batch->ids, batch->sequences));
    PARE_TRY(pare_pass_sweep(m->pass, &m->source, draw_tile, m));
    for (uint64_t i = 0; i < count; i++)
        pare_drawing_end(m->drawings + i, m->key->vocabulary, m->records + i);
    return PARE_OK;
}

/* The batches that begin with an example, one for each rank; *next: the example behind them. */
static pare_status ask_round(making *m, size_t first, size_t examples, size_t *next) {
    for (int rank = 0; rank < pare_peer_count(); rank++) {
        pare_batch batch = {0};
        size_t count = examples - first < m->examples ? examples - first : m->examples;
        if (count) PARE_TRY(pare_batches_listed(m->batches, first, count, &batch));
        if (rank == pare_peer_rank()) PARE_TRY(ask(m, &batch));
        m->said[rank] = batch.predictions;
        m->done += batch.predictions;
        first += count;
    }
    *next = first;
    return PARE_OK;
}

/* From all ranks, in their order, into the file. */
static pare_status write_round(making *m) {
    for (int rank = 0; rank < pare_peer_count(); rank++) {
        uint64_t bytes = m->said[rank] * sizeof *m->records;
        if (rank && rank == pare_peer_rank()) PARE_TRY(pare_peer_send(m->records, bytes, 0));
        if (rank && !pare_peer_rank()) PARE_TRY(pare_peer_receive(m->records, bytes, rank));
        if (!pare_peer_rank()) PARE_TRY(pare_sealed_put(&m->file, m->records, bytes));
    }
    return PARE_OK;
}

static pare_status make_all(making *m, size_t examples) {
    pare_cache_head head = pare_cache_head_of(m->key);
    if (!pare_peer_rank()) PARE_TRY(pare_sealed_put(&m->file, &head, sizeof head));
    for (size_t first = 0; first < examples;) {
        PARE_TRY(pare_progress_report(m->runtime, "asking the teacher", first, examples));
        PARE_TRY(ask_round(m, first, examples, &first));
        PARE_TRY(write_round(m));
    }
    return pare_progress_report(m->runtime, "asking the teacher", examples, examples);
}

/* As many examples at a time as keep a block busy, or as fit. */
static pare_status open_pass(making *m, const pare_model *teacher, const pare_backend *backend, uint64_t memory) {
    enum { TOKENS = 2048 };
    int64_t length = pare_batches_options_of(m->batches)->length, sequences = TOKENS / length;
    pare_pass_memory measured;
    for (sequences = sequences ? sequences : 1;; sequences = (sequences + 1) / 2) {
        uint64_t own = (uint64_t)(sequences * length) * (sizeof *m->drawings + sizeof *m->records);
        pare_pass_shape shape = {.sequences = sequences, .length = length};
        if (memory) shape.limit = memory > own ? memory - own : 1;
        pare_status status = pare_pass_measure(teacher, backend, &shape, &measured);
        if (status == PARE_OUT_OF_MEMORY && sequences > 1) continue;
        PARE_TRY(status);
        m->examples = (size_t)sequences;
        size_t tokens = (size_t)(sequences * length);
        PARE_TRY(pare_alloc_uninitialized(&m->drawings, tokens, sizeof *m->drawings, "the teacher's draws"));
        PARE_TRY(pare_alloc_uninitialized(&m->records, tokens, sizeof *m->records, "the teacher's draws"));
        return pare_pass_new(teacher, backend, &shape, &m->pass);
    }
}

pare_status pare_teacher_cache_check(const char *path, uint64_t predictions) {
    if (predictions <= UINT32_MAX) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s would hold %llu predictions, more than pare can number: leave out --teacher-cache, or give a "
                     "lower --limit",
                     path, (unsigned long long)predictions);
}

pare_status pare_teacher_cache_make(const char *path, const pare_teacher_cache_key *key, const pare_model *teacher,
                                    const pare_backend *backend, pare_batches *batches, uint64_t memory,
                                    const pare_runtime *runtime) {
    PARE_TRY(pare_teacher_cache_check(path, key->predictions));
    making m = {.key = key, .source = {.model = teacher, .backend = backend}, .batches = batches, .runtime = runtime};
    size_t examples = pare_batches_examples(batches);
    pare_status status = open_pass(&m, teacher, backend, memory);
    if (status == PARE_OK)
        status = pare_alloc(&m.said, (size_t)pare_peer_count(), sizeof *m.said, "the teacher's draws");
    if (status == PARE_OK && pare_peer_rank()) {
        status = make_all(&m, examples);
    } else if (status == PARE_OK) {
        status = pare_sealed_begin(path, pare_teacher_cache_bytes(key) - PARE_SEAL_BYTES, &m.file);
        if (status == PARE_OK) status = pare_sealed_end(&m.file, make_all(&m, examples));
    }
    pare_pass_free(m.pass);
    pare_free(m.said);
    pare_free(m.drawings);
    pare_free(m.records);
    return status;
}
