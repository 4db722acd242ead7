/* manifest.c - index.json: what a dataset consists of, in canonical JSON (fixed order of keys, no
 * times, no paths of this machine), so that equal datasets have equal files. */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/tool.h"
#include "shard/format.h"

#define MANIFEST_BYTES_MAX ((uint64_t)1 << 30)
#define HEX(bytes) hex_of((bytes), sizeof(bytes), (char[65]){0})

static char *hex_of(const uint8_t *bytes, size_t n, char *out) {
    wt_hex(bytes, n, out);
    return out;
}

void shard_manifest_free(shard_manifest *m) {
    for (size_t i = 0; i < m->n; i++)
        free(m->entry[i].name);
    free(m->entry);
    wt_buf_free(&m->origin);
    *m = (shard_manifest){0};
}

shard_entry *shard_manifest_add(shard_manifest *m, const char *name) {
    WT_GROW(m->entry, m->cap, m->n + 1);
    shard_entry *e = &m->entry[m->n++];
    *e = (shard_entry){.name = wt_xstrdup(name)};
    return e;
}

void shard_manifest_totals(const shard_manifest *m, int split, shard_entry *t) {
    *t = (shard_entry){.split = split};
    for (size_t i = 0; i < m->n; i++) {
        const shard_entry *e = &m->entry[i];
        if (e->split == split)
            t->bytes += e->bytes, t->tokens += e->tokens, t->docs += e->docs, t->frames += e->frames;
    }
}

void shard_manifest_fingerprint(const shard_manifest *m, int split, uint8_t out[32]) {
    wt_digest *d = wt_digest_new(WT_SHA256);
    wt_digest_add(d, "WTS1", 4);
    wt_digest_add(d, m->tokenizer.sha256, 32);
    for (size_t i = 0; i < m->n; i++)
        if (m->entry[i].split == split)
            wt_digest_add(d, m->entry[i].content_root, 32);
    wt_digest_end(d, out);
    wt_digest_free(d);
}

/* A dataset's name is a hash of all that decides its bytes, so that shards of another are told. */
void shard_manifest_name(shard_manifest *m) {
    uint8_t sha[32];
    wt_buf text = {0};
    wt_buf_add(&text, m->tokenizer.sha256, 32);
    wt_buf_add(&text, m->input_sha256, 32);
    wt_buf_printf(&text, "WTS1 %u %u %d %d %u %llu %.17g %d %llu %d", m->tokenizer.vocab,
                  m->tokenizer.eot, m->token_bytes, m->boundary, m->frame_tokens,
                  (unsigned long long)m->shard_tokens, m->val_fraction, m->shuffle,
                  (unsigned long long)m->seed, m->level);
    wt_sha256(text.ptr, text.len, sha);
    memcpy(m->dataset_uuid, sha, 16);
    wt_buf_free(&text);
}

void shard_manifest_report(const shard_manifest *m) {
    for (int split = 0; split < SHARD_SPLITS; split++) {
        shard_entry t;
        char label[64];
        shard_manifest_totals(m, split, &t);
        snprintf(label, sizeof label, "%s documents", SHARD_SPLIT_NAME[split]);
        wt_report_count(label, t.docs);
        snprintf(label, sizeof label, "%s tokens", SHARD_SPLIT_NAME[split]);
        wt_report_count(label, t.tokens);
        snprintf(label, sizeof label, "%s bytes", SHARD_SPLIT_NAME[split]);
        wt_report_count(label, t.bytes);
    }
    wt_report_count("shards", m->n);
}

/* ---- writing ---- */
static void json_split(const shard_manifest *m, int split, wt_buf *out) {
    shard_entry t;
    uint8_t fingerprint[32];
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->entry[i].split == split;
    shard_manifest_totals(m, split, &t);
    shard_manifest_fingerprint(m, split, fingerprint);
    wt_buf_printf(out, "  \"%s\": {\"shards\": %zu, \"tokens\": %llu, \"documents\": %llu, "
                       "\"bytes\": %llu, \"fingerprint\": \"%s\"}",
                  SHARD_SPLIT_NAME[split], n, (unsigned long long)t.tokens,
                  (unsigned long long)t.docs, (unsigned long long)t.bytes, HEX(fingerprint));
}

static void json_entry(const shard_entry *e, wt_buf *out) {
    wt_buf_printf(out, "  {\"file\": \"%s\", \"split\": \"%s\", \"bytes\": %llu, "
                       "\"sha256\": \"%s\", ",
                  e->name, SHARD_SPLIT_NAME[e->split], (unsigned long long)e->bytes,
                  HEX(e->sha256));
    wt_buf_printf(out, "\"content_root\": \"%s\", \"tokens\": %llu, \"documents\": %llu, "
                       "\"frames\": %llu, \"first_token\": %llu}",
                  HEX(e->content_root), (unsigned long long)e->tokens,
                  (unsigned long long)e->docs, (unsigned long long)e->frames,
                  (unsigned long long)e->first_token);
}

static const char *const BOUNDARY_NAME[] = {"none", "eot-before", "eot-after"};

void shard_manifest_json(const shard_manifest *m, wt_buf *out) {
    wt_buf_printf(out, "{\n \"format\": \"WTS1\",\n \"version\": %u,\n \"tokenizer\": {\"name\": ",
                  SHARD_VERSION);
    wt_json_add_string(out, wt_str_of(m->tokenizer.name));
    wt_buf_printf(out, ", \"sha256\": \"%s\", \"vocab\": %u, \"eot\": %u},\n",
                  HEX(m->tokenizer.sha256), m->tokenizer.vocab, m->tokenizer.eot);
    wt_buf_printf(out, " \"token_bytes\": %d,\n \"codec\": \"raw\",\n \"boundary\": \"%s\",\n",
                  m->token_bytes, BOUNDARY_NAME[m->boundary]);
    wt_buf_printf(out, " \"frame_tokens\": %u,\n \"shard_tokens\": %llu,\n \"level\": %d,\n",
                  m->frame_tokens, (unsigned long long)m->shard_tokens, m->level);
    wt_buf_printf(out, " \"shuffle\": %s,\n \"seed\": %llu,\n \"val_fraction\": ",
                  m->shuffle ? "true" : "false", (unsigned long long)m->seed);
    wt_json_add_double(out, m->val_fraction);
    wt_buf_printf(out, ",\n \"dataset_uuid\": \"%s\",\n \"input_sha256\": \"%s\",\n",
                  HEX(m->dataset_uuid), HEX(m->input_sha256));
    wt_buf_printf(out, " \"origin\": %s,\n \"splits\": {\n",
                  m->origin.len ? m->origin.ptr : "null");
    for (int split = 0; split < SHARD_SPLITS; split++) {
        json_split(m, split, out);
        wt_buf_add_str(out, split + 1 < SHARD_SPLITS ? WT_STR(",\n") : WT_STR("\n"));
    }
    wt_buf_add_str(out, WT_STR(" },\n \"shards\": [\n"));
    for (size_t i = 0; i < m->n; i++) {
        json_entry(&m->entry[i], out);
        wt_buf_add_str(out, i + 1 < m->n ? WT_STR(",\n") : WT_STR("\n"));
    }
    wt_buf_add_str(out, WT_STR(" ]\n}\n"));
}

/* ---- reading ---- */
static int nibble(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_hex(wt_json object, const char *key, uint8_t *out, size_t n) {
    wt_json v = wt_json_get(object, key);
    if (v.kind != WT_JSON_STRING || v.raw.len != 2 * n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int hi = nibble(v.raw.ptr[2 * i]), lo = nibble(v.raw.ptr[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -1;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

static int take_u64(wt_json object, const char *key, uint64_t *out) {
    wt_json v = wt_json_get(object, key);
    int64_t x = -1;
    if (v.kind != WT_JSON_NUMBER || wt_json_i64(v, &x) || x < 0)
        return -1;
    *out = (uint64_t)x;
    return 0;
}

/* One of a list of words; its place, or -1. */
static int take_word(wt_json object, const char *key, const char *const *words, int n) {
    wt_json v = wt_json_get(object, key);
    for (int i = 0; i < n && v.kind == WT_JSON_STRING; i++)
        if (wt_str_eq(v.raw, wt_str_of(words[i])))
            return i;
    return -1;
}

/* A shard's file lies in the dataset's folder: a name with a slash leads elsewhere. */
static bool plain_name(wt_str name) {
    return name.len > 0 && name.len < 200 && name.ptr[0] != '.' && !memchr(name.ptr, '/', name.len) &&
           !memchr(name.ptr, '\\', name.len) && !memchr(name.ptr, 0, name.len);
}

static int take_entry(wt_json v, shard_manifest *m) {
    wt_json name = wt_json_get(v, "file");
    if (name.kind != WT_JSON_STRING || !plain_name(name.raw))
        return -1;
    char *c_name = wt_xstrndup(name.raw);
    shard_entry *e = shard_manifest_add(m, c_name);
    free(c_name);
    e->split = take_word(v, "split", SHARD_SPLIT_NAME, SHARD_SPLITS);
    return e->split < 0 || take_u64(v, "bytes", &e->bytes) || take_u64(v, "tokens", &e->tokens) ||
                   take_u64(v, "documents", &e->docs) || take_u64(v, "frames", &e->frames) ||
                   take_u64(v, "first_token", &e->first_token) ||
                   take_hex(v, "sha256", e->sha256, 32) ||
                   take_hex(v, "content_root", e->content_root, 32)
               ? -1
               : 0;
}

static int take_tokenizer(wt_json v, shard_tokenizer *t) {
    uint64_t vocab, eot;
    wt_arena *arena = wt_arena_new(0);
    wt_str name = wt_json_string(wt_json_get(v, "name"), arena);
    snprintf(t->name, sizeof t->name, "%.*s", WT_FMT(name));
    wt_arena_free(arena);
    if (take_u64(v, "vocab", &vocab) || take_u64(v, "eot", &eot) || vocab > UINT32_MAX ||
        eot > UINT32_MAX || take_hex(v, "sha256", t->sha256, 32))
        return -1;
    t->vocab = (uint32_t)vocab;
    t->eot = (uint32_t)eot;
    return 0;
}

static int take_settings(wt_json v, shard_manifest *m) {
    uint64_t token_bytes, frame_tokens, level;
    m->boundary = take_word(v, "boundary", BOUNDARY_NAME, 3);
    m->shuffle = wt_json_true(wt_json_get(v, "shuffle"));
    wt_json_double(wt_json_get(v, "val_fraction"), &m->val_fraction);
    wt_buf_add_str(&m->origin, wt_json_get(v, "origin").raw);
    if (m->boundary < 0 || take_tokenizer(wt_json_get(v, "tokenizer"), &m->tokenizer) ||
        take_u64(v, "token_bytes", &token_bytes) || take_u64(v, "frame_tokens", &frame_tokens) ||
        token_bytes > 4 || frame_tokens > UINT32_MAX || take_u64(v, "level", &level) ||
        take_u64(v, "shard_tokens", &m->shard_tokens) ||
        take_hex(v, "dataset_uuid", m->dataset_uuid, 16) ||
        take_hex(v, "input_sha256", m->input_sha256, 32))
        return -1;
    take_u64(v, "seed", &m->seed);
    m->token_bytes = (int)token_bytes;
    m->frame_tokens = (uint32_t)frame_tokens;
    m->level = (int)level;
    return 0;
}

static int manifest_parse(wt_str text, shard_manifest *m, wt_err *err) {
    wt_json v, shard;
    wt_json_iter it;
    static const char *const format[] = {"WTS1"};
    uint64_t version;
    int more;
    if (wt_json_check(text, err) || wt_json_parse(text, &v, err))
        return -1;
    if (take_word(v, "format", format, 1) != 0 || take_u64(v, "version", &version))
        return wt_fail(err, WT_EDATA, "not the index of a token dataset");
    if (version != SHARD_VERSION)
        return wt_fail(err, WT_EDATA, "format version %llu; this program reads %u",
                       (unsigned long long)version, SHARD_VERSION);
    if (take_settings(v, m))
        return wt_fail(err, WT_EDATA, "a setting is missing or wrong");
    if (wt_json_iter_init(&it, wt_json_get(v, "shards"), err))
        return -1;
    while ((more = wt_json_next(&it, NULL, &shard, err)) > 0)
        if (take_entry(shard, m))
            return wt_fail(err, WT_EDATA, "shard %zu is not described in full", m->n);
    return more;
}

int shard_manifest_read(shard_manifest *m, const char *dir, wt_err *err) {
    *m = (shard_manifest){0};
    char *path = wt_path_join(dir, SHARD_INDEX_NAME);
    wt_buf text = {0};
    int failed = 0;
    if (!wt_exists(path))
        failed = wt_fail(err, WT_ENOTFOUND,
                         wt_is_dir(dir) ? "'%s' has no " SHARD_INDEX_NAME
                                          ": not a dataset, or its writing was not finished"
                                        : "there is no dataset '%s'",
                         dir);
    else if (wt_read_file(path, MANIFEST_BYTES_MAX, &text, err))
        failed = -1;
    else if (manifest_parse(wt_buf_view(&text), m, err))
        failed = wt_context(err, "'%s'", path);
    if (failed)
        shard_manifest_free(m);
    wt_buf_free(&text);
    free(path);
    return failed;
}
