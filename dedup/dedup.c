/* dedup.c - judging batches of documents by the rules. Keys are made in any thread (keys.c); here
 * each rule asks its filters about all documents of the batch that no earlier rule has claimed, in
 * document order. Decisions follow from the order alone, see keyset.h and near.h for why. */
#include "dedup/dedup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/json.h"
#include "common/memory.h"
#include "dedup/dedup_impl.h"
#include "dedup/rounds.h"

const char *dedup_cause_name(dedup_cause cause) {
    static const char *const names[] = {"keep", "not-json", "no-text", "read-only", "url",
                                        "exact", "near", "ngram", "paragraphs"};
    return (unsigned)cause < DEDUP_N_CAUSES ? names[cause] : "unknown";
}

dedup_rules dedup_rules_default(void) {
    return (dedup_rules){.exact = true, .near = true, .overlap = 0.8, .words = WORDS_ALNUM,
                         .shingle = 5, .threshold = 0.8, .bytes_per_doc = 35};
}

/* ---- filters: how many, how large ---- */

typedef struct {
    uint64_t capacity;
    double fp_rate;
    bool grow;
    const char *what;
} filter_size;

static bloom_config filter_config(const dedup_rules *r, filter_size size, char text[256]) {
    snprintf(text, 256, "%s", size.what);
    return (bloom_config){.capacity = size.capacity, .fp_rate = size.fp_rate, .grow = size.grow,
                          .seed = r->seed, .keys = text};
}

static double rate_or(const dedup_rules *r, double rate) { return r->fp_rate > 0 ? r->fp_rate : rate; }

/* One key a document, or `per_doc`; without a count they start small and grow. */
static filter_size size_for(const dedup_rules *r, const char *what, double rate, uint64_t per_doc,
                            uint64_t start) {
    bool known = r->expect > 0 && per_doc == 1;
    uint64_t capacity = r->expect ? r->expect * per_doc : start;
    return (filter_size){capacity, rate_or(r, rate), !known, what};
}

static filter_size doc_size(const dedup_rules *r, const char *what) {
    return size_for(r, what, 1e-6, 1, 1000000);
}
static filter_size paragraph_size(const dedup_rules *r) {
    return size_for(r, "paragraphs words=whitespace", 1e-6, 20, 4000000);
}
static filter_size ngram_size(const dedup_rules *r, char what[64]) {
    snprintf(what, 64, "ngram n=%d words=%s", r->ngram, words_rule_name(r->words));
    return size_for(r, what, 0.01, 600, 16000000);
}
static filter_size band_size(const dedup_rules *r, char what[128]) {
    snprintf(what, 128, "near shingle=%d words=%s bands=%d rows=%d", r->shingle,
             words_rule_name(r->words), r->plan.bands, r->plan.rows);
    return (filter_size){r->expect ? r->expect : 1000000, r->plan.band_fp_rate, r->expect == 0, what};
}

static double bytes_of(filter_size s) {
    bloom_plan plan;
    double rate = s.grow ? s.fp_rate / 2 : s.fp_rate;
    if (bloom_plan_make(BLOOM_AUTO, s.capacity, rate, &plan, NULL)) return 0;
    return (double)plan.bytes;
}

/* Of n filters alike that are dealt to the ranks, those that this machine holds. */
static double share_here(int n, ranks_here ranks) {
    int each = (n + ranks.all - 1) / ranks.all, here = each * ranks.here;
    return here < n ? (double)here / n : 1;
}

static double rules_bytes(const dedup_rules *r, ranks_here ranks) {
    char what[128];
    double sets = 0, bands = 0;
    if (r->urls) sets += bytes_of(doc_size(r, ""));
    if (r->exact) sets += bytes_of(doc_size(r, ""));
    if (r->near) sets += bytes_of(doc_size(r, "")), bands = r->plan.bands * bytes_of(band_size(r, what));
    if (r->ngram) sets += bytes_of(ngram_size(r, what));
    if (r->paragraphs) sets += bytes_of(paragraph_size(r)) * (r->paragraph_count > 1 ? r->paragraph_count : 1);
    return sets * share_here(KEYSET_SHARDS, ranks) + (r->near ? bands * share_here(r->plan.bands, ranks) : 0);
}

int dedup_fits(const dedup_rules *r, uint64_t bytes_free, ranks_here ranks, wt_err *err) {
    double need = rules_bytes(r, ranks), free_now = (double)bytes_free;
    const double GiB = 1024.0 * 1024 * 1024;
    if (bytes_free == 0 || need <= free_now) return 0;
    dedup_rules smaller = *r;
    while (smaller.expect > 1000 && rules_bytes(&smaller, ranks) > free_now) smaller.expect = smaller.expect / 10 * 9;
    return wt_fail(err, WT_ENOMEM,
                   "filters for %llu documents need %.0f bytes (%.2f GiB)%s and %.0f (%.2f GiB) are free; "
                   "for %llu documents they fit, or with a larger --fpr or fewer --bytes-per-doc",
                   (unsigned long long)r->expect, need, need / GiB, ranks.all > ranks.here ? " on this machine" : "", free_now,
                   free_now / GiB, (unsigned long long)smaller.expect);
}

int dedup_rules_check(dedup_rules *r, wt_err *err) {
    if (!r->exact && !r->near && !r->urls && !r->paragraphs && !r->ngram)
        return wt_fail(err, WT_EARG, "no rule is named");
    if (r->ngram < 0 || r->ngram > 1000)
        return wt_fail(err, WT_EARG, "n-grams of %d words: give 1 to 1000", r->ngram);
    if (r->shingle < 1 || r->shingle > 1000)
        return wt_fail(err, WT_EARG, "shingles of %d words: give 1 to 1000", r->shingle);
    if (!(r->overlap > 0 && r->overlap <= 1))
        return wt_fail(err, WT_EARG, "overlap %g is not in (0, 1]", r->overlap);
    if (r->fp_rate != 0 && !(r->fp_rate >= 1e-12 && r->fp_rate <= 0.1))
        return wt_fail(err, WT_EARG, "false-positive rate %g is not in 1e-12..0.1", r->fp_rate);
    if (r->paragraph_count < 0 || r->paragraph_count > PARAGRAPH_COUNT_MAX)
        return wt_fail(err, WT_EARG, "paragraphs are counted up to %d, not %d", PARAGRAPH_COUNT_MAX,
                       r->paragraph_count);
    if (!r->near) return 0;
    if (r->plan.bands == 0)
        return sketch_solve(r->threshold, r->bytes_per_doc, rate_or(r, 1e-4), &r->plan, err);
    if (r->plan.bands < 1 || r->plan.rows < 1 || r->plan.votes < 1 || r->plan.votes > r->plan.bands ||
        r->plan.bands > SKETCH_BINS_MAX || r->plan.rows > SKETCH_BINS_MAX ||
        r->plan.bands * r->plan.rows > SKETCH_BINS_MAX)
        return wt_fail(err, WT_EARG, "%d votes of %d bands of %d rows: votes are at most the bands, "
                       "and bands times rows at most %d", r->plan.votes, r->plan.bands, r->plan.rows,
                       SKETCH_BINS_MAX);
    if (r->plan.band_fp_rate == 0) sketch_plan_rate(&r->plan, rate_or(r, 1e-4));
    return 0;
}

/* ---- life ---- */

static void each_keyset(dedup *d, keyset **sets, int *n) {
    keyset *all[] = {&d->url, &d->exact, &d->shorts, &d->ngram, &d->paragraph};
    *n = 0;
    for (int i = 0; i < 5; i++) sets[(*n)++] = all[i];
    for (int i = 0; i < PARAGRAPH_COUNT_MAX; i++) sets[(*n)++] = &d->counted[i];
}

static void spread_sets(dedup *d) {
    keyset *sets[5 + PARAGRAPH_COUNT_MAX];
    int n;
    each_keyset(d, sets, &n);
    for (int i = 0; i < n; i++) sets[i]->spread = wt_cluster_size() > 1;
}

dedup *dedup_alloc(const dedup_rules *rules, wt_err *err) {
    dedup *d = wt_xcalloc(1, sizeof *d);
    spread_sets(d);
    d->rules = *rules;
    if (dedup_rules_check(&d->rules, err)) {
        free(d);
        return NULL;
    }
    d->wanted = d->rules;
    if (d->rules.near) {
        d->near.plan = d->rules.plan;
        d->near.band = wt_xcalloc((size_t)d->rules.plan.bands, sizeof *d->near.band);
    }
    return d;
}

static bool is_mine(int i) { return i % wt_cluster_size() == wt_cluster_rank(); }

static void slots_of(keyset *set, filter_slot *slots, size_t *n) {
    for (int i = 0; i < KEYSET_SHARDS; i++, (*n)++)
        if (slots) slots[*n] = (filter_slot){&set->shard[i], is_mine(i)};
}

size_t dedup_slots(dedup *d, filter_slot *slots) {
    size_t n = 0;
    const dedup_rules *r = &d->rules;
    if (r->urls) slots_of(&d->url, slots, &n);
    if (r->exact) slots_of(&d->exact, slots, &n);
    if (r->near) slots_of(&d->shorts, slots, &n);
    for (int i = 0; r->near && i < r->plan.bands; i++, n++)
        if (slots) slots[n] = (filter_slot){&d->near.band[i], is_mine(i)};
    if (r->ngram) slots_of(&d->ngram, slots, &n);
    if (r->paragraphs && r->paragraph_count == 0) slots_of(&d->paragraph, slots, &n);
    for (int i = 0; r->paragraphs && i < r->paragraph_count; i++) slots_of(&d->counted[i], slots, &n);
    return n;
}

static int make_keyset(const dedup_rules *r, keyset *set, filter_size size, wt_err *err) {
    char text[256];
    bloom_config config = filter_config(r, size, text);
    return keyset_init(set, &config, err);
}

static int make_filters(dedup *d, wt_err *err) {
    const dedup_rules *r = &d->rules;
    char what[128], text[256];
    if (r->urls && make_keyset(r, &d->url, doc_size(r, "url"), err)) return -1;
    if (r->exact && make_keyset(r, &d->exact, doc_size(r, "exact words=whitespace"), err)) return -1;
    if (r->near) {
        snprintf(what, sizeof what, "short words=%s", words_rule_name(r->words));
        if (make_keyset(r, &d->shorts, doc_size(r, what), err)) return -1;
        bloom_config each = filter_config(r, band_size(r, what), text);
        free(d->near.band);
        if (near_init(&d->near, &r->plan, &each, err)) return -1;
    }
    if (r->ngram && make_keyset(r, &d->ngram, ngram_size(r, what), err)) return -1;
    if (r->paragraphs && r->paragraph_count == 0 && make_keyset(r, &d->paragraph, paragraph_size(r), err))
        return -1;
    for (int i = 0; r->paragraphs && i < r->paragraph_count; i++)
        if (make_keyset(r, &d->counted[i], paragraph_size(r), err)) return -1;
    return 0;
}

dedup *dedup_new(const dedup_rules *rules, wt_err *err) {
    dedup *d = dedup_alloc(rules, err);
    ranks_here ranks = {wt_cluster_here(), wt_cluster_size()};
    if (d && (dedup_fits(&d->rules, wt_memory_available(), ranks, err) || make_filters(d, err))) {
        dedup_free(d);
        return NULL;
    }
    if (d) spread_sets(d);
    return d;
}

void dedup_free(dedup *d) {
    if (!d) return;
    keyset_reset(&d->url);
    keyset_reset(&d->exact);
    keyset_reset(&d->shorts);
    keyset_reset(&d->ngram);
    keyset_reset(&d->paragraph);
    for (int i = 0; i < PARAGRAPH_COUNT_MAX; i++) keyset_reset(&d->counted[i]);
    near_reset(&d->near);
    free(d->scratch);
    for (int i = 0; i < d->n_read_only; i++) dedup_free(d->read_only[i]);
    free(d);
}

const dedup_rules *dedup_rules_of(const dedup *d) { return &d->rules; }
dedup_read_only_counts dedup_read_only_stats(const dedup *d) { return d->read_only_counts; }

uint64_t dedup_bytes(const dedup *d) {
    filter_slot *slots = wt_xmalloc(dedup_slots((dedup *)d, NULL) * sizeof *slots);
    size_t n = dedup_slots((dedup *)d, slots);
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        if (slots[i].mine) bytes += bloom_bytes(*slots[i].filter);
    free(slots);
    wt_cluster_sum_u64(&bytes, 1);
    return bytes;
}

/* ---- batches ---- */

bool dedup_wants_text(const dedup *d) {
    return d->wanted.exact || d->wanted.near || d->wanted.ngram || d->wanted.paragraphs;
}

size_t dedup_batch_docs(const dedup *d) { return d->wanted.near ? 1024 : 16384; }

dedup_batch *dedup_batch_new(void) { return wt_xcalloc(1, sizeof(dedup_batch)); }

void dedup_batch_free(dedup_batch *b) {
    if (!b) return;
    u64_list *lists[] = {&b->near_keys, &b->ngram_keys, &b->paragraph_keys, &b->words,
                         &b->blank_words, &b->shingles};
    for (int i = 0; i < 6; i++) free(lists[i]->at);
    free(b->ngram_units.at), free(b->paragraph_units.at), free(b->removed), free(b->doc);
    free(b);
}

void dedup_batch_clear(dedup_batch *b) {
    b->n_docs = b->near_keys.n = b->ngram_keys.n = b->paragraph_keys.n = 0;
    b->ngram_units.n = b->paragraph_units.n = b->n_removed = 0;
}

static doc_keys *batch_place(dedup_batch *b) {
    WT_GROW(b->doc, b->docs_cap, b->n_docs + 1);
    doc_keys *doc = &b->doc[b->n_docs++];
    memset(doc, 0, sizeof *doc);
    return doc;
}

/* ---- batches that travel: nothing that another rank does not need in order to judge ---- */

enum { CAUSE_BITS = 4, NEAR_BITS = 2 };

static void add_u64(wt_buf *bytes, uint64_t x) { wt_buf_add(bytes, &x, sizeof x); }
static uint64_t take_u64(wt_str *bytes) {
    uint64_t x;
    memcpy(&x, bytes->ptr, sizeof x);
    bytes->ptr += sizeof x, bytes->len -= sizeof x;
    return x;
}

/* How many units each document has, and how many keys each unit. */
static void pack_units(const dedup_batch *b, bool ngram, wt_buf *bytes) {
    const unit_list *units = ngram ? &b->ngram_units : &b->paragraph_units;
    const u64_list *keys = ngram ? &b->ngram_keys : &b->paragraph_keys;
    for (size_t i = 0; i < b->n_docs; i++) {
        uint32_t n = (uint32_t)(ngram ? b->doc[i].n_ngrams : b->doc[i].n_paragraphs);
        wt_buf_add(bytes, &n, sizeof n);
    }
    for (size_t u = 0; u < units->n && ngram; u++) {
        uint32_t n = (uint32_t)units->at[u].n_keys;
        wt_buf_add(bytes, &n, sizeof n);
    }
    pack_bytes(bytes, keys->at, keys->n * sizeof *keys->at);
}

static uint32_t take_u32(wt_str *bytes) {
    uint32_t x;
    memcpy(&x, bytes->ptr, sizeof x);
    bytes->ptr += sizeof x, bytes->len -= sizeof x;
    return x;
}

static void unpack_list(u64_list *list, wt_str *bytes) {
    wt_str from = unpack_bytes(bytes);
    list->n = from.len / sizeof *list->at;
    WT_GROW(list->at, list->cap, list->n);
    if (list->n) memcpy(list->at, from.ptr, from.len);
}

static void unpack_units(dedup_batch *b, bool ngram, wt_str *bytes) {
    unit_list *units = ngram ? &b->ngram_units : &b->paragraph_units;
    units->n = 0;
    for (size_t i = 0; i < b->n_docs; i++) {
        size_t n = take_u32(bytes);
        doc_keys *doc = &b->doc[i];
        if (ngram) doc->ngram_at = units->n, doc->n_ngrams = n;
        else doc->paragraph_at = units->n, doc->n_paragraphs = n;
        units->n += n;
    }
    WT_GROW(units->at, units->cap, units->n);
    for (size_t u = 0, at = 0; u < units->n; u++) {
        units->at[u] = (key_unit){.key_at = at, .n_keys = ngram ? take_u32(bytes) : 1};
        at += units->at[u].n_keys;
    }
    unpack_list(ngram ? &b->ngram_keys : &b->paragraph_keys, bytes);
}

void dedup_batch_pack(const dedup *d, const dedup_batch *b, wt_buf *bytes) {
    const dedup_rules *r = &d->wanted;
    wt_buf_reserve(bytes, 32 + b->n_docs * 25 + b->near_keys.n * sizeof(uint64_t));
    add_u64(bytes, b->n_docs);
    for (size_t i = 0; i < b->n_docs; i++) {
        const doc_keys *doc = &b->doc[i];
        wt_buf_add_char(bytes, (char)(doc->cause | (unsigned)doc->near << CAUSE_BITS | (unsigned)doc->has_url << (CAUSE_BITS + NEAR_BITS)));
        if (doc->has_url) add_u64(bytes, doc->url);
        if (r->exact && doc->cause == DEDUP_KEEP) add_u64(bytes, doc->exact);
        if (doc->near == NEAR_SHORT) add_u64(bytes, doc->short_key);
    }
    if (r->near) pack_bytes(bytes, b->near_keys.at, b->near_keys.n * sizeof *b->near_keys.at);
    if (r->ngram) pack_units(b, true, bytes);
    if (r->paragraphs) pack_units(b, false, bytes);
}

void dedup_batch_unpack(const dedup *d, dedup_batch *b, wt_str *bytes) {
    const dedup_rules *r = &d->wanted;
    size_t n_sketches = 0;
    dedup_batch_clear(b);
    b->n_docs = take_u64(bytes);
    WT_GROW(b->doc, b->docs_cap, b->n_docs);
    for (size_t i = 0; i < b->n_docs; i++) {
        unsigned flags = (uint8_t)*bytes->ptr++;
        bytes->len--;
        doc_keys *doc = &b->doc[i];
        *doc = (doc_keys){.cause = flags & ((1u << CAUSE_BITS) - 1), .near = flags >> CAUSE_BITS & ((1u << NEAR_BITS) - 1),
                          .has_url = flags >> (CAUSE_BITS + NEAR_BITS)};
        if (doc->has_url) doc->url = take_u64(bytes);
        if (r->exact && doc->cause == DEDUP_KEEP) doc->exact = take_u64(bytes);
        if (doc->near == NEAR_SHORT) doc->short_key = take_u64(bytes);
        if (doc->near == NEAR_SKETCH) doc->near_at = n_sketches++ * (size_t)r->plan.bands;
    }
    if (r->near) unpack_list(&b->near_keys, bytes);
    if (r->ngram) unpack_units(b, true, bytes);
    if (r->paragraphs) unpack_units(b, false, bytes);
}

void dedup_batch_add(const dedup *d, dedup_batch *b, wt_str text, wt_str url) {
    keys_of_document(d, b, batch_place(b), text, url);
}
void dedup_batch_skip(dedup_batch *b, dedup_cause cause) { batch_place(b)->cause = cause; }
size_t dedup_batch_size(const dedup_batch *b) { return b->n_docs; }
void dedup_batch_cut(dedup_batch *b, size_t n) { b->n_docs = n; }

dedup_verdict dedup_batch_verdict(const dedup_batch *b, size_t i) {
    const doc_keys *doc = &b->doc[i];
    return (dedup_verdict){doc->cause, doc->rule, doc->score, doc->votes,
                           b->removed ? b->removed + doc->removed_at : NULL, doc->n_removed};
}

/* ---- one judgement: which rule's filters, asked or added to, and in whose name ---- */

typedef struct {
    dedup *d;                   /* whose filters */
    dedup_batch *batch;
    bool ask_only;              /* a read-only set */
    int threads;
    wt_err *err;
    dedup_read_only_counts *counts;
} judge;

static void claim(const judge *j, doc_keys *doc, dedup_cause cause, double score) {
    doc->cause = j->ask_only ? DEDUP_READ_ONLY : cause;
    doc->rule = cause;
    doc->score = score;
}

static int ask(const judge *j, keyset *set, const uint64_t *keys, size_t n, const size_t *group_end,
               size_t n_groups, uint8_t *seen) {
    keyset_verb verb = j->ask_only ? KEYSET_TEST : KEYSET_ADD;
    if (keyset_do(set, verb, keys, n, group_end, n_groups, seen, j->threads, j->err)) return -1;
    if (j->counts) {
        j->counts->keys_tested += n;
        for (size_t i = 0; i < n; i++) j->counts->keys_hit += seen[i];
    }
    return 0;
}

/* The key of a document for a one-key rule; false: it has none. */
static bool one_key(const doc_keys *doc, dedup_cause rule, uint64_t *key) {
    switch (rule) {
    case DEDUP_URL: *key = doc->url; return doc->has_url;
    case DEDUP_EXACT: *key = doc->exact; return true;
    default: *key = doc->short_key; return doc->near == NEAR_SHORT;
    }
}

static int judge_one_key(const judge *j, keyset *set, dedup_cause rule) {
    dedup_batch *b = j->batch;
    uint64_t *keys = wt_xmalloc(b->n_docs * sizeof *keys);
    size_t *whose = wt_xmalloc(b->n_docs * sizeof *whose), n = 0;
    uint8_t *seen = wt_xmalloc(b->n_docs);
    for (size_t i = 0; i < b->n_docs; i++)
        if (b->doc[i].cause == DEDUP_KEEP && one_key(&b->doc[i], rule, &keys[n])) whose[n++] = i;
    int result = ask(j, set, keys, n, NULL, 0, seen);
    for (size_t i = 0; i < n && !result; i++)
        if (seen[i]) claim(j, &b->doc[whose[i]], rule, 1);
    free(keys), free(whose), free(seen);
    return result;
}

/* The last scratch ends here. */
static void *scratch(dedup *d, size_t bytes) {
    if (bytes > d->scratch_bytes) {
        free(d->scratch);
        d->scratch = wt_xmalloc(d->scratch_bytes = bytes);
    }
    return d->scratch;
}

static int judge_near(const judge *j) {
    dedup_batch *b = j->batch;
    size_t bands = (size_t)j->d->rules.plan.bands, n = 0;
    uint64_t *keys = scratch(j->d, b->n_docs * bands * sizeof *keys);
    size_t *whose = wt_xmalloc(b->n_docs * sizeof *whose);
    uint32_t *votes = wt_xmalloc(b->n_docs * sizeof *votes);
    for (size_t i = 0; i < b->n_docs; i++) {
        const doc_keys *doc = &b->doc[i];
        if (doc->cause != DEDUP_KEEP || doc->near != NEAR_SKETCH) continue;
        memcpy(keys + n * bands, b->near_keys.at + doc->near_at, bands * sizeof *keys);
        whose[n++] = i;
    }
    int result = near_judge(&j->d->near, keys, n, j->ask_only, votes, j->threads, j->err);
    for (size_t i = 0; i < n && !result; i++) {
        if (j->counts) j->counts->keys_tested += bands, j->counts->keys_hit += votes[i];
        doc_keys *doc = &b->doc[whose[i]];
        doc->votes = (int)votes[i];
        const near_set *near = &j->d->near;
        if (votes[i] >= near->votes_now)
            claim(j, doc, DEDUP_NEAR, sketch_similarity(&near->plan, doc->votes, near->rate_now));
    }
    free(whose), free(votes);
    return result;
}

/* ---- rules with many keys a document ---- */

/* The keys of the documents that are still kept, closed up, with the end of each document. */
typedef struct {
    uint64_t *keys;
    uint8_t *seen;
    size_t *group_end, *whose, n_keys, n_groups;
} gathered;

static void span_of(const dedup_batch *b, const doc_keys *doc, dedup_cause rule, const unit_list **units,
                    size_t *at, size_t *n) {
    bool ngram = rule == DEDUP_NGRAM;
    *units = ngram ? &b->ngram_units : &b->paragraph_units;
    *at = ngram ? doc->ngram_at : doc->paragraph_at;
    *n = ngram ? doc->n_ngrams : doc->n_paragraphs;
}

/* In d's scratch: the last one ends here. */
static gathered gather(dedup *d, const dedup_batch *b, dedup_cause rule) {
    const u64_list *list = rule == DEDUP_NGRAM ? &b->ngram_keys : &b->paragraph_keys;
    size_t bytes = list->n * 9 + 2 * b->n_docs * sizeof(size_t);
    gathered g = {.keys = scratch(d, bytes)};
    g.group_end = (size_t *)g.keys + list->n;
    g.whose = g.group_end + b->n_docs;
    g.seen = (uint8_t *)(g.whose + b->n_docs);
    if (list->n) memset(g.seen, 0, list->n);
    for (size_t i = 0; i < b->n_docs; i++) {
        const unit_list *units;
        size_t at, n;
        span_of(b, &b->doc[i], rule, &units, &at, &n);
        if (b->doc[i].cause != DEDUP_KEEP || n == 0) continue;
        size_t from = units->at[at].key_at;
        size_t to = units->at[at + n - 1].key_at + units->at[at + n - 1].n_keys;
        memcpy(g.keys + g.n_keys, list->at + from, (to - from) * sizeof *g.keys);
        g.n_keys += to - from;
        g.whose[g.n_groups] = i;
        g.group_end[g.n_groups++] = g.n_keys;
    }
    return g;
}

/* A document's spans lie together, in text order, each once: two rules may name the same. */
static void remove_span(dedup_batch *b, doc_keys *doc, const key_unit *u, double score) {
    WT_GROW(b->removed, b->removed_cap, b->n_removed + doc->n_removed + 1);
    if (doc->removed_at + doc->n_removed != b->n_removed) {
        memcpy(b->removed + b->n_removed, b->removed + doc->removed_at, doc->n_removed * sizeof *b->removed);
        doc->removed_at = b->n_removed;
        b->n_removed += doc->n_removed;
    }
    size_t at = b->n_removed;
    for (; at > doc->removed_at && b->removed[at - 1].start >= u->start; at--)
        if (b->removed[at - 1].start == u->start) return;
    memmove(b->removed + at + 1, b->removed + at, (b->n_removed - at) * sizeof *b->removed);
    b->removed[at] = (dedup_span){u->start, u->end, score};
    b->n_removed++;
    doc->n_removed++;
}

/* Takes the document, or those of its units whose share of seen keys is at least `limit`. */
static void judge_units(const judge *j, doc_keys *doc, dedup_cause rule, const uint8_t *seen,
                        bool whole, bool parts, double limit) {
    dedup_batch *b = j->batch;
    const unit_list *units;
    size_t at, n, total = 0, total_seen = 0, n_over = 0;
    span_of(b, doc, rule, &units, &at, &n);
    size_t from = units->at[at].key_at;
    for (size_t u = at; u < at + n; u++) {
        const key_unit *unit = &units->at[u];
        size_t hits = 0;
        for (size_t k = 0; k < unit->n_keys; k++) hits += seen[unit->key_at - from + k];
        total += unit->n_keys;
        total_seen += hits;
        double share = (double)hits / (double)unit->n_keys;
        if (parts && share >= limit) {
            remove_span(b, doc, unit, share);
            n_over++;
        }
    }
    double share = (double)total_seen / (double)total;
    if ((whole && share >= limit) || (parts && n_over == n)) claim(j, doc, rule, share);
    else if (rule == DEDUP_NGRAM) doc->score = share;
}

static int judge_ngrams(const judge *j, double limit) {
    const dedup_rules *r = &j->d->rules;
    gathered g = gather(j->d, j->batch, DEDUP_NGRAM);
    int result = ask(j, &j->d->ngram, g.keys, g.n_keys, g.group_end, g.n_groups, g.seen);
    for (size_t i = 0, at = 0; i < g.n_groups && !result; at = g.group_end[i++])
        judge_units(j, &j->batch->doc[g.whose[i]], DEDUP_NGRAM, g.seen + at, r->unit != NGRAM_PARAGRAPH,
                    r->unit != NGRAM_DOCUMENT && !j->ask_only, limit);
    return result;
}

static int ask_read_only_paragraphs(const judge *j, const gathered *g) {
    uint8_t *seen = wt_xmalloc(g->n_keys + 1);
    int result = 0;
    for (int i = 0; i < j->d->n_read_only && !result; i++) {
        dedup *other = j->d->read_only[i];
        if (!other->rules.paragraphs || other->rules.paragraph_count) continue;
        judge asker = *j;
        asker.ask_only = true;
        asker.counts = &j->d->read_only_counts;
        result = ask(&asker, &other->paragraph, g->keys, g->n_keys, NULL, 0, seen);
        for (size_t k = 0; k < g->n_keys && !result; k++) g->seen[k] |= seen[k];
    }
    free(seen);
    return result;
}

static int judge_paragraphs(const judge *j) {
    dedup *d = j->d;
    gathered g = gather(d, j->batch, DEDUP_PARAGRAPHS);
    int result = 0;
    if (d->rules.paragraphs && d->rules.paragraph_count)
        result = keyset_do(&d->counted[d->rules.paragraph_count - 1], KEYSET_TEST, g.keys, g.n_keys,
                           NULL, 0, g.seen, j->threads, j->err);
    else if (d->rules.paragraphs)
        result = ask(j, &d->paragraph, g.keys, g.n_keys, g.group_end, g.n_groups, g.seen);
    if (!result) result = ask_read_only_paragraphs(j, &g);
    for (size_t i = 0, at = 0; i < g.n_groups && !result; at = g.group_end[i++])
        judge_units(j, &j->batch->doc[g.whose[i]], DEDUP_PARAGRAPHS, g.seen + at, false, true, 1);
    return result;
}

/* The rules of one set, but for paragraphs. */
static int judge_rules(const judge *j, double limit) {
    dedup *d = j->d;
    const dedup_rules *r = &d->rules;
    if (r->urls && judge_one_key(j, &d->url, DEDUP_URL)) return -1;
    if (r->exact && judge_one_key(j, &d->exact, DEDUP_EXACT)) return -1;
    if (r->near && (judge_one_key(j, &d->shorts, DEDUP_NEAR) || judge_near(j))) return -1;
    return r->ngram ? judge_ngrams(j, limit) : 0;
}

int dedup_judge(dedup *d, dedup_batch *batch, int threads, wt_err *err) {
    judge own = {.d = d, .batch = batch, .threads = threads, .err = err};
    for (int i = 0; i < d->n_read_only; i++) {
        judge other = own;
        other.d = d->read_only[i];
        other.ask_only = true;
        other.counts = &d->read_only_counts;
        if (judge_rules(&other, d->rules.overlap)) return -1;
    }
    if (judge_rules(&own, d->rules.overlap)) return -1;
    return d->wanted.paragraphs ? judge_paragraphs(&own) : 0;
}

/* A paragraph that filter i knew goes on to filter i + 1, at most once a document. */
int dedup_count_paragraphs(dedup *d, dedup_batch *batch, int threads, wt_err *err) {
    gathered g = gather(d, batch, DEDUP_PARAGRAPHS);
    int result = 0;
    for (int i = 0; i < d->rules.paragraph_count && !result; i++) {
        result = keyset_do(&d->counted[i], KEYSET_ADD, g.keys, g.n_keys, g.group_end, g.n_groups, g.seen,
                           threads, err);
        size_t n = 0;
        for (size_t group = 0, k = 0; group < g.n_groups; group++) {
            for (; k < g.group_end[group]; k++)
                if (g.seen[k]) g.keys[n++] = g.keys[k];
            g.group_end[group] = n;
        }
        g.n_keys = n;
    }
    return result;
}
