/* intern: equal texts get equal numbers, counted from 0. */
#ifndef PIMSIM_INTERN_H
#define PIMSIM_INTERN_H

#include "base.h"

#define INTERN_NONE UINT32_MAX

struct interns { /* a zeroed one is empty */
    char **texts;
    size_t count, cap;
    uint32_t *slots; /* a text's number + 1; 0 is free */
    size_t slot_count;
};

uint32_t intern(struct interns *interns, struct span text);
uint32_t intern_find(const struct interns *interns, struct span text); /* INTERN_NONE when it is new */
const char *intern_text(const struct interns *interns, uint32_t number);
void interns_reset(struct interns *interns);

#endif
