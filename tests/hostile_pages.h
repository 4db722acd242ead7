/* hostile_pages.h - pages built to be slow: the same piece again and again, a megabyte word, a million of each thing a page can
 * hold, and pieces aimed at the places where a parser, a metadata reader or a filter looks back, ahead or into a list.
 * In a piece \1 becomes NUL and \2 the piece's number. Shared by tests/unit/extract_hostile.c and bench/extract_hostile.c. */
#ifndef WT_TESTS_HOSTILE_PAGES_H
#define WT_TESTS_HOSTILE_PAGES_H

#include "common/str.h"

typedef struct {
    const char *name, *start, *piece, *middle, *close, *end;   /* close: as often as piece, behind middle */
} hostile_page;

#define HTML "<!DOCTYPE html><title>t</title>"
#define WORDS "The words of a page in English that go on for a while, so that they are content. "
#define LD HTML "<script type=\"application/ld+json\">"
#define ATTRS_20 "b c d e f g h i j k l m n o p q r s u v "
#define ATTRS_100 ATTRS_20 "b1 c1 d1 e1 f1 g1 h1 i1 j1 k1 l1 m1 n1 o1 p1 q1 r1 s1 u1 v1 b2 c2 d2 e2 f2 g2 h2 i2 j2 k2 l2 m2 n2 o2 p2 q2 " \
    "r2 s2 u2 v2 b3 c3 d3 e3 f3 g3 h3 i3 j3 k3 l3 m3 n3 o3 p3 q3 r3 s3 u3 v3 b4 c4 d4 e4 f4 g4 h4 i4 j4 k4 l4 m4 n4 o4 p4 q4 r4 s4 u4 v4 "
#define NEST_512(x) NEST_64(x) NEST_64(x) NEST_64(x) NEST_64(x) NEST_64(x) NEST_64(x) NEST_64(x) NEST_64(x)
#define NEST_64(x) x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x

static const hostile_page hostile_pages[] = {
    /* text */
    {"prose", HTML, "<p>" WORDS WORDS "</p>"},
    {"one word", HTML "<p>" WORDS, "abcdefgh"},
    {"a word of dots", HTML "<p>" WORDS, "a.b.c.d."},
    {"a word of capitals and dots", HTML "<p>" WORDS, "aB.C"},
    {"dots", HTML "<p>" WORDS, "....."},
    {"stops and quotes", HTML "<p>" WORDS, ".\"')]"},
    {"brackets", HTML "<p>" WORDS, "[[1"},
    {"hyphens", HTML "<p>" WORDS, "a-b,c/d:"},
    {"signs", HTML "<p>" WORDS, "((''\"\""},
    {"contractions", HTML "<p>" WORDS, "x's"},
    {"an address", HTML "<p>" WORDS, "http://"},
    {"words of one letter", HTML "<p>" WORDS, "a b c "},
    {"lines", HTML "<pre>" WORDS "\n", "a\n"},
    {"ideographs", HTML "<p>", "\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82"},
    {"NUL bytes", HTML "<p>", "a\1"},
    {"bytes that are no UTF-8", HTML "<p>", "\xe4\xff\xc3 "},
    {"windows-1252", HTML "<p>", "caf\xe9 \x93quote\x94 and more words to read "},
    /* tags */
    {"nested div", HTML, "<div>", "text"},
    {"formulas in formulas", HTML, "<math><semantics>", "x"},
    {"formulas without end", HTML "<p>" WORDS, "<math alttext='x'><mi>x</mi><annotation encoding=tex>x"},
    {"nested div, closed", HTML, "<div>", "text", "</div>"},
    {"nested formatting", HTML, "<b><i>x"},
    {"empty elements", HTML, "<i></i>"},
    {"line breaks", HTML "<p>", "a<br>"},
    {"paragraphs of a letter", HTML, "<p>a"},
    {"headings", HTML, "<h1>a</h1><h2>b</h2>"},
    {"open links", HTML, "<a href=x>y<p>"},
    {"links", HTML, "<a href=/author/x>y</a> "},
    {"unknown elements", HTML, "<x\2>y"},
    {"end tags without start", HTML NEST_64("<p><b><span>"), "</em></x>"},
    {"formatting of many attributes", HTML, "<b " ATTRS_100 " a\2>x"},
    {"formatting open above 64 blocks", HTML NEST_64("<b><div>"), "</b><b>x"},
    {"formatting of other attributes, closed badly", HTML, "<b id=\2><p>x</b>"},
    {"text between foreign end tags", HTML "<p>", "a</FOO>"},
    {"text between end tags with references", HTML "<p>", "a</x a=\"&amp;\">"},
    {"text in a table", HTML "<table>", "a</x A><tr>"},
    {"cells", HTML "<table>", "<tr><td>1<td>2"},
    {"nested tables", HTML, "<table><tr><td>x"},
    {"selects", HTML, "<select><option>a</select>"},
    {"list items", HTML "<ul>", "<li>an item of the list"},
    {"numbered items", HTML "<p>" WORDS WORDS WORDS "<ol>", "<li>" WORDS "</li>"},
    {"nested lists", HTML, "<ul><li>a"},
    {"definitions", HTML "<dl>", "<dt>a<dd>b"},
    {"code", HTML, "<pre><code class=language-c>int x;\n</code></pre>"},
    {"line numbers", HTML NEST_512("<div class=\"linenumber gutter linenos\">"), "1 ", "x"},
    {"svg and math", HTML, "<svg><title>a</title><math><mi>b"},
    {"templates", HTML, "<template><p>a"},
    {"ruby", HTML, "<ruby>a<rt>b"},
    {"comments", HTML, "<!--a-->"},
    {"comments never closed", HTML, "<!-- -- -!"},
    {"bogus comments", HTML, "<!a></ ><?b>"},
    {"less-than signs", HTML "<p>", "<<"},
    {"cut tags", HTML "<p>", "<a b='"},
    {"html and body again", HTML, "<html a\2><body b\2>"},
    {"framesets", HTML, "<frameset><frame>"},
    /* attributes and references */
    {"one tag's attributes", HTML "<p ", "a\2=1 ", ">text"},
    {"attributes of many tags", HTML, "<p id=a class=b c d e=f g h i j k l m n o p q>x"},
    {"class names", HTML, "<p class=\"c\2 content post author\">a"},
    {"one class name", HTML "<p class=\"", "author-name ", "\">" WORDS},
    {"classes of dates around all", HTML NEST_512("<div class=\"date published\" itemprop=\"datePublished author\" id=date>"), "word "},
    {"classes of authors around all", HTML NEST_512("<div class=\"byline author\">"), "word "},
    {"headings around all", HTML NEST_64("<h1><div>"), "word "},
    {"references", HTML "<p>", "&amp;&lt;&eacute;"},
    {"unfinished references", HTML "<p>", "&am&#x&#12;&#"},
    {"a reference without end", HTML "<p>&#", "1111"},
    {"a name without end", HTML "<p>&", "notin"},
    /* metadata */
    {"meta", HTML, "<meta name=author content=\"Jane \2\">"},
    {"meta of all kinds", HTML, "<meta property=\"article:published_time\" content=x><meta name=description content=y>"},
    {"a description", HTML "<meta name=description content=\"", "<a <b ", "\">"},
    {"a title", "<!DOCTYPE html><title>", "a | b - ", "</title><h1>a</h1>"},
    {"times", HTML, "<time>May 5</time>"},
    {"dates", HTML, "<span class=date>1 of 2 in 3</span>"},
    {"scripts", HTML, "<script>var published = 1;</script>"},
    {"a script", HTML "<script>", "var x = '<p>not \"publish text</p>';<!--<script "},
    {"attributes of JSON", HTML "<div data-x='{", "\"publishedAt\":1,", "}'>"},
    {"JSON-LD objects", LD "[", "{\"@type\":\"Article\",\"articleBody\":\"words\"},", "{}]</script>"},
    {"JSON-LD nested", LD, "{\"@type\":\"Article\",\"mainEntity\":", "1", "}", "</script>"},
    {"JSON-LD nested 500 deep around all", LD NEST_64("{\"mainEntity\":{\"isPartOf\":{\"@graph\":[") "{\"@type\":\"Article\",\"text\":\"", "words of it ",
     "\"}" NEST_64("]}}}") "</script>"},
    {"JSON-LD lists nested", LD, "[", "1", "]", "</script>"},
    {"JSON-LD members", LD "{\"@type\":\"Article\"", ",\"a\2\":1", "}</script>"},
    {"JSON-LD authors", LD "{\"@type\":\"Article\",\"author\":[", "{\"name\":\"A\2\"},", "1]}</script>"},
    {"JSON-LD, open strings", LD "{", "\"a\\\"", "</script>"},
    {"JSON-LD scripts", HTML, "<script type=\"application/ld+json\">{\"@type\":\"Article\",\"headline\":\"a\"}</script>"},
    {"JSON-LD's article beside as many blocks", LD "{\"@type\":\"Article\",\"articleBody\":\"", "words without an end and ",
     "\"}</script>", "<p>words without an endless"},
    {"random bytes", "", NULL},
};
enum { N_HOSTILE_PAGES = sizeof hostile_pages / sizeof *hostile_pages };

static inline void hostile_add(wt_buf *page, const char *piece, size_t number) {
    for (; *piece; piece++) {
        if (*piece == 2) wt_buf_printf(page, "%zu", number);
        else wt_buf_add_char(page, *piece == 1 ? 0 : *piece);
    }
}

/* The page at about so many bytes. */
static inline void hostile_make(const hostile_page *h, size_t bytes, wt_buf *page) {
    uint64_t random = 1;
    size_t n = 0, close = h->close ? strlen(h->close) : 0;
    wt_buf_reserve(page, bytes + 4096);
    wt_buf_add_str(page, wt_str_of(h->start));
    for (; page->len + n * close < bytes; n++) {
        if (h->piece) hostile_add(page, h->piece, n);
        else random = random * 6364136223846793005u + 1, wt_buf_add(page, (char *)&random + 3, 4);
    }
    if (h->middle) wt_buf_add_str(page, wt_str_of(h->middle));
    for (size_t i = 0; i < n && close; i++) hostile_add(page, h->close, i);
    if (h->end) wt_buf_add_str(page, wt_str_of(h->end));
}

#undef HTML
#undef WORDS
#undef LD
#undef ATTRS_20
#undef ATTRS_100
#undef NEST_64
#undef NEST_512
#endif
