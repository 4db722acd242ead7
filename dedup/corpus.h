/* corpus.h - files of documents through a dedup, into a folder of files of documents: in order, in
 * parts, continued where it was killed. */
#ifndef WT_DEDUP_CORPUS_H
#define WT_DEDUP_CORPUS_H

#include "dedup/job.h"
#include "dedup/marks.h"

typedef struct {
    dedup_job all;              /* output: a folder; a file where the name ends in .jsonl[.zst|.gz]; NULL: stdout */
    corpus_mode mode;
    const char *state;          /* NULL: none */
    const char *const *read_only;
    size_t n_read_only;
} corpus_job;

/* Counts, warnings and drops go to the report (tool.h). */
int corpus_run(const corpus_job *job, wt_err *err);
/* The run's identity from the job's other fields. */
void corpus_key(const corpus_job *job, wt_buf *key);

#endif
