/* Words of a file, or of a user, that are shown: they must neither end a line nor tell a terminal anything. */
#ifndef PARE_SUPPORT_CONTROLS_H
#define PARE_SUPPORT_CONTROLS_H

/* Puts question marks in the place of control characters, those that UTF-8 has two bytes for (C2 80 to C2 9F) among
 * them, but for those in `kept`. */
void pare_controls_hide(char *text, const char *kept);

#endif
