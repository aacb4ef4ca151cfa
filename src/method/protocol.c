#include "method/protocol.h"

#include <string.h>

static const pare_protocol protocols[] = {
    {.name = "llm-pruner", .samples = 10, .length = 64},
    {.name = "moreau-head", .samples = 4, .length = 2048, .stream = true, .redrawn = true},
    {.name = "paper", .samples = 10, .length = 128},
};

enum { COUNT = sizeof protocols / sizeof *protocols };

const pare_protocol *pare_protocol_find(const char *name) {
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(protocols[i].name, name) == 0) return &protocols[i];
    return NULL;
}

const char *pare_protocol_name(size_t index) {
    return index < COUNT ? protocols[index].name : NULL;
}
