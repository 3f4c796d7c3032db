/* A captured event that loads is rendered as JSON, whoever it is made to be about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(const struct fixture *fixture)
{
    struct json_doc doc = {0};
    struct err err;
    struct buf out;
    struct event_identity identity = {
        .id = "018e197c-dfe2-70f8-9346-1a8e016f5fbb",
        .time_us = 1700000000000000,
        .author = "some\"body",
        .author_type = "api",
        .subject = "s",
        .version = 3,
        .entity = {.uuid = "3444ec1b-058e-4208-9b6c-284f47a7aa17", .code = "id-1"},
    };
    buf_init(&out, 32u << 20);
    event_render(fixture, NULL, &identity, &out);
    if (!buf_ok(&out) || !json_parse(&doc, "rendered", buf_span(&out), JSON_STRICT, &err))
        abort();
    json_reset(&doc);
    buf_reset(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct data *files;
    struct fixture *fixture;
    struct err err;
    char path[64];
    if (!files && !data_open(&files, NULL, &err))
        abort();
    int fd = memfd_create("event", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    for (int p = 0; p < PLATFORM_COUNT; p++)
        if (fixture_load(&fixture, files, path, (enum platform_id)p, PIM_7_0, &err)) {
            render(fixture);
            fixture_free(fixture);
        }
    close(fd);
    return 0;
}
