/* ask: see ask.h. One request at a time: a token when there is none, else a question for the first kind of
 * which somebody is wanted. Each answer leads to the next request, until nobody is. */
#include "ask.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fetch.h"
#include "limits.h"

#define TIMEOUT_US       10000000
#define GATHER_US        5000 /* events come together: they share a question */
#define AFTER_FAILURE_US 1000000
#define TARGET_BYTES_MAX (1u << 20)

/* Any user will do for a PIM that is there for tests. */
static const char *const token_headers[] = {"Content-Type: application/json",
                                            "Authorization: Basic cGltc2ltLWNvbm5lY3RvcjpzZWNyZXQ="};
static const char token_body[] =
    "{\"grant_type\":\"password\",\"username\":\"pimsim\",\"password\":\"pimsim\"}";

static const struct {
    const char *kind, *path, *key;
} kinds[] = {
    {"product", "/api/rest/v1/products-uuid", "uuid"},
    {"product_model", "/api/rest/v1/product-models", "code"},
};

struct ask {
    struct loop *loop;
    struct inbox *inbox;
    struct fetch *fetch;
    struct loop_timer timer;
    struct buf answer;
    char *token;   /* NULL: none */
    bool accepted; /* the token, at least once */
    bool open;     /* a request is */
};

static void go_on(void *arg);

static void rest(struct ask *ask, const char *why)
{
    fprintf(stderr, "pimsim connector: the PIM at its URL: %s\n", why);
    loop_timer_set(ask->loop, &ask->timer, clock_mono_us() + AFTER_FAILURE_US, go_on, ask);
}

/* ---- answers ----------------------------------------------------------------------------- */

static bool take_token(struct ask *ask, const cJSON *answer, struct err *err)
{
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "access_token"));
    ask->token = token ? mem_text(token) : NULL;
    ask->accepted = false;
    return token || err_set(err, "its answer has no access_token");
}

static bool take_items(struct ask *ask, const cJSON *answer, struct err *err)
{
    const cJSON *embedded = cJSON_GetObjectItemCaseSensitive(answer, "_embedded");
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(embedded, "items");
    if (!cJSON_IsArray(items))
        return err_set(err, "its answer has no _embedded.items");
    char *text = cJSON_PrintUnformatted(items);
    bool ok = inbox_answer(ask->inbox, text, err);
    cJSON_free(text);
    ask->accepted = true;
    return ok;
}

static void on_answer(void *arg, const struct fetched *fetched)
{
    struct ask *ask = arg;
    struct err err;
    ask->open = false;
    if (fetched->status == 401 && ask->token) {
        free(ask->token);
        ask->token = NULL;
        if (ask->accepted) { /* it was good, and is no more */
            go_on(ask);
            return;
        }
    }
    if (*fetched->why) {
        rest(ask, fetched->why);
        return;
    }
    cJSON *answer = cJSON_ParseWithLength(ask->answer.data, ask->answer.len);
    bool ok = !ask->token ? take_token(ask, answer, &err) : take_items(ask, answer, &err);
    cJSON_Delete(answer);
    if (ok)
        go_on(ask);
    else
        rest(ask, err.text);
}

/* ---- questions --------------------------------------------------------------------------- */

static void send_request(struct ask *ask, const char *reference, const char *const *headers, size_t count,
                         struct span body)
{
    struct buf url;
    struct err err;
    buf_init(&url, TARGET_BYTES_MAX);
    buf_clear(&ask->answer);
    ask->open = fetch_turn_to(ask->fetch, reference, &url, &err) &&
                fetch_send(ask->fetch, headers, count, body, on_answer, ask, &err);
    if (!ask->open)
        rest(ask, err.text);
    buf_reset(&url);
}

static void ask_for(struct ask *ask, size_t kind, const char *keys)
{
    struct buf search, target;
    char authorization[4096];
    const char *header = authorization;
    buf_init(&search, TARGET_BYTES_MAX);
    buf_init(&target, TARGET_BYTES_MAX);
    buf_printf(&search, "{\"%s\":[{\"operator\":\"IN\",\"value\":%s}]}", kinds[kind].key, keys);
    buf_printf(&target, "%s?limit=%d&search=", kinds[kind].path, INBOX_ASKED_MAX);
    buf_put_escaped(&target, buf_text(&search));
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", ask->token);
    send_request(ask, buf_text(&target), &header, 1, (struct span){0});
    buf_reset(&search);
    buf_reset(&target);
}

static void go_on(void *arg)
{
    struct ask *ask = arg;
    struct buf keys;
    struct err err;
    bool ok = true;
    buf_init(&keys, TARGET_BYTES_MAX);
    for (size_t i = 0; ok && keys.len == 0 && i < COUNT_OF(kinds); i++) {
        ok = inbox_ask(ask->inbox, kinds[i].kind, &keys, &err);
        if (!ok)
            rest(ask, err.text);
        else if (keys.len && ask->token)
            ask_for(ask, i, buf_text(&keys));
        else if (keys.len)
            send_request(ask, "/api/oauth/v1/token", token_headers, COUNT_OF(token_headers),
                         span_of(token_body));
    }
    buf_reset(&keys);
}

void ask_wake(struct ask *ask)
{
    if (!ask->open && !ask->timer.slot)
        loop_timer_set(ask->loop, &ask->timer, clock_mono_us() + GATHER_US, go_on, ask);
}

/* ---- life -------------------------------------------------------------------------------- */

bool ask_open(struct ask **ask, struct loop *loop, const char *url, struct inbox *inbox, struct err *err)
{
    struct ask *made = mem_alloc(sizeof *made);
    const struct fetch_options options = {.url = url, .timeout_us = TIMEOUT_US, .body = &made->answer};
    *made = (struct ask){.loop = loop, .inbox = inbox};
    buf_init(&made->answer, FILE_BYTES_MAX);
    if (!fetch_open(&made->fetch, loop, &options, err)) {
        ask_close(made);
        return err_wrap(err, "--pim-url");
    }
    *ask = made;
    return true;
}

void ask_close(struct ask *ask)
{
    if (!ask)
        return;
    loop_timer_stop(ask->loop, &ask->timer);
    fetch_close(ask->fetch);
    buf_reset(&ask->answer);
    free(ask->token);
    free(ask);
}
