#include "method/recipe.h"

const char *const pare_key_answers[] = {"no", "yes", NULL};
