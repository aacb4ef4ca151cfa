/* What all tests of the room read with. */
#ifndef PARE_TESTS_TEXT_SHARED_H
#define PARE_TESTS_TEXT_SHARED_H

#include "golden.h"
#include "support/file.h"

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if ((expression) != PARE_OK) fail_msg("%s: %s", #expression, pare_message());                                  \
    } while (0)

#endif
