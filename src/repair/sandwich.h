/* product = left matrix right, again and again between the same two sides.
 *
 * In fp32, the same bits for any number of threads; or, where a backend with bf16 operands is given, of both sides, the
 * matrix and left's product rounded to these, with sums in fp32: several times as fast, and off by 2^-8 of every factor
 * at most. */
#ifndef PARE_REPAIR_SANDWICH_H
#define PARE_REPAIR_SANDWICH_H

#include "backend/backend.h"
#include "support/blocks.h"
#include "support/work.h"

typedef struct pare_sandwich {
    const pare_backend *backend; /* NULL: fp32 */
    pare_blocks rows;
    int64_t columns;
    const float *left, *right;          /* blocks of rows, or NULL: I; [columns, columns]; symmetric */
    void *left_rounded, *right_rounded; /* as operands, or NULL: fp32 */
} pare_sandwich;

/* What a product takes beside it; one room serves all sandwiches of its shape. */
typedef struct pare_sandwich_room {
    float *middle; /* [rows, columns], or NULL where left is I and products are in fp32 */
    void *rounded; /* [rows, columns] operands, or NULL: fp32 */
} pare_sandwich_room;

/* Whether this backend's operands take the place of fp32. */
bool pare_sandwich_rounds(const pare_backend *backend);
/* Between sides that stay where they are; rounded ones are copies. Free with pare_sandwich_free. */
pare_status pare_sandwich_new(const pare_backend *backend, const float *left, pare_blocks rows, const float *right,
                              int64_t columns, pare_sandwich *out);
void pare_sandwich_free(pare_sandwich *sandwich);
pare_status pare_sandwich_room_new(const pare_sandwich *sandwich, pare_sandwich_room *out);
void pare_sandwich_room_free(pare_sandwich_room *room);
/* coupled: rows of a block of left, 0: left is I. */
uint64_t pare_sandwich_bytes(bool rounds, int64_t coupled, int64_t rows, int64_t columns);
uint64_t pare_sandwich_room_bytes(bool rounds, int64_t coupled, int64_t rows, int64_t columns);

/* matrix, product: [count, columns], apart; count: `rows`, or fewer where left is I. */
pare_status pare_sandwich_run(const pare_sandwich *sandwich, const pare_sandwich_room *room, const float *matrix,
                              int64_t count, float *product);
/* `times` of them. */
pare_work pare_sandwich_work(bool rounds, int64_t coupled, int64_t rows, int64_t columns, double times);

/* Where left = (F + shift I)^-1 and right = (H + shift I)^-1: direction = left matrix right, and image = F direction H,
 * without F and H, since F left = I - shift left. One product with right and two with left, in place of two and two.
 * Where left is I, F is I, and the shift is right's alone. matrix, direction, image: [rows, columns], apart; the room
 * is that of any sandwich of this shape. */
pare_status pare_sandwich_resolve(const pare_sandwich *inverses, float shift, const pare_sandwich_room *room,
                                  const float *matrix, float *direction, float *image);
pare_work pare_sandwich_resolve_work(bool rounds, int64_t coupled, int64_t rows, int64_t columns, double times);

#endif
