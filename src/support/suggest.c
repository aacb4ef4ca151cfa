#include "suggest.h"

#include <string.h>

enum { LONGEST = 120 };

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Optimal string alignment distance, over three rows of its table. */
static unsigned edits(const char *a, size_t rows, const char *b, size_t columns) {
    unsigned table[3][LONGEST + 1];
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++) {
        unsigned *row = table[i % 3], *above = table[(i + 2) % 3], *before = table[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= columns; j++) {
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
    }
    return table[rows % 3][columns];
}

unsigned pare_suggestion_distance(const char *typed, const char *known) {
    size_t m = strlen(typed), n = strlen(known), shorter = m < n ? m : n;
    if (m > LONGEST || n > LONGEST || shorter == 0) return PARE_SUGGESTION_NONE;
    if (m >= 2 && m < n && strncmp(typed, known, m) == 0) return 1;
    unsigned distance = edits(typed, m, known, n);
    return distance <= 1 + shorter / 4 && distance < shorter ? distance : PARE_SUGGESTION_NONE;
}

const char *pare_suggestion_find(const char *typed, const char *(*name)(size_t index)) {
    const char *best = NULL;
    unsigned least = PARE_SUGGESTION_NONE;
    for (size_t i = 0; name(i); i++) {
        unsigned distance = pare_suggestion_distance(typed, name(i));
        if (distance >= least) continue;
        least = distance;
        best = name(i);
    }
    return best;
}
