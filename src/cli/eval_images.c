#include "eval_images.h"

#include "document.h"
#include "message.h"
#include "table.h"

#include <stdio.h>

static void add_row(pare_table *table, const pare_eval_row *row, bool compared) {
    const json_t *images = pare_document_at(row->report, "images");
    pare_table_cell(table, "%s", row->model);
    pare_table_cell(table, "%s", pare_count_show(row->parameters).text);
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(images, "files")).text);
    static const char *const shares[] = {"top1", "top5", "agreement"};
    for (size_t i = 0; i < 2; i++)
        if (json_is_number(pare_document_at(images, shares[i])))
            pare_table_cell(table, "%.2f %%", 100 * pare_document_number(images, shares[i], 0));
        else
            pare_table_cell(table, "-");
    pare_table_cell(table, "%s", pare_document_show(images, "loss", "%.4f").text);
    if (!compared) return;
    pare_table_cell(table, "%.4f", pare_document_number(images, "kl", 0));
    pare_table_cell(table, "%.2f %%", 100 * pare_document_number(images, shares[2], 0));
}

void pare_eval_images_print(const pare_arguments *arguments, const pare_eval_row *rows, size_t count) {
    static const char *const titles[] = {"model", "parameters", "pictures", "top-1",
                                         "top-5", "loss",       "KL",       "agreement"};
    bool compared = arguments->against != NULL;
    pare_table *table = pare_table_new(compared ? "lrrrrrrr" : "lrrrrr");
    for (size_t i = 0; i < (compared ? 8 : 6); i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < count; i++)
        add_row(table, &rows[i], compared);
    (arguments->markdown ? pare_table_print_markdown : pare_table_print)(table, stdout);
    pare_table_free(table);
    if (compared)
        printf("\nKL: mean divergence from %s in nats per picture; agreement: how often both find the same class\n",
               arguments->against);
}
