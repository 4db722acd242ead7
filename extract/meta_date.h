/* meta_date.h - dates as people and machines write them, to ISO 8601. */
#ifndef WT_EXTRACT_META_DATE_H
#define WT_EXTRACT_META_DATE_H

#include "common/str.h"

/* Finds the first plausible date (1980 to 2100) in text and writes "YYYY-MM-DD" with, where the text
 * has one, the time and zone behind it: "YYYY-MM-DDTHH:MM:SS+01:00". day_first settles 03/04/2020.
 * Returns false where there is none. */
bool date_find(wt_str text, bool day_first, char out[40]);
/* A date in a path: /2019/05/06/ or /20190506/ or -2019-05-06. */
bool date_in_url(wt_str url, char out[40]);

#endif
