/* Random commands on random tiny models: random_commands SECONDS SEED. Each command is drawn from the option table by
 * the seed and its number alone, and run in a folder of its own. It is done, with a result that opens, or it ends with
 * one sentence and leaves nothing; one that takes long is interrupted, and then ends so, too. Everything else is a
 * finding: it is printed, and the exit code is 1. scripts/random-commands builds what this needs, under the sanitizers.
 */
#include "cli/program.h"
#include "model/families.h"
#include "random/draw.h"

#include <dirent.h>

enum { LONG = 40, PATIENCE = 60, MOST_OPTIONS = 6 };

typedef struct attempt {
    drawn words;
    const pare_command *command;
    char *folder, *model, *output; /* output: what -o names, or NULL */
} attempt;

typedef struct counts {
    size_t done, failed, refused, interrupted, findings;
} counts;

static void copy_folder(const char *from, const char *to) {
    char *command = pare_format("cp -rL '%s' '%s'", from, to);
    tiny_check(system(command) == 0, command);
    free(command);
}

static const char *const beside[] = {"text.txt", "rows.jsonl", "chats.jsonl", "ids.json", "boolq.jsonl", "recipe.json",
                                     "pictures", "nothing",    "model",       "second",   NULL};

/* What a command may be given besides its model. */
static void write_files(const char *folder, const families *all) {
    tiny_write_text(folder, "text.txt",
                    "one day, a little girl went to the park and found a big red ball. she was so happy.\n\n"
                    "tom had a dog. the dog was big and it liked to run in the sun with tom all day long.\n\n"
                    "the end of the day came, and mom said that it was time to go home and eat some soup.\n");
    tiny_write_text(
        folder, "rows.jsonl",
        "{\"instruction\": \"say a word\", \"input\": \"\", \"output\": \"dog\"}\n"
        "{\"instruction\": \"say two\", \"input\": \"now\", \"output\": \"a ball and a dog in the park\"}\n");
    tiny_write_text(folder, "chats.jsonl",
                    "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", "
                    "\"content\": \"one day a dog ran home\"}]}\n");
    tiny_write_text(folder, "boolq.jsonl",
                    "{\"question\": \"is it\", \"passage\": \"it is a dog\", \"answer\": true, \"label\": 1}\n");
    tiny_write_text(folder, "recipe.json", "{\"base\": \"taylor\", \"select\": \"global\"}");
    char *ids = pare_path_join(folder, "ids.json"), *pictures = pare_path_join(folder, "pictures");
    family_write_ids(all, ids);
    tiny_check(mkdir(pictures, 0755) == 0, pictures);
    copy_folder(PARE_SOURCE_DIR "/tests/data/images/rgb.png", pictures);
    copy_folder(PARE_SOURCE_DIR "/tests/data/images/grey.png", pictures);
    free(ids);
    free(pictures);
}

/* A case of any family, those with experts among them. */
static const json_t *draw_case(pare_random *random, const families all[2]) {
    size_t plain = json_array_size(all[0].cases), at = draw(random, plain + 2 * json_array_size(all[1].cases));
    return at < plain ? json_array_get(all[0].cases, at) : json_array_get(all[1].cases, (at - plain) / 2);
}

static void write_model(pare_random *random, const families all[2], const char *path) {
    static const pare_dtype types[] = {PARE_DTYPE_F32, PARE_DTYPE_F16, PARE_DTYPE_BF16};
    uint64_t kind = draw(random, 10);
    if (kind < 3) {
        copy_folder(kind ? PARE_SOURCE_DIR "/examples/tiny-stories" : PARE_SOURCE_DIR "/examples/vit-digits", path);
        return;
    }
    char *written;
    if (kind == 3)
        written = tiny_model_write((tiny_model){.layers = 1 + (uint32_t)draw(random, 3),
                                                .hidden = 8,
                                                .heads = 2,
                                                .kv_heads = 1 + (uint32_t)draw(random, 2),
                                                .ffn = 1 + (uint32_t)draw(random, 9),
                                                .vocabulary = 64,
                                                .tied = draw(random, 2),
                                                .scale = draw(random, 4) ? 0.05 : 1e12});
    else
        written = family_write(draw_case(random, all),
                               (family_form){.dtype = types[draw(random, 3)], .shards = 1 + (uint32_t)draw(random, 2)});
    tiny_check(rename(written, path) == 0, path);
    free(written);
}

/* Where an option that bounds the work was not drawn. */
static void bound(attempt *a) {
    static const struct {
        const char *name, *value;
    } usual[] = {{"samples", "2"}, {"length", "16"},    {"window", "16"},   {"max-windows", "2"}, {"steps", "2"},
                 {"limit", "2"},   {"gate-steps", "2"}, {"tokens", "4"},    {"seeds", "2"},       {"draws", "1"},
                 {"epochs", "1"},  {"threads", "1"},    {"iterations", "2"}};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const pare_option *option, *found = NULL;
        char *name = pare_format("--%s", usual[i].name);
        for (size_t k = 0; (option = pare_option_at(k)) && !found; k++)
            if (strcmp(option->name, usual[i].name) == 0 && (option->commands & a->command->syntax.bit)) found = option;
        if (found && !drawn_has(&a->words, name) && strcmp(usual[i].name, "iterations") != 0) {
            drawn_add(&a->words, strdup(name));
            drawn_add(&a->words, strdup(usual[i].value));
        }
        free(name);
    }
}

static void draw_words(pare_random *random, attempt *a) {
    const drawn_place place = {a->folder, beside};
    do
        a->command = pare_command_at(draw(random, 14));
    while (!a->command ||
           strcmp(a->command->syntax.name, "bench") == 0); /* measures for seconds, whatever it is given */
    bool needs_output = false;
    const pare_option *option;
    for (size_t i = 0; (option = pare_option_at(i)); i++)
        needs_output |= strcmp(option->name, "output") == 0 && (option->commands & a->command->syntax.bit);
    drawn_add(&a->words, strdup(a->command->syntax.name));
    drawn_add(&a->words, strdup(a->model));
    if (strcmp(a->command->syntax.name, "convert") == 0) drawn_add(&a->words, pare_format("%s/new-output", a->folder));
    for (uint64_t left = draw(random, MOST_OPTIONS); left--;)
        draw_option(random, draw_row(random, a->command), &place, &a->words);
    if (strcmp(a->command->syntax.name, "prune") == 0 && draw(random, 4)) {
        drawn_add(&a->words, strdup(draw(random, 2) ? "--ratio" : "--sparsity"));
        drawn_add(&a->words, strdup("0.5"));
    }
    if (needs_output && !drawn_has(&a->words, "--output") && draw(random, 5)) {
        drawn_add(&a->words, strdup("--output"));
        drawn_add(&a->words, pare_format("%s/new-output%s", a->folder, draw(random, 4) ? "" : ".gguf"));
    }
    bound(a);
    for (size_t i = 0; i + 1 < a->words.count; i++)
        if (strcmp(a->words.words[i], "--output") == 0) a->output = a->words.words[i + 1];
}

/* Runs it; *stopped: it took long and was interrupted. */
static program_result run(const attempt *a, bool *stopped) {
    FILE *out = tmpfile(), *err = tmpfile();
    int status, code = -1;
    pid_t child = program_start((const char *const *)a->words.words, fileno(out), fileno(err), NULL);
    *stopped = false;
    for (int i = 0; i < 20 * LONG && code < 0; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        else
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    if (code < 0) {
        *stopped = true;
        kill(child, SIGINT);
        code = program_wait(child, PATIENCE);
    }
    return (program_result){code, program_captured(out), program_captured(err)};
}

static bool is_left(const char *folder) {
    DIR *entries = opendir(folder);
    bool left = false;
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        left |= strstr(entry->d_name, ".pare-") != NULL;
    if (entries) closedir(entries);
    return left;
}

/* Its last line is one of pare's. */
static bool ends_with_sentence(const char *err) {
    size_t length = strlen(err);
    if (!length || err[length - 1] != '\n') return false;
    size_t at = length - 1;
    while (at && err[at - 1] != '\n')
        at--;
    return strncmp(err + at, "pare", 4) == 0 && length - at > 12;
}

/* Whether what was written opens. */
static bool opens(const char *output) {
    const char *const words[] = {"inspect", output, NULL};
    program_result result = program_run(words);
    bool fine = result.code == 0 || strstr(result.err, "PEFT adapter") != NULL;
    program_result_free(&result);
    return fine;
}

/* What is wrong with it, or NULL. */
static const char *wrong(const attempt *a, const program_result *result) {
    bool model = a->output && pare_file_exists(a->output) && strcmp(a->command->syntax.name, "report") != 0 &&
                 strcmp(a->command->syntax.name, "inspect") != 0 && strcmp(a->command->syntax.name, "imatrix") != 0;
    bool made = model && strstr(a->output, "new-output") != NULL;
    if (result->code > 2) return "it does not end as commands do";
    if (is_left(a->folder)) return "something temporary is left";
    if (result->code && !ends_with_sentence(result->err)) return "a failure has no sentence";
    if (result->code && made) return "a failure leaves an output";
    if (!result->code && made && !opens(a->output)) return "what was written does not open";
    return NULL;
}

static void tell(const attempt *a, uint64_t seed, uint64_t number, const program_result *result, const char *what) {
    printf("seed %llu, command %llu: %s (exit code %d)\n ", (unsigned long long)seed, (unsigned long long)number, what,
           result->code);
    for (size_t i = 0; i < a->words.count; i++)
        printf(" '%s'", a->words.words[i]);
    printf("\n%.3000s\n", result->err);
    fflush(stdout);
}

static void count_one(counts *c, int code, bool stopped) {
    if (stopped)
        c->interrupted++;
    else if (code == 0)
        c->done++;
    else if (code == 1)
        c->failed++;
    else
        c->refused++;
}

static void attempt_one(uint64_t seed, uint64_t number, const families all[2], counts *c) {
    pare_random random = {.seed = seed, .stream = number};
    attempt a = {.folder = tiny_folder()};
    char *second = pare_path_join(a.folder, "second");
    bool stopped;
    a.model = pare_path_join(a.folder, "model");
    write_files(a.folder, all);
    write_model(&random, all, a.model);
    write_model(&random, all, second);
    draw_words(&random, &a);
    program_result result = run(&a, &stopped);
    const char *what = wrong(&a, &result);
    if (what) tell(&a, seed, number, &result, what);
    c->findings += what != NULL;
    count_one(c, result.code, stopped);
    if (getenv("PARE_RANDOM_VERBOSE")) tell(&a, seed, number, &result, stopped ? "stopped" : "ended");
    program_result_free(&result);
    tiny_remove(a.folder);
    drawn_free(&a.words);
    free(second);
    free(a.folder);
    free(a.model);
}

int main(int count, char **words) {
    if (count != 3 && count != 4) {
        fprintf(stderr, "random_commands SECONDS SEED [NUMBER]: NUMBER alone is tried\n");
        return 2;
    }
    double seconds = strtod(words[1], NULL);
    uint64_t seed = strtoull(words[2], NULL, 10), number = count == 4 ? strtoull(words[3], NULL, 10) : 0;
    time_t begin = time(NULL);
    families all[] = {families_load_from(FAMILIES_GOLDEN), families_load_from(EXPERTS_GOLDEN)};
    counts c = {0};
    do
        attempt_one(seed, number++, all, &c);
    while (count == 3 && difftime(time(NULL), begin) < seconds);
    printf("seed %llu: %zu commands done, %zu failed, %zu refused, %zu interrupted; %zu findings\n",
           (unsigned long long)seed, c.done, c.failed, c.refused, c.interrupted, c.findings);
    families_free(&all[0]);
    families_free(&all[1]);
    return c.findings ? 1 : 0;
}
