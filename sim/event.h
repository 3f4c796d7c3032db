/* event: the vocabulary of PIM events, and fixtures that become events.
 *
 * A fixture is an event as captured on the wire. It is parsed once to find where its identity fields
 * stand; every event made from it is spliced from those bytes, in the platform's own spelling. */
#ifndef PIMSIM_EVENT_H
#define PIMSIM_EVENT_H

#include "base.h"
#include "catalog.h"
#include "data.h"
#include "json.h"

enum platform_id { PLATFORM_EVENTS_API, PLATFORM_AEP, PLATFORM_COUNT };
#define PLATFORM_BIT(id) (1u << (id))
#define PLATFORMS_ALL    (PLATFORM_BIT(PLATFORM_EVENTS_API) | PLATFORM_BIT(PLATFORM_AEP))

extern const char *const platform_names[PLATFORM_COUNT]; /* "events-api", "aep" */

/* One row of event_types.def. */
struct event_type {
    const char *name;                 /* neutral ("product.created"), or AEP's full name */
    const char *wire[PLATFORM_COUNT]; /* action or type on the wire; NULL: the platform has none */
    enum entity_kind kind;            /* which pool of entities it is about */
    const char *entity;               /* AEP: JSON pointer to what names the entity */
    enum change { CHANGE_CREATED, CHANGE_UPDATED, CHANGE_REMOVED, CHANGE_OTHER } change;
};

size_t event_type_count(void);
const struct event_type *event_type_at(size_t index);
const struct event_type *event_type_find(const char *name); /* neutral or wire name; NULL if none */

/* The PIM generation decides what identifies a product on the Events API: `identifier` on 5.0 and
 * 6.0; `uuid` and `identifier` on 7.0 and Serenity [events-reference]. */
enum pim_version { PIM_5_0, PIM_6_0, PIM_7_0, PIM_SERENITY, PIM_VERSION_COUNT };
extern const char *const pim_version_names[PIM_VERSION_COUNT]; /* "5.0" … "serenity" */

/* What the simulator sets in a fixture, where the fixture has the field. Strings are borrowed. */
struct event_identity {
    char id[UUID_SIZE];
    int64_t time_us;         /* of the change, wall clock */
    int64_t created_us;      /* of the entity */
    const char *author;      /* NULL: the fixture's own */
    const char *author_type; /* NULL: the fixture's own */
    const char *subject;     /* AEP: the subscription's id; NULL: the fixture's own */
    const char *source;      /* AEP source, Events API pim_source; NULL: the fixture's own */
    struct entity entity;
    uint32_t version; /* the entity's state after the change, from 0 (created) */
    bool identified;  /* AEP: tell a product's identifier, too, where the fixture does not */
};

struct fixture;

/* Load the event NAME for a platform: an event type's name (its fixture is the data file of that
 * name), a file of fixtures/<platform>/ by its stem, or the path of a file. A captured Events API
 * request ({"events":[…]}) counts as its first event. */
bool fixture_load(struct fixture **fixture, struct data *data, const char *name, enum platform_id platform,
                  enum pim_version version, struct err *err) MUST_USE;
void fixture_free(struct fixture *fixture);
const struct event_type *fixture_type(const struct fixture *fixture); /* never NULL */
const char *fixture_wire_type(const struct fixture *fixture);         /* as the fixture spells it */
const struct item *fixture_item(const struct fixture *fixture);       /* its resource; NULL: it shows none */

/* Append one event. With an item, the resource (Events API) or the delta (AEP) tells that item's
 * state at identity->version; without one, the fixture's own, which changes with the version too. */
void event_render(const struct fixture *fixture, const struct item *item,
                  const struct event_identity *identity, struct buf *out);

#endif
