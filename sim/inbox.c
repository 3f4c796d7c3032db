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

static const char schema[] =
    "PRAGMA cache_size = -65536;" /* KiB */
    "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS inbox (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,"
    "    time_us INTEGER NOT NULL, deleted INTEGER NOT NULL, payload TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS entities (kind TEXT NOT NULL, key TEXT NOT NULL, time_us INTEGER NOT NULL,"
    "    deleted INTEGER NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (kind, key));";

/* What one call of inbox_apply takes: the first in the inbox, so that no call takes long. */
#define FIRST_ROWS "seq < (SELECT min(seq) FROM inbox) + 100"

enum statement { BEGIN, COMMIT, ROLLBACK, SEE, STORE, COUNT, APPLY, REMOVE, STATE, STATEMENT_COUNT };

static const char *const statement_sql[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SEE] = "INSERT OR IGNORE INTO seen VALUES (?1)",
    [STORE] = "INSERT INTO inbox (kind, key, time_us, deleted, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
    [COUNT] = "SELECT count(*) FROM inbox",
    /* The newest wins whenever it comes; of one moment the later one to come, but the dead stay dead. */
    [APPLY] =
        "INSERT INTO entities (kind, key, time_us, deleted, payload)"
        " SELECT kind, key, time_us, deleted, payload FROM inbox WHERE " FIRST_ROWS " ORDER BY time_us, seq"
        " ON CONFLICT (kind, key) DO UPDATE SET"
        "  time_us = excluded.time_us, deleted = excluded.deleted, payload = excluded.payload"
        " WHERE excluded.time_us > time_us OR (excluded.time_us = time_us AND NOT deleted)",
    [REMOVE] = "DELETE FROM inbox WHERE " FIRST_ROWS,
    [STATE] =
        "SELECT json_object('waiting', (SELECT count(*) FROM inbox), 'entities', json_group_array("
        "  json_object('kind', kind, 'key', key, 'time_us', time_us,"
        "   'deleted', json(CASE WHEN deleted THEN 'true' ELSE 'false' END), 'payload', json(payload))))"
        " FROM (SELECT * FROM entities ORDER BY kind, key)",
};

struct inbox {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    size_t waiting;
};

/* Run a statement that gives no rows. */
static bool run(struct inbox *inbox, enum statement which, struct err *err)
{
    sqlite3_step(inbox->statements[which]);
    if (sqlite3_reset(inbox->statements[which]) == SQLITE_OK)
        return true;
    return err_env(err, "SQLite: %s", sqlite3_errmsg(inbox->db));
}

static bool count_waiting(struct inbox *inbox, struct err *err)
{
    sqlite3_stmt *count = inbox->statements[COUNT];
    bool ok = sqlite3_step(count) == SQLITE_ROW;
    if (ok)
        inbox->waiting = (size_t)sqlite3_column_int64(count, 0);
    else
        err_env(err, "SQLite: %s", sqlite3_errmsg(inbox->db));
    sqlite3_reset(count);
    return ok;
}

static bool put(struct inbox *inbox, const struct inbox_event *event, size_t *known, struct err *err)
{
    sqlite3_stmt *see = inbox->statements[SEE], *store = inbox->statements[STORE];
    sqlite3_bind_text(see, 1, event->id, -1, SQLITE_STATIC);
    if (!run(inbox, SEE, err))
        return false;
    if (sqlite3_changes(inbox->db) == 0) {
        ++*known;
        return true;
    }
    if (!event->applies)
        return true;
    sqlite3_bind_text(store, 1, event->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(store, 2, event->key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(store, 3, event->time_us);
    sqlite3_bind_int(store, 4, event->deleted);
    sqlite3_bind_text(store, 5, event->payload, -1, SQLITE_STATIC);
    inbox->waiting++;
    return run(inbox, STORE, err);
}

bool inbox_store(struct inbox *inbox, const struct inbox_event *events, size_t count, size_t *known,
                 struct err *err)
{
    size_t waiting = inbox->waiting;
    struct err ignored;
    *known = 0;
    if (!run(inbox, BEGIN, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = put(inbox, &events[i], known, err);
    if (ok && run(inbox, COMMIT, err))
        return true;
    inbox->waiting = waiting;
    return run(inbox, ROLLBACK, &ignored) && false;
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

bool inbox_state(struct inbox *inbox, struct buf *out, struct err *err)
{
    sqlite3_stmt *state = inbox->statements[STATE];
    bool ok = sqlite3_step(state) == SQLITE_ROW;
    if (ok)
        buf_put(out, sqlite3_column_text(state, 0), (size_t)sqlite3_column_bytes(state, 0));
    else
        err_env(err, "SQLite: %s", sqlite3_errmsg(inbox->db));
    sqlite3_reset(state);
    return ok;
}

bool inbox_open(struct inbox **inbox, const char *path, struct err *err)
{
    struct inbox *made = mem_alloc(sizeof *made);
    bool ok = sqlite3_open(path ? path : ":memory:", &made->db) == SQLITE_OK &&
              sqlite3_busy_timeout(made->db, PATIENCE_MS) == SQLITE_OK &&
              sqlite3_exec(made->db, path ? in_file : in_memory, NULL, NULL, NULL) == SQLITE_OK &&
              sqlite3_exec(made->db, schema, NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; ok && i < STATEMENT_COUNT; i++)
        ok = sqlite3_prepare_v3(made->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &made->statements[i], NULL) == SQLITE_OK;
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
