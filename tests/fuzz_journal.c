/* A journal is judged or refused, and what is found can be reported in every form. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json.h"
#include "judge.h"
#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(const struct judgement *judgement)
{
    static const struct report_options how = {.verbose = 1, .columns = 80};
    struct json_doc doc = {0};
    struct err err;
    struct buf out;
    buf_init(&out, 64u << 20);
    report_json(judgement, &out);
    if (!buf_ok(&out) || !json_parse(&doc, "report", buf_span(&out), JSON_STRICT, &err))
        abort();
    report_text(judgement, &how, &out);
    report_junit(judgement, &out);
    report_tap(judgement, &out);
    if (!json_is_utf8(buf_span(&out)))
        abort();
    json_reset(&doc);
    buf_reset(&out);
}

static void check(const struct finding *f)
{
    if (f->failed > f->judged || (f->verdict == VERDICT_FAIL) != (f->failed > 0) ||
        (f->judged > 0) != (f->verdict == VERDICT_FAIL || f->verdict == VERDICT_PASS) || !f->reason)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct judgement *judgement;
    struct err err = {0};
    int fd = memfd_create("journal", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    if (judge_journal(&judgement, fd, "fuzz", &(struct judge_options){0}, &err)) {
        for (size_t i = 0; i < judgement->finding_count; i++)
            check(&judgement->findings[i]);
        report(judgement);
        judgement_free(judgement);
    } else if (!err.text[0]) {
        abort();
    }
    close(fd);
    return 0;
}
