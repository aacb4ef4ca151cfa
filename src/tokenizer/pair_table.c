#include "tokenizer/pair_table.h"
#include "support/memory.h"

#include <string.h>

enum { SMALLEST_TABLE = 64 };

static pare_status make_slots(pare_pair **slots, size_t count) {
    PARE_TRY(pare_alloc_uninitialized(slots, count, sizeof **slots, "the tokenizer's merges"));
    memset(*slots, 0xFF, count * sizeof **slots);
    return PARE_OK;
}

static void put(pare_pair *slots, size_t mask, pare_pair pair, size_t *count) {
    size_t at = pare_pair_hash(pair.left, pair.right) & mask;
    while (slots[at].id != PARE_NO_ID && (slots[at].left != pair.left || slots[at].right != pair.right))
        at = (at + 1) & mask;
    *count += slots[at].id == PARE_NO_ID;
    slots[at] = pair;
}

static pare_status grow(pare_pair_table *table) {
    size_t room = table->slots ? (table->mask + 1) * 2 : SMALLEST_TABLE, count = 0;
    pare_pair *slots;
    PARE_TRY(make_slots(&slots, room));
    for (size_t i = 0; table->slots && i <= table->mask; i++)
        if (table->slots[i].id != PARE_NO_ID) put(slots, room - 1, table->slots[i], &count);
    pare_free(table->slots);
    *table = (pare_pair_table){.slots = slots, .mask = room - 1, .count = count};
    return PARE_OK;
}

pare_status pare_pair_table_set(pare_pair_table *table, pare_pair pair) {
    if (!table->slots || table->count * 2 > table->mask) PARE_TRY(grow(table));
    put(table->slots, table->mask, pair, &table->count);
    return PARE_OK;
}

void pare_pair_table_free(pare_pair_table *table) {
    pare_free(table->slots);
    *table = (pare_pair_table){0};
}
