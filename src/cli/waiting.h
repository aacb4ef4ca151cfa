/* How worker threads wait between two parallel loops. */
#ifndef PARE_CLI_WAITING_H
#define PARE_CLI_WAITING_H

/* Threads of the OpenMP runtime spin for milliseconds before they sleep, which starves the machine when anything else runs on
 * it: a prune of a tiny model took 40 times as long beside one busy process. The runtime reads how long to spin from
 * the environment as it is loaded, so this starts the program anew with a short spin, unless the user has set one. Returns
 * if it is set, or if the program cannot be started anew. */
void pare_waiting_set(char **arguments);

#endif
