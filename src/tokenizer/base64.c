#include "tokenizer/base64.h"

#include <stdint.h>

static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool pare_base64_decode(const char *text, size_t length, char *out, size_t *bytes) {
    *bytes = 0;
    if (!length || length % 4) return false;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t bits = 0;
        int made = 3;
        for (size_t k = 0; k < 4; k++) {
            bool end = i + 4 == length && text[i + k] == '=' && k >= 2 && (k == 3 || text[i + 3] == '=');
            int value = end ? 0 : digit(text[i + k]);
            if (value < 0) return false;
            made -= end;
            bits = bits << 6 | (uint32_t)value;
        }
        for (int k = 0; k < made; k++)
            out[(*bytes)++] = (char)(bits >> (16 - 8 * k));
    }
    return true;
}
