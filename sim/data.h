/* data: the fixtures, scenarios and schema: embedded in the program, or a folder's.
 *
 * A build rule embeds `fixtures/` and `scenarios/`. With a folder (`--data DIR`) its files come first
 * and the embedded ones stay behind them. Paths are relative: "fixtures/aep/x.json". */
#ifndef PIMSIM_DATA_H
#define PIMSIM_DATA_H

#include "base.h"

struct data;

/* folder may be NULL; else it holds "fixtures", "scenarios" or both, of which the *.json are taken. */
bool data_open(struct data **data, const char *folder, struct err *err) MUST_USE;
void data_close(struct data *data);
/* The file's bytes, valid until data_close; false with an error that names the path. */
bool data_read(struct data *data, const char *path, struct span *bytes, struct err *err) MUST_USE;
bool data_has(const struct data *data, const char *path);
/* Every path, sorted, each once. */
size_t data_count(const struct data *data);
const char *data_path(const struct data *data, size_t index);

#endif
