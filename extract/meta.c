/* meta.c - see meta.h. One walk collects what each source says; then the sources are asked in the
 * order of trust. */
#include "extract/meta.h"

#include <stdio.h>

#include "extract/html_token.h"
#include "extract/meta_date.h"
#include "extract/meta_jsonld.h"

typedef struct {
    const html_tree *t;
    wt_arena *arena;
    wt_buf scratch;
    jsonld ld;
    wt_str og_title, og_site, og_type, og_url, og_description, og_locale;
    wt_str meta_title, meta_author, article_author, meta_date, meta_modified, meta_description, meta_site,
           meta_lang, meta_rights, canonical, license_link;
    wt_str prop_headline, prop_author, prop_date, rel_author, link_author, class_author, address_author, class_date, time_date, text_author;
    wt_str html_lang, head_title, h1, h1_only, h2;
    wt_str headings[12];                /* h1 and h2 in order, the first few */
    int n_headings;
    wt_str script_date, labelled_author, meta_author_name;
    bool label_is_author;
    int h1_rank, n_h1, author_rank, time_rank;
    uint32_t above_heading[64];         /* what the first h1 stands in: no aside, whatever it is called */
    int n_above;
} finder;

static void take(wt_str *slot, wt_str value) {
    if (!slot->len && value.len) *slot = value;
}

static wt_str attr(const finder *f, uint32_t n, html_attr_id id) {
    return wt_str_trim(html_attr_get(f->t, n, id));
}

static wt_str text_below(finder *f, uint32_t n, size_t max) {
    wt_buf_clear(&f->scratch);
    html_text_below(f->t, n, max, &f->scratch);
    wt_str s = wt_str_trim(wt_buf_view(&f->scratch));
    if (s.len > max) return (wt_str){NULL, 0};
    return s.len ? wt_arena_copy(f->arena, s) : s;
}

/* The same with " | " between parts that stand apart on the page: a name and what is said of it. */
static wt_str parts_below(finder *f, uint32_t n, size_t max) {
    const html_tree *t = f->t;
    wt_buf_clear(&f->scratch);
    bool apart = false, space = false;
    for (uint32_t x = n; x && f->scratch.len <= max; x = html_next(t, x, n)) {
        uint16_t tag = t->node[x].tag;
        if (tag != HTML_TEXT) {
            apart = apart || tag == HTML_TAG_br || tag == HTML_TAG_small || (tag < HTML_N_TAGS && html_tag_flags[tag] & HTML_F_BLOCK);
            continue;
        }
        wt_str s = html_text_of(t, x), trimmed = wt_str_trim(s);
        if (!trimmed.len) {
            space = true;
            continue;
        }
        if (trimmed.len > max) return (wt_str){NULL, 0};
        bool joined = !space && trimmed.ptr == s.ptr;           /* "HabernyFounder": two elements, no white space */
        size_t len = f->scratch.len;
        if (len && (apart || (joined && t->node[x].prev == 0 && f->scratch.ptr[len - 1] != ' '))) wt_buf_add_str(&f->scratch, WT_STR(" | "));
        else if (len) wt_buf_add_char(&f->scratch, ' ');
        wt_buf_add_str(&f->scratch, trimmed);
        apart = false;
        space = trimmed.ptr + trimmed.len < s.ptr + s.len;
    }
    wt_str s = wt_buf_view(&f->scratch);
    if (s.len > max || !s.len) return (wt_str){NULL, 0};
    return wt_arena_copy(f->arena, s);
}

#define has(s, literal) wt_str_holds_nocase(s, WT_STR(literal))

/* ---- what class names and ids say ----
 * Names are looked at once, four letters at a time, for the beginnings of the words that matter: few elements have
 * any, and only those are asked again, word by word. A slot of the table holds the one beginning that its
 * multiplied letters lead to. */
enum { BEGIN_DATE = 1, BEGIN_AUTHOR = 2, BEGIN_ASIDE = 4, BEGIN_SLOTS = 128, BEGIN_SHIFT = 25 };
static const struct {
    char letters[5];
    uint8_t of;
} beginnings[] = {
    {"date", BEGIN_DATE}, {"time", BEGIN_DATE}, {"publ", BEGIN_DATE}, {"pubd", BEGIN_DATE}, {"meta", BEGIN_DATE},
    {"post", BEGIN_DATE | BEGIN_AUTHOR}, {"byli", BEGIN_DATE | BEGIN_AUTHOR}, {"subm", BEGIN_DATE | BEGIN_AUTHOR},
    {"auth", BEGIN_AUTHOR}, {"auto", BEGIN_AUTHOR}, {"vcar", BEGIN_AUTHOR}, {"writ", BEGIN_AUTHOR}, {"user", BEGIN_AUTHOR},
    {"comm", BEGIN_ASIDE}, {"rela", BEGIN_ASIDE}, {"side", BEGIN_ASIDE}, {"reco", BEGIN_ASIDE}, {"teas", BEGIN_ASIDE},
    {"widg", BEGIN_ASIDE}, {"popu", BEGIN_ASIDE}, {"late", BEGIN_ASIDE},
};
static struct {
    uint32_t letters[BEGIN_SLOTS];
    uint8_t of[BEGIN_SLOTS];
    uint32_t multiplier;
} beginning;

static bool beginnings_fill(uint32_t multiplier) {
    memset(&beginning, 0, sizeof beginning);
    beginning.multiplier = multiplier;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        uint32_t x;
        memcpy(&x, beginnings[i].letters, 4);
        uint32_t slot = x * multiplier >> BEGIN_SHIFT;
        if (beginning.of[slot]) return false;
        beginning.letters[slot] = x;
        beginning.of[slot] = beginnings[i].of;
    }
    return true;
}
__attribute__((constructor)) static void beginnings_find(void) {
    for (uint32_t m = 0x9e3779b1u; !beginnings_fill(m); m += 2) {}
}

static unsigned begins(wt_str s) {
    unsigned found = 0;
    for (size_t i = 0; i + 4 <= s.len; i++) {
        uint32_t x;
        memcpy(&x, s.ptr + i, 4);
        x |= 0x20202020u;
        uint32_t slot = x * beginning.multiplier >> BEGIN_SHIFT;
        found |= beginning.letters[slot] == x ? beginning.of[slot] : 0;
    }
    return found;
}

/* The attributes of one element that tell what it is. */
typedef struct {
    wt_str class, id, prop, rel;
    unsigned class_begins, id_begins;
} element_names;

static element_names names_of(const html_tree *t, uint32_t n) {
    element_names x = {0};
    const html_node *e = &t->node[n];
    for (uint32_t i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + i];
        wt_str v = {t->bytes.ptr + a->value, a->value_len};
        switch (a->id) {
        case HTML_ATTR_class: x.class = wt_str_trim(v), x.class_begins = begins(x.class); break;
        case HTML_ATTR_id: x.id = wt_str_trim(v), x.id_begins = begins(x.id); break;
        case HTML_ATTR_itemprop: x.prop = wt_str_trim(v); break;
        case HTML_ATTR_rel: x.rel = wt_str_trim(v); break;
        default: break;
        }
    }
    return x;
}

/* ---- <meta> ---- */
static bool is(wt_str s, const char *name) { return wt_str_eq_nocase(s, wt_str_of(name)); }

static bool is_one_of(wt_str s, const char *const *names) {
    for (; *names; names++)
        if (is(s, *names)) return true;
    return false;
}

/* Papers name each author in a <meta> of its own. */
static void take_author(finder *f, wt_str name, wt_str value) {
    if (!f->meta_author.len) {
        f->meta_author = value;
        f->meta_author_name = name;
        return;
    }
    if (!wt_str_eq(name, f->meta_author_name) || f->meta_author.len > 300 || wt_str_find(f->meta_author, value) >= 0) return;
    f->meta_author = wt_str_of(wt_arena_printf(f->arena, "%.*s; %.*s", WT_FMT(f->meta_author), WT_FMT(value)));
}

/* What stands before the value in a Twitter card's pair: "Written by", in the languages of WordPress. */
static bool is_author_label(wt_str s) {
    static const char *const labels[] = {"written by", "author", "verfasst von", "geschrieben von", "autor", "\xc3\x89" "crit par", "escrito por",
                                         "scritto da", "geschreven door", "by", "von", "skrevet av", "skriven av"};
    for (size_t k = 0; k < sizeof labels / sizeof *labels; k++)
        if (is(s, labels[k])) return true;
    return false;
}

static void read_meta(finder *f, page_meta *m, uint32_t n) {
    static const char *const title_names[] = {"twitter:title", "dc.title", "dcterms.title", "citation_title",
        "parsely-title", "sailthru.title", "headline", "fb_title", "title", NULL};
    static const char *const author_names[] = {"author", "dc.creator", "dcterms.creator", "citation_author",
        "parsely-author", "sailthru.author", "byl", "dc.contributor", "shareaholic:article_author_name",
        "cxenseparse:author", "rbauthors", "authors", "article.author", NULL};
    static const char *const date_names[] = {"article:published_time", "og:article:published_time", "datepublished",
        "pubdate", "publishdate", "publish-date", "publish_date", "publication_date", "date_published", "date", "dc.date",
        "dc.date.issued", "dcterms.created", "dcterms.date", "dcterms.issued", "dc.date.created", "citation_publication_date",
        "citation_date", "citation_online_date", "parsely-pub-date", "sailthru.date", "og:published_time", "og:pubdate",
        "article.published", "published_at", "created", "timestamp", "ptime", "pdate", "originalpublicationdate",
        "cxenseparse:recs:publishtime", "displaydate", "article_date_original", "bt:pubdate", "rnews:datepublished",
        "article:created", "release_date", "pub_date", "video:release_date", "published", "published-date", "published_date",
        "publisheddate", "publication-date", "date-published", "creation_date", "article:published", "article:publish_date",
        "article.publication_date", "publish_time", "publishedtime", NULL};
    static const char *const modified_names[] = {"article:modified_time", "og:updated_time", "lastmod", "last-modified",
        "datemodified", "dcterms.modified", "dc.date.modified", "revised", "updated", "last_modified", "date-modified",
        "modified", "updated_time", NULL};
    wt_str name = attr(f, n, HTML_ATTR_property), content = attr(f, n, HTML_ATTR_content);
    if (!name.len) name = attr(f, n, HTML_ATTR_name);
    if (!name.len) name = attr(f, n, HTML_ATTR_itemprop);
    if (!name.len && is(attr(f, n, HTML_ATTR_http_equiv), "content-language")) take(&f->meta_lang, content);
    if (!name.len || !content.len) return;
    if (is(name, "og:title")) take(&f->og_title, content);
    else if (is(name, "og:site_name")) take(&f->og_site, content);
    else if (is(name, "og:type")) take(&f->og_type, content);
    else if (is(name, "og:url")) take(&f->og_url, content);
    else if (is(name, "og:description")) take(&f->og_description, content);
    else if (is(name, "og:locale")) take(&f->og_locale, content);
    else if (is(name, "description") || is(name, "twitter:description") || is(name, "dc.description")) take(&f->meta_description, content);
    else if (is(name, "article:author") || is(name, "og:article:author")) take(&f->article_author, content);
    else if (is(name, "application-name") || is(name, "dc.publisher") || is(name, "citation_journal_title")) take(&f->meta_site, content);
    else if (is(name, "language") || is(name, "dc.language")) take(&f->meta_lang, content);
    else if (is(name, "dc.rights") || is(name, "dcterms.license") || is(name, "license")) take(&f->meta_rights, content);
    else if (is(name, "generator")) take(&m->generator, content);
    else if (is(name, "viewport")) m->has_viewport = true;
    else if (is(name, "robots")) m->noindex = m->noindex || has(content, "noindex");
    else if (is_one_of(name, title_names)) take(&f->meta_title, content);
    else if (is_one_of(name, author_names)) take_author(f, name, content);
    else if (name.len == 14 && has(name, "twitter:label")) f->label_is_author = is_author_label(content);
    else if (name.len == 13 && has(name, "twitter:data") && f->label_is_author) take(&f->labelled_author, content);
    else if (is_one_of(name, date_names)) take(&f->meta_date, content);
    else if (is_one_of(name, modified_names)) take(&f->meta_modified, content);
}

/* ---- visible elements ---- */
/* Layouts name their wrappers after what else is in them: "content-sidebar-wrap", "has-latest-posts". */
static void find_heading(finder *f) {
    const html_tree *t = f->t;
    uint32_t n = 1;
    while (n < t->n_nodes && t->node[n].tag != HTML_TAG_h1) n++;
    if (n == t->n_nodes) return;
    for (n = t->node[n].parent; n && f->n_above < 64; n = t->node[n].parent) f->above_heading[f->n_above++] = n;
}

static bool is_above_heading(const finder *f, uint32_t n) {
    for (int i = 0; i < f->n_above; i++)
        if (f->above_heading[i] == n) return true;
    return false;
}

/* An article's own footer names its author; a comment's does, too, but stands in one. */
static bool is_entry_footer(const finder *f, uint32_t n) {
    wt_str class = attr(f, n, HTML_ATTR_class);
    if (has(class, "entry") || has(class, "post-footer") || has(class, "post-meta")) return true;
    for (int k = 0; n && k < 4; k++, n = f->t->node[n].parent)
        if (f->t->node[n].tag == HTML_TAG_article) return true;
    return false;
}

/* Is this element inside comments, related links, or a list of other articles? */
static bool is_aside(const finder *f, uint32_t n) {
    for (int k = 0; n && k < 12; k++, n = f->t->node[n].parent) {
        uint16_t tag = f->t->node[n].tag;
        if (tag == HTML_TAG_aside || tag == HTML_TAG_nav) return true;
        if (tag == HTML_TAG_footer && !is_entry_footer(f, n)) return true;
        if (tag == HTML_TAG_body) return false;         /* names there tell the page's layout: "right-sidebar" */
        if (tag == HTML_TAG_article || tag == HTML_TAG_main) continue;
        wt_str c = html_attr_get(f->t, n, HTML_ATTR_class), i = html_attr_get(f->t, n, HTML_ATTR_id);
        if (c.len > 300) c.len = 300;
        if (!((begins(c) | begins(i)) & BEGIN_ASIDE) || is_above_heading(f, n)) continue;
        if (has(c, "comment") || has(i, "comment") || has(c, "related") || has(i, "related") ||
            (has(c, "sidebar") && !has(c, "nosidebar") && !has(c, "no-sidebar")) ||
            has(i, "sidebar") || has(c, "recommend") || has(c, "teaser") || (has(c, "widget") && !has(c, "elementor")) || has(c, "popular") ||
            has(c, "latest"))
            return true;
    }
    return false;
}

static void read_headings(finder *f, uint32_t n) {
    uint16_t tag = f->t->node[n].tag;
    if (tag == HTML_TAG_h1) {
        wt_str s = text_below(f, n, 400);
        if (!s.len) return;
        f->n_h1++;
        if (f->n_headings < 12) f->headings[f->n_headings++] = s;
        wt_str c = attr(f, n, HTML_ATTR_class), i = attr(f, n, HTML_ATTR_id), p = attr(f, n, HTML_ATTR_itemprop);
        int rank = 1;
        if (has(p, "headline") || has(p, "name") || has(c, "title") || has(c, "headline") || has(i, "title")) rank = 2;
        if (has(c, "logo") || has(i, "logo") || has(c, "site") || has(i, "site") || s.len < 4) rank = 0;
        if (f->head_title.len && s.len >= 4) {
            /* the h1 that the window's title repeats */
            size_t probe = s.len < 30 ? s.len : 30;
            if (memmem(f->head_title.ptr, f->head_title.len, s.ptr, probe)) rank += s.len * 3 > f->head_title.len ? 3 : 0;
        }
        if (rank > f->h1_rank || !f->h1.len) f->h1 = s, f->h1_rank = rank;
    } else if (tag == HTML_TAG_h2) {
        wt_str s = text_below(f, n, 400);
        if (s.len && !f->h2.len) f->h2 = s;
        if (s.len && f->n_headings < 12 && !is_aside(f, n)) f->headings[f->n_headings++] = s;
    }
}

static void read_dates(finder *f, uint32_t n, const element_names *names) {
    uint16_t tag = f->t->node[n].tag;
    char out[40];
    wt_str prop = names->prop;
    if (has(prop, "datepublished") || has(prop, "datecreated")) {
        wt_str v = attr(f, n, HTML_ATTR_content);
        if (!v.len) v = attr(f, n, HTML_ATTR_datetime);
        if (!v.len) v = text_below(f, n, 200);
        if (!is_aside(f, n)) take(&f->prop_date, v);
    } else if (tag == HTML_TAG_time) {
        wt_str v = attr(f, n, HTML_ATTR_datetime), c = names->class;
        if (!v.len) v = text_below(f, n, 100);
        if (!v.len || !date_find(v, true, out)) return;
        int rank = is_aside(f, n) ? 1 : has(c, "published") || has(c, "entry-date") ? 4 : has(c, "updated") || has(c, "modified") ? 2 : 3;
        if (rank > f->time_rank) f->time_date = v, f->time_rank = rank;
    } else if (!f->class_date.len) {
        if (!((names->class_begins | names->id_begins) & BEGIN_DATE)) return;
        wt_str c = names->class, i = names->id;
        if (!(has(c, "date") || has(c, "time") || has(c, "published") || has(c, "posted") || has(c, "meta") || has(i, "date") ||
              has(c, "byline") || has(c, "pubdate") || has(c, "submitted"))) return;
        if (has(c, "update") && !has(c, "date ")) return;
        wt_str v = text_below(f, n, 200);
        if (v.len && date_find(v, true, out) && !is_aside(f, n)) f->class_date = v;
    }
}

/* Does a part of the path name people's pages? One pass over the slashes. */
static bool is_author_path(wt_str href) {
    static const char *const parts[] = {"author/", "authors/", "autor/", "people/", "profile/", "users/", "user/", "member.php",
                                        "members/", "memberlist.php?mode=viewprofile"};
    if (!href.len) return false;
    const char *p = href.ptr, *end = href.ptr + href.len;
    while (p < end && (p = memchr(p, '/', (size_t)(end - p)))) {
        p++;
        if (p == end) break;
        char first = (char)(*p | 32);
        if (first != 'a' && first != 'p' && first != 'u' && first != 'm') continue;
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            size_t n = strlen(parts[k]);
            bool list = parts[k][n - 1] == '/' && (size_t)(end - p) == n;      /* of all people */
            if ((size_t)(end - p) >= n && !list && wt_str_eq_nocase((wt_str){p, n}, wt_str_of(parts[k]))) return true;
        }
    }
    return false;
}

/* The itemprop "name" inside an item: its content, or its text. */
static wt_str item_name(finder *f, uint32_t n) {
    const html_tree *t = f->t;
    uint32_t x = html_next(t, n, n);
    for (int k = 0; x && k < 64; k++, x = html_next(t, x, n)) {
        if (!html_is_element(t, x) || !is(attr(f, x, HTML_ATTR_itemprop), "name")) continue;
        wt_str v = attr(f, x, HTML_ATTR_content);
        return v.len ? v : parts_below(f, x, 200);
    }
    return (wt_str){NULL, 0};
}

static void read_authors(finder *f, uint32_t n, const element_names *names) {
    wt_str prop = names->prop, rel = names->rel, c = names->class;
    if (has(prop, "author") && !f->prop_author.len) {
        wt_str v = attr(f, n, HTML_ATTR_content);
        if (!v.len) v = item_name(f, n);
        if (!v.len) v = parts_below(f, n, 200);
        if (!is_aside(f, n)) take(&f->prop_author, v);
    }
    if (has(rel, "author") && f->t->node[n].tag == HTML_TAG_a && !f->rel_author.len && !is_aside(f, n))
        f->rel_author = text_below(f, n, 80);
    if (f->t->node[n].tag == HTML_TAG_a && !f->link_author.len) {
        wt_str href = attr(f, n, HTML_ATTR_href);
        if (is_author_path(href) && !is_aside(f, n))
            f->link_author = text_below(f, n, 60);
    }
    if (f->author_rank >= 3 || !(names->class_begins & BEGIN_AUTHOR)) return;     /* labels end in a colon: "Author:" */
    int rank = has(c, "author-name") || has(c, "author_name") || has(c, "authorname") || has(c, "byline-name") || has(c, "byline__name") ? 3
               : has(c, "byline") || has(c, "author") || has(c, "vcard") ? 2
               : has(c, "writer") || has(c, "posted-by") || has(c, "postedby") || has(c, "username") || has(c, "submitted") || has(c, "autor") || has(c, "poster") ? 1 : 0;
    if (rank <= f->author_rank || is_aside(f, n)) return;
    wt_str v = parts_below(f, n, 200);
    if (v.len < 3 || v.ptr[v.len - 1] == ':') return;
    f->class_author = v;
    f->author_rank = rank;
}

/* <address> is whom to ask about an article: often its author, but for streets and numbers. */
static void read_address(finder *f, uint32_t n) {
    wt_str s = parts_below(f, n, 60);
    if (s.len < 3 || is_aside(f, n)) return;
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '@' || s.ptr[i] == '|') return;
    f->address_author = s;
}

/* Pages built by scripts carry their data as JSON in one: "datePublished":"2024-...". */
static wt_str date_in_script(wt_str s) {
    static const char *const keys[] = {"\"datePublished\"", "\"publishedAt\"", "\"published_at\"", "\"publishDate\"",
                                       "\"publishedDate\"", "\"publish_date\"", "\"firstPublished\"", "\"pubDate\""};
    enum { N_KEYS = sizeof keys / sizeof *keys };
    bool published = memmem(s.ptr, s.len, "ublish", 6);         /* in all keys but the last */
    for (size_t k = published ? 0 : N_KEYS - 1; k < N_KEYS; k++) {
        size_t n = strlen(keys[k]);
        const char *at = memmem(s.ptr, s.len, keys[k], n);
        if (!at) continue;
        wt_str rest = {at + n, (size_t)(s.ptr + s.len - at) - n};
        if (rest.len > 40) rest.len = 40;
        char out[40];
        if (date_find(rest, false, out)) return rest;
    }
    return (wt_str){NULL, 0};
}

/* The same where an attribute holds the component's data. */
static wt_str date_in_attributes(const html_tree *t, const html_node *e) {
    for (uint32_t i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + i];
        if (a->value_len < 400 || t->bytes.ptr[a->value] != '{') continue;
        wt_str date = date_in_script((wt_str){t->bytes.ptr + a->value, a->value_len});
        if (date.len) return date;
    }
    return (wt_str){NULL, 0};
}

static void collect(finder *f, page_meta *m) {
    const html_tree *t = f->t;
    for (uint32_t n = t->node[0].first; n; n = html_next(t, n, 0)) {
        const html_node *e = &t->node[n];
        if (e->tag >= HTML_N_TAGS) continue;
        switch (e->tag) {
        case HTML_TAG_html: take(&f->html_lang, attr(f, n, HTML_ATTR_lang)); break;
        case HTML_TAG_title:
            if (e->ns == HTML_NS_HTML) take(&f->head_title, text_below(f, n, 2000));
            break;
        case HTML_TAG_meta: read_meta(f, m, n); break;
        case HTML_TAG_link:
            if (is(attr(f, n, HTML_ATTR_rel), "canonical")) take(&f->canonical, attr(f, n, HTML_ATTR_href));
            if (is(attr(f, n, HTML_ATTR_rel), "license")) take(&f->license_link, attr(f, n, HTML_ATTR_href));
            break;
        case HTML_TAG_script:
            if (e->first && e->n_attrs && has(attr(f, n, HTML_ATTR_type), "ld+json"))
                jsonld_read(html_text_of(t, e->first), f->arena, &f->ld);
            else if (e->first && !f->script_date.len) f->script_date = date_in_script(html_text_of(t, e->first));
            break;
        case HTML_TAG_style: break;
        case HTML_TAG_h1: case HTML_TAG_h2:
            read_headings(f, n);
            if (has(attr(f, n, HTML_ATTR_itemprop), "headline")) take(&f->prop_headline, text_below(f, n, 400));
            break;
        case HTML_TAG_a:
            if (has(attr(f, n, HTML_ATTR_rel), "license")) take(&f->license_link, attr(f, n, HTML_ATTR_href));
            /* fall through */
        default:
            if (!f->script_date.len) f->script_date = date_in_attributes(t, e);
            if (e->tag == HTML_TAG_address && !f->address_author.len) read_address(f, n);
            if (e->n_attrs == 0 && e->tag != HTML_TAG_time) break;
            element_names names = names_of(t, n);
            read_dates(f, n, &names);
            read_authors(f, n, &names);
        }
    }
}

/* ---- cleaning ---- */
/* Bytes of the white space or control character that s begins with, no-break space among them; 0: none. */
static size_t blank_bytes(wt_str s) {
    if ((unsigned char)s.ptr[0] <= ' ') return 1;
    return s.len > 1 && (unsigned char)s.ptr[0] == 0xc2 && (unsigned char)s.ptr[1] == 0xa0 ? 2 : 0;
}

/* White space and HTML that hides in attributes: one line of text. */
static wt_str one_line(finder *f, wt_str s) {
    wt_buf_clear(&f->scratch);
    bool space = false, tag = false;
    for (size_t i = 0; i < s.len && f->scratch.len < 4000; i++) {
        char c = s.ptr[i];
        if (c == '<' && i + 1 < s.len && (s.ptr[i + 1] == '/' || ((s.ptr[i + 1] | 32) >= 'a' && (s.ptr[i + 1] | 32) <= 'z')) &&
            memchr(s.ptr + i, '>', s.len - i)) tag = true;
        if (tag) {
            if (c == '>') tag = false, space = true;
            continue;
        }
        char out[16];
        size_t n = 0, took = c == '&' ? html_reference(s.ptr + i, s.ptr + s.len, false, out, &n) : 0;
        if (!took) out[0] = c, n = 1;               /* took: escaped twice, as JSON-LD often is */
        size_t blank = blank_bytes(took ? (wt_str){out, n} : (wt_str){s.ptr + i, s.len - i});
        i += (took ? took : blank ? blank : 1) - 1;
        if (blank) {
            space = true;
            continue;
        }
        if (space && f->scratch.len) wt_buf_add_char(&f->scratch, ' ');
        space = false;
        wt_buf_add(&f->scratch, out, n);
    }
    return f->scratch.len ? wt_arena_copy(f->arena, wt_buf_view(&f->scratch)) : (wt_str){NULL, 0};
}

/* "Headline - The Site" -> "Headline": cuts at the last separator, or the part that is the site. */
static wt_str cut_site(wt_str title, wt_str site) {
    static const char *const separators[] = {" | ", " - ", " \xe2\x80\x93 ", " \xe2\x80\x94 ", " \xc2\xbb ", " \xc2\xb7 ",
                                             " :: ", " \xe2\x80\xa2 ", " / ", " < ", " \xc2\xab ", "_"};
    wt_str best = title;
    size_t cut_at = 0, cut_len = 0;
    for (size_t k = 0; k < sizeof separators / sizeof *separators; k++) {
        wt_str sep = wt_str_of(separators[k]);
        for (size_t i = title.len; i-- > 1;) {
            if (i + sep.len > title.len || memcmp(title.ptr + i, sep.ptr, sep.len) != 0) continue;
            wt_str tail = {title.ptr + i + sep.len, title.len - i - sep.len};
            bool is_site = site.len && (wt_str_eq_nocase(tail, site) || has(tail, "home"));
            if (sep.len == 1 && !is_site && (unsigned char)title.ptr[0] < 0x80) break;
            if (i > cut_at || is_site) cut_at = i, cut_len = sep.len;
            break;
        }
    }
    if (!cut_at) return title;
    wt_str head = wt_str_trim((wt_str){title.ptr, cut_at});
    wt_str tail = wt_str_trim((wt_str){title.ptr + cut_at + cut_len, title.len - cut_at - cut_len});
    size_t head_words = 1, tail_words = 1;
    for (size_t i = 0; i < head.len; i++) head_words += head.ptr[i] == ' ';
    for (size_t i = 0; i < tail.len; i++) tail_words += tail.ptr[i] == ' ';
    if (head.len >= 12 || head_words >= 2 || head.len >= tail.len) best = head;
    else if (tail_words >= 3) best = tail;
    return best;
}

static void fold(finder *f, wt_str s, wt_buf *out) {
    wt_buf_clear(out);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) wt_buf_add_char(out, (char)c);
        else if (c >= 'A' && c <= 'Z') wt_buf_add_char(out, (char)(c | 32));
    }
}

/* Where a, letters only, stands in b; -1 where it does not. */
static int folded_at(finder *f, wt_str a, wt_str b) {
    wt_buf x = {0}, y = {0};
    fold(f, a, &x);
    fold(f, b, &y);
    const char *at = x.len >= 4 && y.len >= x.len ? memmem(y.ptr, y.len, x.ptr, x.len) : NULL;
    int place = at ? (int)(at - y.ptr) : -1;
    wt_buf_free(&x);
    wt_buf_free(&y);
    return place;
}

/* The visible heading is the title where the window's title or Open Graph begins with it; a blog's name
 * in an h1 stands at their end. */
static wt_str choose_title(finder *f, wt_str site) {
    wt_str og = one_line(f, f->og_title), head = one_line(f, f->head_title), h1 = one_line(f, f->h1);
    wt_str best = {NULL, 0};
    for (int i = 0; i < f->n_headings; i++) {
        wt_str s = one_line(f, f->headings[i]);
        if (s.len < 4 || wt_str_eq_nocase(s, site)) continue;
        if ((folded_at(f, s, head) == 0 || folded_at(f, s, og) == 0) && s.len > best.len) best = s;
    }
    if (best.len * 4 >= (og.len ? og.len : head.len)) return best;
    bool is_name = h1.len < 4 || wt_str_eq_nocase(h1, site) || (folded_at(f, h1, head) > 0 && folded_at(f, h1, og) < 0);
    if (h1.len && !is_name && f->h1_rank > 0 && f->n_h1 == 1) return h1;
    wt_str ld = one_line(f, f->ld.headline);
    if (ld.len >= 4 && ld.len < 300) return ld;
    wt_str prop = one_line(f, f->prop_headline);
    if (prop.len) return prop;
    if (og.len) return cut_site(og, site);
    wt_str named = one_line(f, f->meta_title);
    if (named.len) return cut_site(named, site);
    if (head.len) return cut_site(head, site);
    return h1.len ? h1 : one_line(f, f->h2);
}

/* Links and labels that stand where authors are named. */
static bool is_no_name(wt_str s) {
    static const char *const first_words[] = {"about", "login", "log", "sign", "member", "profile", "follow", "join", "subscribe", "share", "read",
        "view", "more", "all", "posts", "january", "february", "march", "april", "june", "july", "august", "september", "october", "november",
        "december", "youtube", "facebook", "twitter", "instagram", "linkedin", "register", "kostenlos", "anmelden", "mehr", "home", "contact", "menu",
        "published", "updated", "posted", "write", "users", "artikel", "abmelden", "benutzereinstellungen", "wordpressadmin", "webmaster", "unknown", "anonymous", "guest"};
    size_t n = 0;
    while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '-') n++;
    for (size_t k = 0; k < sizeof first_words / sizeof *first_words; k++) {
        size_t len = strlen(first_words[k]);
        if (n == len && wt_str_eq_nocase((wt_str){s.ptr, n}, wt_str_of(first_words[k])) && (s.len == n || strcmp(first_words[k], "april") != 0)) return true;
    }
    return false;
}

/* "By Jane Doe, Staff Writer | May 3" -> "Jane Doe"; what is no name becomes empty. */
static wt_str clean_author(finder *f, wt_str s) {
    s = one_line(f, s);
    static const char *const prefixes[] = {"by ", "by: ", "by:", "author: ", "author:", "written by ", "posted by ", "words by ",
        "von ", "von: ", "autor: ", "par ", "por ", "di ", "text: ", "published by ", "story by ", "ver\xc3\xb6" "ffentlicht von ", "beitrag von ", "beitragvon ", "geschrieben von ", "via ", "authored by ", "authored by: ", "content: ", "from ", "authors ", "author ", "av ", "door "};
    while (s.len && strchr(" ,;:-|/", *s.ptr)) s.ptr++, s.len--;
    for (bool again = true; again;) {
        again = false;
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
            size_t n = strlen(prefixes[k]);
            if (s.len > n && wt_str_eq_nocase((wt_str){s.ptr, n}, wt_str_of(prefixes[k]))) {
                s = wt_str_trim((wt_str){s.ptr + n, s.len - n});
                while (s.len && strchr(" ,;:-|/", *s.ptr)) s.ptr++, s.len--;
                again = true;
            }
        }
    }
    if (wt_str_starts(s, WT_STR("http")) || wt_str_starts(s, WT_STR("@")) || wt_str_starts(s, WT_STR("www."))) return (wt_str){NULL, 0};
    char date[40];
    for (size_t i = 0; i < s.len; i++) {
        bool stop = s.ptr[i] == '|' || s.ptr[i] == '\n' || (i && s.ptr[i] == ',' && s.len - i > 30) ||
                    (unsigned char)s.ptr[i] == 0xe2 || (i > 2 && memcmp(s.ptr + i, " - ", i + 3 <= s.len ? 3 : 0) == 0 && i + 3 <= s.len) ||
                    (i + 4 <= s.len && memcmp(s.ptr + i, " on ", 4) == 0) || (i + 4 <= s.len && memcmp(s.ptr + i, " in ", 4) == 0);
        if (stop && i > 2) {
            s = wt_str_trim((wt_str){s.ptr, i});
            break;
        }
    }
    for (size_t i = 0; i < s.len; i++)              /* a date behind the name */
        if (s.ptr[i] >= '0' && s.ptr[i] <= '9' && date_find((wt_str){s.ptr, s.len}, true, date)) {
            while (i && s.ptr[i - 1] != ' ' && s.ptr[i - 1] != ',') i--;
            size_t end = i;
            /* the word before the digits may be a month */
            while (end && (s.ptr[end - 1] == ' ' || s.ptr[end - 1] == ',')) end--;
            size_t word = end;
            while (word && s.ptr[word - 1] != ' ') word--;
            char probe[40];
            wt_str from_word = {s.ptr + word, s.len - word};
            s.len = date_find(from_word, true, probe) && word ? word : end;
            break;
        }
    while (s.len && strchr(" ,;:-|/", s.ptr[s.len - 1])) s.len--;
    if (is_no_name(s)) return (wt_str){NULL, 0};
    if (s.len < 2 || s.len > 100 || is(s, "admin") || is(s, "administrator") || is(s, "staff") || is(s, "editor")) return (wt_str){NULL, 0};
    return s;
}

static wt_str choose_author(finder *f, wt_str site) {
    const wt_str sources[] = {f->ld.author, f->meta_author, f->labelled_author, f->prop_author, f->article_author, f->rel_author,
                              f->link_author, f->class_author, f->address_author, f->ld.person};
    wt_str name = {NULL, 0};                    /* the site's own name only where nobody else is named */
    for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
        if (!sources[k].len) continue;
        wt_str s = clean_author(f, sources[k]);
        bool is_paper = *sources[k].ptr == ',' || folded_at(f, s, site) >= 0;         /* ", The Daily Journal": the name is missing */
        if (s.len && !is_paper) return s;
        if (s.len && !name.len) name = s;
    }
    return name;
}

static wt_str iso_date(finder *f, wt_str s, bool day_first) {
    char out[40];
    if (!s.len || !date_find(s, day_first, out)) return (wt_str){NULL, 0};
    return wt_arena_copy(f->arena, wt_str_of(out));
}

static wt_str choose_date(finder *f, wt_str url, bool day_first) {
    const wt_str sources[] = {f->ld.date, f->meta_date, f->prop_date, f->ld.page_date, f->script_date};
    for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
        wt_str d = iso_date(f, sources[k], day_first);
        if (d.len) return d;
    }
    char out[40];
    if (date_in_url(url, out) || date_in_url(f->canonical, out)) return wt_arena_copy(f->arena, wt_str_of(out));
    if (f->time_rank >= 3) return iso_date(f, f->time_date, day_first);
    wt_str d = iso_date(f, f->class_date, day_first);
    if (d.len) return d;
    return iso_date(f, f->time_date, day_first);
}

static wt_str host_of(wt_str url) {
    ptrdiff_t at = wt_str_find(url, WT_STR("://"));
    if (at < 0) return (wt_str){NULL, 0};
    wt_str rest = {url.ptr + at + 3, url.len - (size_t)at - 3};
    wt_str host = wt_str_cut(&rest, '/');
    if (wt_str_starts(host, WT_STR("www."))) host.ptr += 4, host.len -= 4;
    return host;
}

static wt_str absolute(finder *f, wt_str link, wt_str base) {
    if (!link.len || wt_str_find(link, WT_STR("://")) > 0) return link;
    ptrdiff_t at = wt_str_find(base, WT_STR("://"));
    if (at < 0) return (wt_str){NULL, 0};
    if (wt_str_starts(link, WT_STR("//"))) return wt_str_of(wt_arena_printf(f->arena, "%.*s:%.*s", (int)at, base.ptr, WT_FMT(link)));
    if (*link.ptr != '/') return (wt_str){NULL, 0};
    size_t end = (size_t)at + 3;
    while (end < base.len && base.ptr[end] != '/') end++;
    return wt_str_of(wt_arena_printf(f->arena, "%.*s%.*s", (int)end, base.ptr, WT_FMT(link)));
}

static page_kind choose_kind(const finder *f) {
    if (f->ld.kind != PAGE_UNKNOWN) return f->ld.kind;
    if (!f->og_type.len) return PAGE_UNKNOWN;
    if (has(f->og_type, "article") || has(f->og_type, "blog")) return PAGE_ARTICLE;
    if (has(f->og_type, "product")) return PAGE_PRODUCT;
    if (has(f->og_type, "website")) return PAGE_SITE;
    return PAGE_OTHER;
}

void meta_read(const html_tree *t, wt_str url, wt_arena *arena, page_meta *m) {
    finder f = {.t = t, .arena = arena};
    *m = (page_meta){0};
    find_heading(&f);
    collect(&f, m);
    m->head_title = f.head_title;
    m->og_title = f.og_title;
    m->heading = f.h1;
    m->kind = choose_kind(&f);
    m->json_body = f.ld.body;
    m->json_text = one_line(&f, f.ld.description);
    const wt_str sites[] = {f.og_site, f.ld.publisher, f.ld.site, f.meta_site};
    for (int k = 0; k < 4 && !m->site.len; k++) m->site = one_line(&f, sites[k]);
    m->title = choose_title(&f, m->site);
    m->author = choose_author(&f, m->site);
    m->lang = f.html_lang.len ? f.html_lang : f.ld.lang.len ? f.ld.lang : f.meta_lang.len ? f.meta_lang : f.og_locale;
    bool day_first = !(wt_str_starts(m->lang, WT_STR("en")) || wt_str_starts(m->lang, WT_STR("EN")) || !m->lang.len) ||
                     wt_str_find(url, WT_STR(".uk/")) > 0 || wt_str_find(url, WT_STR(".au/")) > 0;
    m->day_first = day_first;
    m->date = choose_date(&f, url, day_first);
    m->modified = iso_date(&f, f.ld.modified.len ? f.ld.modified : f.meta_modified, day_first);
    m->description = one_line(&f, f.og_description.len ? f.og_description : f.meta_description.len ? f.meta_description : f.ld.description);
    m->url = absolute(&f, f.canonical.len ? f.canonical : f.og_url, url);
    if (!m->site.len) m->site = host_of(url.len ? url : m->url);
    m->address = url.len ? url : m->url;
    m->license = f.license_link.len ? f.license_link : f.ld.license.len ? f.ld.license : one_line(&f, f.meta_rights);
    wt_buf_free(&f.scratch);
}
