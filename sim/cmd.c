/* cmd: see cmd.h: what several commands need. */
#include "cmd.h"

#include "limits.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool cmd_platform(const struct options *options, enum platform_id *platform, struct err *err)
{
    *platform = PLATFORM_AEP;
    if (!options->platform)
        return true;
    for (size_t i = 0; i < PLATFORM_COUNT; i++)
        if (strcmp(options->platform, platform_names[i]) == 0) {
            *platform = (enum platform_id)i;
            return true;
        }
    return err_set(err, "--platform: \"%s\" is not a platform", options->platform);
}

void cmd_put_platforms(unsigned platforms, struct buf *out)
{
    const char *between = "";
    for (unsigned i = 0; i < PLATFORM_COUNT; i++)
        if (platforms & PLATFORM_BIT(i)) {
            buf_printf(out, "%s%s", between, platform_names[i]);
            between = ", ";
        }
}

/* Columns that UTF-8 text takes, for text without wide or combining characters: ours. */
static size_t columns_of(const char *text, size_t len)
{
    size_t columns = 0;
    for (size_t i = 0; i < len; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

void cmd_put_text(struct buf *out, const char *text, size_t column, size_t columns)
{
    size_t at = column;
    for (size_t len; *text; text += len + strspn(text + len, " ")) {
        len = strcspn(text, " ");
        size_t width = columns_of(text, len);
        if (at > column && at + 1 + width > columns) {
            buf_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            buf_putc(out, ' ');
            at++;
        }
        buf_put(out, text, len);
        at += width;
    }
    buf_putc(out, '\n');
}

void cmd_print(const struct buf *out)
{
    fwrite(out->data, 1, out->len, stdout);
}

/* A header of the user's own: "Name: value", printable, and not one of those that the platform sets
 * (AEP refuses them too [event-platform/concepts]). */
static bool check_header(const char *line, struct err *err)
{
    static const char *const reserved[] = {"content-type",   "user-agent",       "x-correlation-id",
                                           "host",           "authorization",    "cookie",
                                           "content-length", "transfer-encoding"};
    size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    if (name == 0 || name > 128 || line[name] != ':')
        return err_set(
            err, "--header: \"%s\" is not \"Name: value\" with a name of letters, digits and dashes", line);
    for (const char *p = line + name; *p; p++)
        if (*p < ' ' || *p > '~')
            return err_set(err, "--header: %.*s: its value is not printable ASCII", (int)name, line);
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (strlen(reserved[i]) == name && strncasecmp(line, reserved[i], name) == 0)
            return err_set(err, "--header: %.*s is the platform's own", (int)name, line);
    if (strncasecmp(line, "x-akeneo-", 9) == 0)
        return err_set(err, "--header: %.*s is the platform's own", (int)name, line);
    return true;
}

static bool check_headers(const struct options *options, struct err *err)
{
    for (size_t i = 0; i < options->header.count; i++)
        if (!check_header(options->header.items[i], err))
            return false;
    if (options->header.count > CUSTOM_HEADERS_MAX)
        return err_set(err, "--header: at most %d", CUSTOM_HEADERS_MAX);
    return true;
}

bool cmd_settings(const struct options *options, enum platform_id platform, struct settings *settings,
                  struct err *err)
{
    if (!settings->secret.len)
        settings->secret = span_of(options->secret);
    if (!settings->secret.len)
        return err_set(err, "no secret: give it with --secret, PIMSIM_SECRET or \"secret\" in pimsim.json");
    if (options->secret_secondary && platform == PLATFORM_EVENTS_API)
        return err_set(err, "--secret-secondary: the Events API has one secret");
    settings->secret_secondary = span_of(options->secret_secondary);
    settings->content_type = options->content_type;
    settings->source = options->source;
    settings->subject = options->subject;
    settings->client_id = options->client_id;
    settings->send_identifier = options->send_identifier;
    settings->headers = options->header.items;
    settings->header_count = options->header.count;
    settings->pim_version = PIM_SERENITY;
    for (size_t i = 0; i < PIM_VERSION_COUNT; i++)
        if (strcmp(options->pim_version, pim_version_names[i]) == 0)
            settings->pim_version = (enum pim_version)i;
    return check_headers(options, err);
}
