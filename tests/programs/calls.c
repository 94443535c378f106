// System calls as told on the command line: see calls.h.
#include "calls.h"
