/* Whether a launcher has started this process, by its environment, and MPI, which is loaded only then. */
#include "support/peer.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole number from 0 to 1e6 in the environment, or -1. */
static int number_of(const char *name) {
    enum { MOST = 1000000 };
    const char *text = getenv(name);
    char *end;
    if (!text || *text < '0' || *text > '9') return -1;
    long value = strtol(text, &end, 10);
    return *end || value > MOST ? -1 : (int)value;
}

/* Open MPI's mpirun; Slurm's srun with PMIx (of whose step's size only Slurm's own variable tells); MPICH's mpiexec and
 * srun with PMI. */
pare_peer_launch pare_peer_launched(void) {
    static const struct {
        const char *rank, *count;
    } known[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                 {"PMIX_RANK", "SLURM_STEP_NUM_TASKS"},
                 {"PMI_RANK", "PMI_SIZE"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        pare_peer_launch launch = {number_of(known[i].rank), number_of(known[i].count), known[i].count};
        if (launch.count > 1 && launch.rank >= 0 && launch.rank < launch.count) return launch;
    }
    return (pare_peer_launch){.count = 1};
}

/* Beside what holds this code (as it is built), or where it is installed. */
static void *load(char *reason, size_t size) {
    static const char *const places[] = {"libpare_mpi.so", "pare/libpare_mpi.so",
                                         "../" PARE_LIBRARY_FOLDER "/pare/libpare_mpi.so"};
    char folder[PATH_MAX], path[PATH_MAX + 64];
    Dl_info self;
    snprintf(reason, size, "libpare_mpi.so is not where pare is installed");
    bool named = dladdr(places, &self) && self.dli_fname && strchr(self.dli_fname, '/');
    if ((!named || !realpath(self.dli_fname, folder)) && !realpath("/proc/self/exe", folder)) return NULL;
    char *name = strrchr(folder, '/');
    if (name) *name = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, places[i]);
        FILE *there = fopen(path, "rbe");
        if (!there) continue;
        fclose(there);
        void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        if (!library) snprintf(reason, size, "%s", dlerror());
        return library;
    }
    return NULL;
}

static pare_status refuse(const pare_peer_launch *launch, const char *reason) {
    return pare_fail(
        PARE_UNSUPPORTED,
        "%s says that this is one of %d ranks, but MPI cannot be used (%s); install openmpi-bin and a pare "
        "that was built with libopenmpi-dev, or run one process",
        launch->launcher, launch->count, reason);
}

/* Every rank learns the others' hosts. */
static pare_status exchange_hosts(const char *own) {
    static char(*hosts)[PARE_PEER_HOST]; /* as long as the process lives */
    size_t count = (size_t)pare_peer_count();
    hosts = calloc(count, sizeof *hosts);
    if (!hosts) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the names of %zu hosts", count);
    PARE_TRY(pare_peer_gather(own, PARE_PEER_HOST, hosts));
    PARE_TRY(pare_peer_broadcast(hosts, count * sizeof *hosts, 0));
    for (size_t i = 0; i < count; i++)
        hosts[i][PARE_PEER_HOST - 1] = 0;
    pare_peer_set_hosts((const char(*)[PARE_PEER_HOST])hosts);
    return PARE_OK;
}

pare_status pare_peer_open(void) {
    pare_peer_launch launch = pare_peer_launched();
    char reason[256], host[PARE_PEER_HOST] = "";
    int rank, count;
    if (launch.count == 1 || pare_peer_count() > 1) return PARE_OK;
    void *library = load(reason, sizeof reason);
    if (!library) return refuse(&launch, reason);
    const pare_peer_engine *engine = dlsym(library, PARE_PEER_ENGINE_SYMBOL);
    if (!engine || engine->version != PARE_PEER_ENGINE_VERSION)
        return refuse(&launch, "its libpare_mpi.so is of another version");
    if (!engine->open(&rank, &count, host, reason, sizeof reason)) return refuse(&launch, reason);
    if (count != launch.count) {
        engine->close();
        return refuse(&launch, "this MPI was not started by that launcher: it finds no other rank");
    }
    pare_peer_set(engine, rank, count);
    return exchange_hosts(host);
}
