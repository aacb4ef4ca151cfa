#include "repair/sandwich.h"
#include "support/product.h"

void pare_sandwich(const float *left, const float *matrix, const float *right, int64_t rows, int64_t columns,
                   float *middle, float *product) {
    float *first = left ? middle : product;
    pare_product(rows, columns, columns, 1.0f, (pare_rows){matrix, columns}, (pare_rows){right, columns}, 0.0f, first,
                 columns);
    if (left)
        pare_product(rows, columns, rows, 1.0f, (pare_rows){left, rows}, (pare_rows){middle, columns}, 0.0f, product,
                     columns);
}
