/* model.c - a tokenizer in memory: tokens by id, ids by bytes, merges by pair. Foreign files may
 * claim anything, so whatever the tables rely on is checked here once, for all file kinds. */
#include "bpe/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "bpe/cache.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/utf8.h"

/* ---- GPT-2's byte alphabet ---- Bytes that print in Latin-1 stand for themselves; the other 68
 * are U+0100.. in order. GPT-2 numbers them in order of those characters. */
const uint8_t BPE_BYTE_RANK[256] = {
#define R4(x) x, x + 1, x + 2, x + 3
#define R16(x) R4(x), R4(x + 4), R4(x + 8), R4(x + 12)
    R16(188), R16(204), 220,                                    /* 0..32 */
    R16(0), R16(16), R16(32), R16(48), R16(64), R4(80), R4(84), R4(88), 92, 93,  /* 33..126 */
    R16(221), R16(237), 253, 254,                               /* 127..160 */
    R4(94), R4(98), R4(102),                                    /* 161..172 */
    255,                                                        /* 173 */
    R16(106), R16(122), R16(138), R16(154), R16(170), 186, 187  /* 174..255 */
};

static uint32_t byte_char(uint8_t byte) {
    uint8_t rank = BPE_BYTE_RANK[byte];
    return rank < 188 ? byte : 0x100u + rank - 188u;
}

void bpe_bytes_to_chars(wt_buf *out, wt_str bytes) {
    char utf8[4];
    for (size_t i = 0; i < bytes.len; i++)
        wt_buf_add(out, utf8, (size_t)wt_utf8_encode(byte_char((uint8_t)bytes.ptr[i]), utf8));
}

/* The byte that a character stands for, or -1. */
static int byte_of_char(uint32_t cp) {
    if (cp < 0x100)
        return BPE_BYTE_RANK[cp] < 188 ? (int)cp : -1;
    uint32_t k = cp - 0x100;        /* bytes 0..32, 127..160, 173 */
    return k < 33 ? (int)k : k < 67 ? (int)k - 33 + 127 : k == 67 ? 173 : -1;
}

int bpe_chars_to_bytes(wt_buf *out, wt_str chars) {
    const char *end = chars.ptr + chars.len;
    for (const char *p = chars.ptr; p < end;) {
        uint32_t cp;
        int length = wt_utf8_decode(p, end, &cp), byte = length ? byte_of_char(cp) : -1;
        if (byte < 0)
            return -1;
        wt_buf_add_char(out, (char)byte);
        p += length;
    }
    return 0;
}

/* ---- building ---- */
void bpe_build_token(bpe_build *b, uint32_t id, wt_str bytes, bpe_added_kind added) {
    WT_GROW(b->token, b->cap_tokens, b->n_tokens + 1);
    b->token[b->n_tokens++] = (struct bpe_build_token){id, (uint32_t)bytes.len, b->blob.len,
                                                       added, b->line, b->in_config};
    wt_buf_add_str(&b->blob, bytes);
}

void bpe_build_merge(bpe_build *b, uint32_t left, uint32_t right, uint32_t result, uint32_t rank) {
    WT_GROW(b->merge, b->cap_merges, b->n_merges + 1);
    WT_GROW(b->merge_line, b->cap_merge_lines, b->n_merges + 1);
    b->merge_line[b->n_merges] = b->line;
    b->merge[b->n_merges++] = (bpe_merge){left, right, result, rank};
}

void bpe_build_free(bpe_build *b) {
    free(b->token);
    free(b->merge);
    free(b->merge_line);
    wt_buf_free(&b->blob);
    *b = (bpe_build){0};
}

static int by_id(const void *a, const void *b) {
    const struct bpe_build_token *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->added > 0) - (y->added > 0);
}

static int by_rank(const void *a, const void *b) {
    const bpe_merge *x = a, *y = b;
    return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1)
         : x->left != y->left ? (x->left < y->left ? -1 : 1) : (x->right > y->right) - (x->right < y->right);
}

/* ---- refusals ---- They name the lines where the file has said them. */
static void add_line(wt_buf *out, const struct bpe_build_token *t) {
    if (t->line)
        wt_buf_printf(out, "%s%sline %u", out->len ? " and " : "", t->in_config ? "tokenizer_config.json " : "", t->line);
}

/* "line 3 and line 7: ", the earlier first; y may be NULL. */
static void add_lines(wt_buf *out, const struct bpe_build_token *x, const struct bpe_build_token *y) {
    bool swap = y && x->in_config >= y->in_config && y->line < x->line;
    add_line(out, swap ? y : x);
    if (y && (y->line != x->line || y->in_config != x->in_config))
        add_line(out, swap ? x : y);
    if (out->len)
        wt_buf_printf(out, ": ");
}

/* In GPT-2's characters; the first 60 bytes will do. */
static void add_quoted(wt_buf *out, const bpe_build *b, const struct bpe_build_token *t) {
    wt_buf name = {0};
    bpe_bytes_to_chars(&name, (wt_str){b->blob.ptr + t->at, t->len < 30 ? t->len : 30});
    wt_buf_printf(out, "'%.*s%s'", WT_FMT(wt_buf_view(&name)), t->len < 30 ? "" : "...");
    wt_buf_free(&name);
}

static int refuse(wt_buf *words, wt_err *err) {
    wt_fail(err, WT_EDATA, "%s", words->ptr);
    wt_buf_free(words);
    return -1;
}

static int duplicate_id(const bpe_build *b, const struct bpe_build_token *x, const struct bpe_build_token *y, wt_err *err) {
    wt_buf out = {0};
    add_lines(&out, x, y);
    wt_buf_printf(&out, "id %u is given twice, to ", x->id);
    add_quoted(&out, b, x);
    wt_buf_printf(&out, " and ");
    add_quoted(&out, b, y);
    return refuse(&out, err);
}

static int same_bytes(const bpe_build *b, const struct bpe_build_token *x, const struct bpe_build_token *y, wt_err *err) {
    wt_buf out = {0};
    add_lines(&out, x, y);
    wt_buf_printf(&out, "ids %u and %u are the same bytes, ", x->id, y->id);
    add_quoted(&out, b, x);
    return refuse(&out, err);
}

static int gap_before(const bpe_build *b, const struct bpe_build_token *t, uint32_t missing, wt_err *err) {
    wt_buf out = {0};
    add_lines(&out, t, NULL);
    add_quoted(&out, b, t);
    wt_buf_printf(&out, " has id %u, but no token has id %u", t->id, missing);
    return refuse(&out, err);
}

static int empty_token(const struct bpe_build_token *t, wt_err *err) {
    wt_buf out = {0};
    add_lines(&out, t, NULL);
    wt_buf_printf(&out, "token %u is empty", t->id);
    return refuse(&out, err);
}

static bool same_text(const bpe_build *b, const struct bpe_build_token *x,
                      const struct bpe_build_token *y) {
    return x->len == y->len && memcmp(b->blob.ptr + x->at, b->blob.ptr + y->at, x->len) == 0;
}

static int place_tokens(bpe_model *m, bpe_build *b, wt_err *err) {
    if (b->n_tokens == 0)
        return wt_fail(err, WT_EDATA, "it has no tokens");
    qsort(b->token, b->n_tokens, sizeof *b->token, by_id);
    m->n_ids = b->token[b->n_tokens - 1].id + 1;
    m->offset = wt_xcalloc((size_t)m->n_ids + 1, sizeof *m->offset);
    m->kind = wt_xcalloc(m->n_ids, 1);
    m->blob = wt_xcalloc(b->blob.len + 16, 1);
    m->added.item = wt_xcalloc(b->n_tokens, sizeof *m->added.item);
    if (b->blob.len > UINT32_MAX)
        return wt_fail(err, WT_ELIMIT, "its tokens are longer than 4 GiB together");
    uint32_t at = 0, next = 0, missing = BPE_NONE;
    for (size_t i = 0; i < b->n_tokens; i++) {
        const struct bpe_build_token *t = &b->token[i];
        if (i && t->id == t[-1].id) {       /* GPT-2's file has its special among the tokens and among the added ones */
            if (!t->added || !same_text(b, t, t - 1))
                return duplicate_id(b, t - 1, t, err);
            at -= t->len;
            m->added.n -= t[-1].added > 0;
        }
        if (t->len == 0)
            return empty_token(t, err);
        if (t->id > next && missing == BPE_NONE)
            missing = next;
        if (!t->added && missing != BPE_NONE && !b->gaps_allowed)
            return gap_before(b, t, missing, err);
        while (next <= t->id)
            m->offset[next++] = at;
        memcpy(m->blob + at, b->blob.ptr + t->at, t->len);
        at += t->len;
        m->kind[t->id] = t->added ? BPE_TOKEN_ADDED : BPE_TOKEN_PLAIN;
        if (t->added)
            m->added.item[m->added.n++] = (bpe_added){m->blob + m->offset[t->id], t->len, t->id,
                                                 t->added == BPE_ADDED_SPECIAL};
    }
    m->offset[next] = at;
    for (uint32_t id = 0; id < m->n_ids; id++)
        if (m->offset[id + 1] - m->offset[id] > m->token_max)
            m->token_max = m->offset[id + 1] - m->offset[id];
    return 0;
}

static uint32_t table_size(size_t n) {
    uint32_t size = 64;
    while (size < 2 * n)
        size *= 2;
    return size;
}

/* Merges of files come in order of rank, so that merge_line is in that order, too. */
static int refuse_merge(const bpe_model *m, const bpe_build *b, uint32_t k, const char *what, wt_err *err) {
    const bpe_merge *g = m->merge;
    uint32_t first = 0;             /* the first that joins the same two */
    wt_buf out = {0};
    if (b->merges_path)
        wt_buf_printf(&out, "%s: ", b->merges_path);
    while (g[first].left != g[k].left || g[first].right != g[k].right)
        first++;
    if (b->merge_line[k] && b->merge_line[first] != b->merge_line[k])
        wt_buf_printf(&out, "line %u and ", b->merge_line[first]);
    if (b->merge_line[k])
        wt_buf_printf(&out, "line %u: ", b->merge_line[k]);
    wt_buf_printf(&out, "merge %u %s", k + 1, what);
    return refuse(&out, err);
}

static const struct bpe_build_token *build_token_of(const bpe_build *b, uint32_t id) {
    size_t low = 0, high = b->n_tokens;     /* the first whose id is not below */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->token[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return &b->token[low];
}

static int index_tokens(bpe_model *m, const bpe_build *b, wt_err *err) {
    m->token_mask = table_size(m->n_ids) - 1;
    m->token_slot = wt_xmalloc(((size_t)m->token_mask + 1) * sizeof *m->token_slot);
    memset(m->token_slot, 0xFF, ((size_t)m->token_mask + 1) * sizeof *m->token_slot);
    memset(m->byte_id, 0xFF, sizeof m->byte_id);
    for (uint32_t id = 0; id < m->n_ids; id++) {
        wt_str t = bpe_token_bytes(m, id);
        if (m->kind[id] == BPE_TOKEN_NONE)
            continue;
        uint32_t i = (uint32_t)wt_hash64(t.ptr, t.len, 0) & m->token_mask;
        for (; m->token_slot[i] != BPE_NONE; i = (i + 1) & m->token_mask)
            if (wt_str_eq(bpe_token_bytes(m, m->token_slot[i]), t)) {
                /* an added token may spell a plain one; the plain one stays in the table */
                if (m->kind[id] == BPE_TOKEN_ADDED || m->kind[m->token_slot[i]] == BPE_TOKEN_ADDED)
                    break;
                return same_bytes(b, build_token_of(b, m->token_slot[i]), build_token_of(b, id), err);
            }
        if (m->token_slot[i] == BPE_NONE || m->kind[id] == BPE_TOKEN_PLAIN)
            m->token_slot[i] = id;
        if (t.len == 1 && m->kind[id] == BPE_TOKEN_PLAIN)
            m->byte_id[(uint8_t)t.ptr[0]] = id;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        if (m->byte_id[byte] == BPE_NONE)
            return wt_fail(err, WT_EDATA, "byte 0x%02X has no token; only byte-level vocabularies "
                           "can be used", byte);
    return 0;
}

/* Whether a merge that comes later always makes a higher id. Then ids serve as ranks. (Those of GPT-2,
 * tiktoken and Hugging Face's trainer do, unless a merge makes a token that was there before.) */
static bool is_ordered(const bpe_model *m) {
    for (uint32_t k = 1; k < m->n_merges; k++) {
        const bpe_merge *a = &m->merge[k - 1], *b = &m->merge[k];
        if (a->rank == b->rank ? a->result != b->result : a->result >= b->result)
            return false;
    }
    return true;
}

static void line_up_pairs(bpe_model *m) {
    bpe_pairs *p = m->pairs = wt_xcalloc(1, sizeof *p);
    uint32_t n_lines = 1;
    while (7 * n_lines < m->n_merges)       /* of 10 places, 7 in use at the most */
        n_lines *= 2;
    p->mask = n_lines - 1;
    p->line = aligned_alloc(64, n_lines * sizeof *p->line);
    if (!p->line)
        abort();
    memset(p->line, 0, n_lines * sizeof *p->line);
    for (uint32_t k = 0; k < m->n_merges; k++) {
        uint32_t pair = m->merge[k].left << 16 | m->merge[k].right, hash = bpe_pairs_hash(pair), i = hash;
        while (p->line[i & p->mask].n == BPE_PAIRS_LINE)
            i++;
        bpe_pairs_line *line = &p->line[i & p->mask];
        line->pair[line->n] = pair, line->result[line->n++] = (uint16_t)m->merge[k].result;
        p->filter[bpe_pairs_bit(hash) >> 6] |= UINT64_C(1) << (bpe_pairs_bit(hash) & 63);
    }
    free(m->pair_slot);
    m->pair_slot = NULL;
}

static void index_byte_pairs(bpe_model *m) {
    m->byte_pair_rank = wt_xmalloc(65536 * sizeof *m->byte_pair_rank);
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t result;
        m->byte_pair_rank[i] = bpe_pair_rank(m, m->byte_id[i >> 8], m->byte_id[i & 255], &result);
    }
}

static int index_merges(bpe_model *m, bpe_build *b, wt_err *err) {
    m->merge = b->merge, m->n_merges = (uint32_t)b->n_merges;
    b->merge = NULL;
    if (m->n_merges)
        qsort(m->merge, m->n_merges, sizeof *m->merge, by_rank);
    m->pair_mask = table_size(m->n_merges) - 1;
    m->pair_slot = wt_xmalloc(((size_t)m->pair_mask + 1) * sizeof *m->pair_slot);
    memset(m->pair_slot, 0xFF, ((size_t)m->pair_mask + 1) * sizeof *m->pair_slot);
    m->ordered = is_ordered(m);
    for (uint32_t k = 0; k < m->n_merges; k++) {
        const bpe_merge *g = &m->merge[k];
        wt_str l = bpe_token_bytes(m, g->left), r = bpe_token_bytes(m, g->right),
               t = bpe_token_bytes(m, g->result);
        if (t.len != l.len + r.len || memcmp(t.ptr, l.ptr, l.len) || memcmp(t.ptr + l.len, r.ptr, r.len))
            return refuse_merge(m, b, k, "does not spell its result", err);
        uint64_t pair = (uint64_t)g->left << 32 | g->right;
        uint32_t i = (uint32_t)((pair * 0x9E3779B97F4A7C15u) >> 32) & m->pair_mask;
        for (; m->pair_slot[i].pair != UINT64_MAX; i = (i + 1) & m->pair_mask)
            if (m->pair_slot[i].pair == pair)
                return refuse_merge(m, b, k, "is there twice", err);
        m->pair_slot[i].pair = pair;
        m->pair_slot[i].rank = m->ordered ? g->result : g->rank, m->pair_slot[i].result = g->result;
    }
    if (m->ordered && m->n_ids <= 65536)
        line_up_pairs(m);
    if (m->ordered)
        index_byte_pairs(m);
#if defined __x86_64__
    __builtin_cpu_init();
    m->avx512 = m->ordered && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && !getenv("WT_BPE_VECTORS");
#endif
    return 0;
}

/* SHA-256 of: "webtext bpe 1", pattern, tokens by id, merges by rank, added tokens; each number as 8
 * little-endian bytes, each string behind its length. */
static void add_number(wt_digest *d, uint64_t x) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(x >> 8 * i);
    wt_digest_add(d, bytes, 8);
}

static void add_string(wt_digest *d, wt_str s) {
    add_number(d, s.len);
    wt_digest_add(d, s.ptr, s.len);
}

static void take_fingerprint(bpe_model *m) {
    wt_digest *d = wt_digest_new(WT_SHA256);
    add_string(d, WT_STR("webtext bpe 1"));
    add_string(d, wt_str_of(bpe_splitter_name(m->splitter)));
    for (uint32_t id = 0; id < m->n_ids; id++)
        if (m->kind[id] == BPE_TOKEN_PLAIN)
            add_number(d, id), add_string(d, bpe_token_bytes(m, id));
    add_number(d, m->n_merges);
    for (uint32_t k = 0; k < m->n_merges; k++)
        add_number(d, m->merge[k].left), add_number(d, m->merge[k].right);
    add_number(d, m->added.n);
    for (size_t i = 0; i < m->added.n; i++) {
        add_number(d, m->added.item[i].id), add_number(d, m->added.item[i].special);
        add_string(d, (wt_str){m->added.item[i].text, m->added.item[i].len});
    }
    wt_digest_end(d, m->fingerprint);
    wt_digest_free(d);
}

/* Two bytes that no token holds side by side are never merged over, so a word may be cut between them
 * without a change. In GPT-2's vocabulary nearly every two Han characters can be; what remains are
 * single characters, and their ids fit a table. */
static void index_bytes(bpe_model *m) {
    for (uint32_t id = 0; id < m->n_ids; id++) {
        wt_str t = bpe_token_bytes(m, id);
        for (size_t i = 1; i < t.len && m->kind[id] == BPE_TOKEN_PLAIN; i++) {
            uint8_t a = (uint8_t)t.ptr[i - 1], b = (uint8_t)t.ptr[i];
            m->joined[a << 3 | b >> 5] |= 1u << (b & 31);
        }
    }
    if (m->n_ids > 65536 || m->whole_first)     /* whole words first: a part must not be taken for one */
        return;
    m->three = wt_xcalloc(65536, sizeof *m->three);
    for (uint32_t i = 0; i < 65536; i++) {
        uint8_t bytes[3] = {(uint8_t)(0xE0 | i >> 12), (uint8_t)(0x80 | (i >> 6 & 63)), (uint8_t)(0x80 | (i & 63))};
        uint32_t ids[3];
        m->three[i].n = (uint16_t)bpe_merge_piece(m, bytes, 3, ids);
        for (int k = 0; k < m->three[i].n; k++)
            m->three[i].id[k] = (uint16_t)ids[k];
    }
}

bpe_model *bpe_build_finish(bpe_build *b, bpe_splitter *splitter, wt_err *err) {
    bpe_model *m = wt_xcalloc(1, sizeof *m);
    m->splitter = splitter;
    m->whole_first = b->whole_first;
    m->end_of_text = BPE_NONE;
    if (place_tokens(m, b, err) || index_tokens(m, b, err) || index_merges(m, b, err)) {
        bpe_model_free(m);
        bpe_build_free(b);
        return NULL;
    }
    bpe_added_index(&m->added);
    for (size_t i = 0; i < m->added.n; i++)
        if (wt_str_eq((wt_str){m->added.item[i].text, m->added.item[i].len}, WT_STR("<|endoftext|>")))
            m->end_of_text = m->added.item[i].id;
    take_fingerprint(m);
    index_bytes(m);
    m->seed = bpe_cache_seed(m, &m->seed_bits);
    bpe_build_free(b);
    return m;
}

void bpe_model_free(bpe_model *m) {
    if (!m)
        return;
    bpe_splitter_free(m->splitter);
    wt_big_free(m->seed, sizeof(bpe_cache_slot) << m->seed_bits);
    free(m->offset);
    free(m->blob);
    free(m->kind);
    free(m->merge);
    free(m->added.item);
    free(m->pair_slot);
    if (m->pairs)
        free(m->pairs->line);
    free(m->pairs);
    free(m->byte_pair_rank);
    free(m->three);
    free(m->token_slot);
    free(m);
}

/* ---- questions ---- */
uint32_t bpe_vocab_size(const bpe_model *m) { return m->n_ids; }
uint32_t bpe_end_of_text(const bpe_model *m) { return m->end_of_text; }
uint32_t bpe_merge_count(const bpe_model *m) { return m->n_merges; }
const char *bpe_pattern(const bpe_model *m) { return bpe_splitter_name(m->splitter); }
const uint8_t *bpe_fingerprint(const bpe_model *m) { return m->fingerprint; }

wt_str bpe_token_bytes(const bpe_model *m, uint32_t id) {
    if (id >= m->n_ids || m->kind[id] == BPE_TOKEN_NONE)
        return (wt_str){NULL, 0};
    return (wt_str){m->blob + m->offset[id], m->offset[id + 1] - m->offset[id]};
}

uint32_t bpe_token_id(const bpe_model *m, wt_str bytes) {
    uint32_t i = (uint32_t)wt_hash64(bytes.ptr, bytes.len, 0) & m->token_mask;
    for (; m->token_slot[i] != BPE_NONE; i = (i + 1) & m->token_mask)
        if (wt_str_eq(bpe_token_bytes(m, m->token_slot[i]), bytes))
            return m->token_slot[i];
    return BPE_NONE;
}

bool bpe_token_is_special(const bpe_model *m, uint32_t id) {
    for (size_t i = 0; i < m->added.n; i++)
        if (m->added.item[i].id == id)
            return m->added.item[i].special;
    return false;
}

/* Copies 16 bytes for every token, for nearly all are shorter and a copy of fixed size is two
 * instructions; blob has as many behind its end, and so has the reserved space. */
int bpe_decode(const bpe_model *m, const uint32_t *ids, size_t n, wt_buf *out, wt_err *err) {
    size_t block = 1 + 65536 / m->token_max;
    for (size_t i = 0; i < n;) {
        size_t stop = n - i < block ? n : i + block;
        wt_buf_reserve(out, (stop - i) * m->token_max + 16);
        char *to = out->ptr + out->len;
        uint32_t len = 1;
        for (; i < stop && ids[i] < m->n_ids; i++) {
            const char *from = m->blob + m->offset[ids[i]];
            len = m->offset[ids[i] + 1] - m->offset[ids[i]];
            if (len == 0)
                break;
            memcpy(to, from, 16);
            if (__builtin_expect(len > 16, 0))
                memcpy(to + 16, from + 16, len - 16);
            to += len;
        }
        out->len = (size_t)(to - out->ptr);
        *to = 0;
        if (i < stop)
            return wt_fail(err, WT_EDATA, "id %u at position %zu is not in the vocabulary of %u", ids[i], i,
                           m->n_ids);
    }
    return 0;
}
