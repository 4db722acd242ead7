/* job.h - what every run of documents from files to a folder is told, beside its own matters (corpus.h, index.h). */
#ifndef WT_DEDUP_JOB_H
#define WT_DEDUP_JOB_H

#include "common/fs.h"
#include "dedup/dedup.h"

typedef struct {
    const wt_paths *inputs;
    const char *output;
    dedup_rules rules;
    uint64_t part_bytes;        /* of input a part of the output covers */
    uint64_t limit;             /* documents; 0: all */
    int threads;
    bool force;
    wt_str key;                 /* the run's identity, JSON */
} dedup_job;

#endif
