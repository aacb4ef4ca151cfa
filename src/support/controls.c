#include "controls.h"

#include <string.h>

void pare_controls_hide(char *text, const char *kept) {
    for (char *c = text; *c; c++) {
        unsigned char first = (unsigned char)c[0], second = (unsigned char)c[1];
        if ((first < 0x20 || first == 0x7f) && !strchr(kept, *c)) *c = '?';
        if (first == 0xc2 && second >= 0x80 && second < 0xa0) c[0] = c[1] = '?';
    }
}
