/* Option values: numbers with and without units, ranges, choices. Nothing is guessed: what is not wholly a value of its
 * kind is refused. */
#include "../support/suggest.h"
#include "message.h"
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *text) {
    while (is_digit(*text))
        text++;
    return text;
}

/* Reads a plain decimal number (no hexadecimal, no "inf", no spaces) and returns what follows it, or NULL. */
static const char *read_number(const char *text, double *number) {
    const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
    const char *end = skip_digits(digits);
    bool some = end > digits;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        some |= end > fraction;
    }
    if (!some) return NULL;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end[1] == '-' || end[1] == '+' ? end + 2 : end + 1;
        if (is_digit(*exponent)) end = skip_digits(exponent);
    }
    char copy[128];
    if ((size_t)(end - text) >= sizeof copy) return NULL;
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = 0;
    *number = strtod(copy, NULL);
    return isfinite(*number) ? end : NULL;
}

static bool read_integer(const char *text, uint64_t *number) {
    if (!*text || *skip_digits(text)) return false;
    errno = 0;
    *number = strtoull(text, NULL, 10);
    return errno == 0;
}

static bool within(const pare_option *option, double value) {
    return option->open ? value > option->low && value < option->high : value >= option->low && value <= option->high;
}

typedef struct unit {
    const char *suffix;
    double factor;
} unit;

/* A number with one of the units (case does not matter), rounded to a whole count; without a unit it must be whole. */
static bool read_with_unit(const char *text, const unit *units, size_t count, double *value) {
    double number;
    const char *suffix = read_number(text, &number);
    if (!suffix) return false;
    if (!*suffix) {
        *value = number;
        return number == floor(number);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(suffix, units[i].suffix) != 0) continue;
        *value = round(number * units[i].factor);
        return true;
    }
    return false;
}

static bool parse_size(const pare_option *option, const char *text, uint64_t *value) {
    static const unit units[] = {
        {"b", 1},      {"k", 0x1p10},   {"kib", 0x1p10}, {"kb", 1e3},   {"m", 0x1p20},   {"mib", 0x1p20}, {"mb", 1e6},
        {"g", 0x1p30}, {"gib", 0x1p30}, {"gb", 1e9},     {"t", 0x1p40}, {"tib", 0x1p40}, {"tb", 1e12},
    };
    double bytes;
    if (!read_with_unit(text, units, sizeof units / sizeof *units, &bytes) || !within(option, bytes)) return false;
    *value = (uint64_t)bytes;
    return true;
}

static bool parse_parameters(const pare_option *option, const char *text, uint64_t *value) {
    static const unit units[] = {{"k", 1e3}, {"m", 1e6}, {"b", 1e9}, {"t", 1e12}};
    double count;
    if (!read_with_unit(text, units, sizeof units / sizeof *units, &count) || !within(option, count)) return false;
    *value = (uint64_t)count;
    return true;
}

static bool parse_span(const pare_option *option, const char *text, pare_layers *value) {
    const char *colon = strchr(text, ':');
    char first[32];
    uint64_t begin, end;
    if (option->may_be_none && strcmp(text, "none") == 0) {
        *value = (pare_layers){.given = true};
        return true;
    }
    if (!colon || (size_t)(colon - text) >= sizeof first) return false;
    memcpy(first, text, (size_t)(colon - text));
    first[colon - text] = 0;
    if (!read_integer(first, &begin) || !read_integer(colon + 1, &end)) return false;
    if (begin >= end || !within(option, (double)end)) return false;
    *value = (pare_layers){true, (int32_t)begin, (int32_t)end};
    return true;
}

/* "3,7,20:24": numbers, and ranges without their ends. */
static bool parse_layers(const pare_option *option, const char *text, pare_layer_list *value) {
    size_t count = 1, at = 0;
    for (const char *c = text; *c; c++)
        count += *c == ',';
    pare_layers *list = calloc(count, sizeof *list);
    for (const char *rest = text; list && at < count; at++) {
        char word[32];
        uint64_t number;
        size_t length = strcspn(rest, ",");
        if (length >= sizeof word) break;
        memcpy(word, rest, length);
        word[length] = 0;
        bool range = strchr(word, ':');
        if (range && !parse_span(option, word, &list[at])) break;
        if (!range && (!read_integer(word, &number) || !within(option, (double)number + 1))) break;
        if (!range) list[at] = (pare_layers){true, (int32_t)number, (int32_t)number + 1};
        rest += length + (rest[length] == ',');
    }
    if (!list || at < count) {
        free(list);
        return false;
    }
    free(value->list);
    *value = (pare_layer_list){list, count};
    return true;
}

static bool parse_integer(const pare_option *option, const char *text, uint32_t *value) {
    uint64_t number;
    if (!read_integer(text, &number) || !within(option, (double)number)) return false;
    *value = (uint32_t)number;
    return true;
}

static bool parse_real(const pare_option *option, const char *text, double *value) {
    double number;
    const char *end = read_number(text, &number);
    if (!end || *end || !within(option, number)) return false;
    *value = number;
    return true;
}

/* "0.2", or a list with a share for each layer, where 0 is one. */
static bool parse_shares(const pare_option *option, const char *text, pare_share_list *value) {
    size_t count = 1, at = 0;
    for (const char *c = text; *c; c++)
        count += *c == ',';
    if (count == 1) return parse_real(option, text, &value->one);
    double *each = calloc(count, sizeof *each);
    for (const char *rest = text; each && rest && at < count; at++) {
        rest = read_number(rest, &each[at]);
        if (!rest || (*rest && *rest != ',') || !(each[at] >= option->low && each[at] <= option->high)) break;
        if (option->open && each[at] >= option->high) break;
        if (*rest) rest++;
    }
    if (at < count) {
        free(each);
        return false;
    }
    free(value->each);
    *value = (pare_share_list){.each = each, .count = count};
    return true;
}

/* "2:4" */
static bool parse_pattern(const pare_option *option, const char *text, pare_pattern *value) {
    const char *colon = strchr(text, ':');
    char first[32];
    uint64_t keep, of;
    if (!colon || (size_t)(colon - text) >= sizeof first) return false;
    memcpy(first, text, (size_t)(colon - text));
    first[colon - text] = 0;
    if (!read_integer(first, &keep) || !read_integer(colon + 1, &of)) return false;
    if (keep > of || of < 1 || !within(option, (double)of)) return false;
    *value = (pare_pattern){(uint32_t)keep, (uint32_t)of};
    return true;
}

static bool parse_level(const pare_option *option, const char *text) {
    double number;
    if (text[0] != 'q') return parse_real(option, text, &number);
    const char *end = read_number(text + 1, &number);
    return end && !*end && number > 0 && number < 1;
}

static bool parse_choice(const pare_option *option, const char *text, int *value) {
    for (size_t i = 0; option->choice(i); i++) {
        if (strcmp(option->choice(i), text) != 0) continue;
        *value = (int)i;
        return true;
    }
    return false;
}

/* Methods are too many for a sentence. */
static void describe_choices(const pare_option *option, const char *text, char *out, size_t size) {
    const char *near = pare_suggestion_find(text, option->choice);
    bool methods = option->choice == pare_recipe_name;
    size_t used =
        (size_t)snprintf(out, size, "must be %s", methods ? "a method that 'pare help methods' lists" : "one of");
    for (size_t i = 0; !methods && option->choice(i) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s %s", i ? "," : "", option->choice(i));
    if (used < size) used += (size_t)snprintf(out + used, size - used, ", not %s", pare_quote(text).text);
    if (near && used < size) snprintf(out + used, size - used, ", did you mean %s?", near);
}

static void describe_bounds(const pare_option *option, char *out, size_t size) {
    const char *noun = option->kind == PARE_VALUE_REAL ? "number" : "whole number";
    if (option->open && option->high < 1e9)
        snprintf(out, size, "a %s between %g and %g, both excluded", noun, option->low, option->high);
    else if (option->open)
        snprintf(out, size, "a %s above %g", noun, option->low);
    else
        snprintf(out, size, "a %s from %.15g to %.15g", noun, option->low, option->high);
}

static void describe(const pare_option *option, const char *text, char *reason, size_t size) {
    char wanted[200];
    switch (option->kind) {
    case PARE_VALUE_CHOICE:
        describe_choices(option, text, reason, size);
        return;
    case PARE_VALUE_SIZE:
        snprintf(wanted, sizeof wanted, "a size of at least 1M, such as 8G or 512M");
        break;
    case PARE_VALUE_PARAMETERS:
        snprintf(wanted, sizeof wanted, "a count of parameters such as 5.4B or 350M");
        break;
    case PARE_VALUE_SPAN:
        snprintf(wanted, sizeof wanted, "a range A:B of layers with A below B, such as 3:31%s",
                 option->may_be_none ? ", or none" : "");
        break;
    case PARE_VALUE_LAYERS:
        snprintf(wanted, sizeof wanted, "layers with commas between them, such as 3,7,20:24 (which is 20 to 23)");
        break;
    case PARE_VALUE_SHARES:
        snprintf(wanted, sizeof wanted, "a number %s %g %s %g%s, or one for each layer with commas between them",
                 option->open ? "between" : "from", option->low, option->open ? "and" : "to", option->high,
                 option->open ? ", both excluded" : "");
        break;
    case PARE_VALUE_PATTERN:
        snprintf(wanted, sizeof wanted, "N:M with N at most M and M at most %g, such as 2:4, which keeps 2 of 4",
                 option->high);
        break;
    case PARE_VALUE_LEVEL:
        snprintf(wanted, sizeof wanted, "a number of 0 or more, or q and a share between 0 and 1, such as q0.3");
        break;
    case PARE_VALUE_SEED:
        snprintf(wanted, sizeof wanted, "a whole number below 2^64");
        break;
    default:
        describe_bounds(option, wanted, sizeof wanted);
    }
    snprintf(reason, size, "must be %s, not %s", wanted, pare_quote(text).text);
}

static bool parse(const pare_option *option, const char *text, void *target) {
    switch (option->kind) {
    case PARE_VALUE_CHOICE:
        return parse_choice(option, text, target);
    case PARE_VALUE_INTEGER:
        return parse_integer(option, text, target);
    case PARE_VALUE_SEED:
        return read_integer(text, target);
    case PARE_VALUE_REAL:
        return parse_real(option, text, target);
    case PARE_VALUE_SIZE:
        return parse_size(option, text, target);
    case PARE_VALUE_PARAMETERS:
        return parse_parameters(option, text, target);
    case PARE_VALUE_SPAN:
        return parse_span(option, text, target);
    case PARE_VALUE_LAYERS:
        return parse_layers(option, text, target);
    case PARE_VALUE_SHARES:
        return parse_shares(option, text, target);
    case PARE_VALUE_PATTERN:
        return parse_pattern(option, text, target);
    case PARE_VALUE_LEVEL:
        return parse_level(option, text);
    default:
        *(const char **)target = text;
        return true;
    }
}

bool pare_value_parse(const pare_option *option, const char *text, void *target, char *reason, size_t size) {
    if (!*text && !option->may_be_empty) {
        snprintf(reason, size, "must not be empty");
        return false;
    }
    if (parse(option, text, target)) return true;
    describe(option, text, reason, size);
    return false;
}
