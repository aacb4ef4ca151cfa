#include "model/config_inventory.h"

#include <stdio.h>

pare_status pare_inventory_take(const pare_inventory *from, const char *name, const pare_tensor **tensor) {
    *tensor = pare_checkpoint_find(from->checkpoint, name);
    const char *promised = *tensor ? NULL : pare_checkpoint_promise(from->checkpoint, name);
    if (promised)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has no tensor %s, though model.safetensors.index.json puts it into %s; download that "
                         "shard again",
                         pare_checkpoint_directory(from->checkpoint), name, promised);
    if (!*tensor)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no tensor %s, which its config.json asks for",
                         pare_checkpoint_directory(from->checkpoint), name);
    from->known[*tensor - pare_checkpoint_at(from->checkpoint, 0)] = true;
    return PARE_OK;
}

void pare_shape_format(char *text, size_t size, const pare_tensor *tensor) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < tensor->rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%llu", i ? ", " : "", (unsigned long long)tensor->shape[i]);
    if (used < size) snprintf(text + used, size - used, "]");
}

pare_status pare_inventory_refuse(const pare_inventory *from, const pare_tensor *tensor, const char *expected) {
    char found[128];
    pare_shape_format(found, sizeof found, tensor);
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has shape %s where %s is expected",
                     pare_checkpoint_file(from->checkpoint, tensor->file), tensor->name, found, expected);
}

pare_status pare_inventory_vector(const pare_inventory *from, const char *name, uint64_t length) {
    const pare_tensor *tensor;
    PARE_TRY(pare_inventory_take(from, name, &tensor));
    if (tensor->rank == 1 && tensor->shape[0] == length) return PARE_OK;
    char expected[64];
    snprintf(expected, sizeof expected, "[%llu]", (unsigned long long)length);
    return pare_inventory_refuse(from, tensor, expected);
}

pare_status pare_inventory_matrix(const pare_inventory *from, const char *name, uint64_t rows, uint64_t columns) {
    const pare_tensor *tensor;
    PARE_TRY(pare_inventory_take(from, name, &tensor));
    if (tensor->rank == 2 && tensor->shape[0] == rows && tensor->shape[1] == columns) return PARE_OK;
    char expected[64];
    snprintf(expected, sizeof expected, "[%llu, %llu]", (unsigned long long)rows, (unsigned long long)columns);
    return pare_inventory_refuse(from, tensor, expected);
}
