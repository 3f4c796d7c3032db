/* report: a judgement rendered for people (text) and machines (JSON, JUnit XML, TAP 14).
 *
 * Pure: appends to a buffer. docs/formats.md documents the machine formats. */
#ifndef PIMSIM_REPORT_H
#define PIMSIM_REPORT_H

#include "base.h"
#include "judge.h"

struct report_options {
    bool colour;      /* ANSI colours */
    int verbose;      /* -1 quiet: the verdict alone; 0; 1: every rule, passed ones too, with latency */
    unsigned columns; /* 0: do not wrap */
};

void report_text(const struct judgement *judgement, const struct report_options *options, struct buf *out);
void report_json(const struct judgement *judgement, struct buf *out);
void report_junit(const struct judgement *judgement, struct buf *out);
void report_tap(const struct judgement *judgement, struct buf *out);

/* Write a report to a file ("-" is stdout), all of it or an error: a full disk is not passed over. */
bool report_write(const char *path, const struct buf *text, struct err *err) MUST_USE;

#endif
