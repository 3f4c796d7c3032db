/* still: since when a state stands still, told from one look to the next.
 *
 * A clock or a random tag never does, and must not keep us waiting. It is known by how often it changes: a
 * connector at work changes a value about once for each event. A path that changed clearly more often than
 * its entities had events is volatile: from then on it is masked in the records, wherever it stands. Records
 * that come and go always count. Pure: times are the caller's. */
#ifndef PIMSIM_STILL_H
#define PIMSIM_STILL_H

#include "effects.h"
#include "intern.h"

struct sight { /* a look at the whole state */
    unsigned number;
    uint64_t began_us, ended_us;
};

struct habit { /* how one path changes */
    uint64_t changes;
    struct sight last; /* that saw one */
};

struct still {
    struct interns volatiles; /* "state-url 1: /products/[] : /etag" */
    struct interns paths;     /* that changed while this state was looked at, and … */
    struct habit *habits;     /* … how, by number */
    size_t cap;
    struct sight last; /* that saw records come or go */
};

/* Another state is looked at, or the same anew: nothing is kept but what is volatile. */
void still_begin(struct still *still);
/* Masks what is volatile in records that were just cut. */
void still_mask(const struct still *still, struct effect_records *records);
/* What this sight shows is not what was there before, for entities that had about so many events each. True
 * when something has turned out to be volatile: the records want to be masked again. */
bool still_note(struct still *still, const struct effect_records *before, const struct effect_records *after,
                struct sight sight, size_t events_each);
/* The last sight that saw a change that counts; number 0: none did. */
struct sight still_last(const struct still *still);
void still_reset(struct still *still);

#endif
