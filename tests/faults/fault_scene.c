#include "fault_scene.h"
#include "fault_tree.h"
#include "tiny_model.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { WORDS = 80, SECONDS = 120 };

static void copy_bundled(const char *folder, const char *name) {
    char *from = pare_format(PARE_SOURCE_DIR "/examples/tiny-stories/%s", name), *to = pare_path_join(folder, name);
    fault_copy(from, to);
    free(from);
    free(to);
}

/* A small model that speaks with the bundled one's tokenizer. */
static void write_model(const fault_scene *scene) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json"};
    char *made = tiny_model_write((tiny_model){
        .layers = 2, .hidden = 32, .heads = 4, .kv_heads = 2, .ffn = 48, .vocabulary = 1024, .positions = 128});
    char *model = pare_path_join(scene->in, "M");
    fault_copy(made, model);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        copy_bundled(model, names[i]);
    tiny_remove(made);
    free(made);
    free(model);
}

static void write_texts(const fault_scene *scene) {
    static const char task[] = "{\"sentence\": \"the girl gave the dog a ball because _ was hungry.\", \"option1\": "
                               "\"the girl\", \"option2\": \"the dog\", \"answer\": \"2\"}\n";
    char *path = pare_path_join(scene->in, "text.txt"), *rows = pare_path_join(scene->in, "rows.json");
    char *tasks = pare_path_join(scene->in, "tasks");
    FILE *text = fopen(path, "w"), *json = fopen(rows, "w");
    tiny_check(text && json && mkdir(tasks, 0755) == 0, "the texts");
    for (int i = 0; i < 48; i++)
        fprintf(text, "one day, a little %s went to the park and found a big red ball.%s", i % 3 ? "girl" : "dog",
                i % 12 == 11 ? "\n\n" : " ");
    for (int i = 0; i < 24; i++)
        fprintf(json,
                "%s{\"instruction\": \"tell of ball %d\", \"input\": \"\", \"output\": \"there was a red ball number "
                "%d.\"}",
                i ? ",\n" : "[", i, i);
    fputs("]\n", json);
    tiny_check(fclose(text) == 0 && fclose(json) == 0, "the texts");
    tiny_write_text(tasks, "winogrande.jsonl", task);
    free(path);
    free(rows);
    free(tasks);
}

/* Splits in place. */
static size_t split(char *text, const char **words, size_t count) {
    for (char *word = strtok(text, " "); word && count + 1 < WORDS; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    return count;
}

static void child(const fault_scene *scene, const char *folder, const char *const *words,
                  const char *const *environment, int out, int err) {
    static const char *const always[] = {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "GOMP_SPINCOUNT=0", "LC_ALL=C"};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char *tmp = pare_format("TMPDIR=%s", scene->tmp);
    if (chdir(folder) != 0) _exit(126);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    putenv(tmp);
    setenv("PARE_TRACE", "0", 1);
    const char *asan = getenv("ASAN_OPTIONS"); /* a sanitizer would be first of all libraries */
    char *later = pare_format("ASAN_OPTIONS=%s%sverify_asan_link_order=0", asan ? asan : "", asan ? ":" : "");
    putenv(later);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        putenv((char *)(uintptr_t)always[i]);
    for (; environment && *environment; environment++)
        putenv((char *)(uintptr_t)*environment);
    execv(scene->program, (char *const *)(uintptr_t)words);
    _exit(127);
}

static int await(pid_t process, long microseconds) {
    int status = 0;
    bool kills = microseconds > 0;
    if (!kills) microseconds = SECONDS * 1000000L;
    for (long waited = 0; waited < microseconds; waited += kills ? 100 : 500) {
        if (waitpid(process, &status, WNOHANG) == process)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        nanosleep(&(struct timespec){.tv_nsec = kills ? 50000 : 500000}, NULL);
    }
    kill(process, SIGKILL);
    waitpid(process, &status, 0);
    return kills ? 128 + SIGKILL : FAULT_HANGS;
}

static char *captured(FILE *file) {
    char *text = NULL;
    size_t bytes = 0;
    rewind(file);
    if (getdelim(&text, &bytes, 0, file) < 0) {
        free(text);
        text = pare_format("%s", "");
    }
    fclose(file);
    return text;
}

static fault_result start(const fault_scene *scene, const char *folder, const char *const *words,
                          const char *const *environment, long microseconds) {
    FILE *out = tmpfile(), *err = tmpfile();
    tiny_check(out && err, "tmpfile");
    fflush(NULL);
    pid_t process = fork();
    tiny_check(process >= 0, "fork");
    if (process == 0) child(scene, folder, words, environment, fileno(out), fileno(err));
    int code = await(process, microseconds);
    return (fault_result){code, captured(out), captured(err)};
}

void fault_result_free(fault_result *result) {
    free(result->out);
    free(result->err);
}

fault_result fault_scene_run(const fault_scene *scene, const fault_command *command, const char *const *environment,
                             long microseconds) {
    enum { ATTEMPTS = 5 };
    const char *words[WORDS] = {scene->program};
    bool talks = strncmp(command->words, "generate", 8) == 0;
    char *text = pare_format("%s%s%s", command->words, command->force ? " --force" : "",
                             talks ? " --compute fp32"
                             : strncmp(command->words, "inspect", 7) == 0 || strncmp(command->words, "report", 6) == 0
                                 ? ""
                                 : " --compute fp32 --threads 1 --quiet --json");
    split(text, words, 1);
    fault_result result = start(scene, scene->run, words, environment, microseconds);
    for (int i = 0; i < ATTEMPTS && result.code == FAULT_CANNOT; i++) {
        fault_result_free(&result);
        result = start(scene, scene->run, words, environment, microseconds);
    }
    free(text);
    return result;
}

static void prepare(const fault_scene *scene, const char *line, const char *kept) {
    const char *words[WORDS] = {scene->program};
    char *text = pare_format("%s --compute fp32 --threads 1 --quiet --json", line);
    split(text, words, 1);
    fault_result result = start(scene, scene->in, words, NULL, 0);
    if (result.code) fprintf(stderr, "%s: %s", line, result.err);
    tiny_check(result.code == 0, line);
    if (kept) tiny_write_text(scene->in, kept, result.out);
    fault_result_free(&result);
    free(text);
}

void fault_scene_open(fault_scene *scene, const char *base, const char *program, const char *shims) {
    char *root = pare_path_join(base, "pare-faults-XXXXXX");
    tiny_check(mkdtemp(root) != NULL, root);
    *scene = (fault_scene){.root = realpath(root, NULL), .program = program, .shims = shims};
    free(root);
    scene->in = pare_path_join(scene->root, "in");
    scene->run = pare_path_join(scene->root, "run");
    scene->tmp = pare_path_join(scene->root, "tmp");
    tiny_check(mkdir(scene->in, 0755) == 0 && mkdir(scene->tmp, 0755) == 0, scene->in);
    write_model(scene);
    write_texts(scene);
    for (size_t i = 0; i < fault_preparation_count; i++)
        prepare(scene, fault_preparations[i], i ? NULL : "prune.json");
}

void fault_scene_close(fault_scene *scene) {
    tiny_remove(scene->root);
    free(scene->root);
    free(scene->in);
    free(scene->run);
    free(scene->tmp);
}

void fault_scene_targets(const fault_scene *scene, const fault_command *command,
                         void (*visit)(const char *path, const char *name, void *context), void *context) {
    char *names = pare_format("%s", command->targets), *rest = names;
    for (char *name; (name = strsep(&rest, " "));) {
        char *path = *name ? pare_path_join(scene->run, name) : NULL;
        if (path) visit(path, name, context);
        free(path);
    }
    free(names);
}

static void put_old(const char *path, const char *name, void *context) {
    const fault_scene *scene = context;
    char *from = pare_path_join(scene->in, strcmp(name, "out") == 0        ? "old"
                                           : strcmp(name, "out.gguf") == 0 ? "M.gguf"
                                                                           : "prune.json");
    fault_copy(from, path);
    free(from);
}

void fault_scene_reset(const fault_scene *scene, const fault_command *command, bool old) {
    tiny_remove(scene->run);
    tiny_remove(scene->tmp);
    tiny_check(mkdir(scene->run, 0755) == 0 && mkdir(scene->tmp, 0755) == 0, scene->run);
    if (old && !command->grows) fault_scene_targets(scene, command, put_old, (void *)(uintptr_t)scene);
}

char *fault_scene_preload(const fault_scene *scene, const char *name) {
    return pare_format("LD_PRELOAD=%s/libpare_fault_%s.so", scene->shims, name);
}

bool fault_scene_traps(const fault_scene *scene) {
    static const fault_command looks = {.name = "inspect", .words = "inspect ../in/M", .targets = ""};
    char *library = fault_scene_preload(scene, "calls");
    fault_scene_reset(scene, &looks, false);
    fault_result result = fault_scene_run(scene, &looks, (const char *const[]){library, NULL}, 0);
    bool traps = result.code == 0;
    fault_result_free(&result);
    free(library);
    return traps;
}
