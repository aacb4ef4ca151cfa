#include "model/teacher.h"
#include "model/head.h"
#include "support/memory.h"

struct pare_model_teacher {
    pare_teacher teacher;
    pare_source source;
    pare_pass *pass;
    pare_head_chunk chunk; /* in hand; 0 rows: none */
};

static pare_status begin(void *context, const pare_layout *layout, const uint32_t *ids, int64_t sequences) {
    pare_model_teacher *t = context;
    pare_pass_arrange(t->pass, layout);
    PARE_TRY(pare_pass_forward(t->pass, &t->source, ids, sequences));
    pare_head_set_targets(t->pass);
    t->chunk = (pare_head_chunk){0};
    return PARE_OK;
}

static pare_status tile(void *context, int64_t first, int64_t count, int64_t row, int64_t rows, const float **logits) {
    pare_model_teacher *t = context;
    if (t->chunk.rows != rows || t->chunk.first != row) t->chunk = pare_head_chunk_at(t->pass, &t->source, row);
    *logits = t->pass->logits;
    return pare_head_logits(t->pass, &t->chunk, first, count, t->pass->logits);
}

pare_pass_shape pare_model_teacher_shape(const pare_pass_shape *student) {
    return (pare_pass_shape){.sequences = student->sequences,
                             .length = student->length,
                             .micro_batch = student->micro_batch,
                             .limit = student->limit};
}

pare_status pare_model_teacher_new(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                                   double ce, double kd, pare_model_teacher **out) {
    pare_model_teacher *t;
    *out = NULL;
    PARE_TRY(pare_alloc(&t, 1, sizeof *t, "the teacher"));
    t->source = (pare_source){.model = model, .backend = backend};
    t->teacher = (pare_teacher){.ce = ce, .kd = kd, .begin = begin, .tile = tile, .context = t};
    pare_status status = pare_pass_new(model, backend, shape, &t->pass);
    if (status != PARE_OK) {
        pare_free(t);
        return status;
    }
    *out = t;
    return PARE_OK;
}

void pare_model_teacher_free(pare_model_teacher *teacher) {
    if (!teacher) return;
    pare_pass_free(teacher->pass);
    pare_free(teacher);
}

const pare_teacher *pare_model_teacher_of(const pare_model_teacher *teacher) {
    return &teacher->teacher;
}
