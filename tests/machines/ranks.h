/* Several ranks on this machine, as mpirun starts them, with what they say. */
#ifndef PARE_TESTS_MACHINES_RANKS_H
#define PARE_TESTS_MACHINES_RANKS_H

#include "../cli/program.h"
#include "../tiny_model.h"

#include <dirent.h>
#include <sys/stat.h>

#ifdef PARE_BINARY_DIR
#define RANKS_PLUGIN PARE_BINARY_DIR "/libpare_mpi.so"
#endif

/* mpirun, and what pare loads for it; says what is missing. */
static inline bool ranks_there(void) {
    static const char *const places[] = {"/usr/bin/mpirun", "/usr/local/bin/mpirun"};
    bool found = false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        found |= access(places[i], X_OK) == 0;
    if (!found) fprintf(stderr, "skipped: mpirun is not there (openmpi-bin)\n");
    bool built = access(RANKS_PLUGIN, R_OK) == 0;
    if (found && !built) fprintf(stderr, "skipped: pare was built without MPI (libopenmpi-dev)\n");
    return found && built;
}

/* As root and with more ranks than cores, which mpirun has to be told to allow; leaks of MPI's are not pare's. */
static inline void ranks_environment(void) {
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 1);
    setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
}

/* mpirun's own words come before these; words: of pare, NULL after the last. */
static inline pid_t ranks_start(const char *const *before, const char *const *words, FILE *out, FILE *err) {
    const char *all[PROGRAM_WORDS] = {"mpirun"};
    size_t count = 1;
    while (*before && count + 1 < PROGRAM_WORDS)
        all[count++] = *before++;
    while (*words && count + 1 < PROGRAM_WORDS)
        all[count++] = *words++;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child) return child;
    ranks_environment();
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    execvp(all[0], (char *const *)all);
    _exit(127);
}

static inline program_result ranks_run(const char *const *before, const char *const *words) {
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    int code = program_wait(ranks_start(before, words, out, err), PROGRAM_SECONDS);
    return (program_result){code, program_captured(out), program_captured(err)};
}

/* How often `part` is in a text. */
static inline int ranks_count(const char *text, const char *part) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

/* Once, and no more. */
static inline void ranks_expect_said(const char *text, const char *part) {
    if (ranks_count(text, part) != 1) fail_msg("\"%s\" is not said once in: %s", part, text);
}

static inline void ranks_join(char *out, size_t size, const char *folder, const char *name) {
    snprintf(out, size, "%s/%s", folder, name);
}

/* So many sentences, each with a number. */
static inline char *ranks_sentences(int count) {
    size_t room = (size_t)count * 64 + 1, used = 0;
    char *text = malloc(room);
    assert_non_null(text);
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, room - used, "The little dog number %d went home. ", i * i % 977);
    return text;
}

/* folder/text.txt of so many sentences; path: its name. */
static inline void ranks_text(const char *folder, int count, char *path, size_t size) {
    char *text = ranks_sentences(count);
    tiny_write_text(folder, "text.txt", text);
    free(text);
    ranks_join(path, size, folder, "text.txt");
}

static inline char *ranks_file(const char *path) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    return program_captured(file);
}

/* The parent of a process, or 0. */
static inline pid_t ranks_parent(const char *name) {
    char path[300], line[512] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    if (!fgets(line, sizeof line, file)) *line = 0;
    fclose(file);
    char *behind = strrchr(line, ')');
    return behind && sscanf(behind + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* The processes that mpirun has started, once there are so many. */
static inline void ranks_processes(pid_t mpirun, int wanted, pid_t *out) {
    for (int look = 0; look < 2000; look++) {
        DIR *folder = opendir("/proc");
        int count = 0;
        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
            pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
            if (id <= 0 || ranks_parent(entry->d_name) != mpirun) continue;
            if (count < wanted) out[count] = id;
            count++;
        }
        closedir(folder);
        if (count == wanted) return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail();
}

/* The newest of them. */
static inline pid_t ranks_newest(pid_t mpirun, int wanted) {
    pid_t all[8], newest = 0;
    assert_true(wanted <= 8);
    ranks_processes(mpirun, wanted, all);
    for (int i = 0; i < wanted; i++)
        if (all[i] > newest) newest = all[i];
    return newest;
}

#endif
