/* bench_bare_curl: a libcurl multi loop and nothing else: no event, no signature, no clock, no journal.
 *
 * Sends one body under the same headers COUNT times, with so many requests in flight, on handles that are
 * set up once. What pimsim's emission is measured against.
 * Usage: bench_bare_curl URL HEADER-FILE BODY-FILE COUNT IN-FLIGHT poll|socket */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base.h"

struct bare {
    CURLM *multi;
    int epoll_fd, running;
    long timeout_ms;
    long unsent, open;
};

static size_t take_answer(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes, (void)arg;
    return size * count;
}

/* Every request that has ended is sent again, until there were enough. */
static void send_again(struct bare *b)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(b->multi, &left))) {
        CURL *easy = message->easy_handle;
        if (message->data.result != CURLE_OK) {
            fprintf(stderr, "bench_bare_curl: %s\n", curl_easy_strerror(message->data.result));
            exit(3);
        }
        curl_multi_remove_handle(b->multi, easy);
        b->open--;
        if (b->unsent) {
            b->unsent--;
            b->open++;
            curl_multi_add_handle(b->multi, easy);
        } else {
            curl_easy_cleanup(easy);
        }
    }
}

static void run_poll(struct bare *b)
{
    while (b->open) {
        curl_multi_perform(b->multi, &b->running);
        send_again(b);
        if (b->open)
            curl_multi_poll(b->multi, NULL, 0, 1000, NULL);
    }
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    (void)easy;
    struct bare *b = arg;
    struct epoll_event event = {.data.fd = fd,
                                .events = (what & CURL_POLL_IN ? (unsigned)EPOLLIN : 0u) |
                                          (what & CURL_POLL_OUT ? (unsigned)EPOLLOUT : 0u)};
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(b->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    curl_multi_assign(b->multi, fd, b);
    return epoll_ctl(b->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    ((struct bare *)arg)->timeout_ms = timeout_ms;
    return 0;
}

static void run_socket(struct bare *b)
{
    struct epoll_event ready[64];
    while (b->open) {
        int count = epoll_wait(b->epoll_fd, ready, 64, (int)b->timeout_ms);
        if (b->timeout_ms == 0 || count == 0) {
            b->timeout_ms = -1; /* until the multi says otherwise */
            curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &b->running);
        }
        for (int i = 0; i < count; i++) {
            int mask = (ready[i].events & (unsigned)EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (ready[i].events & ~(unsigned)EPOLLOUT ? CURL_CSELECT_IN : 0);
            curl_multi_socket_action(b->multi, ready[i].data.fd, mask, &b->running);
        }
        send_again(b);
    }
}

static CURL *new_request(CURLU *url, const struct buf *body, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_CURLU, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body->len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    return easy;
}

int main(int argc, char **argv)
{
    struct err err;
    struct buf body, lines;
    buf_init(&body, 1 << 20);
    buf_init(&lines, 1 << 20);
    if (argc != 7 || !buf_read_file(&lines, argv[2], &err) || !buf_read_file(&body, argv[3], &err)) {
        fputs("usage: bench_bare_curl URL HEADER-FILE BODY-FILE COUNT IN-FLIGHT poll|socket\n", stderr);
        return 2;
    }
    long in_flight = atol(argv[5]);
    bool by_socket = strcmp(argv[6], "socket") == 0;
    struct bare bare = {.multi = curl_multi_init(), .unsent = atol(argv[4]), .timeout_ms = -1};
    struct curl_slist *headers = NULL;
    char *rest = lines.data;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            headers = curl_slist_append(headers, line);
    CURLU *url = curl_url();
    curl_url_set(url, CURLUPART_URL, argv[1], 0);
    curl_multi_setopt(bare.multi, CURLMOPT_MAXCONNECTS, in_flight);
    if (by_socket) {
        bare.epoll_fd = epoll_create1(0);
        curl_multi_setopt(bare.multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
        curl_multi_setopt(bare.multi, CURLMOPT_SOCKETDATA, &bare);
        curl_multi_setopt(bare.multi, CURLMOPT_TIMERFUNCTION, set_timer);
        curl_multi_setopt(bare.multi, CURLMOPT_TIMERDATA, &bare);
    }
    for (; bare.unsent && bare.open < in_flight; bare.unsent--, bare.open++)
        curl_multi_add_handle(bare.multi, new_request(url, &body, headers));
    if (by_socket)
        run_socket(&bare);
    else
        run_poll(&bare);
    curl_multi_cleanup(bare.multi);
    curl_url_cleanup(url);
    curl_slist_free_all(headers);
    buf_reset(&lines);
    buf_reset(&body);
    return 0;
}
