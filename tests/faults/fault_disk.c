#include "fault_disk.h"
#include "fault_tree.h"
#include "tiny_model.h"

#include <dirent.h>

enum { NAME = 256, ENTRIES = 128, CHANGES = 512, NODES = 4096 };

typedef struct node node;

typedef struct entry {
    char name[NAME];
    node *node; /* NULL: in a change, the name goes */
} entry;

typedef struct names {
    entry list[ENTRIES];
    size_t count;
} names;

/* Up to two names that change at one stroke. */
typedef struct change {
    entry of[2];
    size_t count;
} change;

struct node {
    unsigned long long inode;
    bool folder;
    char *data, *synced; /* of a file */
    size_t bytes, synced_bytes;
    names *now, *durable; /* of a folder */
    change *changes;      /* since it was synced */
    size_t change_count;
};

struct fault_disk {
    node *nodes[NODES]; /* all that ever were; of one inode the last counts */
    size_t count;
    node *root;
};

static node *add_node(fault_disk *disk, unsigned long long inode, bool folder) {
    node *made = calloc(1, sizeof *made);
    tiny_check(made && disk->count < NODES, "a node");
    *made = (node){.inode = inode, .folder = folder};
    if (folder) {
        made->now = calloc(1, sizeof *made->now);
        made->durable = calloc(1, sizeof *made->durable);
        made->changes = calloc(CHANGES, sizeof *made->changes);
    }
    return disk->nodes[disk->count++] = made;
}

static node *find_node(const fault_disk *disk, unsigned long long inode) {
    for (size_t i = disk->count; i--;)
        if (disk->nodes[i]->inode == inode) return disk->nodes[i];
    return NULL;
}

static node *get(const names *in, const char *name) {
    for (size_t i = 0; i < in->count; i++)
        if (strcmp(in->list[i].name, name) == 0) return in->list[i].node;
    return NULL;
}

static void set(names *in, const entry *to) {
    size_t i = 0;
    while (i < in->count && strcmp(in->list[i].name, to->name) != 0)
        i++;
    tiny_check(i < ENTRIES, "the number of names");
    if (to->node) {
        in->list[i] = *to;
        in->count += i == in->count;
    } else if (i < in->count) {
        in->list[i] = in->list[--in->count];
    }
}

static void apply(names *to, const change *c) {
    for (size_t i = 0; i < c->count; i++)
        set(to, &c->of[i]);
}

static void sync_node(node *n) {
    if (n->folder) {
        *n->durable = *n->now;
        n->change_count = 0;
        return;
    }
    free(n->synced);
    n->synced = malloc(n->bytes + 1);
    tiny_check(n->synced != NULL, "malloc");
    if (n->bytes) memcpy(n->synced, n->data, n->bytes);
    n->synced_bytes = n->bytes;
}

/* The folder a path lies in, and its last name. */
static node *parent_of(const fault_disk *disk, const char *path, const char **name) {
    node *at = disk->root;
    const char *slash;
    for (; at && (slash = strchr(path, '/')); path = slash + 1) {
        char part[NAME];
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (*part) at = at->folder ? get(at->now, part) : NULL;
    }
    *name = path;
    return at;
}

static void change_names(node *folder, change c) {
    tiny_check(folder && folder->change_count < CHANGES, "a change of names");
    apply(folder->now, &c);
    folder->changes[folder->change_count++] = c;
}

static entry entry_of(const char *name, node *n) {
    entry made = {.node = n};
    snprintf(made.name, sizeof made.name, "%s", name);
    return made;
}

static void put(fault_disk *disk, const char *path, node *n) {
    const char *name;
    node *folder = parent_of(disk, path, &name);
    change_names(folder, (change){{entry_of(name, n)}, 1});
}

static node *at_path(const fault_disk *disk, const char *path) {
    const char *name;
    node *folder = parent_of(disk, path, &name);
    return folder ? get(folder->now, name) : NULL;
}

static void rename_node(fault_disk *disk, bool exchange, const char *from, const char *to) {
    const char *old, *new;
    node *source = parent_of(disk, from, &old), *target = parent_of(disk, to, &new);
    node *moved = at_path(disk, from), *back = exchange ? at_path(disk, to) : NULL;
    if (source == target) {
        change_names(source, (change){{entry_of(new, moved), entry_of(old, back)}, 2});
        return;
    }
    change_names(target, (change){{entry_of(new, moved)}, 1});
    change_names(source, (change){{entry_of(old, back)}, 1});
}

static void resize(node *n, size_t bytes) {
    n->data = realloc(n->data, bytes + 1);
    tiny_check(n->data != NULL, "realloc");
    if (bytes > n->bytes) memset(n->data + n->bytes, 0, bytes - n->bytes);
    n->bytes = bytes;
}

static void write_bytes(fault_disk *disk, unsigned long long inode, size_t offset, size_t bytes, const char *data) {
    node *n = find_node(disk, inode);
    if (!n || n->folder) return; /* without a name: scratch */
    if (offset + bytes > n->bytes) resize(n, offset + bytes);
    memcpy(n->data + offset, data, bytes);
}

static void do_names(fault_disk *disk, const char *verb, char *rest) {
    bool renames = strcmp(verb, "rename") == 0, links = strcmp(verb, "link") == 0;
    char *from = rest, *to = strchr(rest, '\t');
    if (to) *to++ = 0;
    if (strcmp(verb, "remove") == 0) put(disk, rest, NULL);
    if (links && at_path(disk, from)) put(disk, to, at_path(disk, from));
    if (!renames) return;
    char *name = strchr(from, ' ');
    rename_node(disk, atol(from) == 2, name + 1, to);
}

bool fault_disk_step(fault_disk *disk, const char **at, const char *end) {
    char line[8300], verb[16];
    unsigned long long inode = 0;
    size_t first = 0, second = 0;
    const char *stop = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    int read = 0;
    if (!stop || (size_t)(stop - *at) >= sizeof line) return false;
    snprintf(line, sizeof line, "%.*s", (int)(stop - *at), *at);
    *at = stop + 1;
    tiny_check(sscanf(line, "%15s %n", verb, &read) == 1, line);
    char *rest = line + read;
    bool made = strcmp(verb, "file") == 0 || strcmp(verb, "folder") == 0;
    if (made) put(disk, strchr(rest, ' ') + 1, add_node(disk, strtoull(rest, NULL, 10), verb[1] == 'o'));
    if (strcmp(verb, "size") == 0 && sscanf(rest, "%llu %zu", &inode, &first) == 2 && find_node(disk, inode))
        resize(find_node(disk, inode), first);
    if (strcmp(verb, "write") == 0 && sscanf(rest, "%llu %zu %zu", &inode, &first, &second) == 3) {
        write_bytes(disk, inode, first, second, *at);
        *at += second;
    }
    if (strcmp(verb, "sync") == 0 && find_node(disk, strtoull(rest, NULL, 10)))
        sync_node(find_node(disk, strtoull(rest, NULL, 10)));
    do_names(disk, verb, rest);
    return true;
}

static bool keeps(fault_cut cut, fault_cut always, uint64_t *state) {
    return cut == always || (cut == FAULT_KEEPS_SOME && tiny_random(state) % 2);
}

static void write_node(const node *n, fault_cut cut, uint64_t *state, const char *path) {
    if (!n->folder) {
        bool whole = keeps(cut, FAULT_KEEPS_CONTENTS, state);
        FILE *file = fopen(path, "wb");
        size_t bytes = whole ? n->bytes : n->synced_bytes;
        const char *data = whole ? n->data : n->synced;
        tiny_check(file && (!bytes || fwrite(data, 1, bytes, file) == bytes) && fclose(file) == 0, path);
        return;
    }
    names *left = malloc(sizeof *left);
    tiny_check(left && (mkdir(path, 0755) == 0 || pare_file_exists(path)), path);
    *left = *n->durable;
    size_t kept = cut == FAULT_KEEPS_NAMES ? n->change_count : 0;
    if (cut == FAULT_KEEPS_SOME) kept = (size_t)(tiny_random(state) % (n->change_count + 1));
    for (size_t i = 0; i < kept; i++)
        apply(left, &n->changes[i]);
    for (size_t i = 0; i < left->count; i++) {
        char *inner = pare_path_join(path, left->list[i].name);
        write_node(left->list[i].node, cut, state, inner);
        free(inner);
    }
    free(left);
}

void fault_disk_cut(const fault_disk *disk, fault_cut cut, uint64_t *state, const char *folder) {
    write_node(disk->root, cut, state, folder);
}

static node *load(fault_disk *disk, const char *path) {
    struct stat found;
    struct dirent **entries;
    tiny_check(lstat(path, &found) == 0, path);
    node *n = add_node(disk, (unsigned long long)found.st_ino, S_ISDIR(found.st_mode));
    if (!n->folder) {
        n->data = fault_read(path, &n->bytes);
        sync_node(n);
        return n;
    }
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char *inner = pare_path_join(path, entries[i]->d_name);
        bool dots = strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0;
        entry made = entry_of(entries[i]->d_name, dots ? NULL : load(disk, inner));
        if (!dots) set(n->now, &made);
        free(inner);
        free(entries[i]);
    }
    free(entries);
    sync_node(n);
    return n;
}

fault_disk *fault_disk_open(const char *folder) {
    fault_disk *disk = calloc(1, sizeof *disk);
    tiny_check(disk != NULL, "calloc");
    disk->root = load(disk, folder);
    return disk;
}

void fault_disk_close(fault_disk *disk) {
    for (size_t i = 0; i < disk->count; i++) {
        node *n = disk->nodes[i];
        free(n->data);
        free(n->synced);
        free(n->now);
        free(n->durable);
        free(n->changes);
        free(n);
    }
    free(disk);
}
