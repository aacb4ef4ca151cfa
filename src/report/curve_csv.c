#include "report/chart_ink.h"
#include "report/curve.h"

#include <math.h>
#include <stdio.h>

/* A number, or nothing where it was not measured. */
static void write_number(FILE *out, double value) {
    if (isfinite(value)) fprintf(out, "%.9g", value);
}

char *pare_curve_csv(const pare_curve *curve) {
    pare_ink_sheet sheet;
    if (!pare_ink_begin(&sheet)) return NULL;
    FILE *out = sheet.out;
    fputs("step,loss,validation,rate,norm,tokens,seconds\n", out);
    for (size_t i = 0; i < curve->count; i++) {
        const pare_curve_point *p = &curve->list[i];
        fprintf(out, "%llu,", (unsigned long long)p->step);
        write_number(out, p->loss);
        fputc(',', out);
        write_number(out, p->validation);
        fputc(',', out);
        write_number(out, p->rate);
        fputc(',', out);
        write_number(out, p->norm);
        fprintf(out, ",%llu,", (unsigned long long)p->tokens);
        write_number(out, p->seconds);
        fputc('\n', out);
    }
    return pare_ink_end(&sheet);
}
