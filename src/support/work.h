/* What a stage has to do, in amounts of what takes time, from shapes alone; what a machine does of each in a second;
 * and the time that the one takes at the other. Room by room, whatever says how much memory a stage holds says its
 * work, too. */
#ifndef PARE_SUPPORT_WORK_H
#define PARE_SUPPORT_WORK_H

typedef enum pare_work_kind {
    PARE_WORK_BLOCKS,   /* operations of a block's matrix products, with all that is computed between them */
    PARE_WORK_BACKWARD, /* the same of its backward */
    PARE_WORK_DECODING, /* the same with one token of each of a few dozen sequences at a time */
    PARE_WORK_PRODUCTS, /* operations of other matrix products of operands */
    PARE_WORK_SINGLE,   /* operations of solvers in fp32, which are products */
    PARE_WORK_SOLVES,   /* the same of their factors and triangles */
    PARE_WORK_DOUBLE,   /* operations of solvers in fp64 */
    PARE_WORK_BYTES,    /* bytes of memory that are read or written, once each */
    PARE_WORK_KINDS
} pare_work_kind;

/* Multiplications and additions count one each. */
typedef struct pare_work {
    double amount[PARE_WORK_KINDS];
} pare_work;

typedef struct pare_rates {
    double per_second[PARE_WORK_KINDS];
} pare_rates;

/* Adds the other's amounts `times` times. */
void pare_work_add(pare_work *work, const pare_work *other, double times);
/* All but the bytes. */
double pare_work_operations(const pare_work *work);
/* Rates of kinds with an amount must be above 0. */
double pare_work_seconds(const pare_work *work, const pare_rates *rates);

#endif
