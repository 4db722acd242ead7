/* merge.c - one pretoken into tokens: start from bytes, then always join the adjacent pair whose
 * merge was learned first, leftmost on a tie, until no pair is known. Short pieces look for that
 * pair by a scan, O(n^2) but all in cache; long ones keep candidates in a heap, O(n log n), so that a
 * million carets cost a second, not a day. */
#include <stdlib.h>

#include "bpe/model.h"

#define SHORT_MAX 48

static size_t merge_short(const bpe_model *m, const uint8_t *bytes, size_t n, uint32_t *ids) {
    uint32_t rank[SHORT_MAX], result[SHORT_MAX];      /* of the pair (i, i + 1) */
    for (size_t i = 0; i < n; i++)
        ids[i] = m->byte_id[bytes[i]];
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = bpe_pair_rank(m, ids[i], ids[i + 1], &result[i]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = rank[i] < rank[best] ? i : best;
        if (rank[best] == UINT32_MAX)
            break;
        ids[best] = result[best];
        n--;
        for (size_t i = best + 1; i < n; i++)
            ids[i] = ids[i + 1], rank[i - 1] = rank[i], result[i - 1] = result[i];
        if (best + 1 < n)
            rank[best] = bpe_pair_rank(m, ids[best], ids[best + 1], &result[best]);
        if (best > 0)
            rank[best - 1] = bpe_pair_rank(m, ids[best - 1], ids[best], &result[best - 1]);
    }
    return n;
}

/* ---- long pieces: a linked list of symbols and a heap of candidate pairs ---- */
typedef struct {
    uint32_t rank, at;              /* position of the left symbol */
    uint32_t left, right, result;   /* ids when it was pushed: a changed one makes it stale */
} candidate;

typedef struct {
    candidate *item;
    size_t n, cap;
} heap;

static bool before(const candidate *a, const candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(heap *h, candidate c) {
    WT_GROW(h->item, h->cap, h->n + 1);
    size_t i = h->n++;
    for (; i && before(&c, &h->item[(i - 1) / 2]); i = (i - 1) / 2)
        h->item[i] = h->item[(i - 1) / 2];
    h->item[i] = c;
}

static candidate heap_pop(heap *h) {
    candidate top = h->item[0], c = h->item[--h->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && before(&h->item[child + 1], &h->item[child]))
            child++;
        if (!before(&h->item[child], &c))
            break;
        h->item[i] = h->item[child];
    }
    h->item[i] = c;
    return top;
}

typedef struct {
    uint32_t id, prev, next;        /* BPE_NONE at the ends; id BPE_NONE once joined to the left */
} symbol;

static void offer(const bpe_model *m, heap *h, const symbol *s, uint32_t at) {
    uint32_t rank, result;
    if (at == BPE_NONE || s[at].next == BPE_NONE)
        return;
    uint32_t left = s[at].id, right = s[s[at].next].id;
    if ((rank = bpe_pair_rank(m, left, right, &result)) != UINT32_MAX)
        heap_push(h, (candidate){rank, at, left, right, result});
}

static size_t merge_long(const bpe_model *m, const uint8_t *bytes, size_t n, uint32_t *ids) {
    symbol *s = wt_xmalloc(n * sizeof *s);
    heap h = {0};
    for (size_t i = 0; i < n; i++)
        s[i] = (symbol){m->byte_id[bytes[i]], i ? (uint32_t)i - 1 : BPE_NONE,
                        i + 1 < n ? (uint32_t)i + 1 : BPE_NONE};
    for (size_t i = 0; i + 1 < n; i++)
        offer(m, &h, s, (uint32_t)i);
    while (h.n) {
        candidate c = heap_pop(&h);
        uint32_t next = s[c.at].next;
        if (s[c.at].id != c.left || next == BPE_NONE || s[next].id != c.right)
            continue;
        s[c.at].id = c.result;
        s[c.at].next = s[next].next;
        s[next].id = BPE_NONE;
        if (s[c.at].next != BPE_NONE)
            s[s[c.at].next].prev = c.at;
        offer(m, &h, s, s[c.at].prev);
        offer(m, &h, s, c.at);
    }
    size_t n_ids = 0;
    for (uint32_t i = 0; i != BPE_NONE; i = s[i].next)
        ids[n_ids++] = s[i].id;
    free(h.item);
    free(s);
    return n_ids;
}

size_t bpe_merge_piece(const bpe_model *m, const uint8_t *bytes, size_t n, uint32_t *ids) {
    if (m->whole_first) {
        uint32_t id = bpe_token_id(m, (wt_str){(const char *)bytes, n});
        if (id != BPE_NONE && m->kind[id] == BPE_TOKEN_PLAIN) {
            ids[0] = id;
            return 1;
        }
    }
#if defined __x86_64__
    if (m->avx512 && n > 1 && n <= 16)
        return bpe_merge_word_avx512(m, bytes, n, ids);
#endif
    return n <= SHORT_MAX ? merge_short(m, bytes, n, ids) : merge_long(m, bytes, n, ids);
}
