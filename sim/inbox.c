/* inbox: see inbox.h. The statements are the whole of it; they are prepared once. */
#include "inbox.h"

#include <sqlite3.h>
#include <stdlib.h>

#define PATIENCE_MS 200 /* with another reader's lock */

/* What was committed survives the end of this process, however it ends; a power cut may take the last
 * moments. In memory nothing has to survive. (SQLite's temporary files would do as well, but each commit to
 * one costs more the more it holds.) */
static const char in_file[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
static const char in_memory[] = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;";

#define ENTITIES_BY(key)                                                                                     \
    "CREATE TABLE IF NOT EXISTS entities (kind TEXT NOT NULL, key TEXT NOT NULL, ask INTEGER NOT NULL,"      \
    "    time_us INTEGER NOT NULL, created INTEGER NOT NULL, deleted INTEGER NOT NULL, payload TEXT,"        \
    "    wanted INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (" key "));"

static const char schema[] =
    "PRAGMA cache_size = -65536;" /* KiB */
    "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS inbox (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,"
    "    time_us INTEGER NOT NULL, created INTEGER NOT NULL, deleted INTEGER NOT NULL,"
    "    ask INTEGER NOT NULL, payload TEXT);"
    "CREATE TEMP TABLE asked (kind TEXT, key TEXT, wanted INTEGER);" /* the open question */
    ENTITIES_BY("kind, key");

#define STORE_AT(time_us)                                                                                    \
    ("INSERT INTO inbox (kind, key, time_us, created, deleted, ask, payload)"                                \
     " VALUES (?1, ?2, " time_us ", ?4, ?5, ?6, ?7)")

/* What one call of inbox_apply takes: the first in the inbox, so that no call takes long. */
#define FIRST_ROWS "seq < (SELECT min(seq) FROM inbox) + 100"

/* Each event counts; its values are taken if it wins. Of an entity that has to be asked about, events only
 * say that there is something to ask: what they bring may be older than the answer. `wanted` counts them,
 * since some come while a question is open. */
#define TAKE(column, wins) ", " column " = iif(" wins ", excluded." column ", " column ")"
#define APPLY_AS(order, wins, key, read, trusted)                                                            \
    "INSERT INTO entities (kind, key, ask, time_us, created, deleted, payload, wanted, events)"              \
    " SELECT kind, key, ask, time_us, created, deleted, payload, wanted, 1 FROM (" read ")"                  \
    " WHERE " FIRST_ROWS " ORDER BY " order " ON CONFLICT (" key                                             \
    ") DO UPDATE SET events = events + 1, ask = ask OR excluded.ask,"                                        \
    " wanted = wanted + iif(excluded.wanted, excluded.wanted, ask)" TAKE("time_us", wins)                    \
        TAKE("created", wins) TAKE("deleted", wins)                                                          \
            TAKE("payload", "(" wins ") AND excluded.payload IS NOT NULL AND " trusted)
#define AS_STORED             "SELECT *, ask AS wanted FROM inbox"
#define APPLY_BY(order, wins) APPLY_AS(order, wins, "kind, key", AS_STORED, "NOT ask")

/* The newest wins whenever it comes; of one moment the later one to come, but the dead stay dead. */
#define NEWER    "excluded.time_us > time_us OR (excluded.time_us = time_us AND NOT deleted)"
#define IN_ORDER "time_us, seq"

/* What the answer says of those who were asked about, and are wanted still. */
#define STILL_WANTED " WHERE entities.kind = asked.kind AND entities.key = asked.key AND entities.wanted > 0"
#define FILL_WITH(resource)                                                                                  \
    "UPDATE entities SET payload = " resource " FROM asked JOIN"                                             \
    " (SELECT coalesce(json_extract(value, '$.uuid'), json_extract(value, '$.code')) AS key,"                \
    "   json_remove(value, '$._links') AS resource FROM json_each(?1)) USING (key)" STILL_WANTED

/* Was there an event of the creation that made somebody ask? (The flaws that go by it let nothing else set
 * an entity's `ask`.) */
#define CREATION_WAS_ASKED                                                                                   \
    "(kind, key) IN (SELECT kind, key FROM entities WHERE ask"                                               \
    " UNION SELECT kind, key FROM inbox WHERE ask AND created)"

#define STATE_WITH(members)                                                                                  \
    "SELECT json_object('waiting', (SELECT count(*) FROM inbox)"                                             \
    "  + (SELECT count(*) FROM entities WHERE wanted > 0 AND NOT deleted), 'entities', json_group_array("    \
    "  json_object('kind', kind, 'key', key, 'time_us', time_us,"                                            \
    "   'deleted', json(iif(deleted, 'true', 'false')), 'events', events, " members ")))"                    \
    " FROM (SELECT *, iif(deleted, NULL, payload) AS resource FROM entities ORDER BY kind, key)"
#define RESOURCES "'identifier', json_extract(resource, '$.identifier'), 'resource', json(resource)"

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    FORGET,
    SEE,
    STORE,
    AGAIN,
    COUNT,
    KNOWN,
    APPLY,
    REMOVE,
    CLEAR,
    ASK,
    KEYS,
    FILL,
    ANSWERED,
    STATE,
    RESOURCE_STATE,
    STATEMENT_COUNT
};

static const char *const statement_sql[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [FORGET] = NULL, /* before a request's events: ids are kept for good */
    [SEE] = "INSERT OR IGNORE INTO seen VALUES (?1)",
    [STORE] = STORE_AT("?3"),
    [AGAIN] = NULL, /* what a known event does: nothing */
    [COUNT] = "SELECT count(*) FROM inbox",
    [KNOWN] = "SELECT EXISTS (SELECT 1 FROM entities WHERE kind = ?1 AND key = ?2)"
              " OR EXISTS (SELECT 1 FROM inbox WHERE kind = ?1 AND key = ?2)",
    [APPLY] = APPLY_BY(IN_ORDER, NEWER),
    [REMOVE] = "DELETE FROM inbox WHERE " FIRST_ROWS,
    [CLEAR] = "DELETE FROM asked",
    [ASK] = "INSERT INTO asked SELECT kind, key, wanted FROM entities"
            " WHERE kind = ?1 AND wanted > 0 AND NOT deleted LIMIT ?2",
    [KEYS] = "SELECT iif(count(*), json_group_array(key), '') FROM asked",
    [FILL] = FILL_WITH("resource"),
    [ANSWERED] = "UPDATE entities SET wanted = entities.wanted - asked.wanted FROM asked" STILL_WANTED,
    [STATE] = STATE_WITH("'payload', json(payload)"),
    [RESOURCE_STATE] = STATE_WITH(RESOURCES),
};

/* What a flaw puts in the place of the above: `tables` come first. The wrong orders apply by arrival, since
 * otherwise what is applied at once would be in order. */
struct flaw {
    const char *tables;
    const char *sql[STATEMENT_COUNT];
};

static const struct flaw flaws[INBOX_FLAW_COUNT] = {
    [INBOX_NO_DEDUP] = {.sql[AGAIN] = STORE_AT("?3")},
    [INBOX_COUNTS_TWICE] = {.sql[AGAIN] = STORE_AT("0")}, /* older than anything */
    [INBOX_DEDUP_WINDOW] = {.tables = "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)",
                            .sql[FORGET] = "DELETE FROM seen"
                                           " WHERE rowid <= (SELECT max(rowid) FROM seen) - 5"},
    [INBOX_DEDUP_REQUEST] = {.sql[FORGET] = "DELETE FROM seen"},
    [INBOX_DEDUP_MEMORY] = {.tables = "CREATE TEMP TABLE seen (id TEXT PRIMARY KEY)"},
    [INBOX_LAST_ARRIVAL] = {.sql[APPLY] = APPLY_BY(
                                "seq", NEWER " OR NOT (deleted OR excluded.deleted OR excluded.created)")},
    [INBOX_RESURRECT] = {.sql[APPLY] = APPLY_BY(
                             "seq", NEWER " OR (deleted AND NOT excluded.deleted AND NOT excluded.created)")},
    [INBOX_LATE_CREATE] = {.sql[APPLY] = APPLY_BY("seq", NEWER " OR (excluded.created AND NOT deleted)")},
    /* far below zero: never wanted again */
    [INBOX_TRUSTS_PAYLOAD] = {.sql[APPLY] = APPLY_AS(
                                  IN_ORDER, NEWER, "kind, key",
                                  "SELECT *, iif(payload IS NULL, ask, -1000000 * ask) AS wanted FROM inbox",
                                  "true")},
    [INBOX_OWN_IDENTIFIER] = {.sql[FILL] = FILL_WITH("json_replace(resource, '$.identifier',"
                                                     " json_extract(entities.payload, '$.identifier'))")},
    [INBOX_KEEPS_APART] = {.tables = ENTITIES_BY("kind, key, ask"),
                           .sql[APPLY] = APPLY_AS(IN_ORDER, NEWER, "kind, key, ask",
                                                  "SELECT seq, kind, key, ask AND " CREATION_WAS_ASKED
                                                  " AS ask, time_us, created, deleted, payload,"
                                                  " ask AS wanted FROM inbox",
                                                  "NOT ask")},
    [INBOX_OWN_CREATIONS] = {.sql[APPLY] =
                                 APPLY_AS(IN_ORDER, NEWER, "kind, key",
                                          AS_STORED " WHERE NOT ask OR " CREATION_WAS_ASKED, "NOT ask")},
};

struct inbox {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* NULL: does nothing */
    size_t waiting;
    bool trusts_look_up, resources;
};

/* Run a statement that gives no rows. */
static bool run(struct inbox *inbox, enum statement which, struct err *err)
{
    sqlite3_stmt *statement = inbox->statements[which];
    if (!statement)
        return true;
    sqlite3_step(statement);
    if (sqlite3_reset(statement) == SQLITE_OK)
        return true;
    return err_env(err, "SQLite: %s", sqlite3_errmsg(inbox->db));
}

/* Run a statement that gives one row; the caller resets it when it has read that. */
static bool look(struct inbox *inbox, enum statement which, struct err *err)
{
    return sqlite3_step(inbox->statements[which]) == SQLITE_ROW ||
           err_env(err, "SQLite: %s", sqlite3_errmsg(inbox->db));
}

static bool count_waiting(struct inbox *inbox, struct err *err)
{
    sqlite3_stmt *count = inbox->statements[COUNT];
    bool ok = look(inbox, COUNT, err);
    if (ok)
        inbox->waiting = (size_t)sqlite3_column_int64(count, 0);
    sqlite3_reset(count);
    return ok;
}

/* Remember an id, and find out whether that was new. */
static bool see(struct inbox *inbox, struct inbox_event *event, struct err *err)
{
    sqlite3_bind_text(inbox->statements[SEE], 1, event->id, -1, SQLITE_STATIC);
    if (!run(inbox, SEE, err))
        return false;
    event->known = sqlite3_changes(inbox->db) == 0;
    return true;
}

static bool put(struct inbox *inbox, struct inbox_event *event, struct err *err)
{
    bool looked_up = event->known;
    if (!see(inbox, event, err))
        return false;
    if (inbox->trusts_look_up)
        event->known = looked_up;
    enum statement what = event->known ? AGAIN : STORE;
    sqlite3_stmt *store = inbox->statements[what];
    if (!event->applies || !store)
        return true;
    sqlite3_bind_text(store, 1, event->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(store, 2, event->key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(store, 3, event->time_us);
    sqlite3_bind_int(store, 4, event->created);
    sqlite3_bind_int(store, 5, event->deleted);
    sqlite3_bind_int(store, 6, event->ask);
    sqlite3_bind_text(store, 7, event->payload, -1, SQLITE_STATIC);
    inbox->waiting++;
    return run(inbox, what, err);
}

bool inbox_store(struct inbox *inbox, struct inbox_event *events, size_t count, struct err *err)
{
    size_t waiting = inbox->waiting;
    struct err ignored;
    if (!run(inbox, BEGIN, err))
        return false;
    bool ok = run(inbox, FORGET, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = put(inbox, &events[i], err);
    if (ok && run(inbox, COMMIT, err))
        return true;
    inbox->waiting = waiting;
    return run(inbox, ROLLBACK, &ignored) && false;
}

bool inbox_look_up(struct inbox *inbox, struct inbox_event *events, size_t count, bool mark, struct err *err)
{
    struct err ignored;
    if (!run(inbox, BEGIN, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = see(inbox, &events[i], err);
    if (ok && mark)
        ok = run(inbox, COMMIT, err);
    return (ok && mark) || (run(inbox, ROLLBACK, ok ? err : &ignored) && ok);
}

bool inbox_knows(struct inbox *inbox, const struct inbox_event *event, bool *known, struct err *err)
{
    sqlite3_stmt *statement = inbox->statements[KNOWN];
    sqlite3_bind_text(statement, 1, event->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, event->key, -1, SQLITE_STATIC);
    bool ok = look(inbox, KNOWN, err);
    if (ok)
        *known = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    return ok;
}

bool inbox_apply(struct inbox *inbox, struct err *err)
{
    struct err ignored;
    if (!run(inbox, BEGIN, err))
        return false;
    if (run(inbox, APPLY, err) && run(inbox, REMOVE, err)) {
        size_t removed = (size_t)sqlite3_changes(inbox->db);
        if (run(inbox, COMMIT, err)) {
            inbox->waiting -= removed;
            return true;
        }
    }
    return run(inbox, ROLLBACK, &ignored) && false;
}

size_t inbox_waiting(const struct inbox *inbox)
{
    return inbox->waiting;
}

/* The one text that a statement gives. */
static bool put_text(struct inbox *inbox, enum statement which, struct buf *out, struct err *err)
{
    sqlite3_stmt *statement = inbox->statements[which];
    bool ok = look(inbox, which, err);
    if (ok)
        buf_put(out, sqlite3_column_text(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
    sqlite3_reset(statement);
    return ok;
}

bool inbox_ask(struct inbox *inbox, const char *kind, struct buf *keys, struct err *err)
{
    sqlite3_bind_text(inbox->statements[ASK], 1, kind, -1, SQLITE_STATIC);
    sqlite3_bind_int(inbox->statements[ASK], 2, INBOX_ASKED_MAX);
    return run(inbox, CLEAR, err) && run(inbox, ASK, err) && put_text(inbox, KEYS, keys, err);
}

bool inbox_answer(struct inbox *inbox, const char *resources, struct err *err)
{
    struct err ignored;
    sqlite3_bind_text(inbox->statements[FILL], 1, resources, -1, SQLITE_STATIC);
    if (!run(inbox, BEGIN, err))
        return false;
    if (run(inbox, FILL, err) && run(inbox, ANSWERED, err) && run(inbox, COMMIT, err))
        return true;
    return run(inbox, ROLLBACK, &ignored) && false;
}

bool inbox_state(struct inbox *inbox, struct buf *out, struct err *err)
{
    return put_text(inbox, inbox->resources ? RESOURCE_STATE : STATE, out, err);
}

static bool prepare(struct inbox *inbox, const struct flaw *flaw)
{
    for (enum statement i = 0; i < STATEMENT_COUNT; i++) {
        const char *sql = flaw->sql[i] ? flaw->sql[i] : statement_sql[i];
        if (sql && sqlite3_prepare_v3(inbox->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &inbox->statements[i],
                                      NULL) != SQLITE_OK)
            return false;
    }
    return true;
}

bool inbox_open(struct inbox **inbox, const char *path, enum inbox_flaw flaw, bool resources, struct err *err)
{
    struct inbox *made = mem_alloc(sizeof *made);
    made->resources = resources;
    made->trusts_look_up = flaw == INBOX_TRUSTS_LOOK_UP;
    bool ok = sqlite3_open(path ? path : ":memory:", &made->db) == SQLITE_OK &&
              sqlite3_busy_timeout(made->db, PATIENCE_MS) == SQLITE_OK &&
              sqlite3_exec(made->db, path ? in_file : in_memory, NULL, NULL, NULL) == SQLITE_OK &&
              sqlite3_exec(made->db, flaws[flaw].tables, NULL, NULL, NULL) == SQLITE_OK &&
              sqlite3_exec(made->db, schema, NULL, NULL, NULL) == SQLITE_OK && prepare(made, &flaws[flaw]);
    if (!ok)
        err_env(err, "%s: %s", path ? path : "database in memory", sqlite3_errmsg(made->db));
    if (ok && count_waiting(made, err)) {
        *inbox = made;
        return true;
    }
    inbox_close(made);
    return false;
}

void inbox_close(struct inbox *inbox)
{
    if (!inbox)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(inbox->statements[i]);
    sqlite3_close(inbox->db);
    free(inbox);
}
