/* httpd: see httpd.h.
 *
 * microhttpd has an epoll descriptor of its own, which our loop watches; when it is ready, or when
 * microhttpd's timeout is over, MHD_run does what there is to do and calls the handler from within. A
 * request that the handler leaves unanswered is suspended; its answer resumes it, and microhttpd then calls
 * again for the response. */
#include "httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define HEADER_NAME_BYTES_MAX 64

struct httpd {
    struct loop *loop;
    struct httpd_options options;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    uint16_t port;
    struct loop_timer timer;         /* microhttpd wants to run without a descriptor being ready */
    struct httpd_request *suspended; /* all of them, in a list */
};

struct httpd_request {
    struct httpd *httpd;
    struct MHD_Connection *connection;
    char *method, *path;
    struct buf body;
    unsigned status;
    struct MHD_Response *response; /* NULL: not answered yet */
    struct loop_timer timer;       /* of an answer with a delay */
    bool handled, is_suspended;
    struct httpd_request *next, *before; /* suspended ones */
};

/* ---- running microhttpd ------------------------------------------------------------------ */

static void run(void *arg)
{
    struct httpd *httpd = arg;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    MHD_run(httpd->daemon);
    if (MHD_get_timeout(httpd->daemon, &wait_ms) == MHD_YES)
        loop_timer_set(httpd->loop, &httpd->timer, wait_ms ? clock_mono_us() + wait_ms * 1000 : 0, run,
                       httpd);
    else
        loop_timer_stop(httpd->loop, &httpd->timer);
}

static void run_ready(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    run(arg);
}

static void suspend(struct httpd_request *request)
{
    struct httpd *httpd = request->httpd;
    MHD_suspend_connection(request->connection);
    request->is_suspended = true;
    request->before = NULL;
    request->next = httpd->suspended;
    if (request->next)
        request->next->before = request;
    httpd->suspended = request;
}

static void resume(void *arg)
{
    struct httpd_request *request = arg;
    struct httpd *httpd = request->httpd;
    request->is_suspended = false;
    *(request->before ? &request->before->next : &httpd->suspended) = request->next;
    if (request->next)
        request->next->before = request->before;
    MHD_resume_connection(request->connection);
    /* Not from here: another request's handler may be what calls us. */
    loop_timer_set(httpd->loop, &httpd->timer, 0, run, httpd);
}

/* ---- requests ---------------------------------------------------------------------------- */

static struct httpd_request *request_new(struct httpd *httpd, struct MHD_Connection *connection,
                                         const char *method, const char *path)
{
    struct httpd_request *request = mem_alloc(sizeof *request);
    request->httpd = httpd;
    request->connection = connection;
    request->method = mem_text(method);
    request->path = mem_text(path);
    buf_init(&request->body, httpd->options.body_bytes_max);
    return request;
}

static void request_ended(void *arg, struct MHD_Connection *connection, void **state,
                          enum MHD_RequestTerminationCode why)
{
    (void)arg, (void)connection, (void)why;
    struct httpd_request *request = *state;
    if (!request)
        return;
    loop_timer_stop(request->httpd->loop, &request->timer);
    if (request->response)
        MHD_destroy_response(request->response);
    buf_reset(&request->body);
    free(request->method);
    free(request->path);
    free(request);
    *state = NULL;
}

static enum MHD_Result handle_complete(struct httpd_request *request)
{
    const struct httpd_options *options = &request->httpd->options;
    if (!request->handled) {
        request->handled = true;
        if (buf_ok(&request->body))
            options->handler(options->arg, request);
        else
            httpd_answer(request, MHD_HTTP_CONTENT_TOO_LARGE, NULL, 0, span_of(""));
        if (!request->response || request->timer.slot) {
            suspend(request);
            return MHD_YES;
        }
    }
    return MHD_queue_response(request->connection, request->status, request->response);
}

/* microhttpd calls this with the headers, with each piece of the body, and at the end. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *piece, size_t *piece_bytes,
                              void **state)
{
    (void)version;
    struct httpd_request *request = *state;
    if (!request) {
        *state = request_new(arg, connection, method, path);
        return MHD_YES;
    }
    if (*piece_bytes == 0)
        return handle_complete(request);
    buf_put(&request->body, piece, *piece_bytes);
    if (!buf_ok(&request->body)) { /* the rest is read and thrown away */
        buf_reset(&request->body);
        request->body.full = true;
    }
    *piece_bytes = 0;
    return MHD_YES;
}

const char *httpd_method(const struct httpd_request *request)
{
    return request->method;
}

const char *httpd_path(const struct httpd_request *request)
{
    return request->path;
}

static enum MHD_Result put_argument(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct buf *out = arg;
    buf_printf(out, "%c%s%s%s", strchr(buf_text(out), '?') ? '&' : '?', name, value ? "=" : "",
               value ? value : "");
    return MHD_YES;
}

void httpd_put_target(const struct httpd_request *request, struct buf *out)
{
    buf_puts(out, request->path);
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, put_argument, out);
}

const char *httpd_header(const struct httpd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct span httpd_body(const struct httpd_request *request)
{
    return buf_span(&request->body);
}

const char *httpd_query(const struct httpd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static char *decode(struct span escaped)
{
    char *text = mem_text_n(escaped.data, escaped.len);
    for (char *plus = text; (plus = strchr(plus, '+'));)
        *plus = ' ';
    MHD_http_unescape(text);
    return text;
}

char *httpd_field(const struct httpd_request *request, const char *name)
{
    struct span body = httpd_body(request);
    size_t name_len = strlen(name);
    for (size_t at = 0, len; at < body.len; at += len + 1) {
        const char *field = body.data + at, *end = memchr(field, '&', body.len - at);
        len = end ? (size_t)(end - field) : body.len - at;
        if (len > name_len && memcmp(field, name, name_len) == 0 && field[name_len] == '=')
            return decode((struct span){field + name_len + 1, len - name_len - 1});
    }
    return NULL;
}

bool httpd_abandoned(const struct httpd_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;
    ssize_t got = recv(info->connect_fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* ---- answers ----------------------------------------------------------------------------- */

static void prepare(struct httpd_request *request, unsigned status, struct span body)
{
    request->status = status;
    request->response = MHD_create_response_from_buffer(body.len, (void *)body.data, MHD_RESPMEM_MUST_COPY);
    if (!request->response)
        abort(); /* out of memory */
}

void httpd_answer(struct httpd_request *request, unsigned status, const char *const *headers, size_t count,
                  struct span body)
{
    prepare(request, status, body);
    for (size_t i = 0; i < count; i++) {
        char name[HEADER_NAME_BYTES_MAX];
        const char *colon = strchr(headers[i], ':');
        snprintf(name, sizeof name, "%.*s", (int)(colon - headers[i]), headers[i]);
        MHD_add_response_header(request->response, name, colon + 1 + strspn(colon + 1, " "));
    }
    if (request->is_suspended)
        resume(request);
}

void httpd_answer_later(struct httpd_request *request, uint64_t delay_us, unsigned status, struct span body)
{
    prepare(request, status, body);
    loop_timer_set(request->httpd->loop, &request->timer, clock_mono_us() + delay_us, resume, request);
}

/* ---- life -------------------------------------------------------------------------------- */

/* Our own socket: microhttpd's would not say why it could not be had. */
static bool listen_open(int *listener, const struct httpd_options *options, uint16_t *port, struct err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    socklen_t len = sizeof address;
    if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1)
        return err_set(err, "\"%s\" is not an IPv4 address", options->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        err_env(err, "cannot listen on %s port %u: %s", options->address, options->port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    *listener = fd;
    *port = ntohs(address.sin_port);
    return true;
}

bool httpd_open(struct httpd **httpd, struct loop *loop, const struct httpd_options *options, struct err *err)
{
    int listener = -1;
    uint16_t port = 0;
    if (!listen_open(&listener, options, &port, err))
        return false;
    struct httpd *made = mem_alloc(sizeof *made);
    *made = (struct httpd){.loop = loop, .options = *options, .port = port};
    made->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL,
                                    handle, made, MHD_OPTION_LISTEN_SOCKET, listener,
                                    MHD_OPTION_NOTIFY_COMPLETED, request_ended, NULL, MHD_OPTION_END);
    if (!made->daemon) {
        close(listener);
        free(made);
        return err_env(err, "libmicrohttpd does not start");
    }
    made->epoll_fd = MHD_get_daemon_info(made->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    loop_watch(loop, made->epoll_fd, LOOP_READ, run_ready, made);
    *httpd = made;
    return true;
}

void httpd_close(struct httpd *httpd)
{
    if (!httpd)
        return;
    while (httpd->suspended) { /* microhttpd insists; they are dropped unanswered */
        loop_timer_stop(httpd->loop, &httpd->suspended->timer);
        resume(httpd->suspended);
    }
    loop_watch(httpd->loop, httpd->epoll_fd, 0, NULL, NULL);
    loop_timer_stop(httpd->loop, &httpd->timer);
    MHD_stop_daemon(httpd->daemon);
    free(httpd);
}

uint16_t httpd_port(const struct httpd *httpd)
{
    return httpd->port;
}
