/* encode_core.h - a text without added tokens into ids. Included for each pair of table and output:
 *   CORE     the function's name
 *   OUT      type of an id that is written
 *   FIELD    narrow or wide, the slots' form; SLOT_ID its type of an id
 *
 *   PARTS    the name for the function that takes a word in parts
 *
 * The words of a batch are made into keys first, and their slots asked for; by the time the last is
 * made the first slots have arrived. */

/* A long word, or one of a script whose words are long: cut where no merge reaches over; parts that are
 * one character of three bytes are in a table. */
static __attribute__((noinline)) OUT *PARTS(bpe_encoder *e, const uint8_t *p, size_t n, OUT *out) {
    const bpe_model *m = e->model;
    for (size_t i = 0; i < n;) {
        size_t end = i + 3;
        if (m->three && end <= n && bpe_is_three(p + i) && (end == n || !bpe_joined(m, p[end - 1], p[end]))) {
            uint16_t all[4];
            memcpy(all, &m->three[bpe_three_index(p + i)], 8);
            for (int k = 0; k < 4; k++)
                out[k] = (OUT)all[k];
            out += all[3];
            i = end;
            continue;
        }
        for (end = i + 1; end < n && (bpe_joined(m, p[end - 1], p[end]) || m->whole_first); end++)
            ;
        size_t n_ids;
        const uint32_t *ids = bpe_cache_ids(&e->cache, p + i, end - i, &n_ids);
        for (size_t k = 0; k < n_ids; k++)
            out[k] = (OUT)ids[k];
        out += n_ids;
        i = end;
    }
    return out;
}

static ptrdiff_t CORE(bpe_encoder *e, const uint8_t *text, size_t n, OUT *out, wt_err *err) {
    OUT *const first = out;
    const uint8_t *text_end = text + n;
    for (size_t at = 0;;) {
        ptrdiff_t n_words = bpe_split(e->split, text, n, at, e->ends, BATCH, err);
        if (n_words <= 0)
            return n_words < 0 ? -1 : out - first;
        const uint8_t *base = text + at;
        const bpe_cache_slot *slot = e->cache.slot;
        const bpe_cache_slot *slot_end = slot + ((size_t)1 << e->cache.bits);
        int shift = 64 - e->cache.bits;
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
            uint32_t place = (uint32_t)(bpe_key_hash(key) >> shift);
            __builtin_prefetch(&slot[place]);
            e->key[i] = key, e->place[i] = place;
        }
        start = 0;
        for (ptrdiff_t i = 0; i < n_words; i++) {
            const bpe_cache_slot *s = &slot[e->place[i]];
            bpe_key key = e->key[i];
            if (__builtin_expect(s->key.lo != key.lo || s->key.hi != key.hi, 0))
                s += (s + 1) < slot_end;
            if (__builtin_expect(s->key.lo == key.lo && s->key.hi == key.hi, 1)) {
                /* all 16 bytes, the count too: one vector load, and what is too much is written over */
                SLOT_ID all[16 / sizeof *s->FIELD];
                memcpy((void *)all, s->FIELD, 16);
                for (size_t k = 0; k < 16 / sizeof *s->FIELD; k++)
                    out[k] = (OUT)all[k];
                out += s->FIELD[16 / sizeof *s->FIELD - 1];
            } else {
                uint32_t word = i ? e->ends[i - 1] : 0;
                if (key.hi == UINT64_MAX) {
                    out = PARTS(e, base + word, e->ends[i] - word, out);
                } else {
                    size_t n_ids;
                    const uint32_t *ids = bpe_cache_ids(&e->cache, base + word, e->ends[i] - word, &n_ids);
                    for (size_t k = 0; k < n_ids; k++)
                        out[k] = (OUT)ids[k];
                    out += n_ids;
                }
                if (slot != e->cache.slot)      /* it has grown: the other places are void */
                    slot = e->cache.slot, slot_end = slot + ((size_t)1 << e->cache.bits), replace_batch(e, i + 1, n_words);
            }
        }
        at += e->ends[n_words - 1];
    }
}
#undef CORE
#undef PARTS
#undef OUT
#undef FIELD
#undef SLOT_ID
