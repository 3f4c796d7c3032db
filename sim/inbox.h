/* inbox: what the reference connector keeps: events once, entities as the newest event left them.
 *
 * Storing and applying are apart: an event is stored, and known by its id, in the transaction that its
 * acknowledgement waits for; what it means for its entity is worked out later. SQLite; one thread. */
#ifndef PIMSIM_INBOX_H
#define PIMSIM_INBOX_H

#include "base.h"

struct inbox;

struct inbox_event {
    const char *id;
    bool applies;           /* false: remember its id, nothing more */
    const char *kind, *key; /* of the entity */
    int64_t time_us;        /* when it happened, which decides what is newer */
    bool deleted;           /* the entity is gone */
    char *payload;          /* JSON */
};

/* In a file, or with NULL in memory. */
bool inbox_open(struct inbox **inbox, const char *path, struct err *err) MUST_USE;
void inbox_close(struct inbox *inbox);
/* Store events, all or none; `known` is how many of them had been there before. */
bool inbox_store(struct inbox *inbox, const struct inbox_event *events, size_t count, size_t *known,
                 struct err *err) MUST_USE;
size_t inbox_waiting(const struct inbox *inbox); /* stored and not applied yet */
/* Apply some of those that wait, the oldest moment first. */
bool inbox_apply(struct inbox *inbox, struct err *err) MUST_USE;
/* {"waiting": n, "entities": [{"kind", "key", "time_us", "deleted", "payload"}]} */
bool inbox_state(struct inbox *inbox, struct buf *out, struct err *err) MUST_USE;

#endif
