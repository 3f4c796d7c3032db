/* opts: see opts.h. The places are read from the strongest to the weakest; what a stronger one has set,
 * a weaker one leaves alone. */
#include "opts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "limits.h"

#define CONFIG_FILE   "pimsim.json"
#define TEXT_MAX      (1u << 20)
#define U64_MAX       (UINT64_C(1) << 53) /* JSON's readers agree on whole numbers up to here */
#define HELP_COLUMN   28
#define NAME_SIZE_MAX 64

enum type { TYPE_TEXT, TYPE_WORD, TYPE_FLAG, TYPE_U64, TYPE_DURATION, TYPE_LIST };

enum {
#define OPT(field, name, letter, type, arg, commands, preset, help) ROW_##field,
#include "options.def"
#undef OPT
    ROW_COUNT
};

static const struct row {
    const char *name;
    char letter;
    enum type type;
    const char *arg;
    unsigned commands;
    const char *preset, *help;
    size_t offset;
} rows[ROW_COUNT] = {
#define OPT(field, name, letter, type, arg, commands, preset, help)                                          \
    {name, letter, TYPE_##type, arg, commands, preset, help, offsetof(struct options, field)},
#include "options.def"
#undef OPT
};

static const char *const command_names[] = {
#define COMMAND(id, name, args_max, usage, summary, detail) #name,
#include "commands.def"
#undef COMMAND
};

enum place { PLACE_NONE, PLACE_PRESET, PLACE_FILE, PLACE_ENVIRONMENT, PLACE_FLAG };

struct parser {
    struct options *options;
    enum command_bit command;
    enum place from[ROW_COUNT]; /* where each option was set */
    int argc, at;
    char *const *argv;
};

/* ---- one value, whatever place it comes from ------------------------------------------------------- */

static void list_add(struct text_list *list, const char *text)
{
    list->items = mem_grow(list->items, &list->cap, list->count, sizeof *list->items);
    list->items[list->count++] = text;
}

static const char *keep(struct options *options, const char *text)
{
    char *copy = mem_text(text);
    list_add(&options->owned, copy);
    return copy;
}

static bool read_flag(const char *text, bool *flag, struct err *err)
{
    static const char *const words[] = {"false", "true", "0", "1"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *flag = i % 2;
            return true;
        }
    return err_set(err, "\"%s\" is neither true nor false", text);
}

static bool read_u64(const struct row *row, const char *text, uint64_t *n, struct err *err)
{
    uint64_t low = 0, high = U64_MAX;
    sscanf(row->arg, "%" SCNu64 "..%" SCNu64, &low, &high);
    bool digits = *text && strspn(text, "0123456789") == strlen(text);
    errno = 0;
    *n = digits ? strtoull(text, NULL, 10) : 0;
    if (!digits || errno || *n < low || *n > high)
        return err_set(err, "\"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, text, low, high);
    return true;
}

static bool check_word(const struct row *row, const char *text, struct err *err)
{
    char words[NAME_SIZE_MAX], *rest = words;
    const char *list[8];
    size_t count = 0;
    snprintf(words, sizeof words, "%s", row->arg);
    for (char *word; count < COUNT_OF(list) && (word = strsep(&rest, "|"));) {
        if (strcmp(word, text) == 0)
            return true;
        list[count++] = word;
    }
    const char *nearest = word_nearest(text, list, count);
    if (nearest)
        return err_set(err, "\"%s\" is not one of %s (did you mean %s?)", text, row->arg, nearest);
    return err_set(err, "\"%s\" is not one of %s", text, row->arg);
}

static bool set(struct parser *p, const struct row *row, enum place place, const char *text, struct err *err)
{
    void *field = (char *)p->options + row->offset;
    enum place *from = &p->from[row - rows];
    if (*from > place)
        return true;
    *from = place;
    switch (row->type) {
    case TYPE_WORD:
        if (!check_word(row, text, err))
            return false;
        *(const char **)field = keep(p->options, text);
        return true;
    case TYPE_TEXT:
        *(const char **)field = keep(p->options, text);
        return true;
    case TYPE_LIST:
        list_add(field, keep(p->options, text));
        return true;
    case TYPE_FLAG:
        return read_flag(text, field, err);
    case TYPE_U64:
        return read_u64(row, text, field, err);
    case TYPE_DURATION:
        return word_duration_us(text, field, err);
    }
    return false;
}

/* ---- the command line ------------------------------------------------------------------------------ */

static bool fail_unknown(const struct parser *p, const char *name, size_t len, struct err *err)
{
    const char *names[ROW_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].commands & p->command)
            names[count++] = rows[i].name;
    char *word = mem_text_n(name, len);
    const char *nearest = word_nearest(word, names, count);
    err_set(err, nearest ? "--%s: unknown option (did you mean --%s?)" : "--%s: unknown option", word,
            nearest);
    free(word);
    return false;
}

/* The option exists, but the command does not take it: say which commands do. */
static bool fail_foreign(const struct row *row, struct err *err)
{
    struct buf takers;
    buf_init(&takers, TEXT_MAX);
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        if (row->commands & 1u << i)
            buf_printf(&takers, "%s%s", takers.len ? ", " : "", command_names[i]);
    err_set(err, "--%s: not an option of this command, but of %s", row->name, buf_text(&takers));
    buf_reset(&takers);
    return false;
}

/* Set an option given as a flag; attached is the value that stands in the same word, or NULL. */
static bool set_flag(struct parser *p, const struct row *row, const char *attached, struct err *err)
{
    if (!(row->commands & p->command))
        return fail_foreign(row, err);
    if (!attached && row->type == TYPE_FLAG)
        attached = "true";
    else if (!attached && p->at + 1 < p->argc)
        attached = p->argv[++p->at];
    if (!attached)
        return err_set(err, "--%s: its value is missing: --%s %s", row->name, row->name, row->arg);
    return set(p, row, PLACE_FLAG, attached, err) || err_wrap(err, "--%s", row->name);
}

static bool read_long(struct parser *p, const char *name, struct err *err)
{
    size_t len = strcspn(name, "=");
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strncmp(rows[i].name, name, len) == 0 && rows[i].name[len] == '\0')
            return set_flag(p, &rows[i], name[len] ? name + len + 1 : NULL, err);
    return fail_unknown(p, name, len, err);
}

static bool read_short(struct parser *p, const char *letters, struct err *err)
{
    for (const char *letter = letters; *letter; letter++) {
        const struct row *row = rows;
        while (row < rows + ROW_COUNT && row->letter != *letter)
            row++;
        if (row == rows + ROW_COUNT)
            return err_set(err, "-%c: unknown option", *letter);
        bool alone = row->type == TYPE_FLAG || letter[1] == '\0';
        if (!set_flag(p, row, alone ? NULL : letter + 1, err))
            return false;
        if (row->type != TYPE_FLAG)
            break;
    }
    return true;
}

static bool read_flags(struct parser *p, struct err *err)
{
    bool ended = false;
    for (; p->at < p->argc; p->at++) {
        const char *arg = p->argv[p->at];
        if (ended || arg[0] != '-' || arg[1] == '\0')
            list_add(&p->options->args, keep(p->options, arg));
        else if (strcmp(arg, "--") == 0)
            ended = true;
        else if (!(arg[1] == '-' ? read_long(p, arg + 2, err) : read_short(p, arg + 1, err)))
            return false;
    }
    return true;
}

/* ---- the environment ------------------------------------------------------------------------------- */

static void environment_name(const struct row *row, char name[NAME_SIZE_MAX])
{
    snprintf(name, NAME_SIZE_MAX, "PIMSIM_%s", row->name);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
}

static bool set_lines(struct parser *p, const struct row *row, const char *text, struct err *err)
{
    bool ok = true;
    char *lines = mem_text(text), *rest = lines;
    for (char *line; ok && (line = strsep(&rest, "\n"));)
        if (*line)
            ok = set(p, row, PLACE_ENVIRONMENT, line, err);
    free(lines);
    return ok;
}

static bool read_environment(struct parser *p, struct err *err)
{
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        char name[NAME_SIZE_MAX];
        environment_name(row, name);
        const char *text = getenv(name);
        if (!text || !*text || !(row->commands & p->command) || row == &rows[ROW_help])
            continue;
        bool ok =
            row->type == TYPE_LIST ? set_lines(p, row, text, err) : set(p, row, PLACE_ENVIRONMENT, text, err);
        if (!ok)
            return err_wrap(err, "%s", name);
    }
    return true;
}

/* ---- pimsim.json ----------------------------------------------------------------------------------- */

/* One value, as the text that a flag would have had. */
static bool set_json(struct parser *p, const struct row *row, const struct json_doc *doc, uint32_t node,
                     struct err *err)
{
    char *text = NULL;
    bool flag = false;
    if (row->type == TYPE_FLAG) {
        if (!json_read_bool(doc, node, &flag, err))
            return false;
        text = mem_text(flag ? "true" : "false");
    } else if (row->type == TYPE_U64) {
        if (!json_expect(doc, node, JSON_NUMBER, err))
            return false;
        text = mem_text_n(json_raw(doc, node).data, json_raw(doc, node).len);
    } else if (!json_read_text(doc, node, &text, err)) {
        return false;
    }
    bool ok = set(p, row, PLACE_FILE, text, err);
    free(text);
    return ok || err_wrap(err, "%s: %s", doc->name, row->name);
}

static bool set_member(struct parser *p, const struct row *row, const struct json_doc *doc, uint32_t node,
                       struct err *err)
{
    if (row->type != TYPE_LIST || json_type(doc, node) != JSON_ARRAY)
        return set_json(p, row, doc, node, err);
    for (uint32_t item = json_first(doc, node); item != JSON_NONE; item = json_next(doc, item))
        if (!set_json(p, row, doc, item, err))
            return false;
    return true;
}

static bool is_key(const struct row *row)
{
    return row != &rows[ROW_help] && row != &rows[ROW_config];
}

static bool set_members(struct parser *p, const struct json_doc *doc, struct err *err)
{
    const char *keys[ROW_COUNT + 1] = {"$schema"};
    size_t count = 1;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (is_key(&rows[i]))
            keys[count++] = rows[i].name;
    if (!json_expect(doc, JSON_ROOT, JSON_OBJECT, err) || !json_check_keys(doc, JSON_ROOT, keys, count, err))
        return false;
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        uint32_t node = json_get(doc, JSON_ROOT, row->name);
        if (node != JSON_NONE && is_key(row) && (row->commands & p->command) &&
            !set_member(p, row, doc, node, err))
            return false;
    }
    return true;
}

static bool read_config(struct parser *p, struct err *err)
{
    const char *path = p->options->config;
    if (!(rows[ROW_config].commands & p->command) || (!path && access(CONFIG_FILE, F_OK) != 0))
        return true;
    path = path ? path : CONFIG_FILE;
    if (!*path) /* --config= : no file at all */
        return true;
    struct buf text;
    struct json_doc doc = {0};
    buf_init(&text, FILE_BYTES_MAX);
    bool ok = buf_read_file(&text, path, err);
    if (ok && text.len) /* --config /dev/null: no settings */
        ok = json_parse(&doc, path, buf_span(&text), JSON_COMMENTS, err) && set_members(p, &doc, err);
    json_reset(&doc);
    buf_reset(&text);
    return ok;
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static bool read_presets(struct parser *p, struct err *err)
{
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++)
        if (row->preset && (row->commands & p->command) && !set(p, row, PLACE_PRESET, row->preset, err))
            return err_wrap(err, "the default of --%s", row->name);
    return true;
}

bool opts_parse(struct options *options, enum command_bit command, int argc, char *const *argv,
                struct err *err)
{
    *options = (struct options){0};
    struct parser p = {.options = options, .command = command, .argc = argc, .argv = argv};
    if (!read_flags(&p, err))
        return false;
    if (options->help)
        return true;
    if (!read_environment(&p, err) || !read_config(&p, err) || !read_presets(&p, err))
        return false;
    options->seed_set = p.from[ROW_seed] != PLACE_NONE;
    return true;
}

void opts_reset(struct options *options)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].type == TYPE_LIST)
            free(((struct text_list *)((char *)options + rows[i].offset))->items);
    for (size_t i = 0; i < options->owned.count; i++)
        free((char *)options->owned.items[i]);
    free(options->owned.items);
    free(options->args.items);
    *options = (struct options){0};
}

static void put_words(const struct row *row, struct buf *out)
{
    const char *word = row->arg;
    for (size_t len; *word; word += len + (word[len] == '|')) {
        len = strcspn(word, "|");
        buf_printf(out, "%s%.*s%s", word == row->arg ? ": " : ", ", (int)len, word,
                   word == row->arg ? " (default)" : "");
    }
}

void opts_help(enum command_bit command, struct buf *out)
{
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if (!(row->commands & command))
            continue;
        size_t start = out->len;
        if (row->letter)
            buf_printf(out, "  -%c, --%s", row->letter, row->name);
        else
            buf_printf(out, "      --%s", row->name);
        if (row->type != TYPE_FLAG)
            buf_printf(out, " %s", row->type == TYPE_WORD ? "WORD" : row->arg);
        int width = (int)(out->len - start);
        buf_printf(out, "%*s%s", width + 2 > HELP_COLUMN ? 2 : HELP_COLUMN - width, "", row->help);
        if (row->type == TYPE_WORD)
            put_words(row, out);
        else if (row->preset)
            buf_printf(out, " (default %s)", row->preset);
        buf_putc(out, '\n');
    }
}

/* ---- the line that repeats a run ------------------------------------------------------------------- */

void opts_put_word(struct buf *out, struct span word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+";
    bool quoted = word.len == 0;
    for (size_t i = 0; i < word.len && !quoted; i++)
        quoted = !memchr(plain, word.data[i], sizeof plain - 1);
    if (!quoted) {
        buf_put_span(out, word);
        return;
    }
    buf_putc(out, '\'');
    for (size_t i = 0; i < word.len; i++)
        if (word.data[i] == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, word.data[i]);
    buf_putc(out, '\'');
}

void opts_put_url(struct buf *out, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    const char *at = memrchr(host, '@', strcspn(host, "/?#"));
    if (at)
        buf_printf(out, "%.*s…", (int)(host - url), url);
    buf_puts(out, at ? at : url);
}

/* What decides how a run goes, in contrast to what may be secret (headers too), which is never shown, and
 * to where its results go. */
static bool repeats(const struct row *row)
{
    static const int silent[] = {ROW_header,
                                 ROW_state_header,
                                 ROW_secret,
                                 ROW_secret_secondary,
                                 ROW_secret_events_api,
                                 ROW_notification_secret,
                                 ROW_event_log,
                                 ROW_seed,
                                 ROW_journal,
                                 ROW_report_json,
                                 ROW_report_junit,
                                 ROW_report_tap,
                                 ROW_color,
                                 ROW_format,
                                 ROW_quiet,
                                 ROW_verbose,
                                 ROW_help};
    for (size_t i = 0; i < COUNT_OF(silent); i++)
        if (row == &rows[silent[i]])
            return false;
    return true;
}

/* A text without the secrets in it: a command may hold one, as in SECRET=… or "…". One that stands alone may
 * be a word like any other: npm test. */
static void put_without(struct buf *out, const char *text, const char *const *secrets, size_t count)
{
    for (char before = ' '; *text;) {
        size_t hidden = 0;
        for (size_t i = 0; i < count && strchr("=:'\"", before); i++) {
            size_t len = secrets[i] ? strlen(secrets[i]) : 0;
            if (len > hidden && strncmp(text, secrets[i], len) == 0)
                hidden = len;
        }
        if (hidden)
            buf_puts(out, "…");
        else
            buf_putc(out, *text);
        before = *text;
        text += hidden ? hidden : 1;
    }
}

static bool is_url(const struct row *row)
{
    static const int urls[] = {ROW_url, ROW_url_events_api, ROW_url_aep, ROW_notification_url, ROW_state_url};
    for (size_t i = 0; i < COUNT_OF(urls); i++)
        if (row == &rows[urls[i]])
            return true;
    return false;
}

static void put_text_option(const struct row *row, const char *value, const struct options *options,
                            struct buf *out)
{
    const char *const secrets[] = {options->secret, options->secret_secondary, options->secret_events_api,
                                   options->notification_secret};
    if (!value || (row->preset && strcmp(value, row->preset) == 0))
        return;
    struct buf shown;
    buf_init(&shown, TEXT_MAX);
    if (is_url(row))
        opts_put_url(&shown, value);
    else if (row->type == TYPE_TEXT || row->type == TYPE_LIST)
        put_without(&shown, value, secrets, COUNT_OF(secrets));
    else
        buf_puts(&shown, value);
    buf_printf(out, " --%s ", row->name);
    opts_put_word(out, buf_span(&shown));
    buf_reset(&shown);
}

static void put_option(const struct row *row, const struct options *options, struct buf *out)
{
    const void *field = (const char *)options + row->offset;
    char text[32];
    switch (row->type) {
    case TYPE_TEXT:
    case TYPE_WORD:
        put_text_option(row, *(const char *const *)field, options, out);
        break;
    case TYPE_FLAG:
        if (*(const bool *)field)
            buf_printf(out, " --%s", row->name);
        break;
    case TYPE_U64:
        if (*(const uint64_t *)field) {
            snprintf(text, sizeof text, "%" PRIu64, *(const uint64_t *)field);
            put_text_option(row, text, options, out);
        }
        break;
    case TYPE_DURATION:
        if (*(const uint64_t *)field && *(const uint64_t *)field % 1000 == 0) {
            uint64_t ms = *(const uint64_t *)field / 1000;
            snprintf(text, sizeof text, "%" PRIu64 "%s", ms % 1000 ? ms : ms / 1000, ms % 1000 ? "ms" : "s");
            put_text_option(row, text, options, out);
        }
        break;
    case TYPE_LIST:
        for (size_t i = 0; i < ((const struct text_list *)field)->count; i++)
            put_text_option(row, ((const struct text_list *)field)->items[i], options, out);
        break;
    }
}

void opts_command_line(const struct options *options, enum command_bit command, uint64_t seed,
                       struct buf *out)
{
    buf_puts(out, "pimsim ");
    for (size_t i = 0; i < COUNT_OF(command_names); i++)
        if (command == 1u << i)
            buf_puts(out, command_names[i]);
    for (size_t i = 0; i < options->args.count; i++) {
        buf_putc(out, ' ');
        opts_put_word(out, span_of(options->args.items[i]));
    }
    for (size_t i = 0; i < ROW_COUNT; i++)
        if ((rows[i].commands & command) && repeats(&rows[i]))
            put_option(&rows[i], options, out);
    buf_printf(out, " --seed %" PRIu64, seed);
}
