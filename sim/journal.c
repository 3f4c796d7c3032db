/* journal: see journal.h.
 *
 * Owns the journal's file. Records gather in a buffer that is written by journal_flush, or on the way
 * when it has grown; the first error ends writing and is reported by every flush and by the close.
 * A reader sees whole records only: what comes after the last line feed may be half a record. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

#define WRITE_BYTES    (256u << 10)      /* written unasked when this much has gathered */
#define PIPE_BYTES_MAX ((size_t)4 << 30) /* a journal that comes through a pipe is kept in memory */

/* ---- outcomes --------------------------------------------------------------------------- */

static const struct {
    const char *name, *sentence;
} outcomes[OUTCOME_COUNT] = {
#define OUTCOME(id, name, sentence) [OUTCOME_##id] = {name, sentence},
#include "outcome.def"
#undef OUTCOME
};

const char *outcome_name(enum outcome outcome)
{
    return outcomes[outcome].name;
}

const char *outcome_sentence(enum outcome outcome)
{
    return outcomes[outcome].sentence;
}

bool outcome_find(struct span name, enum outcome *outcome)
{
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        if (span_equals(name, outcomes[i].name)) {
            *outcome = (enum outcome)i;
            return true;
        }
    return false;
}

/* ---- writing ---------------------------------------------------------------------------- */

struct journal {
    char *name; /* for messages */
    int fd;
    struct buf unwritten;
    size_t record_start; /* in unwritten */
    struct json_writer writer;
    bool failed;
    struct err failure; /* the first */
};

static int open_temporary(void)
{
    const char *dir = getenv("TMPDIR");
    struct buf path;
    buf_init(&path, 4096);
    buf_printf(&path, "%s/pimsim-XXXXXX", dir && *dir ? dir : "/tmp");
    char *name = buf_take(&path);
    int fd = mkostemp(name, O_CLOEXEC);
    int why = errno;
    if (fd >= 0)
        unlink(name);
    free(name);
    errno = why;
    return fd;
}

bool journal_open(struct journal **journal, const char *path, struct err *err)
{
    *journal = NULL;
    const char *name = path ? path : "the temporary journal";
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : open_temporary();
    if (fd < 0)
        return err_env(err, "%s: %s", name, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_env(err, "%s: a journal must be a regular file, for the run is judged from it", name);
    }
    struct journal *j = mem_alloc(sizeof *j);
    j->name = mem_text(name);
    j->fd = fd;
    buf_init(&j->unwritten, WRITE_BYTES + JOURNAL_LINE_BYTES_MAX);
    *journal = j;
    return true;
}

struct json_writer *journal_begin(struct journal *journal, const char *kind)
{
    struct json_writer *w = &journal->writer;
    journal->record_start = journal->unwritten.len;
    json_begin(w, &journal->unwritten, false);
    json_open(w, NULL, '{');
    json_put(w, "record", kind);
    return w;
}

static void fail(struct journal *j, const char *why)
{
    j->failed = true;
    err_env(&j->failure, "%s: %s", j->name, why);
}

static void write_out(struct journal *j)
{
    struct span rest = buf_span(&j->unwritten);
    while (rest.len && !j->failed) {
        ssize_t written = write(j->fd, rest.data, rest.len);
        if (written >= 0)
            rest = (struct span){rest.data + written, rest.len - (size_t)written};
        else if (errno != EINTR)
            fail(j, strerror(errno));
    }
    buf_clear(&j->unwritten);
}

void journal_end(struct journal *journal)
{
    struct buf *b = &journal->unwritten;
    json_close(&journal->writer, '}');
    buf_putc(b, '\n');
    if (!buf_ok(b) || b->len - journal->record_start > JOURNAL_LINE_BYTES_MAX) {
        b->len = journal->record_start;
        write_out(journal);
        if (!journal->failed)
            fail(journal, "a record is too large");
    } else if (b->len >= WRITE_BYTES) {
        write_out(journal);
    }
}

bool journal_flush(struct journal *journal, struct err *err)
{
    write_out(journal);
    if (journal->failed)
        *err = journal->failure;
    return !journal->failed;
}

bool journal_close(struct journal *journal, struct err *err)
{
    if (!journal)
        return true;
    bool ok = journal_flush(journal, err);
    if (close(journal->fd) < 0 && ok)
        ok = err_env(err, "%s: %s", journal->name, strerror(errno));
    buf_reset(&journal->unwritten);
    free(journal->name);
    free(journal);
    return ok;
}

int journal_fd(const struct journal *journal)
{
    return journal->fd;
}

/* ---- reading ---------------------------------------------------------------------------- */

struct reader {
    const char *name;
    uint64_t line_number;
    struct buf place;   /* "run.ndjson: line 17": the document's name, for messages */
    struct buf scratch; /* a kind that is spelled with escapes */
    struct json_doc doc;
    const char *const *skip;
    journal_each_fn *each;
    void *arg;
};

/* The kind of a line spelled as journal_begin spells it; empty for any other. */
static struct span quick_kind(struct span line)
{
    static const char start[] = "{\"record\":\"";
    const size_t len = sizeof start - 1;
    if (line.len < len || memcmp(line.data, start, len) != 0)
        return span_of("");
    const char *quote = memchr(line.data + len, '"', line.len - len);
    return quote ? (struct span){line.data + len, (size_t)(quote - line.data) - len} : span_of("");
}

static bool skipped(const struct reader *r, struct span line)
{
    struct span kind = r->skip && *r->skip ? quick_kind(line) : span_of("");
    for (const char *const *word = r->skip; kind.len && word && *word; word++)
        if (span_equals(kind, *word))
            return true;
    return false;
}

/* A document that is one line needs its column alone. */
static bool line_error(const struct reader *r, struct err *err)
{
    char why[sizeof err->text];
    const char *column = strstr(err->text, "column");
    snprintf(why, sizeof why, "%s", column ? column : err->text);
    return err_set(err, "%s: line %llu, %s", r->name, (unsigned long long)r->line_number, why);
}

static bool read_line(struct reader *r, struct span line, bool complete, struct err *err)
{
    r->line_number++;
    if (skipped(r, line))
        return true;
    r->place.len = strlen(r->name) + strlen(": line ");
    buf_put_u64(&r->place, r->line_number);
    const char *place = buf_text(&r->place);
    if (line.len > JOURNAL_LINE_BYTES_MAX)
        return err_set(err, "%s: longer than %u bytes", place, JOURNAL_LINE_BYTES_MAX);
    if (!json_parse(&r->doc, place, line, JSON_STRICT, err))
        return !complete || line_error(r, err);
    buf_clear(&r->scratch);
    struct span kind = json_string(&r->doc, json_get(&r->doc, JSON_ROOT, "record"), &r->scratch);
    if (!kind.len)
        return err_set(err, "%s: not a record of a journal", place);
    return r->each(r->arg, kind, &r->doc, err);
}

static bool read_lines(struct reader *r, struct span text, struct err *err)
{
    while (text.len) {
        const char *feed = memchr(text.data, '\n', text.len);
        size_t len = feed ? (size_t)(feed - text.data) : text.len;
        if (!read_line(r, (struct span){text.data, len}, feed, err))
            return false;
        len += feed != NULL;
        text = (struct span){text.data + len, text.len - len};
    }
    return true;
}

static bool slurp(int fd, const char *name, struct buf *text, struct err *err)
{
    char chunk[1 << 16];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            buf_put(text, chunk, (size_t)got);
    if (got < 0)
        return err_env(err, "%s: %s", name, strerror(errno));
    return buf_ok(text) || err_set(err, "%s: larger than %zu bytes", name, text->max);
}

bool journal_read(int fd, const char *name, const char *const *skip, journal_each_fn *each, void *arg,
                  struct err *err)
{
    bool ok = false;
    struct reader r = {.name = name, .skip = skip, .each = each, .arg = arg};
    struct buf piped;
    buf_init(&piped, PIPE_BYTES_MAX);
    buf_init(&r.place, strlen(name) + 32);
    buf_init(&r.scratch, JOURNAL_LINE_BYTES_MAX);
    buf_printf(&r.place, "%s: line ", name);

    struct stat st;
    void *map = MAP_FAILED;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED && !slurp(fd, name, &piped, err))
        goto out;
    if (map != MAP_FAILED)
        madvise(map, (size_t)st.st_size, MADV_SEQUENTIAL);
    ok = read_lines(&r, map == MAP_FAILED ? buf_span(&piped) : (struct span){map, (size_t)st.st_size}, err);
out:
    if (map != MAP_FAILED)
        munmap(map, (size_t)st.st_size);
    json_reset(&r.doc);
    buf_reset(&r.scratch);
    buf_reset(&r.place);
    buf_reset(&piped);
    return ok;
}
