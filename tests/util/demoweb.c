/* demoweb.c - makes the sample web of the demo and the Reddit dump that links to it.
 *
 *   demoweb TEXTDIR OUTDIR
 *
 * TEXTDIR/NAME.txt are small grammars, one a site: "= rule" and below it one alternative a line. In an
 * alternative {rule} is replaced by one of its alternatives, {x=rule} binds x silently for the page,
 * {x} then says it again, {x^} with a capital, {#3-9} is a number. Each rule deals its alternatives
 * like cards, all before any comes again, so that pages of a site differ as much as they can. "//"
 * parts paragraphs, "## " begins a heading, "- " a list item. Everything depends on the texts alone.
 *
 * OUTDIR/web/HOST/... is for webserver.c; OUTDIR/RS_2017-01.zst is in Pushshift's shape: links to the
 * pages with high and low scores, other people's links, self posts, adult posts, repeated posts, an
 * escaped URL, a broken line. OUTDIR/hosts.txt lists the hosts. Among the pages are what a crawl meets:
 * a robots.txt that forbids, redirects, a 404, a 429, another language, a broken page, Latin-1,
 * compression, chunks, near copies on another host, a printed version, a picture, an empty page. */
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/out.h"
#include "common/rng.h"

/* ---- grammars ---- */

typedef struct {
    char *name;
    char **alt;
    int *deck;                   /* the order in which alternatives are dealt */
    size_t n, cap, dealt;
} rule;

typedef struct {
    rule *rules;
    size_t n, cap;
    const char *bound_name[32], *bound_value[32];
    int n_bound;
    wt_rng rng;
} grammar;

typedef struct {
    const char *host, *name, *author, *lang;
    int n_pages, style;
} site;

static void die(const wt_err *err) {
    fprintf(stderr, "demoweb: %s\n", err->text);
    exit(1);
}

static rule *rule_find(grammar *g, const char *name) {
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->rules[i].name, name) == 0) return &g->rules[i];
    return NULL;
}

static void grammar_load(grammar *g, site *s, const char *path) {
    wt_err err = {0};
    wt_buf text = {0};
    if (wt_read_file(path, 1 << 20, &text, &err)) die(&err);
    wt_str rest = wt_buf_view(&text);
    rule *r = NULL;
    while (rest.len) {
        wt_str line = wt_str_trim(wt_str_cut(&rest, '\n'));
        char *copy = wt_xstrndup(line), *value = strchr(copy, ':');
        if (line.len == 0 || copy[0] == '#') continue;
        if (copy[0] == '=') {
            WT_GROW(g->rules, g->cap, g->n + 1);
            r = &g->rules[g->n++];
            *r = (rule){.name = copy + 2};
        } else if (r) {
            WT_GROW(r->alt, r->cap, r->n + 1);
            r->alt[r->n++] = copy;
        } else if (value) {
            *value = 0;
            value += 2;
            if (!strcmp(copy, "site")) s->host = value;
            if (!strcmp(copy, "name")) s->name = value;
            if (!strcmp(copy, "author")) s->author = value;
            if (!strcmp(copy, "lang")) s->lang = value;
            if (!strcmp(copy, "pages")) s->n_pages = atoi(value);
        }
    }
    wt_buf_free(&text);
}

static const char *deal(grammar *g, rule *r) {
    if (!r->deck) {
        r->deck = wt_xcalloc(r->n, sizeof *r->deck);
        for (size_t i = 0; i < r->n; i++) r->deck[i] = (int)i;
        r->dealt = r->n;
    }
    if (r->dealt == r->n) {                  /* shuffle, but never deal the last card again at once */
        int last = r->deck[r->n - 1];
        for (size_t i = r->n; i > 1; i--) {
            size_t k = wt_rng_below(&g->rng, i);
            int x = r->deck[i - 1];
            r->deck[i - 1] = r->deck[k], r->deck[k] = x;
        }
        if (r->n > 1 && r->deck[0] == last) r->deck[0] = r->deck[r->n - 1], r->deck[r->n - 1] = last;
        r->dealt = 0;
    }
    return r->alt[r->deck[r->dealt++]];
}

static void expand(grammar *g, const char *text, wt_buf *out);

static void expand_name(grammar *g, const char *name, wt_buf *out) {
    for (int i = 0; i < g->n_bound; i++)
        if (strcmp(g->bound_name[i], name) == 0) {
            wt_buf_add_str(out, wt_str_of(g->bound_value[i]));
            return;
        }
    rule *r = rule_find(g, name);
    if (!r) {
        fprintf(stderr, "demoweb: no rule '%s'\n", name);
        exit(1);
    }
    expand(g, deal(g, r), out);
}

static void expand(grammar *g, const char *text, wt_buf *out) {
    while (*text) {
        if (*text != '{') {
            wt_buf_add_char(out, *text++);
            continue;
        }
        size_t n = strcspn(text, "}");
        char *inner = wt_xstrndup((wt_str){text + 1, n - 1}), *equals = strchr(inner, '=');
        text += n + 1;
        int low, high;
        size_t start = out->len;
        if (sscanf(inner, "#%d-%d", &low, &high) == 2) {
            wt_buf_printf(out, "%d", low + (int)wt_rng_below(&g->rng, (uint64_t)(high - low + 1)));
        } else if (equals) {
            wt_buf value = {0};
            *equals = 0;
            expand_name(g, equals + 1, &value);
            g->bound_name[g->n_bound] = inner, g->bound_value[g->n_bound++] = value.ptr;
            continue;                        /* inner stays: it is the name */
        } else if (inner[n - 2] == '^') {
            inner[n - 2] = 0;
            expand_name(g, inner, out);
            if (out->ptr[start] >= 'a' && out->ptr[start] <= 'z') out->ptr[start] -= 32;
        } else {
            expand_name(g, inner, out);
        }
        free(inner);
    }
}

/* Capitals at the begin of sentences, "an" before vowels. */
static void polish(wt_buf *text, bool english) {
    wt_buf out = {0};
    bool start = true;
    for (size_t i = 0; i < text->len; i++) {
        char c = text->ptr[i];
        if (start && c >= 'a' && c <= 'z') c -= 32;
        if (c != ' ' && c != '"' && c != '\n' && c != '#' && c != '-') start = false;
        if ((c == '.' || c == '?' || c == '!') && i + 1 < text->len && text->ptr[i + 1] == ' ') start = true;
        if (c == '\n') start = true;
        wt_buf_add_char(&out, c);
        bool article = english && (c == 'a' || c == 'A') && (i == 0 || strchr(" \n\"", text->ptr[i - 1])) && text->ptr[i + 1] == ' ';
        if (article && strchr("aeioAEIO", text->ptr[i + 2]) && strncmp(text->ptr + i + 2, "one", 3) != 0) wt_buf_add_char(&out, 'n');
    }
    wt_buf_free(text);
    *text = out;
}

/* ---- pages ---- */

typedef struct {
    const site *site;
    char *url, *title, *text;    /* text: paragraphs parted by '\n' */
    char date[16];
} page;

static page *pages;
static size_t n_pages, pages_cap;
static const char *out_dir;

static page *page_make(grammar *g, const site *s, int i) {
    wt_buf text = {0}, title = {0}, body = {0}, url = {0};
    bool english = !s->lang;
    g->n_bound = 0;
    expand_name(g, "page", &text);
    expand_name(g, "title", &title);
    polish(&title, english);
    for (wt_str rest = wt_buf_view(&text); rest.len;) {
        ptrdiff_t at = wt_str_find(rest, WT_STR("//"));
        wt_str part = wt_str_trim((wt_str){rest.ptr, at < 0 ? rest.len : (size_t)at});
        rest = at < 0 ? (wt_str){0} : (wt_str){rest.ptr + at + 2, rest.len - (size_t)at - 2};
        wt_buf_add_str(&body, part);
        wt_buf_add_char(&body, '\n');
    }
    polish(&body, english);
    WT_GROW(pages, pages_cap, n_pages + 1);
    page *p = &pages[n_pages++];
    *p = (page){.site = s, .title = title.ptr, .text = body.ptr};
    snprintf(p->date, sizeof p->date, "201%d-%02d-%02d", 4 + i % 3, 1 + i * 5 % 12, 1 + i * 11 % 28);
    wt_buf_printf(&url, "http://%s/", s->host);
    if (s->style == 1) wt_buf_printf(&url, "%.4s/%.2s/", p->date, p->date + 5);
    for (const char *c = p->title; *c && url.len < 80; c++) {
        char x = *c >= 'A' && *c <= 'Z' ? *c + 32 : *c;
        if ((x >= 'a' && x <= 'z') || (x >= '0' && x <= '9')) wt_buf_add_char(&url, x);
        else if (url.ptr[url.len - 1] != '-' && url.ptr[url.len - 1] != '/') wt_buf_add_char(&url, '-');
    }
    while (url.ptr[url.len - 1] == '-') url.ptr[--url.len] = 0;
    wt_buf_printf(&url, "-%d%s", i + 1, s->style == 2 ? "/" : ".html");
    p->url = url.ptr;
    wt_buf_free(&text);
    return p;
}

static void html_escape(wt_buf *out, wt_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '&') wt_buf_add_str(out, WT_STR("&amp;"));
        else if (s.ptr[i] == '<') wt_buf_add_str(out, WT_STR("&lt;"));
        else if (s.ptr[i] == '"') wt_buf_add_str(out, WT_STR("&quot;"));
        else wt_buf_add_char(out, s.ptr[i]);
    }
}

static void html_text(wt_buf *out, const char *text) {
    bool in_list = false;
    for (wt_str rest = wt_str_of(text); rest.len;) {
        wt_str line = wt_str_cut(&rest, '\n');
        bool item = wt_str_starts(line, WT_STR("- ")), heading = wt_str_starts(line, WT_STR("## "));
        const char *tag = item ? "li" : heading ? "h2" : "p";
        if (item != in_list) wt_buf_printf(out, item ? "<ul>\n" : "</ul>\n");
        in_list = item;
        size_t skip = item ? 2 : heading ? 3 : 0;
        wt_buf_printf(out, "<%s>", tag);
        html_escape(out, (wt_str){line.ptr + skip, line.len - skip});
        wt_buf_printf(out, "</%s>\n", tag);
    }
    if (in_list) wt_buf_printf(out, "</ul>\n");
}

static const char *path_of(const page *p) { return strchr(p->url + 7, '/'); }

/* Links to some other pages of the same site. */
static void html_links(wt_buf *out, const page *p, int n) {
    size_t at = (size_t)(p - pages);
    wt_buf_printf(out, "<ul>\n");
    for (size_t step = 1; step < n_pages && n > 0; step++) {
        const page *other = &pages[(at + step * 3) % n_pages];
        if (other->site != p->site || other == p) continue;
        wt_buf_printf(out, "<li><a href=\"%s\">", path_of(other));
        html_escape(out, wt_str_of(other->title));
        wt_buf_printf(out, "</a></li>\n");
        n--;
    }
    wt_buf_printf(out, "</ul>\n");
}

static void html_page(wt_buf *out, const page *p, const char *charset) {
    const site *s = p->site;
    wt_buf_printf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"%s\">\n<title>", s->lang ? s->lang : "en", charset);
    html_escape(out, wt_str_of(p->title));
    wt_buf_printf(out, " | %s</title>\n<meta name=\"author\" content=\"%s\">\n<meta property=\"article:published_time\" content=\"%sT08:00:00Z\">\n"
                  "<style>body{font:16px serif;max-width:40em}nav li{display:inline}.cookie{position:fixed;bottom:0}</style>\n"
                  "<script>window.stats=window.stats||[];stats.push(['page','%s']);</script>\n</head>\n<body>\n",
                  s->name, s->author, p->date, s->host);
    wt_buf_printf(out, "<div class=\"cookie\" id=\"cookie-banner\"><p>We use cookies to remember that you do not like cookies. "
                  "<button>Accept all</button> <a href=\"/privacy.html\">Settings</a></p></div>\n"
                  "<header><a href=\"/\">%s</a>\n<nav><ul><li><a href=\"/\">Home</a></li><li><a href=\"/archive.html\">Archive</a></li>"
                  "<li><a href=\"/about.html\">About</a></li><li><a href=\"/feed.xml\">Feed</a></li></ul></nav></header>\n", s->name);
    wt_buf_printf(out, s->style == 0 ? "<main><article class=\"post\">\n<h1>" : s->style == 1 ? "<div id=\"content\"><div class=\"entry\">\n<h1>"
                  : "<table width=\"100%%\"><tr><td valign=\"top\">\n<h1>");
    html_escape(out, wt_str_of(p->title));
    wt_buf_printf(out, "</h1>\n<p class=\"byline\">By %s, <time datetime=\"%s\">%s</time></p>\n", s->author, p->date, p->date);
    html_text(out, p->text);
    wt_buf_printf(out, "<p class=\"share\"><a href=\"#\">Share</a> <a href=\"#\">Print</a> <a href=\"#\">Mail</a></p>\n");
    wt_buf_printf(out, s->style == 0 ? "</article></main>\n<aside><h3>Recent posts</h3>\n" : s->style == 1
                  ? "</div></div>\n<div id=\"sidebar\"><h3>You may also like</h3>\n" : "</td><td width=\"200\" valign=\"top\"><b>More</b>\n");
    html_links(out, p, 6);
    wt_buf_printf(out, "<p>Sign up for our newsletter and never miss a page. <input type=\"email\"><button>Subscribe</button></p>\n");
    wt_buf_printf(out, s->style == 0 ? "</aside>\n" : s->style == 1 ? "</div>\n" : "</td></tr></table>\n");
    wt_buf_printf(out, "<footer><p>&copy; 2017 %s. All rights reserved. <a href=\"/privacy.html\">Privacy</a> <a href=\"/terms.html\">Terms</a></p></footer>\n"
                  "</body>\n</html>\n", s->name);
}

/* ---- files of the web ---- */

static void put(const char *host, const char *path, const char *suffix, wt_str bytes) {
    wt_err err = {0};
    wt_buf name = {0};
    wt_buf_printf(&name, "%s/web/%s%s", out_dir, host, path);
    if (name.ptr[name.len - 1] == '/') wt_buf_printf(&name, "index.html");
    wt_buf_add_str(&name, wt_str_of(suffix));
    char *folder = wt_xstrdup(name.ptr);
    *strrchr(folder, '/') = 0;
    if (wt_mkdirs(folder, &err)) die(&err);
    FILE *f = fopen(name.ptr, "w");
    if (!f || fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len || fclose(f)) {
        wt_fail_errno(&err, "cannot write '%s'", name.ptr);
        die(&err);
    }
    free(folder);
    wt_buf_free(&name);
}

static void put_text(const char *host, const char *path, const char *suffix, const char *text) {
    put(host, path, suffix, wt_str_of(text));
}

static void put_page(const page *p) {
    wt_buf html = {0};
    html_page(&html, p, "utf-8");
    put(p->site->host, path_of(p), "", wt_buf_view(&html));
    wt_buf_free(&html);
}

/* ---- the dump ---- */

static wt_out *dump;
static wt_rng dump_rng;
static unsigned n_posts;

typedef struct {
    const char *url, *title, *domain, *selftext;
    int score;
    bool is_self, over_18;
} post;

/* One line as Pushshift wrote them: "url" stands nested before the real one, slashes are escaped. */
static void put_post(post p) {
    wt_err err = {0};
    wt_buf line = {0}, url = {0};
    static const char *const subs[] = {"books", "cooking", "gardening", "history", "hiking", "space", "todayilearned", "DIY"};
    const char *sub = subs[wt_rng_below(&dump_rng, 8)];
    long created = 1483228800 + (long)n_posts * 6007 + (long)wt_rng_below(&dump_rng, 6000);
    char name[16];
    int at = 0;
    for (unsigned x = 3352000000u + n_posts++ * 41; x; x /= 36) name[at++] = "0123456789abcdefghijklmnopqrstuvwxyz"[x % 36];
    name[at] = 0;
    wt_json_add_string(&url, wt_str_of(p.url));
    wt_buf escaped = {0};
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] == '/') wt_buf_add_char(&escaped, '\\');
        wt_buf_add_char(&escaped, url.ptr[i]);
    }
    wt_buf_printf(&line, "{\"archived\":false,\"author\":\"reader_%llu\",\"author_flair_css_class\":null,\"author_flair_text\":null,\"brand_safe\":true,"
                  "\"contest_mode\":false,\"preview\":{\"images\":[{\"source\":{\"url\":\"https:\\/\\/i.preview.example\\/x.jpg?w=1&amp;s=2\",\"width\":640,"
                  "\"height\":480},\"resolutions\":[],\"id\":\"q\"}],\"enabled\":false},\"created_utc\":%ld,\"distinguished\":null,\"domain\":",
                  (unsigned long long)wt_rng_below(&dump_rng, 900), created);
    wt_json_add_string(&line, wt_str_of(p.domain));
    wt_buf_printf(&line, ",\"downs\":0,\"edited\":false,\"gilded\":0,\"hidden\":false,\"hide_score\":false,\"id\":\"%s\",\"is_self\":%s,\"likes\":null,"
                  "\"link_flair_text\":null,\"locked\":false,\"media\":null,\"media_embed\":{},\"name\":\"t3_%s\",\"num_comments\":%llu,\"over_18\":%s,"
                  "\"permalink\":\"\\/r\\/%s\\/comments\\/%s\\/x\\/\",\"post_hint\":\"link\",\"quarantine\":false,\"retrieved_on\":1489599154,\"saved\":false,"
                  "\"score\":%d,\"secure_media\":null,\"selftext\":", name, p.is_self ? "true" : "false", name,
                  (unsigned long long)wt_rng_below(&dump_rng, 200), p.over_18 ? "true" : "false", sub, name, p.score);
    wt_json_add_string(&line, wt_str_of(p.selftext ? p.selftext : ""));
    wt_buf_printf(&line, ",\"spoiler\":false,\"stickied\":false,\"subreddit\":\"%s\",\"subreddit_id\":\"t5_2qh0u\",\"suggested_sort\":null,\"thumbnail\":\"default\",\"title\":", sub);
    wt_json_add_string(&line, wt_str_of(p.title));
    wt_buf_printf(&line, ",\"ups\":%d,\"url\":%s,\"user_reports\":[],\"visited\":false}\n", p.score, escaped.ptr);
    if (wt_out_str(dump, wt_buf_view(&line), &err)) die(&err);
    wt_buf_free(&line), wt_buf_free(&url), wt_buf_free(&escaped);
}

static void link_to(const char *url, const char *title, int score) {
    char *domain = wt_xstrndup((wt_str){url + 7, strcspn(url + 7, "/")});
    put_post((post){.url = url, .title = title, .domain = domain, .score = score});
    free(domain);
}

static void other_posts(void) {
    switch (wt_rng_below(&dump_rng, 5)) {
    case 0: put_post((post){.url = "https://www.reddit.com/r/books/comments/5lx1/what_are_you_reading/", .title = "What are you reading?",
                            .domain = "self.books", .selftext = "I have just finished the second one.\n\nAnd you?", .score = 40, .is_self = true}); break;
    case 1: put_post((post){.url = "http://i.imgur.com/a8sd7f.jpg", .title = "My cat, asleep", .domain = "i.imgur.com", .score = 2100}); break;
    case 2: put_post((post){.url = "https://www.youtube.com/watch?v=abc&amp;t=10", .title = "A song", .domain = "youtube.com", .score = 12}); break;
    case 3: put_post((post){.url = "http://example.example/adult", .title = "[nsfw]", .domain = "example.example", .score = 77, .over_18 = true}); break;
    default: put_post((post){.url = "http://nobody-voted.example/page", .title = "Please look at my page", .domain = "nobody-voted.example", .score = 1});
    }
}

/* ---- what a crawl meets besides good pages ---- */

static const page *page_of(const char *host, int i) {
    for (size_t k = 0; k < n_pages; k++)
        if (strcmp(pages[k].site->host, host) == 0 && i-- == 0) return &pages[k];
    return NULL;
}

static void odd_pages(void) {
    static const site reprints = {.host = "reprints.example", .name = "Reprints", .author = "the editors", .style = 2};
    wt_buf b = {0};
    for (int i = 0; i < 4; i++) {            /* near copies: another frame, one more sentence */
        const page *p = page_of("trailnotes.example", i * 2);
        page copy = *p;
        char url[80];
        wt_buf_clear(&b);
        wt_buf_printf(&b, "%sReprinted with thanks.\n", p->text);
        snprintf(url, sizeof url, "http://reprints.example/piece-%d/", i);
        copy.site = &reprints, copy.text = wt_xstrdup(b.ptr), copy.url = wt_xstrdup(url);
        put_page(&copy);
        link_to(copy.url, copy.title, 9);
    }
    const page *p = page_of("oldtowns.example", 1);
    wt_buf_clear(&b);
    html_page(&b, p, "utf-8");
    put("oldtowns.example", "/print", "?page=2&view=full", wt_buf_view(&b));        /* the same page again */
    link_to("http://oldtowns.example/print?page=2&amp;view=full", "Printed version", 6);

    wt_buf_clear(&b);
    wt_buf_printf(&b, "status: 301 Moved Permanently\nheader: Location: %s\n", path_of(page_of("oldtowns.example", 3)));
    put("oldtowns.example", "/old/3", ".meta", wt_buf_view(&b));
    link_to("http://oldtowns.example/old/3", "An old address", 15);
    put_text("oldtowns.example", "/loop", ".meta", "status: 302 Found\nheader: Location: /loop\n");
    link_to("http://oldtowns.example/loop", "Round and round", 4);
    link_to("http://trailnotes.example/no-such-walk.html", "A page that is gone", 30);
    put_text("kitchenletters.example", path_of(page_of("kitchenletters.example", 3)), ".meta", "status: 429 Too Many Requests\nheader: Retry-After: 1\ntimes: 1\n");
    put_text("quietarchive.example", "/robots.txt", "", "# We prefer to be left alone.\nUser-agent: *\nDisallow: /\n");
    put_text("quietarchive.example", "/letters.html", "", "<title>Letters</title><p>Nobody should have fetched this page, because robots.txt forbids it.</p>");
    link_to("http://quietarchive.example/letters.html", "Letters from an archive", 55);
    put_text("harbourlog.example", "/robots.txt", "", "User-agent: *\nCrawl-delay: 0\nDisallow: /private/\n");
    link_to("http://harbourlog.example/private/list.html", "A private list", 8);
    put_text("smallengines.example", "/broken.html", "",
             "<html><head><title>Broken page<body><div><p>This page was cut by a bad editor, and <b>nothing <i>is closed</b> in it.<table><tr><td>One cell<p>"
             "Its paragraphs are short.<p>Its links <a href=\"nowhere>go nowhere, <span");
    link_to("http://smallengines.example/broken.html", "A broken page", 5);
    put_text("harbourlog.example", "/short.html", "", "<title>Short</title><p>Closed for the winter.</p>");
    link_to("http://harbourlog.example/short.html", "Opening hours", 3);
    put_text("harbourlog.example", "/empty.html", "", "");
    link_to("http://harbourlog.example/empty.html", "Nothing", 3);
    put("backgardensky.example", "/moon.png", "", WT_STR("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\6\0\0\0\x1f\x15\xc4\x89"));
    link_to("http://backgardensky.example/moon.png", "The Moon last night", 900);
    put_text("backgardensky.example", path_of(page_of("backgardensky.example", 1)), ".meta", "coding: gzip\nchunked: 1000\n");
    put_text("readingroom.example", path_of(page_of("readingroom.example", 1)), ".meta", "chunked: 700\n");
    wt_buf_clear(&b);                        /* Latin-1, told by the header */
    wt_buf_printf(&b, "<html><head><title>The caf\xe9 by the canal</title></head><body><h1>The caf\xe9 by the canal</h1>"
                  "<p>There is a caf\xe9 by the canal where the waiter, Andr\xe9, knows every book that was ever set in this town. He recommends a na\xefve "
                  "tourist the lemon tart, the cr\xe8me br\xfbl\xe9" "e to a bride, and to everyone else a fa\xe7" "ade of indifference and strong coffee.</p>"
                  "<p>We sat there for three hours with a novel between us, and read it aloud in turns. The last chapter is set at the very same table, "
                  "on a wet night in November, and when we came to it the rain began. Nobody at the counter was surprised. It happens, said Andr\xe9, "
                  "about twice in a year, and he brought us the bill with a d\xe9j\xe0 vu that cost nothing extra.</p></body></html>");
    put("readingroom.example", "/cafe.html", "", wt_buf_view(&b));
    put_text("readingroom.example", "/cafe.html", ".meta", "header: Content-Type: text/html; charset=iso-8859-1\n");
    link_to("http://readingroom.example/cafe.html", "The caf\xc3\xa9 by the canal", 21);
    wt_buf_free(&b);
}

static void write_dump(wt_err *err) {
    wt_buf name = {0};
    wt_buf_printf(&name, "%s/RS_2017-01.zst", out_dir);
    if (!(dump = wt_out_open(name.ptr, err))) die(err);
    wt_rng_init(&dump_rng, 2017, 1);
    odd_pages();
    for (size_t i = 0; i < n_pages; i++) {
        page *p = &pages[i];
        bool unloved = i % 11 == 10;         /* good pages that too few people liked */
        link_to(p->url, p->title, unloved ? (int)wt_rng_below(&dump_rng, 3) : 3 + (int)wt_rng_below(&dump_rng, 400));
        if (i % 7 == 0) link_to(p->url, p->title, 1);                /* posted again */
        if (i % 13 == 0) {                                           /* and again, spelled otherwise */
            wt_buf url = {0};
            wt_buf_printf(&url, "HTTP://%s:80%s#top", p->site->host, path_of(p));
            put_post((post){.url = url.ptr, .title = p->title, .domain = p->site->host, .score = 5});
            wt_buf_free(&url);
        }
        for (int k = 0; k < 2; k++) other_posts();
    }
    wt_out_str(dump, WT_STR("{\"id\":\"5broken\",\"score\":100,\"url\":\"http://harbourlog.exa\n"), err);
    if (wt_out_commit(dump, err)) die(err);
    wt_buf_free(&name);
}

int main(int argc, char **argv) {
    static const char *const names[] = {"harbour", "kitchen", "trails", "engines", "sky", "towns", "books", "garden", "kurier"};
    enum { N = sizeof names / sizeof *names };
    static site sites[N];
    wt_err err = {0};
    wt_buf hosts = {0}, path = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: demoweb TEXTDIR OUTDIR\n");
        return 2;
    }
    out_dir = argv[2];
    for (int i = 0; i < N; i++) {
        grammar g = {0};
        wt_rng_init(&g.rng, 20170101, (uint64_t)i);
        wt_buf_clear(&path);
        wt_buf_printf(&path, "%s/%s.txt", argv[1], names[i]);
        sites[i].style = i % 3;
        grammar_load(&g, &sites[i], path.ptr);
        for (int k = 0; k < sites[i].n_pages; k++) page_make(&g, &sites[i], k);
        wt_buf_printf(&hosts, "%s\n", sites[i].host);
    }
    for (size_t i = 0; i < n_pages; i++) put_page(&pages[i]);
    write_dump(&err);
    wt_buf_printf(&hosts, "reprints.example\nquietarchive.example\n");
    wt_buf_clear(&path);
    wt_buf_printf(&path, "%s/hosts.txt", out_dir);
    if (wt_write_file(path.ptr, wt_buf_view(&hosts), &err)) die(&err);
    return 0;
}
