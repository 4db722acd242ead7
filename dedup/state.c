/* state.c - a dedup as a file: what was decided by which rules, and the filters, so that a later
 * corpus goes on from here, another set is cleaned of this one, and a killed run continues. The byte
 * table is in docs/formats/dedup.md. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/json.h"
#include "dedup/dedup_impl.h"
#include "dedup/rounds.h"

enum { HEAD = 64, PAGE = 4096, VERSION = 1, JSON_MAX = 1 << 24 };
enum { KEYS_VERSION = 2 };                             /* 1 hashed the hosts of URLs byte by byte */
static const char MAGIC[8] = {'W', 'T', 'D', 'E', 'D', 'U', 'P', '\n'};
static const char *const UNITS[] = {"document", "paragraph", "both"};

/* ---- rules as JSON: what the keys depend on ---- */

void dedup_rules_write(const dedup_rules *r, wt_buf *out) {
    wt_buf_printf(out, "{\"keys\":%d,\"words\":\"%s\",\"seed\":%llu,\"url\":%s,\"exact\":%s", KEYS_VERSION,
                  words_rule_name(r->words), (unsigned long long)r->seed, r->urls ? "true" : "false",
                  r->exact ? "true" : "false");
    if (r->near)
        wt_buf_printf(out, ",\"near\":{\"shingle\":%d,\"bands\":%d,\"rows\":%d,\"votes\":%d,\"votes_full\":%d,\"rate\":%.17g}",
                      r->shingle, r->plan.bands, r->plan.rows, r->plan.votes, r->plan.votes_full, r->plan.band_fp_rate);
    if (r->ngram)
        wt_buf_printf(out, ",\"ngram\":{\"n\":%d,\"unit\":\"%s\"}", r->ngram, UNITS[r->unit]);
    if (r->paragraphs) wt_buf_printf(out, ",\"paragraphs\":{\"count\":%d}", r->paragraph_count);
    wt_buf_add_char(out, '}');
}

static int get_int(wt_json object, const char *key, int *out, wt_err *err) {
    int64_t x;
    if (wt_json_i64(wt_json_get(object, key), &x) || x < 0 || x > 1000000)
        return wt_fail(err, WT_EDATA, "'%s' is missing or no number", key);
    *out = (int)x;
    return 0;
}

static bool is_word(wt_json value, const char *word) {
    return value.kind == WT_JSON_STRING && wt_str_eq(value.raw, wt_str_of(word));
}

static int rules_read(wt_json json, dedup_rules *r, wt_err *err) {
    int version = 0, found = -1;
    int64_t seed;
    *r = (dedup_rules){.overlap = 0.8, .shingle = 5};
    if (get_int(json, "keys", &version, err)) return -1;
    if (version != KEYS_VERSION)
        return wt_fail(err, WT_EDATA, "its keys are of version %d, this program's of %d", version, KEYS_VERSION);
    for (int i = 0; i < 4; i++)
        if (is_word(wt_json_get(json, "words"), words_rule_name((words_rule)i))) found = i;
    if (found < 0) return wt_fail(err, WT_EDATA, "its word rule is unknown");
    r->words = (words_rule)found;
    if (wt_json_i64(wt_json_get(json, "seed"), &seed)) return wt_fail(err, WT_EDATA, "its seed is missing");
    r->seed = (uint64_t)seed;
    r->urls = wt_json_true(wt_json_get(json, "url"));
    r->exact = wt_json_true(wt_json_get(json, "exact"));
    wt_json near = wt_json_get(json, "near"), ngram = wt_json_get(json, "ngram");
    wt_json paragraphs = wt_json_get(json, "paragraphs");
    r->near = near.kind == WT_JSON_OBJECT;
    if (r->near && (get_int(near, "shingle", &r->shingle, err) || get_int(near, "bands", &r->plan.bands, err) ||
                    get_int(near, "rows", &r->plan.rows, err) || get_int(near, "votes", &r->plan.votes, err) ||
                    get_int(near, "votes_full", &r->plan.votes_full, err)))
        return -1;
    if (r->near && (wt_json_double(wt_json_get(near, "rate"), &r->plan.band_fp_rate) || r->plan.bands == 0 ||
                    !(r->plan.band_fp_rate > 0 && r->plan.band_fp_rate <= 0.5)))
        return wt_fail(err, WT_EDATA, "its bands are damaged");
    if (ngram.kind == WT_JSON_OBJECT) {
        if (get_int(ngram, "n", &r->ngram, err)) return -1;
        for (int i = 0; i < 3; i++)
            if (is_word(wt_json_get(ngram, "unit"), UNITS[i])) r->unit = (ngram_unit)i;
    }
    r->paragraphs = paragraphs.kind == WT_JSON_OBJECT;
    return r->paragraphs ? get_int(paragraphs, "count", &r->paragraph_count, err) : 0;
}

/* Names the first member in which the rules of a file and of this run differ. */
static int rules_compare(wt_json theirs, wt_json ours, const char *path, wt_err *err) {
    wt_json sides[2] = {theirs, ours};
    for (int side = 0; side < 2; side++) {
        wt_json_iter it;
        wt_str key;
        wt_json value;
        if (wt_json_iter_init(&it, sides[side], err)) return -1;
        while (wt_json_next(&it, &key, &value, err) > 0) {
            char *name = wt_xstrndup(key);
            wt_json a = wt_json_get(theirs, name), b = wt_json_get(ours, name);
            free(name);
            if (wt_str_eq(a.raw, b.raw)) continue;
            return wt_fail(err, WT_EARG, "state '%s' was made with %.*s %.*s, this run has %.*s", path,
                           WT_FMT(key), a.raw.len ? (int)a.raw.len : 6, a.raw.len ? a.raw.ptr : "no one",
                           b.raw.len ? (int)b.raw.len : 6, b.raw.len ? b.raw.ptr : "no one");
        }
    }
    return 0;
}

/* ---- file ---- */

static uint64_t round_page(uint64_t n) { return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1); }

static void head_build(uint8_t head[HEAD], wt_str json, uint64_t body_at, uint64_t n_slots) {
    uint64_t json_len = json.len, json_hash = wt_hash64(json.ptr, json.len, 0);
    uint32_t version = VERSION;
    memset(head, 0, HEAD);
    memcpy(head, MAGIC, 8);
    memcpy(head + 8, &version, 4);
    memcpy(head + 16, &json_len, 8);
    memcpy(head + 24, &body_at, 8);
    memcpy(head + 32, &n_slots, 8);
    memcpy(head + 40, &json_hash, 8);
    uint64_t head_hash = wt_hash64(head, HEAD - 8, 0);
    memcpy(head + HEAD - 8, &head_hash, 8);
}

static int head_write(int file, wt_str json, uint64_t body_at, uint64_t n_slots, wt_err *err) {
    wt_buf page = {0};
    uint8_t head[HEAD];
    head_build(head, json, body_at, n_slots);
    wt_buf_add(&page, head, HEAD);
    wt_buf_add_str(&page, json);
    bool good = pwrite(file, page.ptr, page.len, 0) == (ssize_t)page.len;
    wt_buf_free(&page);
    return good ? 0 : wt_fail_errno(err, "cannot write its head");
}

/* Each rank its filters, to the places that follow from the sizes of all. */
static int filters_write(const dedup *d, int file, uint64_t at, wt_err *err) {
    size_t n = dedup_slots((dedup *)d, NULL);
    filter_slot *slots = wt_xmalloc((n + 1) * sizeof *slots);
    uint64_t *bytes = wt_xcalloc(n + 1, sizeof *bytes);
    int result = 0;
    dedup_slots((dedup *)d, slots);
    for (size_t i = 0; i < n; i++)
        if (slots[i].mine) bytes[i] = bloom_file_bytes(*slots[i].filter);
    wt_cluster_sum_u64(bytes, n);
    for (size_t i = 0; i < n && !result; at += bytes[i++])
        if (slots[i].mine) result = bloom_write_at(*slots[i].filter, file, at, err);
    free(slots), free(bytes);
    return result;
}

/* One rank makes the file, with its head. */
static int part_open(const char *path, int *file, wt_str json, uint64_t body_at, uint64_t n_slots, wt_err *err) {
    bool first = wt_cluster_rank() == 0;
    int result = 0;
    if (first) result = (*file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0
                            ? wt_fail_errno(err, "cannot make it") : head_write(*file, json, body_at, n_slots, err);
    if (wt_cluster_agree(result, err)) return -1;
    if (!first && (*file = open(path, O_WRONLY | O_CLOEXEC)) < 0) return wt_fail_errno(err, "cannot open it");
    return 0;
}

static int replace(const char *part, const char *path, wt_err *err) {
    if (rename(part, path)) return wt_fail_errno(err, "cannot rename it");
    return wt_sync_dir_of(path, err);
}

int dedup_save(const dedup *d, const char *path, wt_str note, wt_err *err) {
    wt_buf json = {0}, part = {0};
    wt_buf_add_str(&json, WT_STR("{\"rules\":"));
    dedup_rules_write(&d->rules, &json);
    wt_buf_printf(&json, ",\"note\":%.*s}\n", note.len ? (int)note.len : 4, note.len ? note.ptr : "null");
    wt_buf_printf(&part, "%s.part", path);
    int file = -1;
    uint64_t body_at = round_page(HEAD + json.len);
    int result = part_open(part.ptr, &file, wt_buf_view(&json), body_at, dedup_slots((dedup *)d, NULL), err);
    result = wt_cluster_agree(result, err);
    if (!result) result = filters_write(d, file, body_at, err);
    if (!result && fsync(file)) result = wt_fail_errno(err, "cannot write it");
    if (file >= 0) close(file);
    result = wt_cluster_agree(result, err);
    if (!result) result = wt_cluster_agree(wt_cluster_rank() == 0 ? replace(part.ptr, path, err) : 0, err);
    if (result && wt_cluster_rank() == 0) unlink(part.ptr);
    wt_buf_free(&json);
    wt_buf_free(&part);
    return result ? wt_context(err, "state '%s'", path) : 0;
}

static int read_head(const char *path, wt_buf *json, uint64_t *body_at, uint64_t *n_filters, wt_err *err) {
    uint8_t head[HEAD];
    uint64_t json_len, hash;
    uint32_t version;
    FILE *f = fopen(path, "rbe");
    if (!f) return wt_fail_errno(err, "cannot open state '%s'", path);
    bool whole = fread(head, 1, HEAD, f) == HEAD;
    int result = 0;
    memcpy(&version, head + 8, 4);
    memcpy(&json_len, head + 16, 8);
    memcpy(body_at, head + 24, 8);
    memcpy(n_filters, head + 32, 8);
    memcpy(&hash, head + HEAD - 8, 8);
    if (!whole || memcmp(head, MAGIC, 8) != 0)
        result = wt_fail(err, WT_EDATA, "'%s' is not a state of wt-dedup (magic bytes differ)", path);
    else if (version != VERSION)
        result = wt_fail(err, WT_EDATA, "state '%s' has version %u, this program reads version %d", path,
                         version, VERSION);
    else if (hash != wt_hash64(head, HEAD - 8, 0) || json_len > JSON_MAX)
        result = wt_fail(err, WT_EDATA, "state '%s': its first %d bytes are damaged", path, HEAD);
    if (!result) {
        wt_buf_reserve(json, json_len);
        json->len = fread(json->ptr, 1, json_len, f);
        json->ptr[json->len] = 0;
        memcpy(&hash, head + 40, 8);
        if (json->len != json_len || hash != wt_hash64(json->ptr, json_len, 0))
            result = wt_fail(err, WT_EDATA, "state '%s': its rules at byte %d are damaged", path, HEAD);
    }
    fclose(f);
    return result;
}

static int load_filters(dedup *d, const char *path, uint64_t at, uint64_t n_filters, wt_err *err) {
    size_t n = dedup_slots(d, NULL);
    filter_slot *slots = wt_xmalloc((n + 1) * sizeof *slots);
    dedup_slots(d, slots);
    int result = 0;
    if (n != n_filters)
        result = wt_fail(err, WT_EDATA, "state '%s' has %llu filters, its rules take %zu", path,
                         (unsigned long long)n_filters, n);
    for (size_t i = 0; i < n && !result; i++) {
        bloom *b = slots[i].mine ? bloom_load_at(path, at, err) : bloom_load_empty_at(path, at, err);
        if (b) at += bloom_file_bytes(b);
        else result = -1;
        *slots[i].filter = b;
    }
    free(slots);
    return result;
}

dedup *dedup_load(const char *path, const dedup_rules *rules, wt_buf *note, wt_err *err) {
    wt_buf json = {0}, ours = {0};
    uint64_t body_at = 0, n_filters = 0;
    dedup *d = NULL;
    dedup_rules file_rules;
    wt_json whole, inner, mine;
    if (read_head(path, &json, &body_at, &n_filters, err)) goto done;
    if (wt_json_parse(wt_str_trim(wt_buf_view(&json)), &whole, err)) goto done;
    inner = wt_json_get(whole, "rules");
    if (inner.kind != WT_JSON_OBJECT) {
        wt_fail(err, WT_EDATA, "state '%s' has no rules", path);
        goto done;
    }
    if (rules_read(inner, &file_rules, err)) {
        wt_context(err, "state '%s'", path);
        goto done;
    }
    d = dedup_alloc(rules ? rules : &file_rules, err);
    if (!d) goto done;
    if (rules) {
        dedup_rules_write(&d->rules, &ours);
        if (wt_json_parse(wt_buf_view(&ours), &mine, err) || rules_compare(inner, mine, path, err)) {
            dedup_free(d);
            d = NULL;
            goto done;
        }
    }
    if (load_filters(d, path, body_at, n_filters, err)) {
        dedup_free(d);
        d = NULL;
    } else if (note) {
        wt_buf_add_str(note, wt_json_get(whole, "note").raw);
    }
done:
    wt_buf_free(&json);
    wt_buf_free(&ours);
    return d;
}

int dedup_load_note(const char *path, wt_buf *note, wt_err *err) {
    wt_buf json = {0};
    wt_json whole;
    uint64_t body_at, n_filters;
    int result = read_head(path, &json, &body_at, &n_filters, err);
    if (!result) result = wt_json_parse(wt_str_trim(wt_buf_view(&json)), &whole, err);
    if (!result) wt_buf_add_str(note, wt_json_get(whole, "note").raw);
    wt_buf_free(&json);
    return result;
}

/* ---- read-only sets ---- */

static int both_or_fail(const char *path, const char *what, double theirs, double ours, wt_err *err) {
    if (theirs == ours) return 0;
    return wt_fail(err, WT_EARG, "read-only '%s' was made with %s %g, this run has %g", path, what, theirs,
                   ours);
}

static int rules_join(dedup_rules *into, const dedup_rules *r, const char *path, wt_err *err) {
    bool words_matter = (into->near || into->ngram) && (r->near || r->ngram);
    if (words_matter && into->words != r->words)
        return wt_fail(err, WT_EARG, "read-only '%s' was made with --words %s, this run has %s", path,
                       words_rule_name(r->words), words_rule_name(into->words));
    if (!words_matter && (r->near || r->ngram)) into->words = r->words;
    if (r->near && into->near &&
        (both_or_fail(path, "shingles of", r->shingle, into->shingle, err) ||
         both_or_fail(path, "seed", (double)r->seed, (double)into->seed, err) ||
         both_or_fail(path, "bands", r->plan.bands, into->plan.bands, err) ||
         both_or_fail(path, "rows", r->plan.rows, into->plan.rows, err)))
        return -1;
    if (r->ngram && into->ngram &&
        (both_or_fail(path, "--ngram", r->ngram, into->ngram, err) ||
         both_or_fail(path, "n-gram unit", r->unit, into->unit, err)))
        return -1;
    if (r->near && !into->near) into->plan = r->plan, into->shingle = r->shingle, into->seed = r->seed;
    if (r->ngram && !into->ngram) into->ngram = r->ngram, into->unit = r->unit;
    into->near |= r->near;
    into->exact |= r->exact;
    into->urls |= r->urls;
    into->paragraphs |= r->paragraphs && !r->paragraph_count;
    return 0;
}

int dedup_read_only(dedup *d, const char *path, wt_err *err) {
    if (d->n_read_only == READ_ONLY_MAX)
        return wt_fail(err, WT_EARG, "at most %d read-only sets", READ_ONLY_MAX);
    dedup *other = dedup_load(path, NULL, NULL, err);
    if (!other) return -1;
    if (rules_join(&d->wanted, &other->rules, path, err)) {
        dedup_free(other);
        return -1;
    }
    d->read_only[d->n_read_only++] = other;
    filter_slot *slots = wt_xmalloc((dedup_slots(other, NULL) + 1) * sizeof *slots);
    size_t n = dedup_slots(other, slots);
    for (size_t i = 0; i < n; i++) d->read_only_counts.keys_loaded += bloom_n_added(*slots[i].filter);
    free(slots);
    return 0;
}

/* ---- description ---- */

static void describe_stats(const char *name, const bloom_stats *s, wt_buf *json, wt_buf *warnings) {
    wt_buf_printf(json, "%s\"%s\":{\"layout\":\"%s\",\"bits_per_key\":%d,\"layers\":%d,\"bytes\":%llu,\"keys\":%llu,"
                  "\"fill\":%.4f,\"rate_wanted\":%.3g,\"rate_now\":%.3g,\"rate_formula\":%.3g}",
                  json->ptr[json->len - 1] == '{' ? "" : ",", name, bloom_variant_name(s->variant), s->k,
                  s->n_layers, (unsigned long long)s->bytes, (unsigned long long)s->n_added, s->fill,
                  s->fp_rate, s->fp_now, s->fp_formula);
    if (warnings && s->fp_now > 1.5 * s->fp_rate)
        wt_buf_printf(warnings, "the %s filter is past its size: %llu keys, false-positive rate %.2g "
                      "instead of %.2g; give a larger --expect\n", name, (unsigned long long)s->n_added,
                      s->fp_now, s->fp_rate);
}

static void describe_set(const char *name, const keyset *set, int threads, wt_buf *json, wt_buf *warnings) {
    bloom_stats s;
    keyset_stats(set, threads, &s);
    describe_stats(name, &s, json, warnings);
}

/* Bands are alike, so the first stands for all but the bytes. */
static void describe_bands(const near_set *near, wt_buf *json, wt_buf *warnings) {
    bloom_stats s;
    memset(&s, 0, sizeof s);
    if (wt_cluster_rank() == 0) bloom_stats_read(near->band[0], &s);
    wt_cluster_broadcast(&s, sizeof s, 0);
    s.bytes *= (uint64_t)near->plan.bands;
    describe_stats("near", &s, json, warnings);
}

void dedup_describe(const dedup *d, int threads, wt_buf *json, wt_buf *warnings) {
    const dedup_rules *r = &d->rules;
    wt_buf_add_char(json, '{');
    if (r->urls) describe_set("url", &d->url, threads, json, warnings);
    if (r->exact) describe_set("exact", &d->exact, threads, json, warnings);
    if (r->near) {
        describe_set("short", &d->shorts, threads, json, warnings);
        describe_bands(&d->near, json, warnings);
    }
    if (r->ngram) describe_set("ngram", &d->ngram, threads, json, warnings);
    if (r->paragraphs && !r->paragraph_count) describe_set("paragraphs", &d->paragraph, threads, json, warnings);
    for (int i = 0; r->paragraphs && i < r->paragraph_count; i++) {
        char name[40];
        snprintf(name, sizeof name, "paragraphs in more than %d", i);
        describe_set(name, &d->counted[i], threads, json, warnings);
    }
    wt_buf_add_char(json, '}');
}
