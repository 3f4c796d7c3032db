/* sign: see sign.h. Signing cannot fail once a signer is made, except by running out of memory, which
 * ends the program as it does everywhere else. */
#include "sign.h"

#include "json.h"
#include "limits.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES 32

struct signer {
    EVP_MAC_CTX *mac; /* keyed; a NULL key starts it again without hashing the key */
};

bool sign_new(struct signer **signer, struct span secret, struct err *err)
{
    *signer = NULL;
    if (secret.len > SECRET_BYTES_MAX)
        return err_set(err, "the secret is longer than %d bytes", SECRET_BYTES_MAX);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    /* A NULL key means "the key of before"; the empty secret is a key of no bytes. */
    const unsigned char *key = (const unsigned char *)(secret.len ? secret.data : "");
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    EVP_MAC_free(algorithm); /* the context keeps its own reference */
    if (!mac || !EVP_MAC_init(mac, key, secret.len, params)) {
        EVP_MAC_CTX_free(mac);
        return err_env(err, "OpenSSL offers no HMAC-SHA256");
    }
    *signer = mem_alloc(sizeof **signer);
    (*signer)->mac = mac;
    return true;
}

void sign_free(struct signer *signer)
{
    if (!signer)
        return;
    EVP_MAC_CTX_free(signer->mac);
    free(signer);
}

static void digest_parts(struct signer *signer, const struct span *parts, size_t count,
                         unsigned char digest[DIGEST_BYTES])
{
    size_t len = 0;
    bool ok = EVP_MAC_init(signer->mac, NULL, 0, NULL);
    for (size_t i = 0; i < count && ok; i++)
        ok = EVP_MAC_update(signer->mac, (const unsigned char *)parts[i].data, parts[i].len);
    if (!ok || !EVP_MAC_final(signer->mac, digest, &len, DIGEST_BYTES)) {
        fputs("pimsim: out of memory\n", stderr);
        abort();
    }
}

static void put_hex(const unsigned char digest[DIGEST_BYTES], const char *digits, char *text)
{
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        *text++ = digits[digest[i] >> 4];
        *text++ = digits[digest[i] & 15];
    }
    *text = '\0';
}

void sign_hex(struct signer *signer, const struct span *parts, size_t count, char hex[SIGN_HEX_SIZE])
{
    unsigned char digest[DIGEST_BYTES];
    digest_parts(signer, parts, count, digest);
    put_hex(digest, "0123456789abcdef", hex);
}

void sign_request(struct signer *signer, enum sign_scheme scheme, const char *timestamp, struct span body,
                  char hex[SIGN_HEX_SIZE])
{
    struct span parts[] = {span_of(timestamp), span_of("."), body};
    size_t skip = scheme == SIGN_AEP ? 2 : 0;
    sign_hex(signer, parts + skip, COUNT_OF(parts) - skip, hex);
}

void sign_base64(struct span bytes, struct buf *out)
{
    size_t len = (bytes.len + 2) / 3 * 4;
    char *place = buf_extend(out, len);
    if (place)
        EVP_EncodeBlock((unsigned char *)place, (const unsigned char *)bytes.data, (int)bytes.len);
}

/* ---- bodies parsed and serialised again --------------------------------------------------------- */

/* How a language prints a double: without an exponent while fixed_min <= exponent <= fixed_max. */
struct number_form {
    int fixed_min, fixed_max;
    const char *exponent; /* the format of "e+21" */
    const char *whole;    /* after a number without fraction */
    const char *infinite;
};

static void put_double(struct buf *out, const struct number_form *form, double x)
{
    if (!isfinite(x)) {
        buf_puts(out, form->infinite);
        return;
    }
    char text[40];
    int precision = 0;
    do /* the shortest digits that read back as x */
        snprintf(text, sizeof text, "%.*e", precision, fabs(x));
    while (strtod(text, NULL) != fabs(x) && ++precision < 17);
    int exponent = atoi(strchr(text, 'e') + 1), count = precision + 1;
    text[1] = text[0]; /* over the point: from here on, digits alone */
    bool fixed = exponent >= form->fixed_min && exponent <= form->fixed_max;
    int point = fixed ? exponent : 0; /* it stands after this digit; digits outside [0, count) are 0 */
    if (signbit(x))
        buf_putc(out, '-');
    for (int i = point < 0 ? point : 0; i < count || i <= point; i++) {
        buf_putc(out, i >= 0 && i < count ? text[1 + i] : '0');
        if (i == point && i + 1 < count)
            buf_putc(out, '.');
    }
    if (!fixed)
        buf_printf(out, form->exponent, exponent);
    else if (count <= point + 1)
        buf_puts(out, form->whole);
}

/* A number that ends at the first character that is none of a number's. */
static bool is_integer(const char *number, size_t len)
{
    return strcspn(number, ".eE") >= len;
}

static void javascript_number(struct buf *out, const char *number, size_t len)
{
    static const struct number_form form = {-6, 20, "e%+d", "", "null"};
    (void)len;
    double x = strtod(number, NULL);
    put_double(out, &form, x == 0 ? 0 : x); /* -0 is written 0 */
}

static void python_number(struct buf *out, const char *number, size_t len)
{
    static const struct number_form form = {-4, 15, "e%+03d", ".0", "Infinity"};
    if (!is_integer(number, len))
        put_double(out, &form, strtod(number, NULL));
    else if (len == 2 && number[0] == '-' && number[1] == '0')
        buf_putc(out, '0');
    else
        buf_put(out, number, len); /* Python's integers have no limit */
}

static void php_number(struct buf *out, const char *number, size_t len)
{
    errno = 0;
    long long n = strtoll(number, NULL, 10);
    if (is_integer(number, len) && errno == 0)
        buf_printf(out, "%lld", n);
    else
        json_put_double(out, strtod(number, NULL));
}

static const struct json_style PYTHON_STYLE = {.escape_unicode = true, .spaces = true};

struct language {
    const struct json_style *style;
    void (*number)(struct buf *out, const char *number, size_t len);
};

static const struct language javascript = {&JSON_STYLE_PLAIN, javascript_number};
static const struct language php = {&JSON_STYLE_PHP, php_number};
static const struct language python = {&PYTHON_STYLE, python_number};

/* What a language makes of a body that it parses and serialises again. Limits: JavaScript also moves
 * members whose names are array indexes to the front, and all three keep the last of equal names. */
static bool put_reserialised(struct buf *out, const struct language *language, struct span body)
{
    struct json_doc doc = {0};
    struct buf text;
    struct err ignored;
    buf_init(&text, BODY_BYTES_MAX * 6u); /* a byte as \u00XX */
    bool ok = json_parse(&doc, "body", body, JSON_STRICT, &ignored) &&
              json_respell(&doc, JSON_ROOT, language->style, &text, &ignored);
    /* The strings are right; numbers still have the body's spelling. */
    for (const char *at = buf_text(&text); ok && *at;) {
        size_t len = 1;
        if (*at == '"') {
            while (at[len] != '"')
                len += at[len] == '\\' ? 2 : 1;
            buf_put(out, at, ++len);
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            len = strspn(at, "+-.eE0123456789");
            language->number(out, at, len);
        } else {
            buf_putc(out, *at);
        }
        at += len;
    }
    json_reset(&doc);
    buf_reset(&text);
    return ok;
}

/* ---- secrets decoded by mistake ---------------------------------------------------------------- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Digits of `bits` bits each into bytes; bits left over at the end are dropped, as decoders do. */
static bool put_decoded(struct buf *out, struct span text, const char *digits, unsigned bits)
{
    unsigned held = 0, held_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
        if (!digit)
            return false;
        held = held << bits | (unsigned)(digit - digits);
        held_bits += bits;
        if (held_bits >= 8) {
            held_bits -= 8;
            buf_putc(out, (char)(held >> held_bits));
            held &= (1u << held_bits) - 1;
        }
    }
    return held_bits < bits && out->len > 0;
}

static bool put_hex_decoded(struct buf *out, struct span text)
{
    struct buf lower;
    buf_init(&lower, SECRET_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++)
        buf_putc(&lower, (char)tolower((unsigned char)text.data[i]));
    bool ok = put_decoded(out, buf_span(&lower), "0123456789abcdef", 4);
    buf_reset(&lower);
    return ok;
}

static bool put_base64_decoded(struct buf *out, struct span text)
{
    for (int padding = 0; padding < 2 && text.len && text.data[text.len - 1] == '='; padding++)
        text.len--;
    return put_decoded(out, text, base64_digits, 6);
}

static bool put_trimmed(struct buf *out, struct span text)
{
    while (text.len && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    while (text.len && isspace((unsigned char)text.data[0]))
        text = (struct span){text.data + 1, text.len - 1};
    buf_put_span(out, text);
    return true;
}

/* ---- the known mistakes ------------------------------------------------------------------------- */

static const struct mistake_row {
    const char *name, *sentence, *fix;
    unsigned schemes;
} mistakes[MISTAKE_COUNT] = {
#define MISTAKE(id, name, schemes, sentence, fix) [MISTAKE_##id] = {name, sentence, fix, schemes},
#include "sign_mistakes.def"
#undef MISTAKE
};

const char *sign_mistake_name(enum sign_mistake mistake)
{
    return mistakes[mistake].name;
}

const char *sign_mistake_sentence(enum sign_mistake mistake)
{
    return mistakes[mistake].sentence;
}

const char *sign_mistake_fix(enum sign_mistake mistake)
{
    return mistakes[mistake].fix;
}

bool sign_mistake_find(const char *name, enum sign_mistake *mistake)
{
    for (size_t i = 0; i < MISTAKE_COUNT; i++)
        if (strcmp(mistakes[i].name, name) == 0) {
            *mistake = (enum sign_mistake)i;
            return true;
        }
    return false;
}

bool sign_mistake_is_spelling(enum sign_mistake mistake)
{
    return mistake == MISTAKE_RESERIALISED || mistake == MISTAKE_RESERIALISED_PHP ||
           mistake == MISTAKE_RESERIALISED_PYTHON;
}

static bool put_mistaken_key(enum sign_mistake mistake, struct span secret, struct span secondary,
                             struct buf *key)
{
    switch (mistake) {
    case MISTAKE_SECRET_EMPTY:
        return true;
    case MISTAKE_SECRET_TRIMMED:
        return put_trimmed(key, secret);
    case MISTAKE_SECRET_HEX:
        return put_hex_decoded(key, secret);
    case MISTAKE_SECRET_BASE64:
        return put_base64_decoded(key, secret);
    case MISTAKE_SECONDARY_SECRET:
        buf_put_span(key, secondary);
        return secondary.len > 0;
    default:
        buf_put_span(key, secret);
        if (mistake == MISTAKE_SECRET_NEWLINE || mistake == MISTAKE_SECRET_SPACE)
            buf_putc(key, mistake == MISTAKE_SECRET_NEWLINE ? '\n' : ' ');
        return true;
    }
}

/* What is signed: timestamp, dot and body, or what is left of them. */
static bool put_mistaken_text(enum sign_mistake mistake, enum sign_scheme scheme, const char *timestamp,
                              struct span body, struct buf *text)
{
    bool events_api = scheme == SIGN_EVENTS_API || mistake == MISTAKE_OTHER_PLATFORM;
    if (mistake == MISTAKE_NO_DOT && !span_of(timestamp).len)
        return false; /* that is NO_TIMESTAMP */
    if (events_api && mistake != MISTAKE_NO_TIMESTAMP)
        buf_puts(text, timestamp ? timestamp : "");
    if (events_api && mistake != MISTAKE_NO_TIMESTAMP && mistake != MISTAKE_NO_DOT)
        buf_putc(text, '.');
    switch (mistake) {
    case MISTAKE_RESERIALISED:
        return put_reserialised(text, &javascript, body);
    case MISTAKE_RESERIALISED_PHP:
        return put_reserialised(text, &php, body);
    case MISTAKE_RESERIALISED_PYTHON:
        return put_reserialised(text, &python, body);
    default:
        buf_put_span(text, body);
        return true;
    }
}

static void put_mistaken_form(enum sign_mistake mistake, const unsigned char digest[DIGEST_BYTES],
                              char text[SIGN_MISTAKEN_SIZE])
{
    if (mistake == MISTAKE_BASE64)
        EVP_EncodeBlock((unsigned char *)text, digest, DIGEST_BYTES);
    else
        put_hex(digest, mistake == MISTAKE_UPPER_CASE ? "0123456789ABCDEF" : "0123456789abcdef", text);
}

bool sign_mistaken(enum sign_mistake mistake, enum sign_scheme scheme, struct span secret,
                   struct span secondary, const char *timestamp, struct span body,
                   char text[SIGN_MISTAKEN_SIZE])
{
    if (!(mistakes[mistake].schemes & 1u << scheme))
        return false;
    struct signer *wrong = NULL, *right = NULL;
    struct buf key, message;
    struct err ignored;
    buf_init(&key, SECRET_BYTES_MAX + 1);
    buf_init(&message, BODY_BYTES_MAX * 8u);
    bool ok = put_mistaken_key(mistake, secret, secondary, &key) &&
              put_mistaken_text(mistake, scheme, timestamp, body, &message) && buf_ok(&message) &&
              sign_new(&wrong, buf_span(&key), &ignored) && sign_new(&right, secret, &ignored);
    if (ok && wrong && right) {
        unsigned char digest[DIGEST_BYTES];
        char hex[SIGN_HEX_SIZE];
        struct span signed_text = buf_span(&message);
        digest_parts(wrong, &signed_text, 1, digest);
        put_mistaken_form(mistake, digest, text);
        sign_request(right, scheme, timestamp, body, hex);
        ok = strcmp(text, hex) != 0;
    }
    sign_free(wrong);
    sign_free(right);
    buf_reset(&key);
    buf_reset(&message);
    return ok;
}
