/* build: -m32 -static -pthread -D_FILE_OFFSET_BITS=64 */
// System calls of a 32-bit program, as told on the command line: see calls.h.
#include "calls.h"
