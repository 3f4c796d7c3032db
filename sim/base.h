/* base: what every file may use: errors, byte spans, bounded buffers, memory.
 *
 * Nothing here reads the clock, the environment or a file. One thread. */
#ifndef PIMSIM_BASE_H
#define PIMSIM_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIMSIM_VERSION "0.1.0"

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT_OF(array)        (sizeof(array) / sizeof((array)[0]))

/* ---- errors ----------------------------------------------------------------------------- */

/* The program's exit codes: a contract with users' scripts. */
enum exit_code {
    EXIT_CONFORMS = 0,      /* the connector conforms (or the command did its work) */
    EXIT_FAILS = 1,         /* it does not */
    EXIT_USAGE = 2,         /* wrong usage, or a bad scenario, fixture or configuration */
    EXIT_ENVIRONMENT = 3,   /* connector unreachable, or our own environment failed */
    EXIT_INCONCLUSIVE = 4,  /* nothing failed, but what was asked for could not be judged */
    EXIT_INTERRUPTED = 130, /* SIGINT, as shells report it */
};

/* One message that grows outwards, outermost context first: "scenario x: faults[1]: ...". */
struct err {
    enum exit_code code; /* what main exits with if nobody handles the error */
    char text[1024];
};

/* Set the message; always returns false, so that a function can `return err_set(...)`. The code is
 * EXIT_USAGE: most errors are the input's; use err_env for the environment's. */
bool err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for our environment's failures (exit code 3). */
bool err_env(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Put context in front of an error: "context: old text". Always returns false. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- spans: borrowed bytes --------------------------------------------------------------- */

struct span {
    const char *data;
    size_t len;
};

struct span span_of(const char *text); /* a C string's bytes; NULL gives an empty span */
bool span_equals(struct span a, const char *text);
bool span_same(struct span a, struct span b);

/* ---- buffers ----------------------------------------------------------------------------- */

/* Bytes with a maximum from birth. Appending past the maximum sets `full` and changes nothing more;
 * callers append freely and ask buf_ok once. `data` is NUL-terminated whenever len > 0 or after
 * buf_text. */
struct buf {
    char *data;
    size_t len, cap, max;
    bool full;
};

void buf_init(struct buf *b, size_t bytes_max);
void buf_reset(struct buf *b); /* frees; the maximum stays, the buffer can be used again */
void buf_clear(struct buf *b); /* empties, keeps the memory */
void buf_put(struct buf *b, const void *bytes, size_t len);
void buf_put_span(struct buf *b, struct span s);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t n);           /* decimal; the fast path of the journal */
void buf_put_escaped(struct buf *b, const char *text); /* for a URL: all but A-Z a-z 0-9 - . _ ~ as %XX */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* len more bytes to be written by the caller; NULL when full. */
char *buf_extend(struct buf *b, size_t len);
bool buf_ok(const struct buf *b);
const char *buf_text(struct buf *b); /* NUL-terminated contents; "" when empty */
struct span buf_span(const struct buf *b);
char *buf_take(struct buf *b); /* the contents, NUL-terminated, for the caller to free */
/* Read a whole file ("-" is stdin) into the buffer. */
bool buf_read_file(struct buf *b, const char *path, struct err *err) MUST_USE;

/* ---- memory: running out of it ends the program with a message ---------------------------- */

void *mem_alloc(size_t bytes); /* zeroed */
char *mem_text(const char *text);
char *mem_text_n(const char *bytes, size_t len);
/* Room for one item more in a growing array: items = mem_grow(items, &cap, count, sizeof *items). */
void *mem_grow(void *items, size_t *cap, size_t count, size_t item_bytes);

/* ---- words -------------------------------------------------------------------------------- */

/* The candidate nearest to `word`, for "did you mean"; NULL when none is near. */
const char *word_nearest(const char *word, const char *const *candidates, size_t count);
/* "500ms", "3s", "10m", "2h", "0" into microseconds. No sign, no fraction. */
bool word_duration_us(const char *text, uint64_t *us, struct err *err) MUST_USE;
/* Every sixteen-bit and larger identity we print is a UUID's 36 characters and a NUL. */
#define UUID_SIZE 37

#endif
