#include "tokenizer/word_table.h"
#include "support/memory.h"

enum { SMALLEST_TABLE = 256 };

static size_t free_slot(const pare_word *slots, size_t mask, uint32_t hash) {
    size_t at = hash & mask;
    while (slots[at].count)
        at = (at + 1) & mask;
    return at;
}

static pare_status grow(pare_word_table *table) {
    size_t room = table->slots ? (table->mask + 1) * 2 : SMALLEST_TABLE;
    pare_word *slots;
    PARE_TRY(pare_alloc(&slots, room, sizeof *slots, "the tokenizer's words"));
    for (size_t i = 0; table->slots && i <= table->mask; i++)
        if (table->slots[i].count) slots[free_slot(slots, room - 1, table->slots[i].hash)] = table->slots[i];
    pare_free(table->slots);
    table->slots = slots;
    table->mask = room - 1;
    return PARE_OK;
}

pare_status pare_word_table_add(pare_word_table *table, uint32_t hash, const char *word, size_t bytes,
                                const uint32_t *ids, size_t count) {
    if (!table->slots || table->count * 2 > table->mask) PARE_TRY(grow(table));
    if (table->keys.bytes > UINT32_MAX - bytes || table->ids.count > UINT32_MAX - count)
        return pare_fail(PARE_UNSUPPORTED, "the tokenizer has more than 4 GiB of words; no vocabulary is that large");
    pare_word entry = {hash, (uint32_t)table->keys.bytes, (uint32_t)table->ids.count, (uint16_t)bytes,
                       (uint16_t)(count + 1)};
    PARE_TRY(pare_buffer_append(&table->keys, word, bytes));
    PARE_TRY(pare_id_list_append(&table->ids, ids, count));
    table->slots[free_slot(table->slots, table->mask, hash)] = entry;
    table->count++;
    return PARE_OK;
}

void pare_word_table_clear(pare_word_table *table) {
    if (table->slots) memset(table->slots, 0, (table->mask + 1) * sizeof *table->slots);
    table->count = table->keys.bytes = table->ids.count = 0;
}

void pare_word_table_free(pare_word_table *table) {
    pare_free(table->slots);
    pare_buffer_free(&table->keys);
    pare_id_list_free(&table->ids);
    *table = (pare_word_table){0};
}
