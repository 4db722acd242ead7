/* crawler_jobs.c - what the crawler keeps: jobs, which are used again; tasks in front of a host's queue; hosts by name. */
#include <stdlib.h>
#include <time.h>

#include "common/hash.h"
#include "crawl/crawler_impl.h"

/* ---- jobs and tasks ---- */
job *job_new(crawler *c) {
    job *j = c->free_jobs;
    if (j) {
        c->free_jobs = j->next_free;
    } else {
        j = wt_xcalloc(1, sizeof *j);
        j->arena = wt_arena_new(2048);
        WT_GROW(c->all_jobs, c->cap_jobs, c->n_jobs + 1);
        c->all_jobs[c->n_jobs++] = j;
    }
    c->n_active++;
    return j;
}

void job_free(crawler *c, job *j) {
    wt_arena *arena = j->arena;
    fetch_reset(&j->e.x);
    wt_buf_free(&j->e.cap.records);
    free(j->e.err);
    wt_arena_reset(arena);
    *j = (job){.arena = arena, .next_free = c->free_jobs};
    c->free_jobs = j;
    c->n_active--;
}

uint32_t task_add(crawler *c, task t) {
    uint32_t i;
    if (c->n_free_tasks) {
        i = c->free_task[--c->n_free_tasks];
    } else {
        WT_GROW(c->task, c->cap_tasks, c->n_tasks + 1);
        i = (uint32_t)c->n_tasks++;
    }
    c->task[i] = t;
    return i | FRONT_BIT;
}

task task_take(crawler *c, uint32_t item) {
    uint32_t i = item & ~FRONT_BIT;
    WT_GROW(c->free_task, c->cap_free_tasks, c->n_free_tasks + 1);
    c->free_task[c->n_free_tasks++] = i;
    task t = c->task[i];
    c->task[i].url = NULL;                             /* the taker's now */
    return t;
}

/* The page comes again, before the host's others. */
void job_put_back(crawler *c, const job *j) {
    frontier_add_front(c->frontier, j->host, task_add(c, (task){.kind = JOB_PAGE, .id = j->id, .tries = j->tries}));
}

/* ---- hosts ---- */
/* UINT32_MAX: unknown. */
static uint32_t host_find(const crawler *c, wt_str name) {
    uint64_t hash = wt_hash64(name.ptr, name.len, 1) | 1;
    for (size_t i = hash & (c->cap_host_map - 1); c->cap_host_map && c->host_map[i].hash;
         i = (i + 1) & (c->cap_host_map - 1))
        if (c->host_map[i].hash == hash)
            return c->host_map[i].host;
    return UINT32_MAX;
}

static void host_map_put(crawler *c, uint64_t hash, uint32_t host) {
    size_t i = hash & (c->cap_host_map - 1);
    while (c->host_map[i].hash)
        i = (i + 1) & (c->cap_host_map - 1);
    c->host_map[i].hash = hash;
    c->host_map[i].host = host;
}

void host_learn(crawler *c, wt_str name, uint32_t host) {
    if (2 * ((size_t)c->n_hosts + 1) > c->cap_host_map) {
        size_t cap = c->cap_host_map;
        struct host_entry *old = c->host_map;
        c->cap_host_map = cap ? 2 * cap : 1024;
        c->host_map = wt_xcalloc(c->cap_host_map, sizeof *c->host_map);
        for (size_t i = 0; i < cap; i++)
            if (old[i].hash)
                host_map_put(c, old[i].hash, old[i].host);
        free(old);
    }
    host_map_put(c, wt_hash64(name.ptr, name.len, 1) | 1, host);
    if (host >= c->n_hosts)
        c->n_hosts = host + 1;
    WT_GROW(c->info, c->cap_info, (size_t)c->n_hosts);
    c->info[host] = (host_info){0};
}

/* The number of a host, new or not. UINT32_MAX on an error of the state. */
uint32_t host_get(crawler *c, wt_str name, wt_err *err) {
    uint32_t host = host_find(c, name);
    if (host != UINT32_MAX)
        return host;
    host = c->n_hosts;
    if (crawl_state_begin(c->state, err) || crawl_state_add_host(c->state, host, name, err))
        return UINT32_MAX;
    host_learn(c, name, host);
    return host;
}

double unix_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
