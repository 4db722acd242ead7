/* Pages that are XML: what a feed becomes, element by element, and the text of entities. The trees are written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "extract/tree.h"

/* The tree in short: "html(head(title('x')))", attributes in brackets; comments are left out. */
static void write_tree(const html_tree *t, uint32_t n, wt_buf *out) {
    const html_node *x = &t->node[n];
    if (x->tag == HTML_TEXT) {
        wt_buf_printf(out, "'%.*s'", WT_FMT(html_text_of(t, n)));
        return;
    }
    wt_buf_add_str(out, wt_str_of(n ? html_node_name(t, n) : "page"));
    for (uint32_t i = 0; n && i < x->n_attrs; i++) {
        const html_attr *a = &t->attr[x->off + i];
        wt_buf_printf(out, "[%.*s=%.*s]", a->name_len, t->bytes.ptr + a->name, (int)a->value_len, t->bytes.ptr + a->value);
    }
    if (!x->first) return;
    wt_buf_add_char(out, '(');
    for (uint32_t c = x->first; c; c = t->node[c].next) {
        if (c != x->first) wt_buf_add_char(out, ' ');
        write_tree(t, c, out);
    }
    wt_buf_add_char(out, ')');
}

static void check_tree(const char *xml, const char *expected) {
    html_tree t;
    wt_err err = {0};
    wt_buf out = {0};
    html_tree_init(&t);
    assert_int_equal(html_parse_xml(&t, wt_str_of(xml), &err), 0);
    write_tree(&t, 0, &out);
    wt_buf_add_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    wt_buf_free(&out);
    html_tree_free(&t);
}

static void test_rss(void **state) {
    check_tree("<rss version='2.0'><channel><title>Garden &amp;amp; shed</title><link>http://g.example/</link>"
               "<description> What grows. </description><language>en-gb</language><copyright>free</copyright>"
               "<managingEditor>ann@g.example (Ann Miller)</managingEditor><lastBuildDate>Tue, 03 Jun 2014 09:39:21 GMT</lastBuildDate>"
               "<item><title>Roses</title><link>http://g.example/1</link><category>x</category><guid>17</guid>"
               "<description>short</description><content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>"
               "<![CDATA[<p>Long <b>text</b><br>here]]></content:encoded><pubDate>Mon, 02 Jun 2014 10:00:00 GMT</pubDate></item>"
               "<item><description>&lt;p class='a'&gt;Peas</description></item></channel></rss>",
               "page(html[lang=en-gb](head(title('Garden & shed') meta[name=description][content=What grows.] meta[name=author][content=Ann Miller] "
               "meta[name=article:published_time][content=Mon, 02 Jun 2014 10:00:00 GMT] "
               "meta[name=article:modified_time][content=Tue, 03 Jun 2014 09:39:21 GMT] meta[name=dc.rights][content=free]) "
               "body(main(h1('Garden & shed') article(h2('Roses') div(p('Long ' b('text') br 'here'))) article(div(p[class=a]('Peas')))))))");
}

static void test_atom(void **state) {
    check_tree("<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='fr'><title type='text'>1 &lt; 2</title><subtitle>s</subtitle>"
               "<updated>2020-01-02T03:04:05Z</updated><link rel='self' href='http://g.example/f'/><link rel='license' href='http://l.example/'/>"
               "<link rel='alternate' href='http://g.example/'/>"
               "<entry><title type='html'>A &amp;lt;b&amp;gt;</title><author><name>Jo</name><uri>http://j.example</uri></author><id>1</id>"
               "<summary>no</summary><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>One <em>two</em></p></div></content></entry>"
               "<entry><title>B</title><author><name>Jo</name></author><content type='html'/><summary>only this</summary>"
               "<published>2019-12-31T00:00:00Z</published></entry></feed>",
               "page(html[lang=fr](head(title('1 < 2') meta[name=description][content=s] meta[name=author][content=Jo] "
               "meta[name=article:published_time][content=2020-01-02T03:04:05Z] meta[name=article:modified_time][content=2020-01-02T03:04:05Z] "
               "link[rel=canonical][href=http://g.example/f] link[rel=license][href=http://l.example/]) "
               "body(main(h1('1 < 2') article(h2('A <b>') div(div(p('One ' em('two'))))) article(h2('B') div('only this'))))))");
}

static void test_rdf(void **state) {        /* items behind the channel, and a prefix that nobody declared */
    check_tree("<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>"
               "<channel><title>R</title><items><rdf:Seq><rdf:li/></rdf:Seq></items></channel>"
               "<item><title>I</title><dc:creator>Al</dc:creator><media:title>no</media:title><description>text</description></item>"
               "<item><title>J</title><dc:creator>Bo</dc:creator></item></rdf:RDF>",
               "page(html[lang=](head(title('R')) body(main(h1('R') article(h2('I') div('text')) article(h2('J'))))))");
}

static void test_entities(void **state) {
    const char *tree = "page(html(body(p[title=\xc3\xa9\xe2\x80\x94]('caf' '\xc3\xa9' '\xc2\xa0' '& <'))))";
    check_tree("<html><body><p title='&eacute;&mdash;'>caf&eacute;&nbsp;&amp; &lt;</p></body></html>", tree);
    check_tree("<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd'>"
               "<html><body><p title='&eacute;&mdash;'>caf&eacute;&nbsp;&amp; &lt;</p></body></html>", tree);
    check_tree("<!DOCTYPE p [<!ENTITY me 'Ann'><!ENTITY deep '&me;&me;'><!ENTITY file SYSTEM 'file:///etc/passwd'>]><p>&me;, &deep;&file;&none;.</p>",
               "page(p('Ann' ', ' '.'))");
    check_tree("<rss><channel><title>Caf&eacute; B</title></channel></rss>",
               "page(html[lang=](head(title('Caf\xc3\xa9 B')) body(main(h1('Caf\xc3\xa9 B')))))");
}

/* Names that HTML does not have are lines of their own, but within a text. */
static void test_other_xml(void **state) {
    check_tree("<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><url><loc>http://a.example/1</loc><lastmod>2020</lastmod></url></urlset>",
               "page(div(div(div('http://a.example/1') div('2020'))))");
    check_tree("<book><para>One <emphasis>two</emphasis><code>3</code><index/> four</para> <para><em>five</em></para></book>",
               "page(div(div('One ' emphasis('two') code('3') index ' four') ' ' div(em('five'))))");
    check_tree("<TEI xmlns='http://www.tei-c.org/ns/1.0'><teiHeader><title>T</title></teiHeader><text><body><head>H</head><p>a<lb/>b <persName>c</persName></p>"
               "<list><item>d</item></list><table><row><cell>e</cell></row></table></body></text></TEI>",
               "page(html(head(title('T')) div(body(h2('H') p('a' br 'b ' persName('c')) ul(li('d')) table(tr(td('e')))))))");
}

/* Ten entities of ten each, ten deep: nothing of it is written out. */
static void test_entity_bomb(void **state) {
    wt_buf page = {0};
    wt_buf_add_str(&page, WT_STR("<!DOCTYPE p [<!ENTITY e0 'ha'>"));
    for (int i = 1; i < 11; i++) {
        wt_buf_printf(&page, "<!ENTITY e%d '", i);
        for (int k = 0; k < 10; k++) wt_buf_printf(&page, "&e%d;", i - 1);
        wt_buf_add_str(&page, WT_STR("'>"));
    }
    wt_buf_add_str(&page, WT_STR("]><rss><channel><title>&e10;</title><item><description>&e10;</description></item></channel></rss>"));
    html_tree t;
    wt_err err = {0};
    html_tree_init(&t);
    if (html_parse_xml(&t, wt_buf_view(&page), &err) == 0) assert_true(t.bytes.len < 1000);
    html_tree_free(&t);
    wt_buf_free(&page);
}

/* A feed's items together meet the page's limit of memory. */
static void test_limit(void **state) {
    wt_buf page = {0};
    wt_buf_add_str(&page, WT_STR("<rss><channel>"));
    for (int i = 0; i < 2000; i++) wt_buf_add_str(&page, WT_STR("<item><description>&lt;b>&lt;i>&lt;b>&lt;i>&lt;b></description></item>"));
    wt_buf_add_str(&page, WT_STR("</channel></rss>"));
    html_tree t;
    wt_err err = {0};
    html_tree_init(&t);
    t.memory_max = 500000;
    assert_int_equal(html_parse_xml(&t, wt_buf_view(&page), &err), 0);
    assert_true(t.over);
    assert_true(html_tree_cost(&t) < 2 * t.memory_max);
    html_tree_free(&t);
    wt_buf_free(&page);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rss),      cmocka_unit_test(test_atom),        cmocka_unit_test(test_rdf),
        cmocka_unit_test(test_entities), cmocka_unit_test(test_entity_bomb), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_other_xml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
