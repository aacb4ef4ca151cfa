#include "tokenizer/prefix_trie.h"
#include "support/memory.h"

#include <string.h>

static pare_status new_node(pare_prefix_trie *trie, unsigned char byte, uint32_t *index) {
    if (trie->count == trie->room) {
        size_t room = trie->room ? trie->room * 2 : 64;
        pare_trie_node *nodes;
        if (room > UINT32_MAX) return pare_fail(PARE_UNSUPPORTED, "the tokenizer's special words fill 4 GiB");
        PARE_TRY(pare_alloc_uninitialized(&nodes, room, sizeof *nodes, "the tokenizer's special words"));
        if (trie->count) memcpy(nodes, trie->nodes, trie->count * sizeof *nodes);
        pare_free(trie->nodes);
        trie->nodes = nodes;
        trie->room = room;
    }
    *index = (uint32_t)trie->count;
    trie->nodes[trie->count++] = (pare_trie_node){.value = -1, .byte = byte};
    return PARE_OK;
}

static uint32_t find_child(const pare_prefix_trie *trie, uint32_t node, unsigned char byte) {
    if (!node) return trie->first[byte];
    uint32_t child = trie->nodes[node].child;
    while (child && trie->nodes[child].byte != byte)
        child = trie->nodes[child].sibling;
    return child;
}

pare_status pare_prefix_trie_add(pare_prefix_trie *trie, const char *word, size_t bytes, int32_t value) {
    uint32_t node = 0;
    if (!trie->count) PARE_TRY(new_node(trie, 0, &node));
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)word[i];
        uint32_t child = find_child(trie, node, byte);
        if (!child) {
            PARE_TRY(new_node(trie, byte, &child));
            if (node) {
                trie->nodes[child].sibling = trie->nodes[node].child;
                trie->nodes[node].child = child;
            } else {
                trie->first[byte] = child;
            }
        }
        node = child;
    }
    if (bytes) trie->nodes[node].value = value;
    return PARE_OK;
}

size_t pare_prefix_trie_match(const pare_prefix_trie *trie, const char *text, size_t bytes, int32_t *value) {
    size_t longest = 0;
    uint32_t node = 0;
    for (size_t at = 0; at < bytes; at++) {
        node = find_child(trie, node, (unsigned char)text[at]);
        if (!node) break;
        if (trie->nodes[node].value < 0) continue;
        *value = trie->nodes[node].value;
        longest = at + 1;
    }
    return longest;
}

size_t pare_prefix_trie_search(const pare_prefix_trie *trie, const char *text, size_t bytes, size_t from,
                               size_t *length, int32_t *value) {
    for (size_t at = from; at < bytes; at++) {
        if (!trie->first[(unsigned char)text[at]]) continue;
        *length = pare_prefix_trie_match(trie, text + at, bytes - at, value);
        if (*length) return at;
    }
    return bytes;
}

void pare_prefix_trie_free(pare_prefix_trie *trie) {
    pare_free(trie->nodes);
    *trie = (pare_prefix_trie){0};
}
