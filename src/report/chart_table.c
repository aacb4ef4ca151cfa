#include "report/chart_frame.h"

#include <math.h>

enum { ROWS = 120 };

void pare_chart_cell(FILE *out, double value) {
    char text[PARE_INK_NUMBER] = "";
    if (!isnan(value)) pare_ink_number(text, value);
    fprintf(out, "<td>%s</td>", text);
}

void pare_chart_cell_text(FILE *out, const char *text) {
    fputs("<th scope=\"row\">", out);
    pare_ink_text(out, text);
    fputs("</th>", out);
}

void pare_chart_head(FILE *out, const char *text) {
    fputs("<th scope=\"col\">", out);
    pare_ink_text(out, text);
    fputs("</th>", out);
}

size_t pare_chart_table_step(size_t rows) {
    return rows > ROWS ? (rows + ROWS - 1) / ROWS : 1;
}
