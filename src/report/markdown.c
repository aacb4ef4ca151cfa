#include "report/markdown.h"

#include <string.h>

void pare_markdown_text(FILE *out, const char *text) {
    for (; text && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr("\\`*_{}[]<>#|~&$", c)) fputc('\\', out);
        fputc(c < ' ' || c == 127 ? ' ' : c, out);
    }
}

void pare_markdown_fence(FILE *out, const char *language, const char *code) {
    size_t longest = 2, run = 0, length = strlen(code);
    for (const char *c = code; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (size_t i = 0; i <= longest; i++)
        fputc('`', out);
    fprintf(out, "%s\n%s%s", language, code, length && code[length - 1] == '\n' ? "" : "\n");
    for (size_t i = 0; i <= longest; i++)
        fputc('`', out);
    fputs("\n\n", out);
}
