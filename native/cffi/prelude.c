#include "cxstream_native.h"
