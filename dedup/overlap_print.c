/* overlap_print.c - what comes out: a table or JSON, a line an example, and whether the two ways agree. All of it is
 * counted from the bytes of the test keys. */
#include <math.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/out.h"
#include "dedup/overlap_impl.h"

typedef struct {
    uint64_t positions, distinct, examples;
} found_counts;

static found_counts count_found(const overlap_test *t, int way, size_t i_train) {
    found_counts c = {0};
    const uint8_t *found = t->found[way];
    for (size_t i = 0; i < t->keys.n; i++) c.positions += found[i] >> i_train & 1;
    for (size_t i = 0; i < t->n_distinct; i++) c.distinct += found[t->distinct[i]] >> i_train & 1;
    for (size_t e = 0, at = 0; e < t->n; e++) {
        bool any = false;
        for (; at < t->at[e].key_end; at++) any |= found[at] >> i_train & 1;
        c.examples += any;
    }
    return c;
}

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

static void print_rows(const overlap *o, int way, bool distinct, wt_buf *out) {
    const overlap_job *job = o->job;
    wt_buf_printf(out, "\n%% of %s %d-grams found%s\n%-24s", distinct ? "distinct" : "all", job->ngram,
                  distinct ? " (each counted once)" : "", "");
    for (size_t s = 0; s < job->n_tests; s++) wt_buf_printf(out, " %12.12s", job->test[s].name);
    wt_buf_printf(out, " %12s\n", "mean");
    for (size_t g = 0; g < job->n_trains; g++) {
        double sum = 0;
        wt_buf_printf(out, "%-24.24s", job->train[g].name);
        for (size_t s = 0; s < job->n_tests; s++) {
            const overlap_test *t = &o->test[s];
            found_counts c = count_found(t, way, g);
            double share = distinct ? percent(c.distinct, t->n_distinct) : percent(c.positions, t->keys.n);
            sum += share;
            wt_buf_printf(out, " %11.2f%%", share);
        }
        wt_buf_printf(out, " %11.2f%%\n", sum / (double)job->n_tests);
    }
}

/* Zero hits in n probes leave 3/n as the 95 % bound of the rate. */
static double rate_bound(const overlap_facts *f) {
    return f->probes ? ((double)f->probe_hits + 3 + 2 * sqrt((double)f->probe_hits)) / (double)f->probes : 1;
}

static void print_table(const overlap *o, int way, wt_buf *out) {
    const overlap_job *job = o->job;
    for (size_t g = 0; g < job->n_trains; g++) {
        const overlap_facts *f = &o->fact[g];
        wt_buf_printf(out, "train '%s': %llu documents, %llu words, %llu %d-grams\n", job->train[g].name,
                      (unsigned long long)f->documents, (unsigned long long)f->words,
                      (unsigned long long)f->ngrams, job->ngram);
        if (f->filter.bytes)
            wt_buf_printf(out, "  filter %s, %llu bytes, %.0f distinct; rate wanted %.1e, from its bits %.2e; %llu "
                          "probes, %llu found (95 %% bound %.1e)\n", bloom_variant_name(f->filter.variant),
                          (unsigned long long)f->filter.bytes, f->filter.n_estimate, job->fp_rate,
                          f->filter.fp_now, (unsigned long long)f->probes,
                          (unsigned long long)f->probe_hits, rate_bound(f));
    }
    for (size_t s = 0; s < job->n_tests; s++)
        wt_buf_printf(out, "test '%s': %zu examples, %zu %d-grams, %zu distinct\n", job->test[s].name, o->test[s].n,
                      o->test[s].keys.n, job->ngram, o->test[s].n_distinct);
    print_rows(o, way, false, out);
    print_rows(o, way, true, out);
}

static void json_train(const overlap *o, size_t g, wt_buf *out) {
    const overlap_facts *f = &o->fact[g];
    wt_buf_printf(out, "%s{\"name\":", g ? "," : "");
    wt_json_add_string(out, wt_str_of(o->job->train[g].name));
    wt_buf_printf(out, ",\"documents\":%llu,\"words\":%llu,\"ngrams\":%llu", (unsigned long long)f->documents,
                  (unsigned long long)f->words, (unsigned long long)f->ngrams);
    if (f->filter.bytes)
        wt_buf_printf(out, ",\"filter\":{\"layout\":\"%s\",\"bytes\":%llu,\"distinct\":%.0f,\"rate_wanted\":%g,"
                      "\"rate_from_bits\":%.4g,\"probes\":%llu,\"probe_hits\":%llu,\"rate_bound_95\":%.3g}",
                      bloom_variant_name(f->filter.variant), (unsigned long long)f->filter.bytes,
                      f->filter.n_estimate, o->job->fp_rate, f->filter.fp_now,
                      (unsigned long long)f->probes, (unsigned long long)f->probe_hits, rate_bound(f));
    wt_buf_add_char(out, '}');
}

static void json_test(const overlap *o, size_t s, int way, wt_buf *out) {
    const overlap_test *t = &o->test[s];
    wt_buf_printf(out, "%s{\"name\":", s ? "," : "");
    wt_json_add_string(out, wt_str_of(o->job->test[s].name));
    wt_buf_printf(out, ",\"examples\":%zu,\"ngrams\":%zu,\"distinct\":%zu,\"overlap\":[", t->n, t->keys.n, t->n_distinct);
    for (size_t g = 0; g < o->job->n_trains; g++) {
        found_counts c = count_found(t, way, g);
        wt_buf_printf(out, "%s{\"train\":", g ? "," : "");
        wt_json_add_string(out, wt_str_of(o->job->train[g].name));
        wt_buf_printf(out, ",\"ngrams\":%llu,\"percent\":%.4f,\"distinct\":%llu,\"percent_distinct\":%.4f,"
                      "\"examples\":%llu}", (unsigned long long)c.positions, percent(c.positions, t->keys.n),
                      (unsigned long long)c.distinct, percent(c.distinct, t->n_distinct),
                      (unsigned long long)c.examples);
    }
    wt_buf_printf(out, "]}");
}

/* How the two ways compare: what only one of them found. */
int overlap_check_agreement(const overlap *o, wt_buf *json, wt_buf *text, wt_err *err) {
    uint64_t n = 0, only_bloom = 0, only_table = 0;
    for (size_t s = 0; s < o->job->n_tests; s++)
        for (size_t i = 0; i < o->test[s].n_distinct; i++) {
            size_t at = o->test[s].distinct[i];
            uint8_t a = o->test[s].found[0][at], b = o->test[s].found[1][at];
            n += o->job->n_trains;
            only_bloom += (uint64_t)__builtin_popcount(a & ~b);
            only_table += (uint64_t)__builtin_popcount(b & ~a);
        }
    double expected = (double)n * o->job->fp_rate, limit = expected + 4 * sqrt(expected) + 1;
    wt_buf_printf(json, "{\"distinct\":%llu,\"only_bloom\":%llu,\"only_inverted\":%llu,\"expected\":%.3g}",
                  (unsigned long long)n, (unsigned long long)only_bloom, (unsigned long long)only_table, expected);
    wt_buf_printf(text, "\nbloom and inverted agree on %llu of %llu; only bloom %llu (%.2g expected), only inverted %llu\n",
                  (unsigned long long)(n - only_bloom - only_table), (unsigned long long)n,
                  (unsigned long long)only_bloom, expected, (unsigned long long)only_table);
    if (only_table == 0 && (double)only_bloom <= limit) return 0;
    return wt_fail(err, WT_EDATA, "the two ways disagree: only bloom %llu, at most %.0f expected, only inverted %llu",
                   (unsigned long long)only_bloom, limit, (unsigned long long)only_table);
}

int overlap_write_table(const overlap *o, int way, wt_str json_agreement, wt_str text_agreement, wt_err *err) {
    const overlap_job *job = o->job;
    static const char *const modes[] = {"bloom", "inverted", "both"};
    wt_buf out = {0};
    if (job->json) {
        wt_buf_printf(&out, "{\"ngram\":%d,\"words\":\"%s\",\"mode\":\"%s\",\"train\":[", job->ngram,
                      words_rule_name(job->words), modes[job->mode]);
        for (size_t g = 0; g < job->n_trains; g++) json_train(o, g, &out);
        wt_buf_printf(&out, "],\"test\":[");
        for (size_t s = 0; s < job->n_tests; s++) json_test(o, s, way, &out);
        wt_buf_printf(&out, "]%s%.*s}\n", json_agreement.len ? ",\"agreement\":" : "", WT_FMT(json_agreement));
    } else {
        print_table(o, way, &out);
        wt_buf_add_str(&out, text_agreement);
    }
    int result = wt_out_whole(job->output, wt_buf_view(&out), err);
    wt_buf_free(&out);
    return result;
}

/* The longest run of neighbouring n-grams that any training set has, in words. */
static size_t longest_match(const overlap_test *t, int way, size_t from, size_t to, size_t *i_run, int n) {
    size_t best = 0, now = 0;
    while (*i_run < t->runs.n && t->runs.at[*i_run] <= from) ++*i_run;
    for (size_t i = from; i < to; i++) {
        if (*i_run < t->runs.n && i == t->runs.at[*i_run]) now = 0, ++*i_run;
        now = t->found[way][i] ? now + 1 : 0;
        if (now > best) best = now;
    }
    return best ? best + (size_t)n - 1 : 0;
}

int overlap_write_examples(const overlap *o, int way, wt_err *err) {
    const overlap_job *job = o->job;
    wt_out *out = wt_out_open(job->examples, err);
    wt_buf line = {0};
    int result = out ? 0 : -1;
    for (size_t s = 0; s < job->n_tests && !result; s++) {
        const overlap_test *t = &o->test[s];
        for (size_t e = 0, from = 0, i_run = 0; e < t->n && !result; from = t->at[e++].key_end) {
            size_t to = t->at[e].key_end, hits = 0;
            for (size_t i = from; i < to; i++) hits += t->found[way][i] != 0;
            line.len = 0;
            wt_buf_printf(&line, "{\"test\":");
            wt_json_add_string(&line, wt_str_of(job->test[s].name));
            wt_buf_printf(&line, ",\"example\":%zu,\"id\":", e);
            wt_json_add_string(&line, t->at[e].id);
            wt_buf_printf(&line, ",\"ngrams\":%zu,\"found\":%zu,\"percent\":%.4f,\"longest_words\":%zu}\n", to - from,
                          hits, percent(hits, to - from), longest_match(t, way, from, to, &i_run, job->ngram));
            result = wt_out_str(out, wt_buf_view(&line), err);
        }
    }
    wt_buf_free(&line);
    if (out && result) wt_out_abort(out);
    else if (out) result = wt_out_commit(out, err);
    return result;
}
