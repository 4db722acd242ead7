/* encode_core.h - a text without added tokens into ids. Included for each pair of table and output:
 *   LOOP     the function's name; PARTS that of the one that takes a word in parts
 *   OUT      type of an id that is written
 *   FIELD    narrow or wide, the slots' form; SLOT_ID its type of an id
 *
 * The words of a batch are made into keys first, and their slots asked for; by the time the last is
 * made the first slots have arrived. */

/* A long word, one of a script whose words are long, or one of many ids: cut where no merge reaches over.
 * Parts that are a byte or a character of three bytes are in tables. */
static __attribute__((noinline)) OUT *PARTS(bpe_encoder *e, const uint8_t *p, size_t n, OUT *out) {
    const bpe_model *m = e->model;
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 3;
        if (m->three && end <= n && bpe_is_three(p + i) && (end == n || !bpe_joined(m, p[end - 1], p[end]))) {
            uint16_t all[4];
            memcpy(all, &m->three[bpe_three_index(p + i)], 8);
            for (int k = 0; k < 4; k++)
                out[k] = (OUT)all[k];
            out += all[3];
            continue;
        }
        for (end = i + 1; end < n && (bpe_joined(m, p[end - 1], p[end]) || m->whole_first); end++)
            ;
        if (end == i + 1) {
            *out++ = (OUT)m->byte_id[p[i]];
            continue;
        }
        size_t n_ids;
        const uint32_t *ids = bpe_cache_ids(&e->cache, p + i, end - i, &n_ids);
        for (size_t k = 0; k < n_ids; k++)
            out[k] = (OUT)ids[k];
        out += n_ids;
    }
    return out;
}

static ptrdiff_t LOOP(bpe_encoder *e, const uint8_t *text, size_t n, OUT *out, wt_err *err) {
    enum { IDS = 16 / sizeof(SLOT_ID) };
    OUT *const first = out;
    const uint8_t *text_end = text + n;
    for (size_t at = 0;;) {
        ptrdiff_t n_words = bpe_split(e->split, text, n, at, e->ends, BATCH, err);
        if (n_words <= 0)
            return n_words < 0 ? -1 : out - first;
        const uint8_t *base = text + at;
        bpe_cache_renew(&e->cache);
        const bpe_cache_slot *slot = e->cache.slot;
        const int bits = e->cache.bits;
        uint32_t start = 0;
        for (ptrdiff_t i = 0; i < n_words; i++) {
            size_t len = e->ends[i] - start;
            const uint8_t *p = base + start;
            start = e->ends[i];
            if (len > BPE_KEY_MAX || *p >= 0xE3) {
                e->key[i] = (bpe_key){0, UINT64_MAX};
                e->place[i] = 0;
                continue;
            }
            bpe_key key = text_end - p >= 16 ? bpe_key_load(p, len) : bpe_key_copy(p, len);
            uint32_t place = bpe_cache_place(bits, key);
            __builtin_prefetch(&slot[place]);
            e->key[i] = key, e->place[i] = place;
        }
        for (ptrdiff_t i = 0; i < n_words; i++) {
            const bpe_cache_slot *s = &slot[e->place[i]];
            if (__builtin_expect(!bpe_cache_is(s, e->key[i]), 0) && !bpe_cache_is(++s, e->key[i])) {
                uint32_t word = i ? e->ends[i - 1] : 0, len = e->ends[i] - word;
                s = NULL;
                if (e->key[i].hi != UINT64_MAX)
                    s = bpe_cache_short(&e->cache, base + word, e->key[i]);
                if (!s)
                    out = PARTS(e, base + word, len, out);
                if (slot != e->cache.slot) {    /* the table has grown: the places of the rest are void */
                    slot = e->cache.slot;
                    place_again(e, i + 1, n_words);
                }
                if (!s)
                    continue;
            }
            /* all 16 bytes, the count too: one vector load, and what is too much is written over */
            SLOT_ID all[IDS];
            memcpy(all, s->FIELD, 16);
            for (size_t k = 0; k < IDS; k++)
                out[k] = (OUT)all[k];
            out += s->FIELD[IDS - 1];
        }
        at += e->ends[n_words - 1];
    }
}
#undef LOOP
#undef PARTS
#undef OUT
#undef FIELD
#undef SLOT_ID
