/* data: see data.h. A sorted list of files; what lies in the folder is read when first asked for. */
#include "data.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "assets.h"
#include "limits.h"

struct file {
    char *path;        /* "fixtures/aep/x.json" */
    struct span bytes; /* data NULL: not read yet */
    bool in_folder;    /* path and bytes are ours */
};

struct data {
    char *folder;
    struct file *files;
    size_t count, cap;
};

static void add(struct data *data, struct file file)
{
    data->files = mem_grow(data->files, &data->cap, data->count, sizeof *data->files);
    data->files[data->count++] = file;
}

static char *join(const char *folder, const char *name)
{
    struct buf path;
    buf_init(&path, FILE_BYTES_MAX);
    buf_printf(&path, "%s/%s", folder, name);
    return buf_take(&path);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Add every JSON file below folder/path. Hidden files and folders are passed over. */
static bool walk(struct data *data, const char *path, struct err *err)
{
    bool ok = false;
    char *full = join(data->folder, path);
    DIR *dir = opendir(full);
    if (!dir) {
        err_set(err, "%s: %s", full, strerror(errno));
        goto out;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        struct stat st;
        char *below = join(path, entry->d_name);
        bool found = fstatat(dirfd(dir), entry->d_name, &st, 0) == 0;
        bool walked = !found || !S_ISDIR(st.st_mode) || walk(data, below, err);
        if (found && S_ISREG(st.st_mode) && ends_with(below, ".json"))
            add(data, (struct file){.path = below, .in_folder = true});
        else
            free(below);
        if (!walked)
            goto out;
    }
    ok = true;
out:
    if (dir)
        closedir(dir);
    free(full);
    return ok;
}

static bool add_folder(struct data *data, struct err *err)
{
    static const char *const roots[] = {"fixtures", "scenarios"};
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        struct stat st;
        char *root = join(data->folder, roots[i]);
        bool found = stat(root, &st) == 0;
        free(root);
        if (found && !walk(data, roots[i], err))
            return false;
        any = any || found;
    }
    return any || err_set(err, "%s: holds neither a \"fixtures\" nor a \"scenarios\" folder", data->folder);
}

/* By path; the folder's file before the embedded one of the same path. */
static int compare(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (int)y->in_folder - (int)x->in_folder;
}

static void drop_hidden(struct data *data)
{
    size_t kept = 0;
    for (size_t i = 0; i < data->count; i++)
        if (kept == 0 || strcmp(data->files[kept - 1].path, data->files[i].path) != 0)
            data->files[kept++] = data->files[i];
    data->count = kept;
}

bool data_open(struct data **data, const char *folder, struct err *err)
{
    struct data *d = mem_alloc(sizeof *d);
    *data = NULL;
    if (folder) {
        d->folder = mem_text(folder);
        if (!add_folder(d, err)) {
            data_close(d);
            return false;
        }
    }
    for (const struct asset *a = assets; a->path; a++)
        add(d, (struct file){(char *)a->path, {a->start, (size_t)(a->end - a->start)}, false});
    if (d->count)
        qsort(d->files, d->count, sizeof *d->files, compare);
    drop_hidden(d);
    *data = d;
    return true;
}

void data_close(struct data *data)
{
    if (!data)
        return;
    for (size_t i = 0; i < data->count; i++)
        if (data->files[i].in_folder) {
            free(data->files[i].path);
            free((char *)data->files[i].bytes.data);
        }
    free(data->files);
    free(data->folder);
    free(data);
}

static struct file *find(const struct data *data, const char *path)
{
    size_t low = 0, high = data->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, data->files[middle].path);
        if (order == 0)
            return &data->files[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool data_read(struct data *data, const char *path, struct span *bytes, struct err *err)
{
    struct file *file = find(data, path);
    if (!file)
        return err_set(err, "%s: no such file", path);
    if (!file->bytes.data) {
        struct buf text;
        char *full = join(data->folder, path);
        buf_init(&text, FILE_BYTES_MAX);
        bool ok = buf_read_file(&text, full, err);
        free(full);
        if (!ok) {
            buf_reset(&text);
            return false;
        }
        file->bytes.len = text.len;
        file->bytes.data = buf_take(&text);
    }
    *bytes = file->bytes;
    return true;
}

bool data_has(const struct data *data, const char *path)
{
    return find(data, path) != NULL;
}

size_t data_count(const struct data *data)
{
    return data->count;
}

const char *data_path(const struct data *data, size_t index)
{
    return data->files[index].path;
}
