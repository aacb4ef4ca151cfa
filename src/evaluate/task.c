#include "evaluate/task.h"

#define NAMES(...)                                                                                                     \
    (const char *const[]) {                                                                                            \
        __VA_ARGS__, NULL                                                                                              \
    }

static const pare_task tasks[] = {
    {.name = "boolq",
     .title = "BoolQ",
     .versions = {2, 1},
     .read = pare_task_read_boolq,
     .folders = NAMES("boolq", "BoolQ"),
     .names = NAMES("val", "dev", "validation"),
     .titled = NAMES("boolq", "boolq_val", "boolq_dev", "boolq_validation")},
    {.name = "piqa",
     .title = "PIQA",
     .versions = {1, 0},
     .normalised = true,
     .chosen_norm = true,
     .read = pare_task_read_piqa,
     .folders = NAMES("piqa", "PIQA"),
     .names = NAMES("valid", "dev", "val", "validation"),
     .titled = NAMES("piqa", "piqa_valid", "piqa_dev", "piqa_val", "piqa_validation")},
    {.name = "hellaswag",
     .title = "HellaSwag",
     .versions = {1, 0},
     .normalised = true,
     .chosen_norm = true,
     .read = pare_task_read_hellaswag,
     .folders = NAMES("hellaswag", "HellaSwag"),
     .names = NAMES("val", "validation"),
     .titled = NAMES("hellaswag_val", "hellaswag_validation", "hellaswag", "hellaswag_val_1000_lmeval_exact",
                     "hellaswag_val_lmeval_recon")},
    {.name = "winogrande",
     .title = "WinoGrande",
     .versions = {1, 0},
     .read = pare_task_read_winogrande,
     .folders = NAMES("winogrande", "WinoGrande", "winogrande_1.1"),
     .names = NAMES("dev", "dev_noqid", "validation", "val"),
     .titled = NAMES("winogrande", "winogrande_dev", "winogrande_validation", "winogrande_val")},
    {.name = "arc_easy",
     .title = "ARC-e",
     .versions = {1, 0},
     .normalised = true,
     .read = pare_task_read_arc,
     .folders = NAMES("arc_easy", "ARC-Easy"),
     .shared_folder = "arc",
     .names = NAMES("test"),
     .titled = NAMES("ARC-Easy-Test", "arc_easy", "arc_easy_test")},
    {.name = "arc_challenge",
     .title = "ARC-c",
     .versions = {1, 0},
     .normalised = true,
     .chosen_norm = true,
     .read = pare_task_read_arc,
     .folders = NAMES("arc_challenge", "ARC-Challenge"),
     .shared_folder = "arc",
     .names = NAMES("test"),
     .titled = NAMES("ARC-Challenge-Test", "arc_challenge", "arc_challenge_test")},
    {.name = "openbookqa",
     .title = "OBQA",
     .versions = {1, 0},
     .normalised = true,
     .chosen_norm = true,
     .read = pare_task_read_openbookqa,
     .folders = NAMES("openbookqa", "OpenBookQA", "obqa"),
     .names = NAMES("test"),
     .titled = NAMES("openbookqa", "openbookqa_test", "obqa_test")},
};

const pare_task *pare_task_at(size_t index) {
    return index < sizeof tasks / sizeof *tasks ? &tasks[index] : NULL;
}

const pare_task *pare_task_find(const char *name) {
    for (size_t i = 0; pare_task_at(i); i++)
        if (strcmp(tasks[i].name, name) == 0) return &tasks[i];
    return NULL;
}

const char *pare_task_name(size_t index) {
    return pare_task_at(index) ? tasks[index].name : NULL;
}

const char *pare_task_title(const char *name) {
    const pare_task *task = pare_task_find(name);
    return task ? task->title : NULL;
}
