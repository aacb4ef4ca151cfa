#include "checkpoint/pickle.h"
#include "checkpoint/pickle_machine.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <string.h>

/* Far above what the state dict of any model needs: some two hundred bytes and thirty values a tensor. */
enum { PICKLE_LIMIT = 32 << 20, VALUE_LIMIT = 1 << 21 };

pare_status pare_pickle_damaged(const pare_pickle_machine *machine, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: the pickle %s at its byte %llu; the file is damaged, download it again",
                     machine->file->path, what, (unsigned long long)(machine->opcode - machine->begin));
}

const unsigned char *pare_pickle_take(pare_pickle_machine *machine, uint64_t bytes) {
    if (bytes > machine->end - machine->at) return NULL;
    machine->at += bytes;
    return machine->file->data + machine->at - bytes;
}

pare_status pare_pickle_number(pare_pickle_machine *machine, int bytes, uint64_t *out) {
    const unsigned char *at = pare_pickle_take(machine, (uint64_t)bytes);
    *out = 0;
    if (!at) return pare_pickle_damaged(machine, "breaks off");
    *out = pare_little_endian(at, (size_t)bytes);
    return PARE_OK;
}

/* Doubles the room of a list that is full. */
static pare_status grow(void *list, uint32_t count, uint32_t *room, size_t size) {
    void *larger, **old = list;
    uint32_t wanted = *room ? 2 * *room : 16;
    if (count < *room) return PARE_OK;
    PARE_TRY(pare_alloc(&larger, wanted, size, "the objects of a pickle"));
    if (count) memcpy(larger, *old, count * size);
    pare_free(*old);
    *old = larger;
    *room = wanted;
    return PARE_OK;
}

pare_status pare_value_list_add(pare_value_list *list, uint32_t item) {
    PARE_TRY(grow(&list->items, list->count, &list->room, sizeof *list->items));
    list->items[list->count++] = item;
    return PARE_OK;
}

pare_status pare_pickle_push_old(pare_pickle_machine *machine, uint32_t index) {
    return pare_value_list_add(&machine->stack, index);
}

pare_status pare_pickle_push(pare_pickle_machine *machine, pare_value value, uint32_t *index) {
    pare_pickle *out = machine->out;
    if (out->count == VALUE_LIMIT)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: the pickle has more than %d objects, which no state dict has; save the weights alone, "
                         "with torch.save(model.state_dict(), FILE)",
                         machine->file->path, VALUE_LIMIT);
    PARE_TRY(grow(&out->values, out->count, &out->room, sizeof *out->values));
    out->values[out->count] = value;
    if (index) *index = out->count;
    return pare_pickle_push_old(machine, out->count++);
}

uint32_t pare_pickle_above(const pare_pickle_machine *machine) {
    const pare_value_list *marks = &machine->marks;
    return machine->stack.count - (marks->count ? marks->items[marks->count - 1] : 0);
}

pare_status pare_pickle_pop(pare_pickle_machine *machine, uint32_t *index) {
    if (!pare_pickle_above(machine)) return pare_pickle_damaged(machine, "takes an object where none is left");
    *index = machine->stack.items[--machine->stack.count];
    return PARE_OK;
}

pare_status pare_pickle_collect(pare_pickle_machine *machine, uint32_t value, uint32_t from) {
    pare_value *to = &machine->out->values[value];
    pare_value_list list = {to->items, to->count, to->room};
    pare_status status = PARE_OK;
    for (uint32_t i = from; i < machine->stack.count && status == PARE_OK; i++)
        status = pare_value_list_add(&list, machine->stack.items[i]);
    to->items = list.items;
    to->count = list.count;
    to->room = list.room;
    machine->stack.count = from;
    return status;
}

pare_status pare_pickle_peek(pare_pickle_machine *machine, uint32_t below, pare_value_kind kind, uint32_t *index) {
    if (pare_pickle_above(machine) <= below) return pare_pickle_damaged(machine, "takes an object where none is left");
    *index = machine->stack.items[machine->stack.count - 1 - below];
    if (machine->out->values[*index].kind == kind) return PARE_OK;
    return pare_pickle_damaged(machine, "changes an object that is of another kind");
}

static pare_status step(pare_pickle_machine *machine) {
    machine->opcode = machine->at;
    const unsigned char *byte = pare_pickle_take(machine, 1);
    if (!byte) return pare_pickle_damaged(machine, "breaks off");
    const pare_pickle_opcode *opcode = pare_pickle_opcode_of(*byte);
    if (!opcode->name) return pare_pickle_damaged(machine, "has a byte that is no opcode");
    if (opcode->run) return opcode->run(machine, opcode->argument);
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: the pickle has the opcode %s at its byte %llu, which no saved tensor needs; save the weights "
                     "alone, with torch.save(model.state_dict(), FILE)",
                     machine->file->path, opcode->name, (unsigned long long)(machine->opcode - machine->begin));
}

static pare_status run(pare_pickle_machine *machine) {
    while (!machine->stopped)
        PARE_TRY(step(machine));
    if (machine->stack.count != 1 || machine->marks.count)
        return pare_pickle_damaged(machine, "ends with other than one object");
    machine->out->root = machine->stack.items[0];
    return PARE_OK;
}

pare_status pare_pickle_read(const pare_mapping *file, uint64_t *at, uint64_t end, const pare_pickle_global *globals,
                             size_t count, pare_pickle *out) {
    *out = (pare_pickle){0};
    pare_pickle_machine machine = {.file = file,
                                   .begin = *at,
                                   .at = *at,
                                   .end = end - *at > PICKLE_LIMIT ? *at + PICKLE_LIMIT : end,
                                   .globals = globals,
                                   .global_count = count,
                                   .out = out};
    pare_status status = run(&machine);
    *at = machine.at;
    pare_free(machine.stack.items);
    pare_free(machine.marks.items);
    pare_free(machine.memo.items);
    if (status != PARE_OK) pare_pickle_free(out);
    return status;
}

void pare_pickle_free(pare_pickle *pickle) {
    for (uint32_t i = 0; i < pickle->count; i++)
        if (pickle->values[i].kind != PARE_VALUE_CALL) pare_free(pickle->values[i].items);
    pare_free(pickle->values);
    *pickle = (pare_pickle){0};
}

const pare_value *pare_pickle_root(const pare_pickle *pickle) {
    return &pickle->values[pickle->root];
}

const pare_value *pare_pickle_item(const pare_pickle *pickle, const pare_value *value, uint32_t index) {
    return value && index < value->count ? &pickle->values[value->items[index]] : NULL;
}

bool pare_value_is_text(const pare_value *value, const char *text) {
    return value && value->kind == PARE_VALUE_TEXT && value->bytes == strlen(text) &&
           memcmp(value->text, text, value->bytes) == 0;
}

const pare_value *pare_pickle_member(const pare_pickle *pickle, const pare_value *dict, const char *key) {
    if (!dict || dict->kind != PARE_VALUE_DICT) return NULL;
    for (uint32_t i = 0; i + 1 < dict->count; i += 2)
        if (pare_value_is_text(pare_pickle_item(pickle, dict, i), key)) return pare_pickle_item(pickle, dict, i + 1);
    return NULL;
}
