#include "completion.h"

#include "completion_shell.h"

#include <string.h>

bool pare_completion_print(const char *shell) {
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", pare_completion_bash}, {"zsh", pare_completion_zsh}, {"fish", pare_completion_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, shell) != 0) continue;
        shells[i].print();
        return true;
    }
    return false;
}
