/* assets: the files that assets.sh embeds; only data.c reads them. */
#ifndef PIMSIM_ASSETS_H
#define PIMSIM_ASSETS_H

struct asset {
    const char *path;
    const char *start, *end; /* *end is a NUL */
};

extern const struct asset assets[]; /* sorted by path; ends with a NULL path */

#endif
