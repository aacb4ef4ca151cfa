/* Lets everything fail, everywhere: what scripts/faults runs. Prints a table as Markdown; what is wrong goes to
 * standard error. */
#include "fault_kill.h"
#include "fault_sweep.h"
#include "tiny_model.h"

typedef struct request {
    const char *name; /* of commands that are tried: how they begin */
    const char *kind; /* of calls that fail; NULL: all */
    long number;      /* of the mode; 0: its own */
} request;

typedef struct mode {
    const char *name, *head;
    bool (*run)(const fault_scene *scene, const fault_command *command, const request *asked);
} mode;

static bool writes(const fault_command *command) {
    return *command->targets;
}

static void print_tally(const char *name, const fault_tally *t) {
    const long *v = t->verdicts;
    printf("| %s | %ld | %ld | %ld | %ld | %ld | %ld | %ld |\n", name, t->calls, t->points, v[FAULT_WHOLE],
           v[FAULT_SAID], v[FAULT_LATE], v[FAULT_SWEPT], v[FAULT_WRONG]);
    fflush(stdout);
}

static bool run_calls(const fault_scene *scene, const fault_command *command, const request *asked) {
    fault_tally tally = {0};
    fault_wish wish = {.most = asked->number, .wrong = stderr, .kind = asked->kind};
    bool ran = fault_sweep_calls(scene, command, false, wish, &tally);
    if (ran && writes(command) && !command->grows) ran = fault_sweep_calls(scene, command, true, wish, &tally);
    print_tally(command->name, &tally);
    return ran && !tally.verdicts[FAULT_WRONG];
}

static bool run_memory(const fault_scene *scene, const fault_command *command, const request *asked) {
    fault_tally tally = {0};
    bool ran = fault_sweep_memory(scene, command, false,
                                  (fault_wish){.most = asked->number, .wrong = stderr, .kind = asked->kind}, &tally);
    print_tally(command->name, &tally);
    return ran && !tally.verdicts[FAULT_WRONG];
}

static void print_counts(const char *name, const fault_counts *c) {
    printf("| %s | %ld | %ld | %ld | %ld | %ld | %ld | %ld |\n", name, c->runs, c->stopped, c->old, c->new, c->absent,
           c->leftovers, c->wrong);
    fflush(stdout);
}

static bool run_kill(const fault_scene *scene, const fault_command *command, const request *asked) {
    enum { TIMES = 40 };
    fault_counts counts = {0};
    if (!writes(command)) return true;
    long times = asked->number ? asked->number : TIMES;
    bool ran = fault_kill(scene, command, false, times / 2, 1, stderr, &counts) &&
               fault_kill(scene, command, true, times - times / 2, 2, stderr, &counts);
    print_counts(command->name, &counts);
    return ran && !counts.wrong;
}

static bool run_power(const fault_scene *scene, const fault_command *command, const request *asked) {
    enum { AGAIN = 16 };
    fault_counts counts = {0};
    if (!writes(command)) return true;
    long step = asked->number ? asked->number : 1;
    bool ran = fault_power(scene, command, false, step, AGAIN, stderr, &counts) &&
               fault_power(scene, command, true, step, AGAIN, stderr, &counts);
    print_counts(command->name, &counts);
    return ran && !counts.wrong;
}

static const char tallies[] = "| command | calls or places | points | whole results | sentences | late | swept later | "
                              "findings |\n|---|---|---|---|---|---|---|---|";
static const char stops[] =
    "| command | runs | stopped | old | new | absent | with leftovers | findings |\n|---|---|---|---|---|---|---|---|";

static const mode modes[] = {
    {"calls", tallies, run_calls},
    {"memory", tallies, run_memory},
    {"kill", stops, run_kill},
    {"power", stops, run_power},
};

static const mode *find_mode(const char *name) {
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0) return &modes[i];
    return NULL;
}

int main(int count, char **words) {
    const mode *chosen = count > 3 ? find_mode(words[1]) : NULL;
    const char *base = getenv("TMPDIR");
    if (!chosen) {
        fputs("faults calls|memory|kill|power PROGRAM SHIMS [NUMBER [NAME [KIND]]]\n", stderr);
        return 2;
    }
    request asked = {count > 5 ? words[5] : "", count > 6 ? words[6] : NULL, count > 4 ? atol(words[4]) : 0};
    fault_scene scene;
    bool fine = true;
    fault_scene_open(&scene, base && *base ? base : "/tmp", words[2], words[3]);
    puts(chosen->head);
    for (size_t i = 0; i < fault_command_count; i++)
        if (strncmp(fault_commands[i].name, asked.name, strlen(asked.name)) == 0)
            fine &= chosen->run(&scene, &fault_commands[i], &asked);
    fault_scene_close(&scene);
    return !fine;
}
