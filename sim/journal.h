/* journal: the record of a run: append-only NDJSON, documented in docs/formats.md.
 *
 * Writing: whoever does something records it here at once; the bytes reach the file before the loop
 * sleeps, so a run that is killed leaves a journal that can be judged. Reading: the file is mapped
 * and every line handed out as a parsed document; a last line that was cut is passed over. */
#ifndef PIMSIM_JOURNAL_H
#define PIMSIM_JOURNAL_H

#include "base.h"
#include "json.h"

#define JOURNAL_VERSION 1

/* How an attempt ended. Names are the journal's. */
enum outcome {
#define OUTCOME(id, name, sentence) OUTCOME_##id,
#include "outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

/* The outcome's name in the journal, and what happened as a sentence. */
const char *outcome_name(enum outcome outcome);
const char *outcome_sentence(enum outcome outcome);
bool outcome_find(struct span name, enum outcome *outcome);

struct journal;

/* path NULL: an unnamed temporary file. An existing file is replaced; what is not a regular file is
 * refused, for the run is judged from it. */
bool journal_open(struct journal **journal, const char *path, struct err *err) MUST_USE;
/* Start a record: its first member is "record": kind. The writer is the journal's own; end it with
 * journal_end. Members are written with json_put…. */
struct json_writer *journal_begin(struct journal *journal, const char *kind);
void journal_end(struct journal *journal);
/* Put everything written so far into the file. An error (a full disk) is kept and reported again. */
bool journal_flush(struct journal *journal, struct err *err) MUST_USE;
bool journal_close(struct journal *journal, struct err *err) MUST_USE;
int journal_fd(const struct journal *journal); /* for reading back */

/* Hand every record to `each` in order, from the file's start, until it returns false, which is then
 * this function's error. kind borrows the line; record->name is "FILE: line 17", for messages, and
 * both last for the call. Records of a kind in `skip` (a NULL-ended list, or NULL) are passed over
 * unparsed. Fails when the file cannot be read or a line is not a record; the error names the line. A
 * last line without a line feed that is not JSON was cut when the run was killed: it is passed over. */
typedef bool journal_each_fn(void *arg, struct span kind, const struct json_doc *record, struct err *err);
bool journal_read(int fd, const char *name, const char *const *skip, journal_each_fn *each, void *arg,
                  struct err *err) MUST_USE;

#endif
