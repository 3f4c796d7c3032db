/* base: see base.h. */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- errors ----------------------------------------------------------------------------- */

static void err_text(struct err *err, enum exit_code code, const char *fmt, va_list args)
{
    err->code = code;
    vsnprintf(err->text, sizeof err->text, fmt, args);
}

bool err_set(struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_text(err, EXIT_USAGE, fmt, args);
    va_end(args);
    return false;
}

bool err_env(struct err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_text(err, EXIT_ENVIRONMENT, fmt, args);
    va_end(args);
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    struct err inner = *err;
    va_list args;
    va_start(args, fmt);
    err_text(err, inner.code, fmt, args);
    va_end(args);
    size_t len = strlen(err->text);
    snprintf(err->text + len, sizeof err->text - len, ": %s", inner.text);
    return false;
}

/* ---- spans ------------------------------------------------------------------------------ */

struct span span_of(const char *text)
{
    return (struct span){text ? text : "", text ? strlen(text) : 0};
}

bool span_same(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool span_equals(struct span a, const char *text)
{
    return span_same(a, span_of(text));
}

/* ---- buffers ---------------------------------------------------------------------------- */

void buf_init(struct buf *b, size_t bytes_max)
{
    *b = (struct buf){.max = bytes_max};
}

void buf_reset(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->full = false;
}

/* Room for len bytes and a NUL; false, once and for all until cleared, when that is over the maximum. */
static bool room(struct buf *b, size_t len)
{
    if (b->full || len > b->max - b->len) {
        b->full = true;
        return false;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap *= 2;
        char *data = realloc(b->data, cap);
        if (!data) {
            fputs("pimsim: out of memory\n", stderr);
            abort();
        }
        b->data = data;
        b->cap = cap;
    }
    return true;
}

char *buf_extend(struct buf *b, size_t len)
{
    if (!room(b, len))
        return NULL;
    char *place = b->data + b->len;
    b->len += len;
    b->data[b->len] = '\0';
    return place;
}

void buf_put(struct buf *b, const void *bytes, size_t len)
{
    char *place = buf_extend(b, len);
    if (place && len)
        memcpy(place, bytes, len);
}

void buf_put_span(struct buf *b, struct span s)
{
    buf_put(b, s.data, s.len);
}

void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
    char *place = buf_extend(b, 1);
    if (place)
        *place = c;
}

void buf_put_u64(struct buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_put_escaped(struct buf *b, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++)
        if (strchr(plain, *text))
            buf_putc(b, *text);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)*text);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *place = len < 0 ? NULL : buf_extend(b, (size_t)len);
    if (place)
        vsnprintf(place, (size_t)len + 1, fmt, again);
    va_end(again);
}

bool buf_ok(const struct buf *b)
{
    return !b->full;
}

const char *buf_text(struct buf *b)
{
    return b->data && b->len ? b->data : "";
}

struct span buf_span(const struct buf *b)
{
    return (struct span){b->data ? b->data : "", b->len};
}

char *buf_take(struct buf *b)
{
    char *text = b->data ? b->data : mem_text("");
    text[b->len] = '\0';
    buf_init(b, b->max);
    return text;
}

bool buf_read_file(struct buf *b, const char *path, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "%s: %s", path, strerror(errno));
    char chunk[1 << 16];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 && buf_ok(b))
        buf_put(b, chunk, (size_t)got);
    int why = errno;
    if (!standard)
        close(fd);
    if (got < 0)
        return err_set(err, "%s: %s", path, strerror(why));
    if (!buf_ok(b))
        return err_set(err, "%s: larger than %zu bytes", path, b->max);
    return true;
}

/* ---- memory ----------------------------------------------------------------------------- */

static void *mem_check(void *memory)
{
    if (!memory) {
        fputs("pimsim: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t bytes)
{
    return mem_check(calloc(1, bytes ? bytes : 1));
}

char *mem_text_n(const char *bytes, size_t len)
{
    char *text = mem_alloc(len + 1);
    if (len)
        memcpy(text, bytes, len);
    return text;
}

char *mem_text(const char *text)
{
    return mem_text_n(text, strlen(text));
}

void *mem_grow(void *items, size_t *cap, size_t count, size_t item_bytes)
{
    if (count < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 16;
    return mem_check(realloc(items, *cap * item_bytes));
}

/* ---- words ------------------------------------------------------------------------------ */

#define WORD_MAX 64

/* Edit distance in which two neighbours that changed places count once. */
static size_t distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    if (m > WORD_MAX || n > WORD_MAX)
        return SIZE_MAX;
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[m % 3][n];
}

const char *word_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, candidates[i]);
        if (d < best) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool word_duration_us(const char *text, uint64_t *us, struct err *err)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000u}};
    char *end;
    errno = 0;
    unsigned long long n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (*text >= '0' && *text <= '9' && !errno) {
        if (n == 0 && *end == '\0') {
            *us = 0;
            return true;
        }
        for (size_t i = 0; i < COUNT_OF(units); i++)
            if (strcmp(end, units[i].unit) == 0 && n <= UINT64_MAX / 4 / units[i].us) {
                *us = n * units[i].us;
                return true;
            }
    }
    return err_set(err, "\"%s\" is not a duration such as 500ms, 3s or 10m", text);
}
