/* inbox: what the reference connector keeps: events once, entities as the newest event left them.
 *
 * Storing and applying are apart: an event is stored, and known by its id, in the transaction that its
 * acknowledgement waits for; what it means for its entity is worked out later. Some events say too little:
 * their entity is wanted, until somebody answers what it is. SQLite; one thread. */
#ifndef PIMSIM_INBOX_H
#define PIMSIM_INBOX_H

#include "base.h"

#define INBOX_KIND_SIZE 64

struct inbox;

struct inbox_event {
    const char *id;
    bool applies; /* false: remember its id, nothing more */
    char kind[INBOX_KIND_SIZE];
    const char *key;       /* of the entity, within its kind */
    int64_t time_us;       /* when it happened, which decides what is newer */
    bool created, deleted; /* the entity came, or is gone */
    bool ask;      /* what the entity is now has to be asked: from here on, after each of its events */
    char *payload; /* JSON: what is kept of it, if it need not be asked; NULL: nothing new */
    bool known;    /* out: an event of this id was there before */
};

/* What the connector's bugs want of an inbox: one thing about it is wrong. */
enum inbox_flaw {
    INBOX_SOUND,
    INBOX_NO_DEDUP,
    INBOX_COUNTS_TWICE,
    INBOX_DEDUP_WINDOW,
    INBOX_DEDUP_REQUEST,
    INBOX_DEDUP_MEMORY,
    INBOX_TRUSTS_LOOK_UP,
    INBOX_LAST_ARRIVAL,
    INBOX_RESURRECT,
    INBOX_LATE_CREATE,
    INBOX_TRUSTS_PAYLOAD,
    INBOX_OWN_IDENTIFIER,
    INBOX_KEEPS_APART,
    INBOX_OWN_CREATIONS,
    INBOX_FLAW_COUNT
};

/* In a file, or with NULL in memory. With `resources`, payloads are what the PIM has of an entity. */
bool inbox_open(struct inbox **inbox, const char *path, enum inbox_flaw flaw, bool resources,
                struct err *err) MUST_USE;
void inbox_close(struct inbox *inbox);
/* Store the events of one request that are not known yet, all or none. */
bool inbox_store(struct inbox *inbox, struct inbox_event *events, size_t count, struct err *err) MUST_USE;
size_t inbox_waiting(const struct inbox *inbox); /* stored and not applied yet */
/* Apply some of those that wait, the oldest moment first. */
bool inbox_apply(struct inbox *inbox, struct err *err) MUST_USE;
/* The keys of a kind's entities that are wanted, INBOX_ASKED_MAX at most, as a JSON list; nothing: there is
 * none. They stay wanted until they are answered, also when this is called again, or the program ends. */
#define INBOX_ASKED_MAX 100
bool inbox_ask(struct inbox *inbox, const char *kind, struct buf *keys, struct err *err) MUST_USE;
/* What the last call asked for, a JSON list of resources by their uuid or code. Who is not in it stays as it
 * is; wanted are only those that had an event meanwhile. */
bool inbox_answer(struct inbox *inbox, const char *resources, struct err *err) MUST_USE;
/* {"waiting": n, "entities": [{"kind", "key", "time_us", "deleted", "events", "payload"}]}; `waiting` counts
 * events and wanted entities, `events` is how many there were about it, newer or older, each once. With
 * resources, "identifier" and "resource" are in the place of the payload, null of what is deleted. */
bool inbox_state(struct inbox *inbox, struct buf *out, struct err *err) MUST_USE;

/* For bugs alone: has there been an event about its entity? */
bool inbox_knows(struct inbox *inbox, const struct inbox_event *event, bool *known, struct err *err) MUST_USE;
/* For bugs alone: find out which events are known, and store none; with `mark`, remember their ids. A later
 * inbox_store of an inbox that is INBOX_TRUSTS_LOOK_UP goes by what was found here. */
bool inbox_look_up(struct inbox *inbox, struct inbox_event *events, size_t count, bool mark,
                   struct err *err) MUST_USE;

#endif
