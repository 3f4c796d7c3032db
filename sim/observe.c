/* observe: see observe.h. */
#include "observe.h"
