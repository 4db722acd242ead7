/* added.c - strings that stand for one id whatever is around them: "<|endoftext|>". Leftmost first,
 * the longest where several start; so does Hugging Face. */
#include "bpe/model.h"

static void set_bit(uint64_t set[4], uint8_t byte) { set[byte >> 6] |= UINT64_C(1) << (byte & 63); }

void bpe_added_index(bpe_added_set *set) {
    for (size_t i = 0; i < set->n; i++) {
        const bpe_added *a = &set->item[i];
        set_bit(set->first_all, (uint8_t)a->text[0]);
        if (!a->special)
            set_bit(set->first_plain, (uint8_t)a->text[0]);
        if (a->len > set->len_max)
            set->len_max = a->len;
    }
}

/* The longest that starts at text, or -1. */
static ptrdiff_t longest_at(const bpe_added_set *set, wt_str text, bpe_special special) {
    ptrdiff_t best = -1;
    for (size_t k = 0; k < set->n; k++) {
        const bpe_added *a = &set->item[k];
        if ((a->special && special == BPE_SPECIAL_NONE) || a->len > text.len ||
            memcmp(a->text, text.ptr, a->len) || (best >= 0 && a->len <= set->item[best].len))
            continue;
        best = (ptrdiff_t)k;
    }
    return best;
}

/* Where a byte of `first` is: by memchr if there is but one, which is the usual case. */
static size_t next_first(const uint64_t first[4], wt_str text, size_t at) {
    int n = 0, only = 0;
    for (int w = 0; w < 4; w++) {
        n += __builtin_popcountll(first[w]);
        if (first[w])
            only = 64 * w + __builtin_ctzll(first[w]);
    }
    if (n == 1) {
        const char *p = at < text.len ? memchr(text.ptr + at, only, text.len - at) : NULL;
        return p ? (size_t)(p - text.ptr) : text.len;
    }
    while (at < text.len && !(first[(uint8_t)text.ptr[at] >> 6] >> ((uint8_t)text.ptr[at] & 63) & 1))
        at++;
    return at;
}

ptrdiff_t bpe_added_find(const bpe_added_set *set, wt_str text, size_t at, bpe_special special,
                         size_t *start) {
    const uint64_t *first = special == BPE_SPECIAL_ALL ? set->first_all : set->first_plain;
    *start = text.len;
    if (!bpe_added_any(set, special))
        return -1;
    while ((at = next_first(first, text, at)) < text.len) {
        ptrdiff_t found = longest_at(set, (wt_str){text.ptr + at, text.len - at}, special);
        if (found >= 0) {
            *start = at;
            return found;
        }
        at++;
    }
    return -1;
}

/* A cut must not fall into an added token, also not into one whose end is yet to come: so only
 * positions len_max before the end are looked at. */
size_t bpe_added_cut(const bpe_added_set *set, const bpe_splitter *splitter, wt_str text,
                     bpe_special special) {
    size_t reach = bpe_added_any(set, special) ? set->len_max : 0;
    size_t cut = text.len > reach ? text.len - reach : 0;
    while ((cut = bpe_split_cut(splitter, (const uint8_t *)text.ptr, cut)) != 0) {
        size_t from = cut > reach ? cut - reach : 0, start;
        ptrdiff_t found;
        bool inside = false;
        while (reach && !inside && from < cut &&
               (found = bpe_added_find(set, text, from, special, &start)) >= 0 && start < cut) {
            inside = start + set->item[found].len > cut;
            from = start + 1;
        }
        if (!inside)
            return cut;
    }
    return 0;
}
