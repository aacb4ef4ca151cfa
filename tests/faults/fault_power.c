#include "fault_disk.h"
#include "fault_kill.h"
#include "fault_tree.h"
#include "tiny_model.h"

typedef struct cutting {
    const fault_trial *trial;
    const fault_states *states;
    const fault_disk *disk;
    long step; /* of the record, the last that was done */
    bool last; /* the command has ended */
    uint64_t draws;
    FILE *wrong;
    fault_counts *counts;
} cutting;

/* All is on the disk when the command has said so. */
static char *check_durable(const cutting *c, fault_counts *states) {
    long targets = states->new + states->old + states->absent;
    char *tree = fault_tree(c->trial->scene->run, NULL);
    char *why = targets != states->new && !strstr(tree, "rows.csv")
                    ? pare_format("it has ended, but not all that it wrote is on the disk")
                    : NULL;
    free(tree);
    return why;
}

static void cut_once(cutting *c, fault_cut cut, bool again) {
    static const char *const names[FAULT_CUTS] = {"nothing", "names", "contents", "some"};
    const fault_scene *scene = c->trial->scene;
    fault_counts found = {0};
    tiny_remove(scene->run);
    tiny_remove(scene->tmp);
    tiny_check(mkdir(scene->tmp, 0755) == 0, scene->tmp);
    fault_disk_cut(c->disk, cut, &c->draws, scene->run);
    char *why = fault_states_check(c->states, c->trial, &found);
    if (!why && c->last) why = check_durable(c, &found);
    if (!why && again) why = fault_states_again(c->trial);
    if (why)
        fprintf(c->wrong, "%s%s\n  power cut behind step %ld, %s is kept of what was not synced\n  %s\n\n",
                c->trial->command->name, c->trial->old ? ", old targets" : "", c->step, names[cut], why);
    c->counts->runs++;
    c->counts->stopped += !c->last;
    c->counts->old += found.old;
    c->counts->new += found.new;
    c->counts->absent += found.absent;
    c->counts->leftovers += found.leftovers;
    c->counts->wrong += why != NULL;
    free(why);
}

static void replay(cutting *c, fault_disk *disk, const char *record, size_t bytes, long step, long again) {
    const char *at = record, *end = record + bytes;
    for (long cuts = 0; fault_disk_step(disk, &at, end);) {
        c->step++;
        c->last = at == end;
        if (c->step % step && !c->last) continue;
        for (int cut = 0; cut < FAULT_CUTS; cut++)
            cut_once(c, (fault_cut)cut, again && cuts++ % again == 0);
    }
}

bool fault_power(const fault_scene *scene, const fault_command *command, bool old, long step, long again, FILE *wrong,
                 fault_counts *counts) {
    fault_trial trial;
    fault_states states;
    if (!fault_trial_open(&trial, scene, command, old, NULL)) return false;
    fault_states_learn(&states, &trial);
    char *file = pare_path_join(scene->root, "record"), *setting = pare_format("PARE_FAULT_RECORD=%s", file);
    char *folder = pare_format("PARE_FAULT_FOLDER=%s", scene->run), *library = fault_scene_preload(scene, "calls");
    size_t bytes = 0;
    fault_disk *disk = fault_disk_open(scene->run);
    fault_result result = fault_scene_run(scene, command, (const char *const[]){library, setting, folder, NULL}, 0);
    char *record = fault_read(file, &bytes);
    bool fine = result.code == 0 && record && bytes;
    cutting c = {.trial = &trial, .states = &states, .disk = disk, .draws = 1, .wrong = wrong, .counts = counts};
    if (fine) replay(&c, disk, record, bytes, step, again);
    fault_result_free(&result);
    fault_disk_close(disk);
    free(record);
    free(file);
    free(setting);
    free(folder);
    free(library);
    fault_states_free(&states);
    fault_trial_close(&trial);
    return fine;
}
