/* bench_sink: the server that the benches send to: one thread, one epoll, 200 for everything.
 *
 * Prints its port. POST /delay is answered after 0.2 to 5 ms, POST /paced is stamped by the kernel when
 * it arrives; GET /stats tells, and forgets, what came:
 * {"requests", "first_us", "last_us", "delays_us": […], "arrivals_us": […]}. A delay is what passed between
 * the request read and its answer written; an arrival is on the wall clock, whatever kept us busy.
 * Usage: bench_sink [--stamps] */
#include <arpa/inet.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base.h"

#define REQUEST_BYTES_MAX (64u << 10)
#define CONNECTIONS_MAX   4096
#define KEPT_MAX          100000

struct connection {
    char *bytes;
    size_t len;
    int64_t arrived_us;
    uint64_t read_ns, due_ns; /* of a delayed answer; 0: none waits */
};

struct sink {
    int epoll_fd, listen_fd;
    bool stamps;
    struct connection connections[CONNECTIONS_MAX]; /* by descriptor */
    int delayed; /* the connection whose answer waits, or -1: one at a time */
    uint64_t requests, first_ns, last_ns;
    int64_t delays_us[KEPT_MAX], arrivals_us[KEPT_MAX];
    size_t delay_count, arrival_count;
};

static uint64_t now_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(3);
}

static void answer(int fd, struct span bytes)
{
    if (write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len)
        shutdown(fd, SHUT_RDWR);
}

static void put_list(struct buf *out, const char *name, const int64_t *items, size_t count)
{
    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%lld", i ? "," : "", (long long)items[i]);
    buf_puts(out, "]");
}

static void answer_stats(struct sink *s, int fd)
{
    struct buf body, whole;
    buf_init(&body, 16 << 20);
    buf_init(&whole, 16 << 20);
    buf_printf(&body, "{\"requests\":%llu,\"first_us\":%llu,\"last_us\":%llu",
               (unsigned long long)s->requests, (unsigned long long)s->first_ns / 1000,
               (unsigned long long)s->last_ns / 1000);
    put_list(&body, "delays_us", s->delays_us, s->delay_count);
    put_list(&body, "arrivals_us", s->arrivals_us, s->arrival_count);
    buf_puts(&body, "}");
    buf_printf(&whole, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", body.len, buf_text(&body));
    answer(fd, buf_span(&whole));
    buf_reset(&body);
    buf_reset(&whole);
    s->requests = s->first_ns = s->last_ns = 0;
    s->delay_count = s->arrival_count = 0;
}

static void answer_ok(int fd)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    answer(fd, (struct span){ok, sizeof ok - 1});
}

static void answer_delayed(struct sink *s)
{
    struct connection *c = &s->connections[s->delayed];
    if (s->delay_count < KEPT_MAX)
        s->delays_us[s->delay_count++] = (int64_t)(now_ns(CLOCK_MONOTONIC) - c->read_ns) / 1000;
    answer_ok(s->delayed);
    c->due_ns = 0;
    s->delayed = -1;
}

static void handle_request(struct sink *s, int fd, struct connection *c)
{
    if (strncmp(c->bytes, "GET /stats ", 11) == 0) {
        answer_stats(s, fd);
        return;
    }
    uint64_t moment_ns = now_ns(CLOCK_MONOTONIC);
    if (!s->requests++)
        s->first_ns = moment_ns;
    s->last_ns = moment_ns;
    if (strncmp(c->bytes, "POST /paced ", 12) == 0 && s->arrival_count < KEPT_MAX)
        s->arrivals_us[s->arrival_count++] = c->arrived_us;
    if (strncmp(c->bytes, "POST /delay ", 12) == 0 && s->delayed < 0) {
        c->read_ns = moment_ns;
        c->due_ns = moment_ns + 200000 * (1 + s->delay_count % 25);
        s->delayed = fd;
        return;
    }
    answer_ok(fd);
}

/* The length of the request at the start of the bytes, or 0 while it is not whole. */
static size_t request_len(const struct connection *c)
{
    const char *end = memmem(c->bytes, c->len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - c->bytes) + 4, body = 0;
    for (const char *line = c->bytes; (line = memchr(line, '\n', (size_t)(end - line))); line++)
        if (strncasecmp(line, "\nContent-Length:", 16) == 0)
            body = strtoul(line + 16, NULL, 10);
    return c->len >= head + body ? head + body : 0;
}

/* Read, and find out when the kernel received it. */
static ssize_t read_stamped(int fd, char *bytes, size_t room, int64_t *arrived_us)
{
    char control[256];
    struct iovec part = {bytes, room};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, 0);
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&message); m && got > 0; m = CMSG_NXTHDR(&message, m))
        if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_TIMESTAMPING) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(m), sizeof t);
            *arrived_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
        }
    return got;
}

static void close_connection(struct sink *s, int fd)
{
    if (s->delayed == fd)
        s->delayed = -1;
    s->connections[fd].len = 0;
    close(fd);
}

static void read_requests(struct sink *s, int fd)
{
    struct connection *c = &s->connections[fd];
    char *room = c->bytes + c->len;
    ssize_t got = s->stamps ? read_stamped(fd, room, REQUEST_BYTES_MAX - c->len, &c->arrived_us)
                            : read(fd, room, REQUEST_BYTES_MAX - c->len);
    if (got <= 0) {
        close_connection(s, fd);
        return;
    }
    c->len += (size_t)got;
    for (size_t len; !c->due_ns && (len = request_len(c)) > 0;) {
        handle_request(s, fd, c);
        c->len -= len;
        memmove(c->bytes, c->bytes + len, c->len);
    }
}

static void accept_connection(struct sink *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || fd >= CONNECTIONS_MAX)
        die("accept");
    int on = 1, stamping = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (s->stamps && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamping, sizeof stamping) < 0)
        die("SO_TIMESTAMPING");
    struct connection *c = &s->connections[fd];
    if (!c->bytes)
        c->bytes = mem_alloc(REQUEST_BYTES_MAX);
    c->len = c->due_ns = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, CONNECTIONS_MAX) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die("listen");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void turn(struct sink *s)
{
    struct epoll_event ready[64];
    struct timespec wait = {0};
    if (s->delayed >= 0) {
        uint64_t at_ns = now_ns(CLOCK_MONOTONIC), due_ns = s->connections[s->delayed].due_ns;
        wait.tv_nsec = due_ns > at_ns ? (long)(due_ns - at_ns) : 0;
    }
    int count = epoll_pwait2(s->epoll_fd, ready, 64, s->delayed >= 0 ? &wait : NULL, NULL);
    if (s->delayed >= 0 && now_ns(CLOCK_MONOTONIC) >= s->connections[s->delayed].due_ns)
        answer_delayed(s);
    for (int i = 0; i < count; i++)
        if (ready[i].data.fd == s->listen_fd)
            accept_connection(s);
        else
            read_requests(s, ready[i].data.fd);
}

int main(int argc, char **argv)
{
    static struct sink sink = {.delayed = -1};
    sink.stamps = argc > 1 && strcmp(argv[1], "--stamps") == 0;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    sink.listen_fd = listen_anywhere();
    sink.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sink.listen_fd};
    if (sink.epoll_fd < 0 || epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, sink.listen_fd, &event) < 0)
        die("epoll");
    for (;;)
        turn(&sink);
}
