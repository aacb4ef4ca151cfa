#include "ranks.h"

#include "outcome.h"
#include "terminal.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* What a rank that is not the first does before it says anything: if all fail alike, rank 0 says it meanwhile, and ends
 * the others. */
enum { PATIENCE = 2 };

/* In nanoseconds: launchers that are told to end all ranks may not pass on what one has just said. */
enum { TO_BE_HEARD = 300000000 };

static void follow(void) {
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO) close(null);
    pare_terminal_follow();
    pare_terminal_open(true);
}

/* What a rank must not write, once all have agreed about what they were asked for. */
static void keep_from_writing(pare_arguments *arguments) {
    arguments->ranks = arguments->ranks || arguments->plot; /* which all of them compute */
    arguments->items = NULL;
    arguments->lm_eval_json = NULL;
    arguments->report = NULL;
    arguments->figures = NULL;
    arguments->csv = NULL;
    arguments->json_file = NULL;
    arguments->plot = NULL;
}

int pare_ranks_join(const pare_command *command, pare_arguments *arguments, int count, char **words) {
    if (pare_machines_launched_rank()) follow();
    int code = pare_outcome_exit(pare_machines_join((const char *const *)words, (size_t)count));
    if (code != PARE_EXIT_DONE || pare_machines_count() == 1) return code;
    if (!command->spread)
        return pare_outcome_usage(command->syntax.name, "this command is not spread over ranks; run it as one process, "
                                                        "without mpirun or srun (docs/machines.md says which are)");
    if (!arguments->memory) code = pare_outcome_exit(pare_machines_memory(&arguments->memory));
    if (pare_machines_rank()) keep_from_writing(arguments);
    return code;
}

int pare_ranks_leave(int code) {
    int rank = pare_machines_launched_rank();
    if (code == PARE_EXIT_DONE && pare_machines_count() > 1) code = pare_outcome_exit(pare_machines_leave());
    if (code == PARE_EXIT_DONE) return code;
    if (rank) {
        if (nanosleep(&(struct timespec){.tv_sec = PATIENCE}, NULL) != 0) return code; /* told to end meanwhile */
        dprintf(STDERR_FILENO, "pare: rank %d on %s: %s\n", rank, pare_machines_host(), pare_terminal_kept());
    }
    if (pare_machines_count() > 1) nanosleep(&(struct timespec){.tv_nsec = TO_BE_HEARD}, NULL);
    pare_machines_abort(code);
    return code;
}
