/* What the opcodes of a pickle work on: a stack of values, marks on it, and a memo. For pickle*.c alone. */
#ifndef PARE_CHECKPOINT_PICKLE_MACHINE_H
#define PARE_CHECKPOINT_PICKLE_MACHINE_H

#include "checkpoint/pickle.h"

/* A list of numbers of values that grows. */
typedef struct pare_value_list {
    uint32_t *items;
    uint32_t count, room;
} pare_value_list;

typedef struct pare_pickle_machine {
    const pare_mapping *file;
    uint64_t begin, at, end;            /* at: behind the opcode and what was read of its argument */
    uint64_t opcode;                    /* where it is */
    pare_value_list stack, marks, memo; /* memo: 1 + a value's number, 0: nothing */
    uint64_t copied;                    /* items of lists that became dicts */
    bool stopped;
    const pare_pickle_global *globals;
    size_t global_count;
    pare_pickle *out;
} pare_pickle_machine;

/* Does what the opcode at machine->opcode says. argument: of its row. */
typedef pare_status (*pare_pickle_handler)(pare_pickle_machine *machine, int argument);

typedef struct pare_pickle_opcode {
    const char *name;        /* as Python's pickletools spells it; NULL: there is no such opcode */
    pare_pickle_handler run; /* NULL: known, and not among those of tensors */
    int argument;
} pare_pickle_opcode;

const pare_pickle_opcode *pare_pickle_opcode_of(unsigned char byte);

/* "FILE: the pickle WHAT at its byte N". */
pare_status pare_pickle_damaged(const pare_pickle_machine *machine, const char *what);

/* The next `bytes` of the argument, or NULL if the pickle ends before them. */
const unsigned char *pare_pickle_take(pare_pickle_machine *machine, uint64_t bytes);
/* The same as a little-endian number. */
pare_status pare_pickle_number(pare_pickle_machine *machine, int bytes, uint64_t *out);

pare_status pare_value_list_add(pare_value_list *list, uint32_t item);

/* A new value on top of the stack; its number in *index if that is not NULL. */
pare_status pare_pickle_push(pare_pickle_machine *machine, pare_value value, uint32_t *index);
pare_status pare_pickle_push_old(pare_pickle_machine *machine, uint32_t index);
/* The top of the stack, above the last mark if there is one. */
pare_status pare_pickle_pop(pare_pickle_machine *machine, uint32_t *index);
/* How many values are above the last mark. */
uint32_t pare_pickle_above(const pare_pickle_machine *machine);
/* Gives `value` what is above `from` on the stack, and takes it from there. */
pare_status pare_pickle_collect(pare_pickle_machine *machine, uint32_t value, uint32_t from);
/* The value on top of the stack once `below` others are gone, if it is of that kind. */
pare_status pare_pickle_peek(pare_pickle_machine *machine, uint32_t below, pare_value_kind kind, uint32_t *index);

#endif
