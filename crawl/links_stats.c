/* links_stats.c - counts of a scan: added up over blocks, files and machines, kept as JSON beside a
 * finished file so that a continued run has them. */
#include <stdio.h>

#include "common/json.h"
#include "crawl/links.h"

void links_stats_add(links_stats *into, const links_stats *from) {
    for (int i = 0; i < LINKS_N_VERDICTS; i++) into->verdict[i] += from->verdict[i];
    for (int i = 0; i < LINKS_N_BINS; i++) into->bins[i] += from->bins[i];
    into->bytes += from->bytes;
    for (int i = 0; i < LINKS_N_MONTHS; i++) {
        links_month *m = &into->month[i];
        const links_month *f = &from->month[i];
        m->n += f->n, m->hidden += f->hidden, m->reaching += f->reaching, m->sum += f->sum;
    }
}

uint64_t links_stats_records(const links_stats *stats) {
    uint64_t n = 0;
    for (int i = 0; i < LINKS_N_VERDICTS; i++) n += stats->verdict[i];
    return n;
}

void links_month_name(int month, char out[16]) {
    snprintf(out, 16, "%04d-%02d", 2005 + month / 12, month % 12 + 1);
}

bool links_month_degenerate(const links_month *m) {
    return m->n >= 1000 && (2 * m->sum < 5 * (int64_t)m->n || 2 * m->hidden > m->n);
}

void links_stats_write(const links_stats *stats, wt_buf *json) {
    wt_buf_printf(json, "{\"records\":%lu,\"bytes\":%lu,\"verdicts\":{", (unsigned long)links_stats_records(stats),
                  (unsigned long)stats->bytes);
    for (int i = 0; i < LINKS_N_VERDICTS; i++)
        wt_buf_printf(json, "%s\"%s\":%lu", i ? "," : "", links_verdict_text(i), (unsigned long)stats->verdict[i]);
    wt_buf_printf(json, "},\"scores\":{");
    for (int i = 0; i < LINKS_N_BINS; i++)
        wt_buf_printf(json, "%s\"%s\":%lu", i ? "," : "", links_bin_text(i), (unsigned long)stats->bins[i]);
    wt_buf_printf(json, "},\"months\":{");
    const char *comma = "";
    for (int i = 0; i < LINKS_N_MONTHS; i++) {
        const links_month *m = &stats->month[i];
        if (!m->n) continue;
        char name[16];
        links_month_name(i, name);
        wt_buf_printf(json, "%s\"%s\":{\"links\":%lu,\"hidden\":%lu,\"reaching\":%lu,\"score_sum\":%ld}", comma, name,
                      (unsigned long)m->n, (unsigned long)m->hidden, (unsigned long)m->reaching, (long)m->sum);
        comma = ",";
    }
    wt_buf_printf(json, "}}");
}

static uint64_t member(wt_json object, const char *name) {
    int64_t x = 0;
    wt_json_i64(wt_json_get(object, name), &x);
    return (uint64_t)x;
}

int links_stats_read(links_stats *stats, wt_str json, wt_err *err) {
    wt_json all;
    if (wt_json_parse(json, &all, err)) return -1;
    memset(stats, 0, sizeof *stats);
    wt_json verdicts = wt_json_get(all, "verdicts"), scores = wt_json_get(all, "scores");
    wt_json months = wt_json_get(all, "months"), value;
    for (int i = 0; i < LINKS_N_VERDICTS; i++) stats->verdict[i] = member(verdicts, links_verdict_text(i));
    for (int i = 0; i < LINKS_N_BINS; i++) stats->bins[i] = member(scores, links_bin_text(i));
    stats->bytes = member(all, "bytes");
    wt_json_iter it;
    wt_str name;
    if (wt_json_iter_init(&it, months, err)) return -1;
    while (wt_json_next(&it, &name, &value, NULL) == 1) {
        int year, month;
        if (sscanf(name.ptr, "%4d-%2d", &year, &month) != 2) continue;
        int index = (year - 2005) * 12 + month - 1;
        if (index < 0 || index >= LINKS_N_MONTHS) continue;
        stats->month[index] = (links_month){
            .n = member(value, "links"), .hidden = member(value, "hidden"),
            .reaching = member(value, "reaching"), .sum = (int64_t)member(value, "score_sum")};
    }
    return 0;
}
