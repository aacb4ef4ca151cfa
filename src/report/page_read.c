#include "report/page_sheet.h"

#include <math.h>
#include <string.h>

const json_t *pare_page_at(const json_t *json, const char *path) {
    while (json && *path) {
        char key[64];
        size_t length = strcspn(path, ".");
        if (length >= sizeof key) return NULL;
        memcpy(key, path, length);
        key[length] = 0;
        json = json_object_get(json, key);
        path += length + (path[length] == '.');
    }
    return json;
}

static double value_of(const json_t *json) {
    return json_is_number(json) ? json_number_value(json) : NAN;
}

double pare_page_number(const json_t *json, const char *path) {
    return value_of(pare_page_at(json, path));
}

const char *pare_page_string(const json_t *json, const char *path) {
    return json_string_value(pare_page_at(json, path));
}

size_t pare_page_size(const json_t *json, const char *path) {
    return json_array_size(pare_page_at(json, path));
}

double pare_page_element(const json_t *list, size_t index) {
    return value_of(json_array_get(list, index));
}

double *pare_page_list(pare_page *page, const json_t *list) {
    size_t count = json_array_size(list);
    double *numbers = pare_page_numbers(page, count);
    for (size_t i = 0; numbers && i < count; i++)
        numbers[i] = pare_page_element(list, i);
    return numbers;
}
