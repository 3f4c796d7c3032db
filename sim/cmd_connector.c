/* cmd_connector: pimsim connector: the reference receiver alone. */
#include "cmd.h"
#include "connector.h"

bool cmd_connector(const struct options *options, enum exit_code *code, struct err *err)
{
    struct connector_options connector = {
        .port = (uint16_t)options->port,
        .secret = options->secret,
        .secret_secondary = options->secret_secondary,
        .db = options->db,
        .pim_url = options->pim_url,
    };
    if (options->port > UINT16_MAX)
        return err_set(err, "--port: %llu is not between 0 and 65535", (unsigned long long)options->port);
    if (options->bug && !connector_bug_find(options->bug, &connector.bug, err))
        return err_wrap(err, "--bug");
    *code = EXIT_CONFORMS;
    return connector_serve(&connector, err);
}
