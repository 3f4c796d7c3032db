/* deliver: see deliver.h. libcurl's multi interface on the loop's epoll (multi_socket).
 *
 * Each open request owns an easy handle that is set up once and used again. Its headers are list nodes
 * that point into the message, so nothing is copied. The deadline is a timer of our own: when our loop
 * was late, the connector gets that time back before it is judged. */
#include "deliver.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "limits.h"
#include "opts.h"

#define BODY_PIECES   10           /* of a slow body */
#define RECEIVE_BYTES (256L << 10) /* at a time, of bodies that are kept */

struct request {
    struct deliver *deliver;
    struct request *next;  /* in the list of free or of open requests */
    struct request **link; /* what points to us while open */
    CURL *easy;
    const struct message *message;
    struct wire wire;
    deliver_done_fn *done;
    void *arg;
    struct answer answer;
    size_t answer_bytes;
    bool late_granted; /* the deadline was extended once by our own lateness */
    bool again;        /* on its second connection */
    bool sent;         /* on some connection; libcurl, too, may make another one and go on */
    size_t body_sent;  /* slow-body: how much curl has been given */
    struct loop_timer deadline, wire_timer;
    struct curl_slist headers[MESSAGE_HEADERS_MAX + 2];
    struct buf valueless; /* headers without a value, the way curl wants them */
    char words[CURL_ERROR_SIZE];
};

struct deliver {
    struct loop *loop;
    CURLM *multi;
    CURLU *url;
    struct deliver_options options;
    struct buf links, head; /* of the answer that is handed out */
    struct loop_timer timer;
    bool draining; /* answers are being handed out: what their owners send waits for the next turn */
    struct request *free, *open;
};

/* ---- the end of a request ----------------------------------------------------------------- */

static long info_long(CURL *easy, CURLINFO info)
{
    long n = 0;
    curl_easy_getinfo(easy, info, &n);
    return n;
}

static uint64_t info_us(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return us > 0 ? (uint64_t)us : 0;
}

static enum outcome outcome_of_connecting(CURL *easy)
{
    switch (info_long(easy, CURLINFO_OS_ERRNO)) {
    case ECONNREFUSED:
        return OUTCOME_REFUSED;
    case ECONNRESET: /* taken, and dropped before we saw it */
    case EPIPE:
        return OUTCOME_RESET;
    default:
        return OUTCOME_FAILED;
    }
}

static enum outcome outcome_of(CURL *easy, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
    case CURLE_WRITE_ERROR: /* ours: the answer was longer than we read */
        return OUTCOME_ANSWERED;
    case CURLE_COULDNT_CONNECT:
        return outcome_of_connecting(easy);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return OUTCOME_RESET;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return OUTCOME_TLS;
    default: /* once the request could be sent, what is wrong is what came back */
        return info_us(easy, CURLINFO_PRETRANSFER_TIME_T) ? OUTCOME_GARBAGE : OUTCOME_FAILED;
    }
}

/* What the outcome's own sentence does not say. */
static void describe(const struct request *r, CURLcode code, char detail[256])
{
    const char *words = *r->words ? r->words : curl_easy_strerror(code);
    long why = info_long(r->easy, CURLINFO_OS_ERRNO);
    *detail = '\0';
    if (code == CURLE_COULDNT_CONNECT)
        snprintf(detail, 256, "%s", why == ECONNREFUSED ? "" : why ? strerror((int)why) : words);
    else if (code == CURLE_OUT_OF_MEMORY) /* curl's word for it */
        snprintf(detail, 256, "a header of the answer was too long");
    else if (code == CURLE_WRITE_ERROR)
        snprintf(detail, 256, "the answer was longer than %zu bytes; the rest was not read",
                 r->deliver->options.body ? r->deliver->options.body->max : ANSWER_BYTES_MAX);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        snprintf(detail, 256, "%.180s; --cacert FILE trusts its CA, -k trusts any certificate", words);
    else if (code != CURLE_OK)
        snprintf(detail, 256, "%s", words);
}

/* Where the answer redirects to. A relative one libcurl completes by our URL, its user and password too. */
static void keep_location(struct request *r)
{
    struct answer *a = &r->answer;
    char *location = NULL;
    struct buf shown;
    buf_init(&shown, ANSWER_BYTES_MAX);
    curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &location);
    opts_put_url(&shown, location ? location : "");
    snprintf(a->location, sizeof a->location, "%s", buf_text(&shown));
    buf_reset(&shown);
}

static void measure(struct request *r)
{
    struct answer *a = &r->answer;
    bool connected = info_long(r->easy, CURLINFO_NUM_CONNECTS) > 0;
    a->status = (unsigned)info_long(r->easy, CURLINFO_RESPONSE_CODE);
    a->connect_us = connected ? info_us(r->easy, CURLINFO_CONNECT_TIME_T) : 0;
    uint64_t tls_us = connected ? info_us(r->easy, CURLINFO_APPCONNECT_TIME_T) : 0;
    a->tls_us = tls_us > a->connect_us ? tls_us - a->connect_us : 0;
    uint64_t first_us = info_us(r->easy, CURLINFO_STARTTRANSFER_TIME_T);
    uint64_t sent_us = info_us(r->easy, CURLINFO_PRETRANSFER_TIME_T);
    a->first_byte_us = first_us;
    a->ack_us = first_us > sent_us ? first_us - sent_us : 0;
    a->total_us = clock_mono_us() - a->started_us;
    a->late_us = loop_late_us(r->deliver->loop, a->started_us);
    if (a->status >= 300 && a->status < 400)
        keep_location(r);
}

static void keep_links(struct request *r)
{
    struct buf *links = &r->deliver->links;
    struct curl_header *header;
    buf_clear(links);
    for (size_t i = 0; curl_easy_header(r->easy, "Link", i, CURLH_HEADER, -1, &header) == CURLHE_OK; i++)
        buf_printf(links, "%s%s", i ? ", " : "", header->value);
    r->answer.links = buf_span(links);
}

static void keep_head(struct request *r)
{
    struct buf *head = &r->deliver->head;
    struct curl_header *header = NULL;
    buf_clear(head);
    while ((header = curl_easy_nextheader(r->easy, CURLH_HEADER, -1, header))) {
        buf_printf(head, "%s: %s", header->name, header->value);
        buf_putc(head, '\0');
    }
    r->answer.head = buf_span(head);
}

/* Take the request off the wire, give it back to the pool, and tell its owner. */
static void end(struct request *r, enum outcome outcome)
{
    struct deliver *d = r->deliver;
    r->answer.outcome = outcome;
    measure(r);
    if (d->options.body)
        keep_links(r);
    if (d->options.head)
        keep_head(r);
    loop_timer_stop(d->loop, &r->deadline);
    loop_timer_stop(d->loop, &r->wire_timer);
    curl_multi_remove_handle(d->multi, r->easy);
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    r->done(r->arg, &r->answer); /* who may send: not with this one, while the answer is read */
    r->next = d->free;
    d->free = r;
}

/* A connection that was kept open may be closed by the other side, rightly, in the moment that we use it:
 * the request goes out once more, on a new one. libcurl does the same, but not once it began to send. */
static bool was_stale(const struct request *r, CURLcode code)
{
    return outcome_of(r->easy, code) == OUTCOME_RESET && !r->again &&
           info_long(r->easy, CURLINFO_NUM_CONNECTS) == 0 && info_long(r->easy, CURLINFO_HEADER_SIZE) == 0;
}

static bool send_again(struct request *r)
{
    curl_multi_remove_handle(r->deliver->multi, r->easy);
    curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
    r->again = true;
    r->body_sent = 0;
    return curl_multi_add_handle(r->deliver->multi, r->easy) == CURLM_OK;
}

static void drain(struct deliver *d)
{
    CURLMsg *message;
    int left;
    d->draining = true;
    while ((message = curl_multi_info_read(d->multi, &left))) {
        struct request *r;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        if (was_stale(r, code) && send_again(r))
            continue;
        enum outcome outcome = outcome_of(r->easy, code);
        describe(r, code, r->answer.detail);
        /* Refused once it had been sent: the first time somebody was there, and closed. */
        end(r, outcome == OUTCOME_REFUSED && r->sent ? OUTCOME_RESET : outcome);
    }
    d->draining = false;
}

/* How far it came. */
static void describe_timeout(CURL *easy, char detail[256])
{
    long status = info_long(easy, CURLINFO_RESPONSE_CODE);
    if (status)
        snprintf(detail, 256, "%ld came, but its answer did not end", status);
    else if (!info_us(easy, CURLINFO_PRETRANSFER_TIME_T))
        snprintf(detail, 256, "not even the connection was ready (TCP, or TLS)");
}

static void on_deadline(void *arg)
{
    struct request *r = arg;
    struct deliver *d = r->deliver;
    uint64_t late_us = loop_late_us(d->loop, r->answer.started_us);
    if (late_us && !r->late_granted) {
        /* An answer may be waiting that we had no time to read. */
        r->late_granted = true;
        loop_timer_set(d->loop, &r->deadline, clock_mono_us() + late_us, on_deadline, r);
        return;
    }
    describe_timeout(r->easy, r->answer.detail);
    end(r, OUTCOME_TIMEOUT);
}

static void on_give_up(void *arg)
{
    end(arg, OUTCOME_GAVE_UP);
}

/* ---- libcurl's callbacks ------------------------------------------------------------------ */

static void on_socket_ready(void *arg, int fd, unsigned events)
{
    struct deliver *d = arg;
    int running;
    int mask = (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(d->multi, fd, mask, &running);
    drain(d);
}

static void on_timer(void *arg)
{
    struct deliver *d = arg;
    int running;
    curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(d);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    (void)easy, (void)unused;
    struct deliver *d = arg;
    unsigned events = (what & CURL_POLL_IN && what != CURL_POLL_REMOVE ? (unsigned)LOOP_READ : 0u) |
                      (what & CURL_POLL_OUT && what != CURL_POLL_REMOVE ? (unsigned)LOOP_WRITE : 0u);
    loop_watch(d->loop, fd, events, on_socket_ready, d);
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct deliver *d = arg;
    if (timeout_ms < 0)
        loop_timer_stop(d->loop, &d->timer);
    else
        loop_timer_set(d->loop, &d->timer, clock_mono_us() + (uint64_t)timeout_ms * 1000, on_timer, d);
    return 0;
}

/* Headers count like the rest: an answer must end some time. */
static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    struct request *r = arg;
    r->answer_bytes += size * count;
    return r->answer_bytes > ANSWER_BYTES_MAX ? 0 : size * count;
}

static int on_sending(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    ((struct request *)arg)->sent = true;
    return CURL_PREREQFUNC_OK;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *arg)
{
    struct request *r = arg;
    struct answer *a = &r->answer;
    size_t len = size * count, room = ANSWER_EXCERPT_BYTES - a->excerpt_bytes;
    memcpy(a->excerpt + a->excerpt_bytes, bytes, len < room ? len : room);
    a->excerpt_bytes += len < room ? len : room;
    if (r->deliver->options.body) {
        buf_put(r->deliver->options.body, bytes, len);
        return buf_ok(r->deliver->options.body) ? len : 0;
    }
    r->answer_bytes += len;
    return r->answer_bytes > ANSWER_BYTES_MAX ? 0 : len;
}

/* ---- a slow body -------------------------------------------------------------------------- */

static void on_piece_due(void *arg)
{
    struct request *r = arg;
    curl_easy_pause(r->easy, CURLPAUSE_CONT);
    drain(r->deliver);
}

/* How much of the body may have been sent by now. */
static size_t body_allowed(const struct request *r)
{
    uint64_t piece_us = r->wire.over_us / BODY_PIECES + 1;
    uint64_t pieces = (clock_mono_us() - r->answer.started_us) / piece_us + 1;
    size_t len = r->message->body.len;
    return pieces >= BODY_PIECES ? len : len / BODY_PIECES * pieces + 1;
}

static size_t give_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct request *r = arg;
    size_t allowed = body_allowed(r), len = allowed > r->body_sent ? allowed - r->body_sent : 0;
    if (len == 0 && r->body_sent < r->message->body.len) {
        uint64_t piece_us = r->wire.over_us / BODY_PIECES + 1;
        loop_timer_set(r->deliver->loop, &r->wire_timer, clock_mono_us() + piece_us, on_piece_due, r);
        return CURL_READFUNC_PAUSE;
    }
    if (len > size * count)
        len = size * count;
    memcpy(bytes, r->message->body.data + r->body_sent, len);
    r->body_sent += len;
    return len;
}

/* libcurl sends again what it could not send on a connection that was closed. */
static int rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct request *r = arg;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    r->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- sending ------------------------------------------------------------------------------ */

static struct request *request_new(struct deliver *d)
{
    struct request *r = mem_alloc(sizeof *r);
    const struct deliver_options *o = &d->options;
    r->deliver = d;
    r->easy = curl_easy_init();
    buf_init(&r->valueless, 64 << 10);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->easy, CURLOPT_CURLU, d->url);
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->words);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(r->easy, CURLOPT_SEEKDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, on_sending);
    curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
    if (o->body)
        curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    if (o->cacert)
        curl_easy_setopt(r->easy, CURLOPT_CAINFO, o->cacert);
    if (o->cacert || curl_version_info(CURLVERSION_NOW)->cainfo)
        /* Beside a folder of CAs curl reads the file anew for every connection: 50 ms each that we are late.
         */
        curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
    return r;
}

/* "Name:" and nothing more: curl would leave the header out, "Name;" is what makes it send it. The room
 * has been reserved, so that what was put there does not move. */
static char *spell_valueless(struct request *r, const char *line, size_t name)
{
    char *spelled = buf_extend(&r->valueless, name + 2);
    memcpy(spelled, line, name);
    memcpy(spelled + name, ";", 2);
    return spelled;
}

/* The message's lines as curl's list, and the headers that curl would add by itself switched off. */
static void set_headers(struct request *r, const struct message *message)
{
    static char no_expect[] = "Expect:", no_accept[] = "Accept:";
    size_t n = 0;
    const char *line = message->lines.data;
    buf_clear(&r->valueless);
    buf_extend(&r->valueless, message->lines.len);
    buf_clear(&r->valueless);
    for (; n < message->header_count && n < MESSAGE_HEADERS_MAX; n++) {
        size_t name = strcspn(line, ":");
        bool valueless = line[name] && !line[name + 1 + strspn(line + name + 1, " ")];
        r->headers[n].data =
            valueless ? spell_valueless(r, line, name) : (char *)(uintptr_t)line; /* curl only reads it */
        line += strlen(line) + 1;
    }
    r->headers[n++].data = no_expect;
    r->headers[n++].data = no_accept;
    for (size_t i = 0; i < n; i++)
        r->headers[i].next = i + 1 < n ? &r->headers[i + 1] : NULL;
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
}

static void set_body(struct request *r, const struct message *message)
{
    if (strcmp(message->method, "HEAD") == 0) {
        curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (strcmp(message->method, "GET") == 0) {
        curl_easy_setopt(r->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    bool slow = r->wire.over_us > 0;
    curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, slow ? NULL : message->body.len ? message->body.data : "");
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message->body.len);
    curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, slow ? give_body : NULL);
    curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
}

bool deliver_send(struct deliver *d, const struct message *message, const struct wire *wire,
                  deliver_done_fn *done, void *arg, struct err *err)
{
    struct request *r = d->free;
    if (r)
        d->free = r->next;
    else
        r = request_new(d);
    r->message = message;
    r->wire = *wire;
    r->done = done;
    r->arg = arg;
    r->words[0] = r->answer.detail[0] = r->answer.location[0] = '\0';
    r->answer.status = 0;
    r->answer.excerpt_bytes = r->answer_bytes = r->body_sent = 0;
    r->late_granted = r->again = false;
    r->sent = false;
    r->answer.started_us = clock_mono_us();
    curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 0L);
    set_headers(r, message);
    set_body(r, message);

    r->next = d->open;
    r->link = &d->open;
    if (d->open)
        d->open->link = &r->next;
    d->open = r;
    CURLMcode code = curl_multi_add_handle(d->multi, r->easy);
    if (code != CURLM_OK)
        return err_env(err, "libcurl: %s", curl_multi_strerror(code));
    uint64_t deadline_us = r->answer.started_us + d->options.deadline_us + wire->over_us;
    loop_timer_set(d->loop, &r->deadline, deadline_us, on_deadline, r);
    if (wire->close_after_us)
        loop_timer_set(d->loop, &r->wire_timer, r->answer.started_us + wire->close_after_us, on_give_up, r);
    /* On the wire now; what ends already is handed out from the loop. One that follows an answer goes out
     * with the others that do, at the loop's next turn: or a quick server could keep us from the loop. */
    int running;
    if (!d->draining)
        curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    loop_timer_set(d->loop, &d->timer, r->answer.started_us, on_timer, d);
    return true;
}

/* ---- set-up ------------------------------------------------------------------------------- */

/* Loopback: 127.0.0.0/8, ::1 and the names that mean them (RFC 6761). Other names are not looked up.
 * libcurl has already spelled numeric addresses in their usual form. */
static bool is_loopback(const char *host)
{
    size_t len = strlen(host);
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(host, "[::1]") == 0 || strcasecmp(host, "localhost") == 0 ||
           (len > 10 && strcasecmp(host + len - 10, ".localhost") == 0);
}

/* For messages. Of what is no URL nobody can say where its password is: before the last @. */
static void put_refused(struct buf *out, const char *url, CURLUcode code)
{
    const char *at = strrchr(url, '@');
    if (code == CURLUE_OK)
        opts_put_url(out, url);
    else
        buf_printf(out, "%s%.200s", at ? "…" : "", at ? at : url);
}

static bool check_url(CURLU *parsed, const struct deliver_options *options, struct err *err)
{
    const char *url = options->url;
    char *scheme = NULL, *host = NULL;
    struct buf shown;
    bool ok = false;
    buf_init(&shown, ANSWER_BYTES_MAX);
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    bool http = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    if (code == CURLUE_OK && http)
        code = curl_url_get(parsed, CURLUPART_HOST, &host, 0);
    put_refused(&shown, url, code);
    if (code != CURLUE_OK)
        err_set(err, "%s: not a URL: %s", buf_text(&shown), curl_url_strerror(code));
    else if (!http)
        err_set(err, "%s: neither http nor https", buf_text(&shown));
    else if (!options->allow_remote && !is_loopback(host))
        err_set(err, "%s: %s is not a loopback address; --allow-remote sends there all the same",
                buf_text(&shown), host);
    else
        ok = true;
    buf_reset(&shown);
    curl_free(scheme);
    curl_free(host);
    return ok;
}

static bool is_same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    curl_url_get(a, part, &x, CURLU_DEFAULT_PORT);
    curl_url_get(b, part, &y, CURLU_DEFAULT_PORT);
    bool same =
        x && y && (strcasecmp(x, y) == 0 || (part == CURLUPART_HOST && is_loopback(x) && is_loopback(y)));
    curl_free(x);
    curl_free(y);
    return same;
}

/* A link rarely repeats the user and password that the first URL had. */
static void keep_part(CURLU *to, CURLU *from, CURLUPart part)
{
    char *there = NULL, *here = NULL;
    curl_url_get(to, part, &there, 0);
    if (!there && curl_url_get(from, part, &here, 0) == CURLUE_OK)
        curl_url_set(to, part, here, 0);
    curl_free(there);
    curl_free(here);
}

/* libcurl reads d->url when a request starts: it may change between two. */
static void turn_to(struct deliver *d, CURLU *next, struct buf *url)
{
    char *text = NULL, *secret = NULL;
    curl_url_set(next, CURLUPART_FRAGMENT, NULL, 0);
    curl_url_get(next, CURLUPART_URL, &text, 0);
    buf_puts(url, text);
    keep_part(next, d->url, CURLUPART_USER);
    keep_part(next, d->url, CURLUPART_PASSWORD);
    curl_url_get(next, CURLUPART_URL, &secret, 0);
    curl_url_set(d->url, CURLUPART_URL, secret, 0);
    curl_free(text);
    curl_free(secret);
}

bool deliver_turn_to(struct deliver *d, const char *reference, struct buf *url, struct err *err)
{
    struct buf shown;
    CURLU *next = curl_url_dup(d->url);
    CURLUcode code = curl_url_set(next, CURLUPART_URL, reference, 0);
    buf_init(&shown, ANSWER_BYTES_MAX);
    put_refused(&shown, reference, code);
    bool ok = code == CURLUE_OK && is_same_part(next, d->url, CURLUPART_SCHEME) &&
              is_same_part(next, d->url, CURLUPART_HOST) && is_same_part(next, d->url, CURLUPART_PORT);
    if (ok)
        turn_to(d, next, url);
    else if (code != CURLUE_OK)
        err_set(err, "\"%.200s\" is not a URL: %s", buf_text(&shown), curl_url_strerror(code));
    else
        err_set(err, "\"%.200s\" is on another server", buf_text(&shown));
    buf_reset(&shown);
    curl_url_cleanup(next);
    return ok;
}

bool deliver_check(const struct deliver_options *options, struct err *err)
{
    CURLU *parsed = curl_url();
    bool ok = check_url(parsed, options, err);
    curl_url_cleanup(parsed);
    if (ok && options->cacert && access(options->cacert, R_OK) < 0)
        ok = err_set(err, "--cacert: %s: %s", options->cacert, strerror(errno));
    return ok;
}

bool deliver_new(struct deliver **deliver, struct loop *loop, const struct deliver_options *options,
                 struct err *err)
{
    *deliver = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_env(err, "libcurl could not be initialised");
    struct deliver *d = mem_alloc(sizeof *d);
    d->loop = loop;
    d->options = *options;
    d->multi = curl_multi_init();
    d->url = curl_url();
    buf_init(&d->links, ANSWER_BYTES_MAX);
    buf_init(&d->head, 2 * ANSWER_BYTES_MAX);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, (long)IN_FLIGHT_MAX);
    if (!check_url(d->url, options, err)) {
        deliver_free(d);
        return false;
    }
    *deliver = d;
    return true;
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    while (d->open) {
        struct request *r = d->open;
        loop_timer_stop(d->loop, &r->deadline);
        loop_timer_stop(d->loop, &r->wire_timer);
        curl_multi_remove_handle(d->multi, r->easy);
        d->open = r->next;
        r->next = d->free;
        d->free = r;
    }
    while (d->free) {
        struct request *r = d->free;
        d->free = r->next;
        curl_easy_cleanup(r->easy);
        buf_reset(&r->valueless);
        free(r);
    }
    curl_multi_cleanup(d->multi);
    curl_url_cleanup(d->url);
    buf_reset(&d->links);
    buf_reset(&d->head);
    loop_timer_stop(d->loop, &d->timer);
    free(d);
    curl_global_cleanup();
}
