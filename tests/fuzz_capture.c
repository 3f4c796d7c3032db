/* A captured request is split into pieces of itself. */
#include <stdlib.h>

#include "capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct span part, struct span whole)
{
    if (part.len && (part.data < whole.data || part.data + part.len > whole.data + whole.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct capture capture;
    struct err err;
    struct span text = {(const char *)data, size};
    if (!capture_parse(&capture, "fuzz", text, NULL, &err))
        return 0;
    within(capture.method, text);
    within(capture.target, text);
    for (size_t i = 0; i < capture.header_count; i++) {
        within(capture.headers[i].name, text);
        within(capture.headers[i].value, text);
    }
    within(capture.body, capture.unchunked.len ? buf_span(&capture.unchunked) : text);
    capture_reset(&capture);
    return 0;
}
