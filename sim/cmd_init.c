/* cmd_init: pimsim init: pimsim.json and a first scenario, to start from.
 *
 * Nothing is written when any of the files is there already, unless --force says so. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "data.h"

#define FOLDER   "scenarios"
#define SCENARIO FOLDER "/first.json"
#define SCHEMA   FOLDER "/scenario.schema.json"

static const char config[] =
    "// The settings of pimsim in this folder. A flag (--url) beats the environment (PIMSIM_URL), which\n"
    "// beats this file. Every option of `pimsim run --help` can stand here under its long name.\n"
    "{\n"
    "    // Start the connector for each run and end it afterwards:\n"
    "    // \"exec\": \"npm start\",\n"
    "\n"
    "    // Where it shows its state (docs/effects.md): duplicates, disorder and crashes are judged by it.\n"
    "    // \"state-url\": \"http://localhost:3000/state\",\n"
    "    // \"state-cmd\": \"sqlite3 -json -cmd '.timeout 5000' app.db 'select * from products'\",\n"
    "\n"
    "    // Scenarios and fixtures of your own (./scenarios, ./fixtures) beside the built-in ones:\n"
    "    // \"data\": \".\",\n"
    "\n"
    "    // Be stricter than the platform:\n"
    "    // \"ack-deadline\": \"250ms\",\n"
    "    // \"strict\": true,\n"
    "    // \"fail-under\": 90,\n"
    "\n"
    "    // What the platform does over hours, for `pimsim run hours` (docs/hours.md):\n"
    "    // \"flow\": [\"resume=30m\"],\n"
    "\n"
    "    // What its old endpoint is told, for `pimsim run migration` (docs/migration.md), and the PIM to "
    "ask:\n"
    "    // \"url-events-api\": \"http://localhost:3000/events\",\n"
    "    // \"pim\": \"8081\",\n"
    "\n"
    "    // Sent with every request:\n"
    "    // \"header\": [\"X-Tenant: test\"],\n"
    "\n"
    "    // AEP only, while secrets are being changed:\n"
    "    // \"secret-secondary\": \"the next secret\",\n"
    "\n"
    "    \"url\": \"http://localhost:3000/\", // where your connector listens\n"
    "    \"platform\": \"aep\", // or \"events-api\"\n"
    "    \"secret\": \"a secret for tests\" // your connector has the same; or keep it in PIMSIM_SECRET\n"
    "}\n";

static const char scenario[] =
    "{\n"
    "    \"$schema\": \"./scenario.schema.json\",\n"
    "    \"title\": \"A first scenario\",\n"
    "    \"story\": \"Products are created and changed; some events come twice, some come from a forger.\",\n"
    "    \"platforms\": [\"events-api\", \"aep\"],\n"
    "    // What happens in the PIM: five new products, then two changes of each.\n"
    "    \"stream\": [\n"
    "        {\"event\": \"product.created\", \"entities\": 5},\n"
    "        {\"event\": \"product.updated\", \"times\": 2}\n"
    "    ],\n"
    "    // Events a second.\n"
    "    \"pace\": {\"rate\": 20},\n"
    "    // What goes wrong on the way.\n"
    "    \"faults\": [\n"
    "        {\"duplicate\": {\"share\": 0.3, \"after\": \"0ms..200ms\"}},\n"
    "        {\"forge\": {\"share\": 0.3, \"how\": [\"random\", \"missing\"]}}\n"
    "    ],\n"
    "    // What must hold; `pimsim explain ack/deadline` says more.\n"
    "    \"rules\": [\"ack/deadline\", \"ack/duplicate\", \"sig/valid\", \"sig/forged\", \"sig/missing\"]\n"
    "}\n";

static bool write_file(const char *path, struct span bytes, struct err *err)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return err_env(err, "%s: %s", path, strerror(errno));
    bool ok = fwrite(bytes.data, 1, bytes.len, file) == bytes.len;
    ok = fclose(file) == 0 && ok;
    if (!ok)
        return err_env(err, "%s: %s", path, strerror(errno));
    printf("wrote %s\n", path);
    return true;
}

bool cmd_init(const struct options *options, enum exit_code *code, struct err *err)
{
    struct {
        const char *path;
        struct span bytes;
    } files[] = {{"pimsim.json", span_of(config)}, {SCENARIO, span_of(scenario)}, {SCHEMA, {0}}};
    bool ok = false;
    struct data *data;
    if (!data_open(&data, NULL, err) || !data_read(data, SCHEMA, &files[2].bytes, err))
        goto out;
    for (size_t i = 0; i < COUNT_OF(files) && !options->force; i++)
        if (access(files[i].path, F_OK) == 0) {
            err_set(err, "%s is there already; --force replaces it", files[i].path);
            goto out;
        }
    if (mkdir(FOLDER, 0777) != 0 && errno != EEXIST) {
        err_env(err, "%s: %s", FOLDER, strerror(errno));
        goto out;
    }
    for (size_t i = 0; i < COUNT_OF(files); i++)
        if (!write_file(files[i].path, files[i].bytes, err))
            goto out;
    puts("\nSet the url and the secret of your connector in pimsim.json, and then:\n\n"
         "  pimsim plan " SCENARIO "        what would be sent\n"
         "  pimsim sign product.updated --as curl   one signed request, to try by hand\n"
         "  pimsim run " SCENARIO "         send it all, and score the connector");
    *code = EXIT_CONFORMS;
    ok = true;
out:
    data_close(data);
    return ok;
}
