/* The known name nearest to a mistyped one. */
#ifndef PARE_SUPPORT_SUGGEST_H
#define PARE_SUPPORT_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap neighbours) that make `known` of `typed`; 1 where `typed` begins `known`. Large
 * when they have too little in common for a suggestion. */
unsigned pare_suggestion_distance(const char *typed, const char *known);

/* The nearest of name(0..), NULL after the last; NULL if none is near. */
const char *pare_suggestion_find(const char *typed, const char *(*name)(size_t index));

enum { PARE_SUGGESTION_NONE = 1000 };

#endif
