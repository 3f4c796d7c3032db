/* idents: see idents.h. One pass over the text looks up the last eight characters in a small filter;
 * what passes is compared backwards with the ids that end so. */
#include "idents.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "intern.h"
#include "json.h"

#define ID_CHARS_MIN   8
#define UUID_DIGITS    32
#define FILTER_BITS    18 /* 32 KiB: stays in the processor's nearest cache */
#define SLOT_COUNT_MIN 1024

const char *const universe_names[UNIVERSE_COUNT] = {"A", "A'", "B"};

/* What follows a name. */
static const char *const form_words[] = {
    [FORM_ONLY] = "", [FORM_UUID] = " by uuid", [FORM_IDENTIFIER] = " by identifier"};

struct ident {
    enum universe universe;
    enum ident_form form;
    const char *name; /* of `names`; NULL for an event */
    char *id;         /* lower case; a UUID without dashes */
    size_t len;
    bool uuid;
    uint64_t tail; /* its last eight characters */
    uint32_t next; /* in the chain of its slot, plus 1 */
};

struct idents {
    struct ident *items;
    size_t count, cap, event_count;
    struct interns names;
    uint32_t *slots; /* heads of chains, plus 1 */
    size_t slot_count;
    int64_t from_us, to_us;
    bool forms_told;
    uint64_t filter[(1 << FILTER_BITS) / 64];
};

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static uint64_t hash_of(uint64_t tail)
{
    return tail * 0x9e3779b97f4a7c15u;
}

static uint32_t *slot_of(const struct idents *idents, uint64_t tail)
{
    return &idents->slots[hash_of(tail) >> 16 & (idents->slot_count - 1)];
}

static void link_ident(struct idents *idents, size_t at)
{
    struct ident *ident = &idents->items[at];
    uint32_t *slot = slot_of(idents, ident->tail);
    uint64_t bit = hash_of(ident->tail) >> (64 - FILTER_BITS);
    idents->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    ident->next = *slot;
    *slot = (uint32_t)at + 1;
}

struct idents *idents_new(void)
{
    struct idents *idents = mem_alloc(sizeof *idents);
    idents->slot_count = SLOT_COUNT_MIN;
    idents->slots = mem_alloc(idents->slot_count * sizeof *idents->slots);
    idents->from_us = 1; /* no moment is within 1 … 0 */
    return idents;
}

void idents_free(struct idents *idents)
{
    if (!idents)
        return;
    for (size_t i = 0; i < idents->count; i++)
        free(idents->items[i].id);
    interns_reset(&idents->names);
    free(idents->items);
    free(idents->slots);
    free(idents);
}

void idents_set_window(struct idents *idents, int64_t from_us, int64_t to_us)
{
    idents->from_us = from_us;
    idents->to_us = to_us;
}

void idents_tell_forms(struct idents *idents)
{
    idents->forms_told = true;
}

/* ---- adding --------------------------------------------------------------------------------- */

/* A UUID's hexadecimal digits; false when id is none. */
static bool uuid_digits(struct span id, char digits[UUID_DIGITS])
{
    size_t len = 0;
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] == '-')
            continue;
        if (len == UUID_DIGITS || !isxdigit((unsigned char)id.data[i]))
            return false;
        digits[len++] = id.data[i];
    }
    return len == UUID_DIGITS;
}

static bool is_known(const struct idents *idents, const struct ident *ident)
{
    for (uint32_t at = *slot_of(idents, ident->tail); at; at = idents->items[at - 1].next)
        if (strcmp(idents->items[at - 1].id, ident->id) == 0)
            return true;
    return false;
}

/* kind: its universe and form. */
static void add(struct idents *idents, struct ident kind, const char *name, struct span id)
{
    if (id.len < ID_CHARS_MIN)
        return;
    char digits[UUID_DIGITS];
    struct ident ident = kind;
    ident.uuid = uuid_digits(id, digits);
    struct span chars = ident.uuid ? (struct span){digits, sizeof digits} : id;
    ident.len = chars.len;
    ident.id = mem_text_n(chars.data, chars.len);
    for (size_t i = 0; i < ident.len; i++) {
        ident.id[i] = (char)lower(ident.id[i]);
        ident.tail = ident.tail << 8 | (unsigned char)ident.id[i];
    }
    if (is_known(idents, &ident)) {
        free(ident.id);
        return;
    }
    ident.name = name ? intern_text(&idents->names, intern(&idents->names, span_of(name))) : NULL;
    idents->event_count += !name;
    idents->items = mem_grow(idents->items, &idents->cap, idents->count, sizeof *idents->items);
    idents->items[idents->count++] = ident;
    if (idents->count <= idents->slot_count) {
        link_ident(idents, idents->count - 1);
        return;
    }
    idents->slot_count *= 2;
    free(idents->slots);
    idents->slots = mem_alloc(idents->slot_count * sizeof *idents->slots);
    for (size_t i = 0; i < idents->count; i++)
        link_ident(idents, i);
}

/* As it is, and as JSON's two usual spellings escape it, for it is raw JSON that is searched. */
static void add_spellings(struct idents *idents, struct ident kind, const char *name, const char *id)
{
    const struct json_style *const styles[] = {&JSON_STYLE_PLAIN, &JSON_STYLE_PHP};
    add(idents, kind, name, span_of(id));
    struct buf escaped;
    buf_init(&escaped, strlen(id) * 6 + 2);
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        buf_clear(&escaped);
        json_put_string(&escaped, styles[i], span_of(id));
        add(idents, kind, name, (struct span){escaped.data + 1, escaped.len - 2});
    }
    buf_reset(&escaped);
}

void idents_add_entity(struct idents *idents, enum universe universe, const char *name, enum ident_form form,
                       const char *id)
{
    add_spellings(idents, (struct ident){.universe = universe, .form = form}, name, id);
}

void idents_add_event(struct idents *idents, enum universe universe, const char *id)
{
    add_spellings(idents, (struct ident){.universe = universe}, NULL, id);
}

size_t idents_events_each(const struct idents *idents)
{
    size_t entities = idents->names.count * UNIVERSE_COUNT;
    return entities ? (idents->event_count + entities - 1) / entities : idents->event_count;
}

/* ---- finding -------------------------------------------------------------------------------- */

/* Does the character at text[at] continue a word that an id next to it is only a part of? beyond is the
 * one on its other side: "product-1" stands neither in "product-12" nor in "product-1.5". */
static bool continues(struct span text, size_t at, size_t beyond)
{
    if (at >= text.len)
        return false;
    unsigned char c = (unsigned char)text.data[at];
    return (c < 0x80 && isalnum(c)) ||
           (c == '.' && beyond < text.len && isdigit((unsigned char)text.data[beyond]));
}

/* Is the character before `at` the end of an escape, "\n" or "\u003c"? */
static bool is_after_escape(struct span text, size_t at)
{
    return (at >= 2 && text.data[at - 2] == '\\') ||
           (at >= 6 && text.data[at - 6] == '\\' && text.data[at - 5] == 'u');
}

/* Where an id starts that ends before text[end]; false when it is another. */
static bool ends_here(const struct ident *ident, struct span text, size_t end, size_t *start)
{
    size_t left = ident->len, at = end;
    while (left) {
        if (at == 0)
            return false;
        at--;
        if (lower(text.data[at]) == (unsigned char)ident->id[left - 1])
            left--;
        else if (!ident->uuid || text.data[at] != '-' || left == ident->len)
            return false;
    }
    *start = at;
    return ident->uuid || (!continues(text, end, end + 1) &&
                           (!continues(text, at - 1, at - 2) || is_after_escape(text, at)));
}

/* The longest id that ends before text[end], if any, becomes a mention. It replaces shorter ones inside it:
 * "product-1" gives way to "product-1-red". */
static void find_at(const struct idents *idents, struct span text, uint64_t tail, size_t end,
                    struct mentions *mentions, size_t first)
{
    const struct ident *best = NULL;
    size_t best_start = end;
    for (uint32_t at = *slot_of(idents, tail); at; at = idents->items[at - 1].next) {
        const struct ident *ident = &idents->items[at - 1];
        size_t start;
        if (ident->tail == tail && ends_here(ident, text, end, &start) && start < best_start) {
            best = ident;
            best_start = start;
        }
    }
    if (!best)
        return;
    while (mentions->count > first && mentions->items[mentions->count - 1].start >= best_start)
        mentions->count--;
    if (mentions->count > first && mentions->items[mentions->count - 1].end > best_start)
        return;
    mentions->items = mem_grow(mentions->items, &mentions->cap, mentions->count, sizeof *mentions->items);
    mentions->items[mentions->count++] = (struct mention){
        best_start, end, best->universe, best->name, best->form, (uint32_t)(best - idents->items)};
}

void idents_find(const struct idents *idents, struct span text, struct mentions *mentions)
{
    size_t first = mentions->count;
    uint64_t tail = 0;
    for (size_t i = 0; i < text.len; i++) {
        tail = tail << 8 | lower(text.data[i]);
        uint64_t bit = hash_of(tail) >> (64 - FILTER_BITS);
        if (idents->filter[bit / 64] >> bit % 64 & 1)
            find_at(idents, text, tail, i + 1, mentions, first);
    }
}

/* ---- moments -------------------------------------------------------------------------------- */

#define SECOND_US  INT64_C(1000000)
#define QUARTER_US (15 * 60 * SECOND_US)
#define ZONES      (14 * 4) /* quarters of an hour, east and west */

/* A moment known to the nearest unit_us. */
static bool is_now(const struct idents *idents, int64_t at_us, int64_t unit_us)
{
    return at_us <= idents->to_us && at_us + unit_us > idents->from_us;
}

/* Reads `count` digits; a cursor that has failed stays at NULL. */
static const char *digits(const char *at, const char *end, int count, int64_t *value)
{
    *value = 0;
    for (; at && count; count--, at++) {
        if (at == end || !isdigit((unsigned char)*at))
            return NULL;
        *value = *value * 10 + (*at - '0');
    }
    return at;
}

static const char *one_of(const char *at, const char *end, const char *set)
{
    return at && at < end && *at && strchr(set, *at) ? at + 1 : NULL;
}

static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2; /* years start in March, so that a leap day comes last */
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719468;
}

/* "+02:00", "+0200", "+02" or "Z", at once or behind a space; " GMT" and " UTC", alone or before one of
 * these. At when there is none. */
static const char *zone(const char *at, const char *end, int64_t *offset_us)
{
    const char *none = at;
    const char *from = one_of(at, end, " ");
    if (from && end - from >= 3 && (strncasecmp(from, "GMT", 3) == 0 || strncasecmp(from, "UTC", 3) == 0))
        from = none = from + 3;
    from = from ? from : at;
    if (one_of(from, end, "Zz"))
        return from + 1;
    int64_t hours, minutes = 0;
    const char *next = digits(one_of(from, end, "+-"), end, 2, &hours);
    if (!next)
        return none;
    const char *colon = one_of(next, end, ":");
    const char *more = digits(colon ? colon : next, end, 2, &minutes);
    *offset_us = (*from == '-' ? -1 : 1) * (hours * 60 + (more ? minutes : 0)) * 60 * SECOND_US;
    return more ? more : next;
}

/* A fraction's digits in microseconds, and how fine it is. */
static const char *fraction(const char *at, const char *end, int64_t *us, int64_t *unit_us)
{
    const char *next = one_of(at, end, ".,");
    if (!next || next == end || !isdigit((unsigned char)*next))
        return at;
    for (; next < end && isdigit((unsigned char)*next); next++) {
        *unit_us /= 10;
        *us += *unit_us * (*next - '0');
    }
    *unit_us = *unit_us ? *unit_us : 1;
    return next;
}

/* How moments are spelled: Y year, m month, b its name, d day, H hour, M minute, S second; "s" is ":SS" with
 * or without a fraction, "p" is AM or PM, and "z" a zone: these three may be missing. "-" divides dates, " "
 * a date from a time. What stands before it, such as the day of the week, is left where it is. */
static const char *const spellings[] = {
    "Y-m-d H:Msz",                                /* ISO 8601, and what databases make of it */
    "YmdHMSz",      "Ymd HMSz",    "d b Y H:Msz", /* mail and HTTP */
    "b d Y H:Mspz",                               /* JavaScript */
    "b d H:Msz Y",                                /* ctime, date */
    "d-m-Y H:Msp",  "m-d-Y H:Msp",
};

struct moment {
    int64_t year, month, day, hour, minute, second, us, unit_us, offset_us;
    bool zoned;
};

/* Reads one digit or two. */
static const char *number(const char *at, const char *end, int64_t *value)
{
    const char *two = digits(at, end, 2, value);
    return two ? two : digits(at, end, 1, value);
}

static const char *month_name(const char *at, const char *end, int64_t *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (*month = 1; end - at >= 3 && *month <= 12; ++*month)
        if (strncasecmp(at, names + 3 * (*month - 1), 3) == 0) {
            while (at < end && isalpha((unsigned char)*at))
                at++;
            return at;
        }
    return NULL;
}

/* " PM", also with the narrow space that JavaScript puts there. */
static const char *half_of_day(const char *at, const char *end, int64_t *hour)
{
    const char *half = at;
    if (end - half >= 3 && memcmp(half, "\xe2\x80\xaf", 3) == 0)
        half += 3;
    else if (one_of(half, end, " "))
        half++;
    const char *letter = one_of(half, end, "AaPp"), *stop = one_of(letter, end, "Mm");
    if (!stop)
        return at;
    *hour = *hour % 12 + (*half == 'P' || *half == 'p' ? 12 : 0);
    return stop;
}

static const char *divider(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && strchr(", Tt", *at) && *at)
        at++;
    return at > from ? at : NULL;
}

/* Reads what one letter of a spelling stands for; NULL: it is not there. */
static const char *read_part(char part, const char *at, const char *end, struct moment *m)
{
    const char *seconds, *zoned;
    switch (part) {
    case 'Y':
        return digits(at, end, 4, &m->year);
    case 'm':
        return number(at, end, &m->month);
    case 'b':
        return month_name(at, end, &m->month);
    case 'd':
        return number(at, end, &m->day);
    case 'H':
        return number(at, end, &m->hour);
    case 'M':
        return digits(at, end, 2, &m->minute);
    case 'S':
        m->unit_us = SECOND_US;
        return digits(at, end, 2, &m->second);
    case 's':
        seconds = digits(one_of(at, end, ":"), end, 2, &m->second);
        m->unit_us = seconds ? SECOND_US : m->unit_us;
        return seconds ? fraction(seconds, end, &m->us, &m->unit_us) : at;
    case 'p':
        return half_of_day(at, end, &m->hour);
    case 'z':
        zoned = zone(at, end, &m->offset_us);
        m->zoned = zoned > at;
        return zoned;
    case '-':
        return one_of(at, end, "-/.");
    case ' ':
        return divider(at, end);
    default:
        return one_of(at, end, (const char[]){part, '\0'});
    }
}

static const char *spelled_now(const struct idents *idents, const char *spelling, const char *at,
                               const char *end)
{
    struct moment m = {.unit_us = 60 * SECOND_US};
    for (; at && *spelling; spelling++)
        at = read_part(*spelling, at, end, &m);
    if (!at)
        return NULL;
    int64_t day_s = days_since_epoch(m.year, m.month, m.day) * 86400;
    int64_t us = m.us + (day_s + m.hour * 3600 + m.minute * 60 + m.second) * SECOND_US - m.offset_us;
    /* Without a zone it may be the local time of anywhere. */
    int quarters = m.zoned ? 0 : ZONES;
    for (int quarter = -quarters; quarter <= quarters; quarter++)
        if (is_now(idents, us + quarter * QUARTER_US, m.unit_us))
            return at;
    return NULL;
}

/* Unix time: seconds with or without fraction, milliseconds, microseconds, nanoseconds. */
static const char *unix_now(const struct idents *idents, const char *at, const char *end)
{
    static const struct {
        ptrdiff_t digits;
        int64_t unit_us;
    } units[] = {{10, SECOND_US}, {13, 1000}, {16, 1}};
    const char *stop = at;
    while (stop < end && isdigit((unsigned char)*stop))
        stop++;
    ptrdiff_t count = stop - at == 19 ? 16 : stop - at; /* nanoseconds: three digits too fine */
    int64_t value, us = 0;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (count != units[i].digits)
            continue;
        int64_t unit_us = units[i].unit_us;
        digits(at, end, (int)count, &value);
        stop = fraction(stop, end, &us, &unit_us);
        return is_now(idents, value * units[i].unit_us + us, unit_us) ? stop : NULL;
    }
    return NULL;
}

static bool ends_word(const char *stop, const char *end)
{
    return stop && (stop == end || !isalnum((unsigned char)*stop));
}

/* The end of the moment that starts at text[at]; at when there is none in the window. */
static size_t skip_now(const struct idents *idents, struct span text, size_t at)
{
    const char *from = text.data + at, *end = text.data + text.len, *stop = NULL;
    if (!isalnum((unsigned char)*from) || (at && (isalnum((unsigned char)from[-1]) || from[-1] == '.')))
        return at;
    for (size_t i = 0; i < COUNT_OF(spellings) && !ends_word(stop, end); i++)
        stop = spelled_now(idents, spellings[i], from, end);
    if (!ends_word(stop, end))
        stop = unix_now(idents, from, end);
    return ends_word(stop, end) ? (size_t)(stop - text.data) : at;
}

/* ---- renaming ------------------------------------------------------------------------------- */

static void put_masking_now(const struct idents *idents, struct span text, size_t at, size_t end,
                            struct buf *out)
{
    size_t done = at;
    while (at < end) {
        size_t stop = skip_now(idents, text, at);
        if (stop > at && stop <= end) {
            buf_put(out, text.data + done, at - done);
            buf_puts(out, "<now>");
            done = at = stop;
        } else {
            at++;
        }
    }
    buf_put(out, text.data + done, end - done);
}

void idents_rename(const struct idents *idents, struct span text, struct buf *out)
{
    struct mentions mentions = {0};
    idents_find(idents, text, &mentions);
    size_t at = 0;
    for (size_t i = 0; i < mentions.count; i++) {
        const struct mention *mention = &mentions.items[i];
        put_masking_now(idents, text, at, mention->start, out);
        buf_printf(out, "<%s%s>", mention->name ? mention->name : "event",
                   form_words[idents->forms_told ? mention->form : FORM_ONLY]);
        at = mention->end;
    }
    put_masking_now(idents, text, at, text.len, out);
    free(mentions.items);
}

/* A name in a renamed text, with its brackets. */
struct name {
    size_t start, end;
};

/* The first that starts at text[from] or behind it; of no length, and at the text's end, when there is none.
 */
static struct name next_name(struct span text, size_t from)
{
    for (size_t at = from; at < text.len; at++) {
        const char *open = text.data + at;
        const char *close = *open == '<' ? memchr(open, '>', text.len - at) : NULL;
        if (close)
            return (struct name){at, (size_t)(close - text.data) + 1};
    }
    return (struct name){text.len, text.len};
}

static enum ident_form form_of(struct span text, struct name name)
{
    size_t len = name.end - name.start;
    for (enum ident_form form = FORM_UUID; len && form <= FORM_IDENTIFIER; form++) {
        size_t words = strlen(form_words[form]);
        if (len > words + 2 && memcmp(text.data + name.end - 1 - words, form_words[form], words) == 0)
            return form;
    }
    return FORM_ONLY;
}

void idents_generalise(struct span renamed, struct buf *out)
{
    for (size_t at = 0; at < renamed.len;) {
        struct name name = next_name(renamed, at);
        buf_put(out, renamed.data + at, name.start - at);
        buf_puts(out, name.end > name.start ? "<>" : "");
        at = name.end;
    }
}

void idents_drop_forms(struct span renamed, struct buf *out)
{
    for (size_t at = 0; at < renamed.len;) {
        struct name name = next_name(renamed, at);
        size_t bracket = name.end > name.start, words = strlen(form_words[form_of(renamed, name)]);
        buf_put(out, renamed.data + at, name.end - at - words - bracket);
        buf_puts(out, bracket ? ">" : "");
        at = name.end;
    }
}

bool idents_have_form(struct span renamed, enum ident_form form)
{
    struct name name = next_name(renamed, 0);
    while (name.end > name.start && form_of(renamed, name) != form)
        name = next_name(renamed, name.end);
    return name.end > name.start;
}
