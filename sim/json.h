/* json: readers that know their path, writers that are exact to the byte.
 *
 * Reading: a document is parsed once (by yajl, strictly) into an index of nodes that point into its
 * text, so a number keeps its spelling and an edit can splice bytes. Nothing is ever printed from a
 * parsed value. Writing: strings are spelled in a style (PHP's, or plain), and a small writer keeps
 * the commas. */
#ifndef PIMSIM_JSON_H
#define PIMSIM_JSON_H

#include "base.h"

/* ---- reading ------------------------------------------------------------------------------ */

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

#define JSON_NONE UINT32_MAX /* no such node; every function below accepts it and answers "nothing" */
#define JSON_ROOT 0u

struct json_node {
    uint32_t start, end;         /* the value's bytes in the text, quotes and brackets included */
    uint32_t key_start, key_end; /* a member's name, quotes included; equal when it has none */
    uint32_t parent, next;       /* JSON_NONE at the root, at the last sibling */
    uint32_t first;              /* first member or element, or JSON_NONE */
    uint32_t count;              /* members or elements */
    uint8_t type;
};

struct json_doc {
    const char *name; /* for messages, borrowed: a file's name */
    struct span text; /* borrowed: must outlive the document */
    struct json_node *nodes;
    size_t count, cap;
};

enum json_flags { JSON_STRICT = 0, JSON_COMMENTS = 1 /* "//" and slash-star comments allowed */ };

/* Parse text; on failure the error names the document, the line and the column. The doc may be reused
 * for another text (its memory is kept); json_reset frees it. A zeroed doc is ready for use. */
bool json_parse(struct json_doc *doc, const char *name, struct span text, enum json_flags flags,
                struct err *err) MUST_USE;
void json_reset(struct json_doc *doc);

enum json_type json_type(const struct json_doc *doc, uint32_t node); /* JSON_NULL for JSON_NONE */
uint32_t json_get(const struct json_doc *doc, uint32_t object, const char *key);
uint32_t json_pointer(const struct json_doc *doc, const char *pointer); /* RFC 6901 */
uint32_t json_first(const struct json_doc *doc, uint32_t node);
uint32_t json_next(const struct json_doc *doc, uint32_t node);
size_t json_count(const struct json_doc *doc, uint32_t node);
struct span json_raw(const struct json_doc *doc, uint32_t node); /* the value as it is spelled */
/* A member's name or a string's value, decoded. The span borrows the text where it holds no escape,
 * and `scratch` (which must stay alive, and is appended to) where it does. */
struct span json_key(const struct json_doc *doc, uint32_t node, struct buf *scratch);
struct span json_string(const struct json_doc *doc, uint32_t node, struct buf *scratch);
bool json_string_is(const struct json_doc *doc, uint32_t node, const char *text);
char *json_string_dup(const struct json_doc *doc, uint32_t node); /* NULL unless a string */
bool json_is_true(const struct json_doc *doc, uint32_t node);
/* A number without fraction, 0 when it is none: for our own records (the journal). */
int64_t json_i64(const struct json_doc *doc, uint32_t node);

/* Checked readers, for files that people write. A message reads "FILE: faults[1].share: ...". */
bool json_error(const struct json_doc *doc, uint32_t node, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5); /* always false */
bool json_expect(const struct json_doc *doc, uint32_t node, enum json_type type, struct err *err) MUST_USE;
bool json_read_u64(const struct json_doc *doc, uint32_t node, uint64_t min, uint64_t max, uint64_t *n,
                   struct err *err) MUST_USE;
bool json_read_real(const struct json_doc *doc, uint32_t node, double min, double max, double *x,
                    struct err *err) MUST_USE;
bool json_read_bool(const struct json_doc *doc, uint32_t node, bool *flag, struct err *err) MUST_USE;
bool json_read_text(const struct json_doc *doc, uint32_t node, char **text, struct err *err) MUST_USE;
/* One of the words; sets *index. The message offers the nearest. */
bool json_read_word(const struct json_doc *doc, uint32_t node, const char *const *words, size_t count,
                    size_t *index, struct err *err) MUST_USE;
/* Every member of the object is one of the keys, none comes twice; the message offers the nearest. */
bool json_check_keys(const struct json_doc *doc, uint32_t object, const char *const *keys, size_t count,
                     struct err *err) MUST_USE;

/* ---- writing ------------------------------------------------------------------------------ */

/* How JSON is spelled. The two platforms' own styles, and the legal variations of the bytes fault. */
struct json_style {
    bool escape_slash;   /* "/" as "\/" */
    bool escape_unicode; /* every non-ASCII character as \uXXXX, surrogate pairs above the BMP */
    bool upper_hex;      /* \u00E9 instead of \u00e9 */
    bool spaces;         /* after ":" and "," as many serialisers do */
    bool reverse_keys;   /* members of every object in the opposite order */
    bool php_arrays;     /* an empty object is written [] as PHP writes an empty array */
};

extern const struct json_style JSON_STYLE_PHP;   /* json_encode with default flags */
extern const struct json_style JSON_STYLE_PLAIN; /* UTF-8 as it is */

bool json_is_utf8(struct span text);
/* One string with its quotes. Invalid UTF-8 becomes U+FFFD. */
void json_put_string(struct buf *out, const struct json_style *style, struct span text);
/* A double as PHP writes it (serialize_precision -1): 0.1, 10.0 is 10, 1e25 is 1.0e+25. */
void json_put_double(struct buf *out, double x);
/* A whole value spelled again in a style. Numbers keep their spelling. */
bool json_respell(const struct json_doc *doc, uint32_t node, const struct json_style *style, struct buf *out,
                  struct err *err) MUST_USE;

/* A writer that keeps commas and, when asked, lines. Always UTF-8, plain style. Keys are words of our own,
 * and written as they are. */
struct json_writer {
    struct buf *out;
    bool pretty, need_comma;
    unsigned depth;
};

void json_begin(struct json_writer *w, struct buf *out, bool pretty);
void json_open(struct json_writer *w, const char *key, char bracket);    /* '{' or '['; key NULL in arrays */
void json_close(struct json_writer *w, char bracket);                    /* '}' or ']' */
void json_put(struct json_writer *w, const char *key, const char *text); /* NULL writes null */
void json_put_bytes(struct json_writer *w, const char *key, struct span text);
void json_put_u64(struct json_writer *w, const char *key, uint64_t n);
void json_put_i64(struct json_writer *w, const char *key, int64_t n);
void json_put_bool(struct json_writer *w, const char *key, bool flag);
void json_put_raw(struct json_writer *w, const char *key, struct span json); /* a value already spelled */

#endif
