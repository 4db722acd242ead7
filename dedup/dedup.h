/* dedup.h - the front door of the de-duplication stage. */
#ifndef WT_DEDUP_DEDUP_H
#define WT_DEDUP_DEDUP_H

#include "dedup/bloom.h"

#endif
