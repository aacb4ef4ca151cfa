/* Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded with init_by_array as Python does with an integer;
 * Fisher-Yates from the end, where an index below n is drawn by rejection from as many bits as n has. */
#include "evaluate/task_order.h"

enum { WORDS = 624, MIDDLE = 397 };

typedef struct twister {
    uint32_t state[WORDS];
    uint32_t at;
} twister;

static uint32_t mixed(uint32_t word) {
    return word ^ (word >> 30);
}

/* init_by_array of one word. */
static void start(twister *t, uint32_t seed) {
    uint32_t *s = t->state, i = 1;
    s[0] = 19650218u;
    for (uint32_t k = 1; k < WORDS; k++)
        s[k] = 1812433253u * mixed(s[k - 1]) + k;
    for (uint32_t k = 0; k < WORDS; k++) {
        s[i] = (s[i] ^ mixed(s[i - 1]) * 1664525u) + seed;
        if (++i == WORDS) s[0] = s[WORDS - 1], i = 1;
    }
    for (uint32_t k = 0; k < WORDS - 1; k++) {
        s[i] = (s[i] ^ mixed(s[i - 1]) * 1566083941u) - i;
        if (++i == WORDS) s[0] = s[WORDS - 1], i = 1;
    }
    s[0] = 0x80000000u;
    t->at = WORDS;
}

static void twist(twister *t) {
    uint32_t *s = t->state;
    for (uint32_t k = 0; k < WORDS; k++) {
        uint32_t joined = (s[k] & 0x80000000u) | (s[(k + 1) % WORDS] & 0x7fffffffu);
        s[k] = s[(k + MIDDLE) % WORDS] ^ (joined >> 1) ^ (joined & 1 ? 0x9908b0dfu : 0);
    }
    t->at = 0;
}

static uint32_t next_word(twister *t) {
    if (t->at == WORDS) twist(t);
    uint32_t word = t->state[t->at++];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680u;
    word ^= (word << 15) & 0xefc60000u;
    return word ^ (word >> 18);
}

static uint32_t below(twister *t, uint32_t bound) {
    int bits = 32 - __builtin_clz(bound);
    uint32_t drawn;
    do
        drawn = next_word(t) >> (32 - bits);
    while (drawn >= bound);
    return drawn;
}

void pare_python_shuffle(uint32_t seed, uint32_t *order, uint32_t count) {
    twister t;
    start(&t, seed);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i-- > 1;) {
        uint32_t j = below(&t, i + 1), moved = order[i];
        order[i] = order[j];
        order[j] = moved;
    }
}
