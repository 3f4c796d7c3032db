/* report: see report.h.
 *
 * JSON carries every string as it is; the other three are read by people and terminals, so a string
 * that came from the connector is made visible first: no control character, no invalid UTF-8. */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"

#define REPORT_VERSION   1
#define STRING_BYTES_MAX (1u << 20) /* of one string made visible, or one finding's details */
#define COLUMNS_MIN      50         /* a narrower terminal wraps by itself */
#define LATE_SHOWN_US    10000      /* our own lateness is worth a line from here on */
#define RECORD_BYTES     120        /* shown of a record or value, around where it differs … */
#define RECORD_BEFORE    40         /* … with so much in front of that */

/* ---- what the renderings share --------------------------------------------------------------------- */

/* The bytes of the UTF-8 character at p (of a text that ends with NUL); 0 when there is none. */
static size_t utf8_get(const unsigned char *p, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    *code = len > 1 ? p[0] & (0x7fu >> len) : p[0];
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    bool scalar = *code <= 0x10ffff && !(*code >= 0xd800 && *code < 0xe000);
    return len && (len == 1 || *code >= smallest[len]) && scalar ? len : 0;
}

/* Text as a terminal, XML and YAML can all show it. */
static void put_visible(struct buf *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)(text ? text : "");
    while (*p) {
        uint32_t code;
        size_t len = utf8_get(p, &code);
        if (!len || (code & 0xfffe) == 0xfffe)
            buf_puts(out, "\xef\xbf\xbd");
        else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
            buf_printf(out, "\\x%02x", (unsigned)code);
        else
            buf_put(out, p, len);
        p += len ? len : 1;
    }
}

static void put_duration(struct buf *out, uint64_t us)
{
    if (us < 999500)
        buf_printf(out, "%.3g ms", (double)us / 1e3);
    else
        buf_printf(out, us < 999500000 ? "%.3g s" : "%.0f s", (double)us / 1e6);
}

static void put_duration_after(struct buf *out, const char *words, uint64_t us)
{
    buf_puts(out, words);
    put_duration(out, us);
}

static bool in_category(const struct finding *f, const struct category_score *category)
{
    size_t len = strlen(category->name);
    return strncmp(f->rule->id, category->name, len) == 0 && f->rule->id[len] == '/';
}

struct tally {
    unsigned judged, failed, should_failed;
};

static struct tally count_findings(const struct judgement *j)
{
    struct tally t = {0};
    for (size_t i = 0; i < j->finding_count; i++) {
        bool failed = j->findings[i].verdict == VERDICT_FAIL;
        t.judged += failed || j->findings[i].verdict == VERDICT_PASS;
        t.failed += failed;
        t.should_failed += failed && j->findings[i].rule->level == LEVEL_SHOULD;
    }
    return t;
}

/* JUnit and TAP are red exactly when the exit code is. A failed SHOULD rule does not fail a run,
 * unless --strict or --fail-under made it: then nothing else did. */
static bool is_red(const struct judgement *j, const struct finding *f)
{
    struct tally t = count_findings(j);
    bool only_should = j->verdict == FAILS && t.failed == t.should_failed;
    return f->verdict == VERDICT_FAIL && (f->rule->level == LEVEL_MUST || only_should);
}

/* What a finding is that is neither passed nor red: "should", or its verdict. */
static const char *why_not_red(const struct finding *f)
{
    return f->verdict == VERDICT_FAIL ? level_names[f->rule->level] : verdict_names[f->verdict];
}

/* Why the exit code is not 0 although no rule failed; NULL otherwise. */
static const char *open_end(const struct judgement *j)
{
    if (j->interrupted)
        return "the run ended early: only what had happened until then is judged";
    return j->verdict == INCONCLUSIVE ? "nothing failed, but what was asked for could not be judged" : NULL;
}

/* ---- forecasts -------------------------------------------------------------------------------------- */

/* "3 events" */
static void put_count(struct buf *out, uint64_t n, const char *noun)
{
    buf_printf(out, "%llu %s%s", (unsigned long long)n, noun, n == 1 ? "" : "s");
}

/* "1440 events: 1410 acknowledged, 25 of them after retries; 30 lost while suspended" */
static void put_fates(struct buf *out, const struct forecast *f)
{
    const struct {
        uint64_t count;
        const char *fate;
    } fates[] = {{f->dropped, "dropped"},
                 {f->lost, "lost while suspended"},
                 {f->discarded, "discarded, too old at their turn"},
                 {f->withheld, "not sent: the connector caused them itself"},
                 {f->pending, "still pending"}};
    if (f->complete) {
        put_count(out, f->events, "event");
        buf_puts(out, ": ");
    }
    buf_printf(out, "%llu acknowledged", (unsigned long long)f->acknowledged);
    if (f->after_retries)
        buf_printf(out, ", %llu of them after retries", (unsigned long long)f->after_retries);
    for (size_t i = 0; i < COUNT_OF(fates); i++)
        if (fates[i].count)
            buf_printf(out, "; %llu %s", (unsigned long long)fates[i].count, fates[i].fate);
    buf_puts(out, f->complete ? "\n" : "; the run ended before the rest was known\n");
}

/* "suspended at 02:07:10, because a delivery was answered with 404; nobody resumed it" */
static void put_suspensions(struct buf *out, const struct forecast *f)
{
    if (!f->suspensions)
        return;
    buf_puts(out, "suspended at ");
    forecast_put_moment(f->suspended_us, out);
    buf_printf(out, ", because %s; ", cause_sentence(f->cause));
    if (f->resumed) {
        buf_puts(out, "resumed at ");
        forecast_put_moment(f->resumed_us, out);
    } else {
        buf_puts(out, "nobody resumed it");
    }
    if (f->suspensions > 1)
        buf_printf(out, "; %llu times in all", (unsigned long long)f->suspensions);
    buf_putc(out, '\n');
}

/* "allowed up to 37 requests a second by 00:18:00, 12 at the end; 90 answered 429" */
static void put_throughput(struct buf *out, const struct forecast *f)
{
    if (f->rate_max) {
        buf_puts(out, "allowed up to ");
        put_count(out, f->rate_max, "request");
        buf_puts(out, " a second by ");
        forecast_put_moment(f->rate_max_us, out);
        if (f->rate < f->rate_max)
            buf_printf(out, ", %llu at the end", (unsigned long long)f->rate);
        if (f->throttled)
            buf_printf(out, "; %llu answered 429", (unsigned long long)f->throttled);
        buf_putc(out, '\n');
    }
    if (f->pauses) {
        buf_puts(out, "paused for its quota ");
        put_count(out, f->pauses, "time");
        buf_puts(out, ", first at ");
        forecast_put_moment(f->first_pause_us, out);
        buf_puts(out, ", for ");
        forecast_put_span(f->paused_us, out);
        buf_puts(out, " in all\n");
    }
}

static void put_worst_hour(struct buf *out, const struct forecast *f)
{
    int64_t margin;
    if (!f->complete || !forecast_margin(f, &margin))
        return;
    buf_printf(out, "worst hour %.*f %%", f->success_worst_ppm == 1000000 ? 0 : 1,
               (double)f->success_worst_ppm / 10000);
    if (f->success_worst_us) {
        buf_puts(out, " at ");
        forecast_put_moment(f->success_worst_us, out);
    }
    buf_puts(out, ", ");
    forecast_put_margin(f, out);
    buf_puts(out, f->outage ? ", the scenario's own outage included\n" : "\n");
}

/* As lines of text, each with a line feed. */
static void put_forecast(struct buf *out, const struct forecast *f)
{
    put_visible(out, f->scenario);
    buf_puts(out, ": ");
    forecast_put_span(f->virtual_us, out);
    put_duration_after(out, " in ", f->duration_us);
    buf_putc(out, '\n');
    put_fates(out, f);
    put_suspensions(out, f);
    put_throughput(out, f);
    put_worst_hour(out, f);
}

/* ---- text ------------------------------------------------------------------------------------------- */

enum style { BOLD, DIM, RED, GREEN, YELLOW };
static const char *const style_codes[] = {"\033[1m", "\033[2m", "\033[1;31m", "\033[1;32m", "\033[33m"};

struct page {
    struct buf *out;
    struct buf scratch;
    bool colour;
    size_t columns; /* 0: do not wrap */
};

static struct page page_of(struct buf *out, const struct report_options *options)
{
    size_t columns = options->columns && options->columns < COLUMNS_MIN ? COLUMNS_MIN : options->columns;
    struct page page = {.out = out, .colour = options->colour, .columns = columns};
    buf_init(&page.scratch, STRING_BYTES_MAX);
    return page;
}

static void put_styled(struct page *page, enum style style, const char *text)
{
    if (page->colour)
        buf_puts(page->out, style_codes[style]);
    put_visible(page->out, text);
    if (page->colour)
        buf_puts(page->out, "\033[0m");
}

/* Columns that a text takes, were every character one wide. */
static size_t width(const char *text, size_t len)
{
    size_t columns = 0;
    for (size_t i = 0; i < len; i++)
        columns += (text[i] & 0xc0) != 0x80;
    return columns;
}

/* The rest of a line that stands at column `indent`; its further lines start there as well. */
static void put_paragraph(struct page *page, size_t indent, const char *text)
{
    buf_clear(&page->scratch);
    put_visible(&page->scratch, text);
    const char *word = buf_text(&page->scratch);
    size_t column = indent;
    for (bool first = true; *word; first = false) {
        size_t len = strcspn(word, " "), columns = width(word, len);
        if (!first && page->columns && column + 1 + columns > page->columns) {
            buf_printf(page->out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            buf_putc(page->out, ' ');
            column++;
        }
        buf_put(page->out, word, len);
        column += columns;
        word += len + (word[len] == ' ');
    }
    buf_putc(page->out, '\n');
}

static void put_labelled(struct page *page, size_t indent, size_t label_columns, const char *label,
                         const char *text)
{
    buf_printf(page->out, "%*s", (int)indent, "");
    put_styled(page, DIM, label);
    buf_printf(page->out, "%*s", (int)(label_columns - strlen(label)), "");
    put_paragraph(page, indent + label_columns, text);
}

static void put_verdict(struct page *page, const struct judgement *j)
{
    static const struct {
        const char *word;
        enum style style;
    } words[] = {[CONFORMS] = {"CONFORMS", GREEN},
                 [FAILS] = {"FAILS", RED},
                 [INCONCLUSIVE] = {"INCONCLUSIVE", YELLOW}};
    struct tally t = count_findings(j);
    put_styled(page, words[j->verdict].style, words[j->verdict].word);
    if (j->score < 0)
        buf_puts(page->out, "   no score");
    else
        buf_printf(page->out, "   %d/100", j->score);
    buf_puts(page->out, "   ");
    put_visible(page->out, j->platform);
    buf_puts(page->out, "   ");
    put_visible(page->out, j->url);
    buf_printf(page->out, "   %u rule%s judged, %u failed", t.judged, t.judged == 1 ? "" : "s", t.failed);
    if (t.should_failed)
        buf_printf(page->out, " (%u must, %u should)", t.failed - t.should_failed, t.should_failed);
    buf_putc(page->out, '\n');
}

static bool inside_character(const char *text, size_t at)
{
    return at && ((unsigned char)text[at] & 0xc0) == 0x80;
}

/* Where two texts part. */
static size_t parting(const char *x, const char *y)
{
    size_t same = 0;
    while (x[same] && x[same] == y[same])
        same++;
    return same;
}

/* Where a record has the value that differs: its path ends with the name of a member; else where it parts
 * from the other record. */
static size_t differs_at(const char *record, const struct difference *d, const char *value)
{
    const char *slash = strrchr(d->path, '/');
    struct buf member;
    buf_init(&member, STRING_BYTES_MAX);
    buf_printf(&member, "\"%s\":%s", slash ? slash + 1 : "", value);
    const char *at = slash ? strstr(record, buf_text(&member)) : NULL;
    buf_reset(&member);
    return at ? (size_t)(at - record) : parting(d->without, d->with);
}

/* Where to begin so that a place can be seen. */
static size_t shown_from(const char *text, size_t at)
{
    return strlen(text) <= RECORD_BYTES || at <= RECORD_BEFORE ? 0 : at - RECORD_BEFORE;
}

static void put_part(struct buf *out, const char *text, size_t from)
{
    size_t len = strlen(text), end = from + RECORD_BYTES < len ? from + RECORD_BYTES : len;
    while (inside_character(text, from))
        from--;
    while (end < len && inside_character(text, end))
        end--;
    char *part = mem_text_n(text + from, end - from);
    buf_puts(out, from ? "…" : "");
    put_visible(out, part);
    buf_puts(out, end < len ? "…" : "");
    free(part);
}

/* The two records one above the other, what is not there left out. */
static void put_records(struct page *page, const struct difference *d)
{
    static const enum style styles[] = {GREEN, RED};
    const char *records[] = {d->without, d->with}, *values[] = {d->expected, d->found};
    const char *words[] = {d->words_without, d->words_with};
    struct buf parts[COUNT_OF(records)];
    size_t widest = 0;
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        buf_init(&parts[i], STRING_BYTES_MAX);
        put_part(&parts[i], records[i], shown_from(records[i], differs_at(records[i], d, values[i])));
        size_t columns = width(buf_text(&parts[i]), parts[i].len);
        widest = columns > widest ? columns : widest;
    }
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        size_t columns = width(buf_text(&parts[i]), parts[i].len);
        if (*records[i]) {
            buf_puts(page->out, i ? "      + " : "      - ");
            put_styled(page, styles[i], buf_text(&parts[i]));
            buf_printf(page->out, "%*s  ", (int)(widest - columns), "");
            put_styled(page, DIM, words[i]);
            buf_putc(page->out, '\n');
        }
        buf_reset(&parts[i]);
    }
}

/* "also /name, /price and 3 more" */
static void put_also(struct page *page, const struct difference *d)
{
    struct buf line;
    if (!d->also_count)
        return;
    buf_init(&line, STRING_BYTES_MAX);
    for (size_t i = 0; i < d->also_count; i++)
        buf_printf(&line, "%s%s", i ? ", " : "also ", d->also[i]);
    if (d->also_more)
        buf_printf(&line, " and %zu more", d->also_more);
    buf_puts(page->out, "      ");
    put_paragraph(page, 6, buf_text(&line));
    buf_reset(&line);
}

static void put_difference(struct page *page, const struct difference *d)
{
    struct buf line;
    buf_init(&line, STRING_BYTES_MAX);
    buf_printf(&line, "%s%sat %s", d->about, *d->about ? " " : "", d->place);
    buf_puts(page->out, "    ");
    put_paragraph(page, 4, buf_text(&line));
    put_records(page, d);
    buf_clear(&line);
    buf_printf(&line, "%s%sexpected ", d->path, *d->path ? ": " : "");
    put_part(&line, d->expected, shown_from(d->expected, parting(d->expected, d->found)));
    buf_puts(&line, ", found ");
    put_part(&line, d->found, shown_from(d->found, parting(d->expected, d->found)));
    buf_puts(page->out, "      ");
    put_paragraph(page, 6, buf_text(&line));
    put_also(page, d);
    buf_clear(&line);
    if (d->deliveries_before)
        buf_printf(&line, "%zu before, ", d->deliveries_before);
    for (size_t i = 0; i < d->deliveries_count; i++)
        buf_printf(&line, "%s%s", i ? ", " : "", d->deliveries[i]);
    if (line.len)
        put_labelled(page, 6, 12, "deliveries", buf_text(&line));
    buf_reset(&line);
}

static void put_answer(struct page *page, const struct evidence *e)
{
    buf_puts(page->out, "    ");
    put_paragraph(page, 4, e->request);
    if (e->event_id && *e->event_id)
        put_labelled(page, 6, 10, "event", e->event_id);
    put_labelled(page, 6, 10, "expected", e->expected);
    put_labelled(page, 6, 10, "came", e->came);
}

/* What a failure stands on, and what to do about it; JUnit's failure text as well. */
static void put_evidence(struct page *page, const struct finding *f)
{
    for (size_t i = 0; i < f->evidence_count; i++)
        if (f->evidence[i].difference.about)
            put_difference(page, &f->evidence[i].difference);
        else
            put_answer(page, &f->evidence[i]);
    if (f->failed > f->evidence_count && f->evidence_count)
        buf_printf(page->out, "    and %llu more\n", (unsigned long long)(f->failed - f->evidence_count));
    put_labelled(page, 4, 5, "fix", f->fix);
}

static void put_failure(struct page *page, const struct finding *f)
{
    buf_putc(page->out, '\n');
    put_styled(page, RED, "FAIL");
    buf_puts(page->out, "  ");
    put_styled(page, BOLD, f->rule->id);
    buf_printf(page->out, "  %s", level_names[f->rule->level]);
    if (f->scenario && *f->scenario) {
        buf_puts(page->out, "  ");
        put_visible(page->out, f->scenario);
    }
    if (f->judged)
        buf_printf(page->out, "  %llu of %llu", (unsigned long long)f->failed, (unsigned long long)f->judged);
    buf_puts(page->out, "\n    ");
    put_paragraph(page, 4, f->reason);
    put_evidence(page, f);
}

static void put_failures(struct page *page, const struct judgement *j)
{
    for (enum level level = LEVEL_MUST; level <= LEVEL_SHOULD; level++)
        for (size_t i = 0; i < j->finding_count; i++)
            if (j->findings[i].verdict == VERDICT_FAIL && j->findings[i].rule->level == level)
                put_failure(page, &j->findings[i]);
}

static bool alike(const struct finding *a, const struct finding *b)
{
    return a->verdict == b->verdict && strcmp(a->reason, b->reason) == 0;
}

/* Its category stands for it: all of that (on this platform) is alike, no single rule, and not asked for. */
static bool is_category_alike(const struct judgement *j, const struct finding *f)
{
    size_t count = 0;
    for (size_t i = 0; i < j->finding_count; i++) {
        const struct finding *other = &j->findings[i];
        if (category_of(other->rule) != category_of(f->rule) || other->verdict == VERDICT_NOT_APPLICABLE)
            continue;
        if (!alike(other, f) || other->owed)
            return false;
        count++;
    }
    return count > 1;
}

/* What could not be told, and why: one cause has often many effects, so rules are told together by reason.
 * The rules with this finding's verdict and reason, at the first of them; false at any other. */
static bool put_rules_alike(const struct judgement *j, size_t index, enum verdict verdict, struct buf *line)
{
    const struct finding *first = &j->findings[index];
    size_t told = SIZE_MAX; /* the category that was told as one */
    buf_clear(line);
    for (size_t i = 0; i < j->finding_count && first->verdict == verdict; i++) {
        const struct finding *f = &j->findings[i];
        size_t category = category_of(f->rule);
        if (!alike(f, first) || category == told)
            continue;
        if (i < index)
            return false;
        bool whole = verdict == VERDICT_NOT_OBSERVED && is_category_alike(j, f);
        told = whole ? category : told;
        buf_printf(line, "%s%s", line->len ? ", " : "", whole ? category_at(category)->title : f->rule->id);
    }
    return line->len > 0;
}

static void put_owed(struct page *page, const struct judgement *j, struct buf *line)
{
    for (size_t i = 0; i < j->finding_count; i++) {
        const struct finding *f = &j->findings[i];
        if (!f->owed)
            continue;
        buf_clear(line);
        buf_printf(line, "--require %s: %s", f->rule->id, f->reason);
        buf_puts(page->out, "    ");
        put_paragraph(page, 4, buf_text(line));
    }
}

static void put_inconclusive(struct page *page, const struct judgement *j, struct buf *line)
{
    for (size_t i = 0; i < j->finding_count; i++) {
        if (!put_rules_alike(j, i, VERDICT_INCONCLUSIVE, line))
            continue;
        buf_putc(page->out, '\n');
        put_styled(page, YELLOW, "INCONCLUSIVE");
        buf_puts(page->out, "  ");
        put_paragraph(page, 14, buf_text(line));
        buf_puts(page->out, "    ");
        put_paragraph(page, 4, j->findings[i].reason);
    }
}

/* Those of which anything was tried. */
static void put_categories(struct page *page, const struct judgement *j)
{
    buf_putc(page->out, '\n');
    put_styled(page, DIM, "  category           score   passed   failed   inconclusive   not observed");
    buf_putc(page->out, '\n');
    for (size_t i = 0; i < j->category_count; i++) {
        const struct category_score *c = &j->categories[i];
        char score[16] = "-";
        if (c->passed + c->failed + c->inconclusive == 0)
            continue;
        if (c->score >= 0)
            snprintf(score, sizeof score, "%d", c->score);
        buf_printf(page->out, "  %-17s  %5s   %6u   %6u   %12u   %12u\n", c->title, score, c->passed,
                   c->failed, c->inconclusive, c->not_observed);
    }
}

static void put_cell(struct page *page, uint64_t us)
{
    buf_clear(&page->scratch);
    put_duration(&page->scratch, us);
    buf_printf(page->out, "  %8s", buf_text(&page->scratch));
}

static void put_rules(struct page *page, const struct judgement *j)
{
    buf_putc(page->out, '\n');
    put_styled(
        page, DIM,
        "  rule                level   verdict          judged       p50       p90       p99       max");
    buf_putc(page->out, '\n');
    for (size_t i = 0; i < j->finding_count; i++) {
        const struct finding *f = &j->findings[i];
        buf_printf(page->out, "  %-18s  %-6s  %s", f->rule->id, level_names[f->rule->level],
                   verdict_names[f->verdict]);
        if (f->judged)
            buf_printf(page->out, "%*llu", (int)(23 - strlen(verdict_names[f->verdict])),
                       (unsigned long long)f->judged);
        if (f->judged && f->ack.count) {
            put_cell(page, f->ack.p50_us);
            put_cell(page, f->ack.p90_us);
            put_cell(page, f->ack.p99_us);
            put_cell(page, f->ack.max_us);
        }
        buf_putc(page->out, '\n');
    }
}

static void put_latency(struct page *page, const struct judgement *j, struct buf *line)
{
    if (!j->ack.count)
        return;
    buf_clear(line);
    put_duration_after(line, "p50 ", j->ack.p50_us);
    put_duration_after(line, ", p90 ", j->ack.p90_us);
    put_duration_after(line, ", p99 ", j->ack.p99_us);
    put_duration_after(line, ", max ", j->ack.max_us);
    put_duration_after(line, "; the deadline is ", j->deadline_us);
    put_labelled(page, 2, 15, "ack latency", buf_text(line));
}

static void put_requests(struct page *page, const struct judgement *j, struct buf *line)
{
    buf_clear(line);
    buf_printf(line, "%llu with %llu events", (unsigned long long)j->deliveries,
               (unsigned long long)j->events);
    put_duration_after(line, " in ", j->duration_us);
    buf_printf(line, ": %llu answered, %llu of them 2xx", (unsigned long long)j->answered,
               (unsigned long long)j->acknowledged);
    if (j->timeouts)
        buf_printf(line, ", %llu timed out", (unsigned long long)j->timeouts);
    if (j->unreachable)
        buf_printf(line, ", %llu without a connection", (unsigned long long)j->unreachable);
    put_labelled(page, 2, 15, "requests", buf_text(line));
    if (j->late_max_us < LATE_SHOWN_US)
        return;
    buf_clear(line);
    put_duration_after(line, "this machine kept pimsim waiting up to ", j->late_max_us);
    buf_puts(line, "; what that may have caused is not held against the connector");
    put_labelled(page, 2, 15, "late", buf_text(line));
}

static void put_unseen(struct page *page, const struct judgement *j, struct buf *line)
{
    const char *label = "not observed";
    for (size_t i = 0; i < j->finding_count; i++) {
        if (!put_rules_alike(j, i, VERDICT_NOT_OBSERVED, line))
            continue;
        buf_printf(line, ": %s", j->findings[i].reason);
        put_labelled(page, 2, 15, label, buf_text(line));
        label = "";
    }
}

static void put_forecasts(struct page *page, const struct judgement *j, struct buf *lines)
{
    for (size_t i = 0; i < j->forecast_count; i++) {
        const char *label = "forecast";
        buf_clear(lines);
        put_forecast(lines, j->forecasts[i]);
        char *text = mem_text(buf_text(lines)), *rest = text;
        for (char *line; (line = strsep(&rest, "\n")) && *line; label = "")
            put_labelled(page, 2, 15, label, line);
        free(text);
    }
}

void report_text(const struct judgement *j, const struct report_options *options, struct buf *out)
{
    struct page page = page_of(out, options);
    struct buf line;
    buf_init(&line, STRING_BYTES_MAX);
    put_verdict(&page, j);
    if (options->verbose >= 0) {
        if (open_end(j)) {
            buf_puts(out, "    ");
            put_paragraph(&page, 4, open_end(j));
        }
        put_owed(&page, j, &line);
        put_failures(&page, j);
        put_inconclusive(&page, j, &line);
        if (options->verbose > 0)
            put_rules(&page, j);
        put_categories(&page, j);
        buf_putc(out, '\n');
        put_latency(&page, j, &line);
        put_requests(&page, j, &line);
        put_forecasts(&page, j, &line);
        put_unseen(&page, j, &line);
        if (j->verdict == FAILS && j->command) {
            buf_puts(out, "\nTo repeat it:\n  ");
            put_visible(out, j->command);
            buf_putc(out, '\n');
        }
    }
    buf_reset(&line);
    buf_reset(&page.scratch);
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void json_latency(struct json_writer *w, const struct latency *l)
{
    if (!l->count) {
        json_put(w, "latency_us", NULL);
        return;
    }
    json_open(w, "latency_us", '{');
    json_put_u64(w, "count", l->count);
    json_put_u64(w, "p50", l->p50_us);
    json_put_u64(w, "p90", l->p90_us);
    json_put_u64(w, "p99", l->p99_us);
    json_put_u64(w, "max", l->max_us);
    json_close(w, '}');
}

static void json_score(struct json_writer *w, int score)
{
    if (score < 0)
        json_put(w, "score", NULL);
    else
        json_put_i64(w, "score", score);
}

static void json_difference(struct json_writer *w, const struct difference *d)
{
    if (!d->about) {
        json_put(w, "difference", NULL);
        return;
    }
    json_open(w, "difference", '{');
    json_put(w, "about", d->about);
    json_put(w, "place", d->place);
    json_put(w, "path", d->path);
    json_put(w, "expected", d->expected);
    json_put(w, "found", d->found);
    json_open(w, "also", '[');
    for (size_t i = 0; i < d->also_count; i++)
        json_put(w, NULL, d->also[i]);
    json_close(w, ']');
    json_put_u64(w, "also_more", d->also_more);
    json_put(w, "record_without", *d->without ? d->without : NULL);
    json_put(w, "record_with", *d->with ? d->with : NULL);
    json_open(w, "deliveries", '[');
    for (size_t i = 0; i < d->deliveries_count; i++)
        json_put(w, NULL, d->deliveries[i]);
    json_close(w, ']');
    json_put_u64(w, "deliveries_before", d->deliveries_before);
    json_close(w, '}');
}

static void json_finding(struct json_writer *w, const struct finding *f)
{
    json_open(w, NULL, '{');
    json_put(w, "rule", f->rule->id);
    json_put(w, "level", level_names[f->rule->level]);
    json_put(w, "verdict", verdict_names[f->verdict]);
    json_put(w, "scenario", f->scenario && *f->scenario ? f->scenario : NULL);
    json_put(w, "reason", f->reason);
    json_open(w, "evidence", '[');
    for (size_t i = 0; i < f->evidence_count; i++) {
        const struct evidence *e = &f->evidence[i];
        json_open(w, NULL, '{');
        json_put_u64(w, "delivery", e->delivery);
        json_put(w, "request", e->request);
        json_put(w, "event_id", e->event_id && *e->event_id ? e->event_id : NULL);
        json_put(w, "expected", e->expected);
        json_put(w, "came", e->came);
        json_difference(w, &e->difference);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_put(w, "fix", f->fix);
    json_put_u64(w, "judged", f->judged);
    json_put_u64(w, "failed", f->failed);
    json_latency(w, &f->ack);
    json_close(w, '}');
}

static void json_categories(struct json_writer *w, const struct judgement *j)
{
    json_open(w, "categories", '{');
    for (size_t i = 0; i < j->category_count; i++) {
        const struct category_score *c = &j->categories[i];
        json_open(w, c->name, '{');
        json_put(w, "title", c->title);
        json_score(w, c->score);
        json_put_u64(w, "passed", c->passed);
        json_put_u64(w, "failed", c->failed);
        json_put_u64(w, "inconclusive", c->inconclusive);
        json_put_u64(w, "not_observed", c->not_observed);
        json_put_u64(w, "not_applicable", c->not_applicable);
        json_close(w, '}');
    }
    json_close(w, '}');
}

static void json_throughput(struct json_writer *w, const struct forecast *f)
{
    if (!f->rate_max) {
        json_put(w, "throughput", NULL);
        return;
    }
    json_open(w, "throughput", '{');
    json_put_u64(w, "max", f->rate_max);
    json_put_u64(w, "max_at_us", f->rate_max_us);
    json_put_u64(w, "end", f->rate);
    json_open(w, "points", '[');
    for (size_t i = 0; i < f->point_count; i++) {
        json_open(w, NULL, '{');
        json_put_u64(w, "at_us", f->points[i].at_us);
        json_put_u64(w, "rate", f->points[i].rate);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

static void json_suspension(struct json_writer *w, const struct forecast *f)
{
    json_put_u64(w, "suspensions", f->suspensions);
    if (!f->suspensions) {
        json_put(w, "suspended", NULL);
        return;
    }
    json_open(w, "suspended", '{');
    json_put_u64(w, "at_us", f->suspended_us);
    json_put(w, "cause", cause_name(f->cause));
    if (f->resumed)
        json_put_u64(w, "resumed_us", f->resumed_us);
    else
        json_put(w, "resumed_us", NULL);
    json_close(w, '}');
}

/* A part of a million as percent. */
static void json_percent(struct json_writer *w, const char *key, int64_t ppm)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%.2f", (double)ppm / 10000);
    json_put_raw(w, key, (struct span){text, (size_t)len});
}

static void json_success(struct json_writer *w, const struct forecast *f)
{
    int64_t margin;
    if (!f->complete || !forecast_margin(f, &margin)) {
        json_put(w, "success", NULL);
        return;
    }
    json_open(w, "success", '{');
    json_percent(w, "min", (int64_t)f->success_min_ppm);
    json_percent(w, "worst", (int64_t)f->success_worst_ppm);
    json_put_u64(w, "worst_at_us", f->success_worst_us);
    json_percent(w, "margin", margin);
    json_close(w, '}');
}

static void json_forecast(struct json_writer *w, const struct forecast *f)
{
    const struct {
        const char *key;
        uint64_t n;
    } counts[] = {
        {"acknowledged", f->acknowledged},
        {"after_retries", f->after_retries},
        {"dropped", f->dropped},
        {"discarded", f->discarded},
        {"withheld", f->withheld},
        {"lost", f->lost},
        {"pending", f->pending},
        {"requests", f->requests},
        {"retries", f->retries},
        {"throttled", f->throttled},
        {"pauses", f->pauses},
        {"paused_us", f->paused_us},
    };
    json_open(w, NULL, '{');
    json_put(w, "scenario", f->scenario);
    json_put_bool(w, "complete", f->complete);
    json_put_bool(w, "outage", f->outage);
    json_put_u64(w, "virtual_us", f->virtual_us);
    json_put_u64(w, "duration_us", f->duration_us);
    if (f->complete)
        json_put_u64(w, "events", f->events);
    else
        json_put(w, "events", NULL);
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        json_put_u64(w, counts[i].key, counts[i].n);
    json_suspension(w, f);
    json_throughput(w, f);
    json_success(w, f);
    json_close(w, '}');
}

static void json_run(struct json_writer *w, const struct judgement *j)
{
    char started[CLOCK_TEXT_SIZE];
    clock_format_z(j->started_us, started);
    json_put_u64(w, "report", REPORT_VERSION);
    json_put(w, "pimsim", j->pimsim);
    json_put(w, "verdict", conformance_names[j->verdict]);
    json_score(w, j->score);
    json_put_u64(w, "seed", j->seed);
    json_put(w, "platform", j->platform);
    json_put(w, "url", j->url);
    json_put(w, "started", started);
    json_put_u64(w, "duration_us", j->duration_us);
    json_put_u64(w, "deadline_us", j->deadline_us);
    json_put_bool(w, "interrupted", j->interrupted);
    json_put(w, "command", j->command);
    json_open(w, "scenarios", '[');
    for (size_t i = 0; i < j->scenario_count; i++)
        json_put(w, NULL, j->scenarios[i]);
    json_close(w, ']');
}

void report_json(const struct judgement *j, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out, true);
    json_open(&w, NULL, '{');
    json_run(&w, j);
    json_open(&w, "findings", '[');
    for (size_t i = 0; i < j->finding_count; i++)
        json_finding(&w, &j->findings[i]);
    json_close(&w, ']');
    json_categories(&w, j);
    json_open(&w, "forecasts", '[');
    for (size_t i = 0; i < j->forecast_count; i++)
        json_forecast(&w, j->forecasts[i]);
    json_close(&w, ']');
    json_latency(&w, &j->ack);
    json_open(&w, "deliveries", '{');
    json_put_u64(&w, "sent", j->deliveries);
    json_put_u64(&w, "events", j->events);
    json_put_u64(&w, "bytes", j->bytes);
    json_put_u64(&w, "answered", j->answered);
    json_put_u64(&w, "acknowledged", j->acknowledged);
    json_put_u64(&w, "timeouts", j->timeouts);
    json_put_u64(&w, "unreachable", j->unreachable);
    json_put_u64(&w, "late_max_us", j->late_max_us);
    json_close(&w, '}');
    json_close(&w, '}');
    buf_putc(out, '\n');
}

/* ---- JUnit XML --------------------------------------------------------------------------------------- */

/* Text that is visible already; line feeds stay. */
static void put_xml(struct buf *out, const char *text)
{
    static const char *const entities[] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;"};
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < COUNT_OF(entities) && entities[c])
            buf_puts(out, entities[c]);
        else
            buf_putc(out, *text);
    }
}

/* name="PREFIX: TEXT" */
static void put_attribute(struct page *page, const char *name, const char *prefix, const char *text)
{
    buf_clear(&page->scratch);
    put_visible(&page->scratch, text);
    buf_printf(page->out, " %s=\"%s%s", name, prefix, *prefix ? ": " : "");
    put_xml(page->out, buf_text(&page->scratch));
    buf_putc(page->out, '"');
}

static void put_seconds(struct buf *out, uint64_t us)
{
    buf_printf(out, " time=\"%llu.%06llu\"", (unsigned long long)(us / 1000000),
               (unsigned long long)(us % 1000000));
}

/* The evidence as text, inside an element. */
static void junit_details(struct page *page, const struct finding *f, const char *element)
{
    struct buf text;
    buf_init(&text, STRING_BYTES_MAX);
    struct page plain = page_of(&text, &(struct report_options){0});
    put_evidence(&plain, f);
    buf_printf(page->out, ">\n");
    put_xml(page->out, buf_text(&text));
    buf_printf(page->out, "      </%s>\n", element);
    buf_reset(&plain.scratch);
    buf_reset(&text);
}

static void junit_case(struct page *page, const struct judgement *j, const struct category_score *c,
                       const struct finding *f)
{
    struct buf *out = page->out;
    buf_printf(out, "    <testcase classname=\"pimsim.%s\" name=\"%s\"", c->name, f->rule->id);
    put_seconds(out, f->ack.p99_us);
    if (f->verdict == VERDICT_PASS) {
        buf_puts(out, "/>\n");
        return;
    }
    if (is_red(j, f)) {
        buf_printf(out, ">\n      <failure type=\"%s\"", level_names[f->rule->level]);
        put_attribute(page, "message", "", f->reason);
        junit_details(page, f, "failure");
    } else {
        bool failed = f->verdict == VERDICT_FAIL;
        buf_puts(out, ">\n      <skipped");
        put_attribute(page, "message", why_not_red(f), f->reason);
        buf_puts(out, "/>\n");
        if (failed) {
            buf_puts(out, "      <system-out");
            junit_details(page, f, "system-out");
        }
    }
    buf_puts(out, "    </testcase>\n");
}

struct suite_counts {
    unsigned tests, failures, skipped;
    uint64_t time_us;
};

/* Of one category, or of all when it is NULL. */
static struct suite_counts junit_count(const struct judgement *j, const struct category_score *category)
{
    struct suite_counts n = {0};
    for (size_t i = 0; i < j->finding_count; i++) {
        const struct finding *f = &j->findings[i];
        if (category && !in_category(f, category))
            continue;
        n.tests++;
        n.failures += is_red(j, f);
        n.skipped += f->verdict != VERDICT_PASS && !is_red(j, f);
        n.time_us += f->ack.p99_us;
    }
    return n;
}

/* The forecasts, where the rules about them are. */
static void junit_forecasts(struct page *page, const struct judgement *j)
{
    struct buf text;
    if (!j->forecast_count)
        return;
    buf_init(&text, STRING_BYTES_MAX);
    buf_puts(page->out, "    <properties>\n");
    for (size_t i = 0; i < j->forecast_count; i++) {
        buf_clear(&text);
        put_forecast(&text, j->forecasts[i]);
        char *lines = mem_text(buf_text(&text));
        for (char *feed; (feed = strchr(lines, '\n'));)
            *feed = feed[1] ? ';' : '\0';
        buf_puts(page->out, "      <property");
        put_attribute(page, "name", "forecast", j->forecasts[i]->scenario);
        put_attribute(page, "value", "", lines);
        buf_puts(page->out, "/>\n");
        free(lines);
    }
    buf_puts(page->out, "    </properties>\n");
    buf_reset(&text);
}

static void junit_suite(struct page *page, const struct judgement *j, const struct category_score *category)
{
    struct suite_counts n = junit_count(j, category);
    if (!n.tests)
        return;
    char started[CLOCK_TEXT_SIZE];
    clock_format_z(j->started_us, started);
    started[strcspn(started, "Z")] = '\0'; /* the schemas want it without a zone */
    buf_printf(page->out,
               "  <testsuite name=\"%s\" tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\" "
               "timestamp=\"%s\"",
               category->name, n.tests, n.failures, n.skipped, started);
    put_seconds(page->out, n.time_us);
    buf_puts(page->out, ">\n");
    if (strcmp(category->name, "flow") == 0)
        junit_forecasts(page, j);
    for (size_t i = 0; i < j->finding_count; i++)
        if (in_category(&j->findings[i], category))
            junit_case(page, j, category, &j->findings[i]);
    buf_puts(page->out, "  </testsuite>\n");
}

void report_junit(const struct judgement *j, struct buf *out)
{
    struct page page = page_of(out, &(struct report_options){0});
    struct suite_counts n = junit_count(j, NULL);
    const char *open = open_end(j);
    buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    put_attribute(&page, "name", "pimsim", j->platform);
    buf_printf(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\"", n.tests + (open != NULL),
               n.failures, open != NULL, n.skipped);
    put_seconds(out, j->duration_us);
    buf_puts(out, ">\n");
    for (size_t i = 0; i < j->category_count; i++)
        junit_suite(&page, j, &j->categories[i]);
    if (open)
        buf_printf(out,
                   "  <testsuite name=\"run\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" "
                   "time=\"0.000000\">\n"
                   "    <testcase classname=\"pimsim.run\" name=\"verdict\" time=\"0.000000\">\n"
                   "      <error message=\"%s\"/>\n    </testcase>\n  </testsuite>\n",
                   open);
    buf_puts(out, "</testsuites>\n");
    buf_reset(&page.scratch);
}

/* ---- TAP 14 ------------------------------------------------------------------------------------------ */

static void yaml(struct page *page, const char *key, const char *text)
{
    buf_clear(&page->scratch);
    put_visible(&page->scratch, text);
    buf_puts(page->out, key);
    json_put_string(page->out, &JSON_STYLE_PLAIN, buf_span(&page->scratch));
    buf_putc(page->out, '\n');
}

static void tap_difference(struct page *page, const struct difference *d)
{
    yaml(page, "      about: ", d->about);
    yaml(page, "      place: ", d->place);
    yaml(page, "      path: ", d->path);
    for (size_t i = 0; i < d->also_count; i++)
        yaml(page, i ? "        - " : "      also:\n        - ", d->also[i]);
    yaml(page, "      record_without: ", d->without);
    yaml(page, "      record_with: ", d->with);
    for (size_t i = 0; i < d->deliveries_count; i++)
        yaml(page, i ? "        - " : "      deliveries:\n        - ", d->deliveries[i]);
}

static void tap_details(struct page *page, const struct finding *f)
{
    buf_printf(page->out, "  ---\n  level: %s\n", level_names[f->rule->level]);
    yaml(page, "  scenario: ", f->scenario);
    yaml(page, "  reason: ", f->reason);
    buf_printf(page->out, "  judged: %llu\n  failed: %llu\n  evidence:%s\n", (unsigned long long)f->judged,
               (unsigned long long)f->failed, f->evidence_count ? "" : " []");
    for (size_t i = 0; i < f->evidence_count; i++) {
        const struct evidence *e = &f->evidence[i];
        yaml(page, "    - request: ", e->request);
        yaml(page, "      event_id: ", e->event_id);
        yaml(page, "      expected: ", e->expected);
        yaml(page, "      came: ", e->came);
        if (e->difference.about)
            tap_difference(page, &e->difference);
    }
    yaml(page, "  fix: ", f->fix);
    buf_puts(page->out, "  ...\n");
}

static void tap_test(struct page *page, const struct judgement *j, size_t index)
{
    const struct finding *f = &j->findings[index];
    bool failed = f->verdict == VERDICT_FAIL;
    buf_printf(page->out, "%s %zu - %s", failed ? "not ok" : "ok", index + 1, f->rule->id);
    if (f->verdict != VERDICT_PASS && !is_red(j, f)) {
        buf_printf(page->out, " # %s %s: ", failed ? "TODO" : "SKIP", why_not_red(f));
        put_visible(page->out, f->reason);
    }
    buf_putc(page->out, '\n');
    if (failed)
        tap_details(page, f);
}

/* As comments. */
static void tap_forecasts(struct page *page, const struct judgement *j)
{
    struct buf text;
    buf_init(&text, STRING_BYTES_MAX);
    for (size_t i = 0; i < j->forecast_count; i++) {
        buf_clear(&text);
        put_forecast(&text, j->forecasts[i]);
        char *lines = mem_text(buf_text(&text)), *rest = lines;
        const char *label = "# forecast, ";
        for (char *line; (line = strsep(&rest, "\n")) && *line; label = "#   ") {
            buf_puts(page->out, label);
            put_visible(page->out, line);
            buf_putc(page->out, '\n');
        }
        free(lines);
    }
    buf_reset(&text);
}

void report_tap(const struct judgement *j, struct buf *out)
{
    struct page page = page_of(out, &(struct report_options){0});
    buf_printf(out, "TAP version 14\n1..%zu\n", j->finding_count);
    for (size_t i = 0; i < j->finding_count; i++)
        tap_test(&page, j, i);
    tap_forecasts(&page, j);
    if (open_end(j))
        buf_printf(out, "Bail out! %s\n", open_end(j));
    buf_reset(&page.scratch);
}

/* ---- files ------------------------------------------------------------------------------------------- */

bool report_write(const char *path, const struct buf *text, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard output" : path;
    if (!buf_ok(text))
        return err_env(err, "%s: the report is larger than %zu bytes", name, text->max);
    FILE *file = standard ? stdout : fopen(path, "we");
    bool ok = file && fwrite(buf_span(text).data, 1, text->len, file) == text->len && fflush(file) == 0;
    int why = errno;
    if (file && !standard && fclose(file) != 0 && ok) {
        ok = false;
        why = errno;
    }
    return ok || err_env(err, "%s: %s", name, strerror(why));
}
