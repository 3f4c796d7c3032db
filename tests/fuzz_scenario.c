/* A scenario is read or refused, with a message. */
#include <stdlib.h>

#include "rules.h"
#include "scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario *scenario = NULL;
    struct err err = {0};
    struct span text = {(const char *)data, size};
    if (scenario_parse(&scenario, "scenarios/core/fuzz.json", text, rule_known, &err))
        scenario_free(scenario);
    else if (!err.text[0])
        abort();
    return 0;
}
