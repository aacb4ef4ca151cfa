/* Opcodes of pickles, protocols 2 to 5, each with its little-endian argument behind it:
 *
 *   \x80 protocol 1    \x95 frame 8    . the end
 *   N \x88 \x89 none, true, false    K J M integers of 1, 4 (signed), 2    \x8a \x8b of 1 + n, 4 + n    G real 8
 *   X \x8c \x8d texts of 4 + n, 1 + n, 8 + n;    T U B C \x8e \x96 bytes of 4, 1, 4, 1, 8, 8 + n
 *   ( mark    0 pop    1 pop to the mark    2 duplicate
 *   ) ] } \x8f empty tuple, list, dict, set    t l d of what is above the mark    \x85 \x86 \x87 tuples of 1, 2, 3
 *   a e append one, all above the mark    s u set one member, all above the mark    \x90 as e, of a set
 *   q r \x94 remember under 1, 4, the next number    h j recall 1, 4
 *   c MODULE \n NAME \n a name of Python    \x93 the same of two texts
 *   R call    \x81 make an object (the same here)    b give an object its state    Q what lies outside the pickle
 */
#include "checkpoint/header_read.h"
#include "checkpoint/pickle_machine.h"

#include <stdio.h>
#include <string.h>

static pare_status run_protocol(pare_pickle_machine *m, int argument) {
    uint64_t version;
    (void)argument;
    PARE_TRY(pare_pickle_number(m, 1, &version));
    if (version >= 2 && version <= 5) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s: the pickle is of protocol %llu; those of torch.save are of 2 to 5",
                     m->file->path, (unsigned long long)version);
}

/* Where a frame ends has no meaning for what is in it. */
static pare_status run_frame(pare_pickle_machine *m, int argument) {
    uint64_t bytes;
    (void)argument;
    PARE_TRY(pare_pickle_number(m, 8, &bytes));
    return bytes <= m->end - m->at ? PARE_OK : pare_pickle_damaged(m, "has a frame longer than the file");
}

static pare_status run_stop(pare_pickle_machine *m, int argument) {
    (void)argument;
    m->stopped = true;
    return PARE_OK;
}

static pare_status run_constant(pare_pickle_machine *m, int kind) {
    return pare_pickle_push(m, (pare_value){.kind = (pare_value_kind)kind}, NULL);
}

static pare_status run_bool(pare_pickle_machine *m, int value) {
    return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_BOOL, .integer = value}, NULL);
}

/* bytes: negative where the number has a sign. */
static pare_status run_integer(pare_pickle_machine *m, int bytes) {
    uint64_t bits;
    PARE_TRY(pare_pickle_number(m, bytes < 0 ? -bytes : bytes, &bits));
    int64_t value = bytes == -4 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_INTEGER, .integer = value}, NULL);
}

static pare_status run_long(pare_pickle_machine *m, int length_bytes) {
    uint64_t bytes, bits = 0;
    PARE_TRY(pare_pickle_number(m, length_bytes, &bytes));
    const unsigned char *at = pare_pickle_take(m, bytes);
    if (!at) return pare_pickle_damaged(m, "has a number longer than the file");
    if (bytes > 8)
        return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_LONG, .text = (const char *)at, .bytes = bytes},
                                NULL);
    for (uint64_t i = 8; i-- > 0;)
        bits = bits << 8 | (i < bytes ? at[i] : bytes && at[bytes - 1] >> 7 ? 0xffu : 0);
    return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_INTEGER, .integer = (int64_t)bits}, NULL);
}

static pare_status run_real(pare_pickle_machine *m, int argument) {
    (void)argument;
    if (!pare_pickle_take(m, 8)) return pare_pickle_damaged(m, "breaks off");
    return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_REAL}, NULL);
}

static pare_status run_text(pare_pickle_machine *m, int length_bytes) {
    uint64_t bytes;
    PARE_TRY(pare_pickle_number(m, length_bytes, &bytes));
    const unsigned char *at = pare_pickle_take(m, bytes);
    if (!at) return pare_pickle_damaged(m, "has a text longer than the file");
    return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_TEXT, .text = (const char *)at, .bytes = bytes}, NULL);
}

static pare_status run_mark(pare_pickle_machine *m, int argument) {
    (void)argument;
    return pare_value_list_add(&m->marks, m->stack.count);
}

/* *from: where the last mark stood, which is gone. */
static pare_status take_mark(pare_pickle_machine *m, uint32_t *from) {
    if (!m->marks.count) return pare_pickle_damaged(m, "goes back to a mark that was not set");
    *from = m->marks.items[--m->marks.count];
    return PARE_OK;
}

static pare_status run_pop(pare_pickle_machine *m, int argument) {
    uint32_t gone;
    (void)argument;
    return pare_pickle_pop(m, &gone);
}

static pare_status run_pop_mark(pare_pickle_machine *m, int argument) {
    (void)argument;
    return take_mark(m, &m->stack.count);
}

static pare_status run_duplicate(pare_pickle_machine *m, int argument) {
    (void)argument;
    if (!pare_pickle_above(m)) return pare_pickle_damaged(m, "takes an object where none is left");
    return pare_pickle_push_old(m, m->stack.items[m->stack.count - 1]);
}

/* The values from `from` on become one of that kind. */
static pare_status gather(pare_pickle_machine *m, pare_value_kind kind, uint32_t from) {
    pare_value made = {.kind = kind};
    uint32_t index, count = m->stack.count - from;
    if (kind == PARE_VALUE_DICT && count % 2) return pare_pickle_damaged(m, "has a key without a value");
    PARE_TRY(pare_pickle_push(m, made, &index));
    m->stack.count--;
    PARE_TRY(pare_pickle_collect(m, index, from));
    return pare_pickle_push_old(m, index);
}

static pare_status run_gather(pare_pickle_machine *m, int kind) {
    uint32_t from = 0;
    PARE_TRY(take_mark(m, &from));
    return gather(m, (pare_value_kind)kind, from);
}

static pare_status run_tuple(pare_pickle_machine *m, int count) {
    if (pare_pickle_above(m) < (uint32_t)count) return pare_pickle_damaged(m, "takes an object where none is left");
    return gather(m, PARE_VALUE_TUPLE, m->stack.count - (uint32_t)count);
}

/* Adds the values from `from` on to the list or dict below them. */
static pare_status extend(pare_pickle_machine *m, pare_value_kind kind, uint32_t from) {
    uint32_t index, count = m->stack.count - from;
    if (kind == PARE_VALUE_DICT && count % 2) return pare_pickle_damaged(m, "has a key without a value");
    PARE_TRY(pare_pickle_peek(m, count, kind, &index));
    return pare_pickle_collect(m, index, from);
}

static pare_status run_extend(pare_pickle_machine *m, int kind) {
    uint32_t from = 0;
    PARE_TRY(take_mark(m, &from));
    return extend(m, (pare_value_kind)kind, from);
}

static pare_status run_extend_one(pare_pickle_machine *m, int kind) {
    uint32_t count = kind == PARE_VALUE_DICT ? 2 : 1;
    if (pare_pickle_above(m) <= count) return pare_pickle_damaged(m, "takes an object where none is left");
    return extend(m, (pare_value_kind)kind, m->stack.count - count);
}

/* Python numbers what it remembers from 0 on; a number far beyond is none of its own. */
static pare_status remember(pare_pickle_machine *m, uint64_t place) {
    if (!pare_pickle_above(m)) return pare_pickle_damaged(m, "takes an object where none is left");
    if (place > m->at - m->begin) return pare_pickle_damaged(m, "remembers an object under a number out of range");
    while (m->memo.count <= place)
        PARE_TRY(pare_value_list_add(&m->memo, 0));
    m->memo.items[place] = 1 + m->stack.items[m->stack.count - 1];
    return PARE_OK;
}

static pare_status run_remember(pare_pickle_machine *m, int bytes) {
    uint64_t place;
    PARE_TRY(pare_pickle_number(m, bytes, &place));
    return remember(m, place);
}

static pare_status run_memoize(pare_pickle_machine *m, int argument) {
    (void)argument;
    return remember(m, m->memo.count);
}

static pare_status run_recall(pare_pickle_machine *m, int bytes) {
    uint64_t place;
    PARE_TRY(pare_pickle_number(m, bytes, &place));
    if (place >= m->memo.count || !m->memo.items[place])
        return pare_pickle_damaged(m, "recalls an object that it has not remembered");
    return pare_pickle_push_old(m, m->memo.items[place] - 1);
}

/* What is printed of a name in a message. */
static const char *shown(const char *text, uint64_t bytes, char out[96]) {
    snprintf(out, 96, "%.*s", (int)(bytes < 95 ? bytes : 95), text);
    return pare_name_is_plain(out) ? out : "?";
}

static pare_status push_global(pare_pickle_machine *m, const char *module, uint64_t module_bytes, const char *name,
                               uint64_t name_bytes) {
    char first[96], second[96];
    for (size_t i = 0; i < m->global_count; i++) {
        const pare_pickle_global *known = &m->globals[i];
        if (strlen(known->module) == module_bytes && memcmp(known->module, module, module_bytes) == 0 &&
            strlen(known->name) == name_bytes && memcmp(known->name, name, name_bytes) == 0)
            return pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_GLOBAL, .global = known}, NULL);
    }
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: the pickle asks for %s.%s, which is none of the names that tensors need: nothing was run; "
                     "save the weights alone, with torch.save(model.state_dict(), FILE)",
                     m->file->path, shown(module, module_bytes, first), shown(name, name_bytes, second));
}

/* *line: without its end. */
static pare_status take_line(pare_pickle_machine *m, const char **line, uint64_t *bytes) {
    *line = (const char *)m->file->data + m->at;
    const char *end = memchr(*line, '\n', m->end - m->at);
    if (!end) return pare_pickle_damaged(m, "has a name without an end");
    *bytes = (uint64_t)(end - *line);
    m->at += *bytes + 1;
    return PARE_OK;
}

static pare_status run_global(pare_pickle_machine *m, int argument) {
    const char *module = NULL, *name = NULL;
    uint64_t module_bytes = 0, name_bytes = 0;
    (void)argument;
    PARE_TRY(take_line(m, &module, &module_bytes));
    PARE_TRY(take_line(m, &name, &name_bytes));
    return push_global(m, module, module_bytes, name, name_bytes);
}

static pare_status run_stack_global(pare_pickle_machine *m, int argument) {
    uint32_t module = 0, name = 0;
    (void)argument;
    PARE_TRY(pare_pickle_pop(m, &name));
    PARE_TRY(pare_pickle_pop(m, &module));
    const pare_value first = m->out->values[module], second = m->out->values[name];
    if (first.kind != PARE_VALUE_TEXT || second.kind != PARE_VALUE_TEXT)
        return pare_pickle_damaged(m, "names what it asks for by other than texts");
    return push_global(m, first.text, first.bytes, second.text, second.bytes);
}

/* OrderedDict(), OrderedDict([(key, value), ...]) */
static pare_status make_dict(pare_pickle_machine *m, const pare_value *arguments) {
    uint32_t index;
    const pare_value *pairs = pare_pickle_item(m->out, arguments, 0);
    uint32_t count = pairs ? pairs->count : 0, list = pairs ? arguments->items[0] : 0;
    if (arguments->count > 1 || (pairs && pairs->kind != PARE_VALUE_LIST))
        return pare_pickle_damaged(m, "makes a dict of other than a list of pairs");
    /* The same list may be asked for again and again. */
    m->copied += 2 * (uint64_t)count;
    if (m->copied > m->end - m->begin) return pare_pickle_damaged(m, "makes more of its objects than it has bytes");
    PARE_TRY(pare_pickle_push(m, (pare_value){.kind = PARE_VALUE_DICT}, &index));
    for (uint32_t i = 0; i < count; i++) {
        const pare_value *pair = pare_pickle_item(m->out, &m->out->values[list], i);
        if ((pair->kind != PARE_VALUE_TUPLE && pair->kind != PARE_VALUE_LIST) || pair->count != 2)
            return pare_pickle_damaged(m, "makes a dict of other than a list of pairs");
        PARE_TRY(pare_pickle_push_old(m, pair->items[0]));
        PARE_TRY(pare_pickle_push_old(m, pare_pickle_item(m->out, &m->out->values[list], i)->items[1]));
    }
    return pare_pickle_collect(m, index, m->stack.count - 2 * count);
}

static pare_status run_call(pare_pickle_machine *m, int argument) {
    uint32_t called = 0, arguments = 0;
    (void)argument;
    PARE_TRY(pare_pickle_pop(m, &arguments));
    PARE_TRY(pare_pickle_pop(m, &called));
    const pare_value with = m->out->values[arguments], what = m->out->values[called];
    if (what.kind != PARE_VALUE_GLOBAL || what.global->use == PARE_PICKLE_NAME || with.kind != PARE_VALUE_TUPLE)
        return pare_pickle_damaged(m, "calls what cannot be called");
    if (what.global->use == PARE_PICKLE_DICT) return make_dict(m, &with);
    if (what.global->use == PARE_PICKLE_FUNCTION)
        return pare_pickle_push(
            m, (pare_value){.kind = PARE_VALUE_CALL, .global = what.global, .items = with.items, .count = with.count},
            NULL);
    const pare_value *tuple = pare_pickle_item(m->out, &with, 0);
    if (with.count != 1 || tuple->kind != PARE_VALUE_TUPLE)
        return pare_pickle_damaged(m, "makes a tuple of other than one");
    return pare_pickle_push_old(m, with.items[0]);
}

/* A dict's state (what torch keeps of modules beside their tensors) says nothing about tensors. */
static pare_status run_build(pare_pickle_machine *m, int argument) {
    uint32_t state = 0, object;
    (void)argument;
    PARE_TRY(pare_pickle_pop(m, &state));
    PARE_TRY(pare_pickle_peek(m, 0, PARE_VALUE_DICT, &object));
    if (m->out->values[state].kind == PARE_VALUE_DICT) return PARE_OK;
    return pare_pickle_damaged(m, "gives an object a state that is no dict");
}

static pare_status run_persistent(pare_pickle_machine *m, int argument) {
    (void)argument;
    if (!pare_pickle_above(m)) return pare_pickle_damaged(m, "takes an object where none is left");
    return gather(m, PARE_VALUE_PERSISTENT, m->stack.count - 1);
}

static const pare_pickle_opcode opcodes[256] = {
    [0x80] = {"PROTO", run_protocol, 0},
    [0x95] = {"FRAME", run_frame, 0},
    ['.'] = {"STOP", run_stop, 0},
    ['N'] = {"NONE", run_constant, PARE_VALUE_NONE},
    [0x88] = {"NEWTRUE", run_bool, 1},
    [0x89] = {"NEWFALSE", run_bool, 0},
    ['K'] = {"BININT1", run_integer, 1},
    ['M'] = {"BININT2", run_integer, 2},
    ['J'] = {"BININT", run_integer, -4},
    [0x8a] = {"LONG1", run_long, 1},
    [0x8b] = {"LONG4", run_long, 4},
    ['G'] = {"BINFLOAT", run_real, 0},
    ['X'] = {"BINUNICODE", run_text, 4},
    [0x8c] = {"SHORT_BINUNICODE", run_text, 1},
    [0x8d] = {"BINUNICODE8", run_text, 8},
    ['T'] = {"BINSTRING", run_text, 4},
    ['U'] = {"SHORT_BINSTRING", run_text, 1},
    ['B'] = {"BINBYTES", run_text, 4},
    ['C'] = {"SHORT_BINBYTES", run_text, 1},
    [0x8e] = {"BINBYTES8", run_text, 8},
    [0x96] = {"BYTEARRAY8", run_text, 8},
    ['('] = {"MARK", run_mark, 0},
    ['0'] = {"POP", run_pop, 0},
    ['1'] = {"POP_MARK", run_pop_mark, 0},
    ['2'] = {"DUP", run_duplicate, 0},
    [')'] = {"EMPTY_TUPLE", run_constant, PARE_VALUE_TUPLE},
    [']'] = {"EMPTY_LIST", run_constant, PARE_VALUE_LIST},
    ['}'] = {"EMPTY_DICT", run_constant, PARE_VALUE_DICT},
    [0x8f] = {"EMPTY_SET", run_constant, PARE_VALUE_LIST},
    ['t'] = {"TUPLE", run_gather, PARE_VALUE_TUPLE},
    ['l'] = {"LIST", run_gather, PARE_VALUE_LIST},
    ['d'] = {"DICT", run_gather, PARE_VALUE_DICT},
    [0x91] = {"FROZENSET", run_gather, PARE_VALUE_LIST},
    [0x85] = {"TUPLE1", run_tuple, 1},
    [0x86] = {"TUPLE2", run_tuple, 2},
    [0x87] = {"TUPLE3", run_tuple, 3},
    ['a'] = {"APPEND", run_extend_one, PARE_VALUE_LIST},
    ['e'] = {"APPENDS", run_extend, PARE_VALUE_LIST},
    [0x90] = {"ADDITEMS", run_extend, PARE_VALUE_LIST},
    ['s'] = {"SETITEM", run_extend_one, PARE_VALUE_DICT},
    ['u'] = {"SETITEMS", run_extend, PARE_VALUE_DICT},
    ['q'] = {"BINPUT", run_remember, 1},
    ['r'] = {"LONG_BINPUT", run_remember, 4},
    [0x94] = {"MEMOIZE", run_memoize, 0},
    ['h'] = {"BINGET", run_recall, 1},
    ['j'] = {"LONG_BINGET", run_recall, 4},
    ['c'] = {"GLOBAL", run_global, 0},
    [0x93] = {"STACK_GLOBAL", run_stack_global, 0},
    ['R'] = {"REDUCE", run_call, 0},
    [0x81] = {"NEWOBJ", run_call, 0},
    ['b'] = {"BUILD", run_build, 0},
    ['Q'] = {"BINPERSID", run_persistent, 0},
    ['P'] = {.name = "PERSID"},
    ['I'] = {.name = "INT"},
    ['L'] = {.name = "LONG"},
    ['F'] = {.name = "FLOAT"},
    ['S'] = {.name = "STRING"},
    ['V'] = {.name = "UNICODE"},
    ['p'] = {.name = "PUT"},
    ['g'] = {.name = "GET"},
    ['i'] = {.name = "INST"},
    ['o'] = {.name = "OBJ"},
    [0x82] = {.name = "EXT1"},
    [0x83] = {.name = "EXT2"},
    [0x84] = {.name = "EXT4"},
    [0x92] = {.name = "NEWOBJ_EX"},
    [0x97] = {.name = "NEXT_BUFFER"},
    [0x98] = {.name = "READONLY_BUFFER"},
};

const pare_pickle_opcode *pare_pickle_opcode_of(unsigned char byte) {
    return &opcodes[byte];
}
