/* cmd: see cmd.h: what several commands need. */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

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
