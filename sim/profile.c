/* profile: the platforms that there are. */
#include "profile.h"

const struct profile *profile_get(enum platform_id id)
{
    static const struct profile *const profiles[PLATFORM_COUNT] = {
        [PLATFORM_EVENTS_API] = &profile_events_api,
        [PLATFORM_AEP] = &profile_aep,
    };
    return profiles[id];
}
