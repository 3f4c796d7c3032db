/* bench_splice: what an event costs that is spliced from its fixture, and what cJSON takes to parse and
 * print the same bytes. Prints {"name": {"bytes", "splice_ns", "cjson_ns"}, …}. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "event.h"
#include "profile.h"
#include "rng.h"

struct subject {
    const char *name;
    struct fixture *fixture;
    const struct catalog *catalog; /* NULL: the fixture's own values */
    struct buf out;
};

static void splice(void *arg, unsigned n)
{
    struct subject *s = arg;
    enum entity_kind kind = fixture_type(s->fixture)->kind;
    struct event_identity identity = {.time_us = INT64_C(1767225600000000), .version = 1 + n % 20};
    rng_uuid7(1, "event", n, identity.time_us, identity.id);
    rng_uuid4(1, "product", n, identity.entity.uuid);
    snprintf(identity.entity.code, sizeof identity.entity.code, "product-%08x", n);
    buf_clear(&s->out);
    event_render(s->fixture,
                 s->catalog ? catalog_item(s->catalog, kind, n % catalog_count(s->catalog, kind)) : NULL,
                 &identity, &s->out);
}

static void parse_and_print(void *arg, unsigned n)
{
    (void)n;
    struct subject *s = arg;
    cJSON *json = cJSON_ParseWithLength(s->out.data, s->out.len);
    free(cJSON_PrintUnformatted(json));
    cJSON_Delete(json);
}

/* cJSON is given the last event that was spliced; the others are of the same size or nearly. */
static bool measure(struct data *data, const char *name, const char *event, enum platform_id platform,
                    const struct catalog *catalog, struct err *err)
{
    struct subject s = {.name = name, .catalog = catalog};
    buf_init(&s.out, 16 << 20);
    if (!fixture_load(&s.fixture, data, event, platform, PIM_SERENITY, err))
        return false;
    double splice_ns = bench_best_ns(splice, &s, 200);
    double cjson_ns = bench_best_ns(parse_and_print, &s, 100);
    printf("\"%s\": {\"bytes\": %zu, \"splice_ns\": %.0f, \"cjson_ns\": %.0f}", name, s.out.len, splice_ns,
           cjson_ns);
    fixture_free(s.fixture);
    buf_reset(&s.out);
    return true;
}

int main(void)
{
    struct err err;
    struct data *data = NULL;
    struct catalog *php = NULL, *plain = NULL;
    bool ok = data_open(&data, NULL, &err) &&
              catalog_load(&php, data, profile_events_api.style, false, &err) &&
              catalog_load(&plain, data, profile_aep.style, false, &err);
    fputs("{", stdout);
    ok = ok && measure(data, "AEP product.updated", "product.updated", PLATFORM_AEP, NULL, &err);
    fputs(", ", stdout);
    ok =
        ok && measure(data, "AEP delta", "com.akeneo.pim.v1.product.updated.delta", PLATFORM_AEP, NULL, &err);
    fputs(", ", stdout);
    ok = ok && measure(data, "AEP delta, computed", "com.akeneo.pim.v1.product.updated.delta", PLATFORM_AEP,
                       plain, &err);
    fputs(", ", stdout);
    ok = ok && measure(data, "Events API product", "product.updated", PLATFORM_EVENTS_API, NULL, &err);
    fputs(", ", stdout);
    ok = ok &&
         measure(data, "Events API product, catalogue", "product.updated", PLATFORM_EVENTS_API, php, &err);
    fputs("}\n", stdout);
    if (!ok)
        fprintf(stderr, "bench_splice: %s\n", err.text);
    catalog_free(php);
    catalog_free(plain);
    data_close(data);
    return ok ? 0 : 3;
}
