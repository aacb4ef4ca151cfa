/* How far a student's distribution over a vocabulary is from a teacher's, chunk by chunk, and the gradient of that. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/vector_math.h"

PARE_VECTORIZE static float sum_of_differences(const float *restrict student, const float *restrict teacher,
                                               float maximum, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += pare_exp(teacher[i + j] - maximum) * (teacher[i + j] - student[i + j]);
    for (; i < n; i++)
        lanes[0] += pare_exp(teacher[i] - maximum) * (teacher[i] - student[i]);
    return pare_lanes_sum(lanes);
}

void pare_cpu_divergence_update(const pare_backend *backend, const float *student, const float *teacher, int64_t n,
                                int64_t columns, const float *maximum, double *value) {
    (void)backend;
#pragma omp parallel for schedule(static) if (n * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++)
        value[t] += (double)sum_of_differences(student + t * columns, teacher + t * columns, maximum[t], columns);
}

typedef struct row_terms {
    float student_logsum, teacher_logsum, ce, kd; /* the last two scaled */
} row_terms;

PARE_VECTORIZE static void gradient_piece(float *restrict out, const float *restrict student,
                                          const float *restrict teacher, row_terms r, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float q = pare_exp(student[i] - r.student_logsum), p = pare_exp(teacher[i] - r.teacher_logsum);
        out[i] = r.ce * q + r.kd * (q - p);
    }
}

void pare_cpu_divergence_gradient(const pare_backend *backend, const pare_divergence_terms *terms, const float *student,
                                  const float *teacher, int64_t n, int64_t columns, int64_t first, void *out) {
#pragma omp parallel for schedule(static) if (n * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        int32_t target = terms->targets[t];
        row_terms row = {terms->student_logsum[t], terms->teacher_logsum[t],
                         target < 0 ? 0.0f : terms->scale * terms->ce, terms->scale * terms->kd};
        for (int64_t i = 0; i < columns; i += PARE_PIECE) {
            int64_t count = columns - i < PARE_PIECE ? columns - i : PARE_PIECE, at = t * columns + i;
            int64_t here = (int64_t)target - first - i;
            float piece[PARE_PIECE];
            gradient_piece(piece, student + at, teacher + at, row, count);
            if (target >= 0 && here >= 0 && here < count) piece[here] -= row.ce;
            pare_from_float(pare_operand_at(backend, out, at), backend->operand, piece, (size_t)count);
        }
    }
}
