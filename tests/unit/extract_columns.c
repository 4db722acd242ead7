/* What the block classifier's columns are made of, on a page small enough to count by hand: rows of like siblings
 * (cards), headings, copies of a text, dialogs, prices, the address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "extract/content.h"

static void test_cards(void **state) {
    static const char page[] =
        "<body><h2>Our tools</h2><ul class=grid><li><b>Saw</b><p>For wood.</p></li><li><b>File</b><p>For iron.</p></li> <li></li>"
        "<li><b>Rasp</b><p>$ 12.00</p></li></ul><div role=dialog><div>For wood.</div></div><ol><li>one</li><li>two</li></ol></body>";
    content_model none = {0};
    html_tree tree;
    html_tree_init(&tree);
    html_parse(&tree, wt_str_of(page));
    content c;
    content_init(&c, &none);
    page_meta meta = {.address = WT_STR("https://shop.example/tools/hand?page=2")};
    content_cut(&c, &tree, &meta);
    content_look(&c);
    content_fill_features(&c, 0, c.n_blocks);
    static const struct { const char *text; float card_n, order, place; uint32_t copy_of; bool in_dialog, price; } want[] = {
        {"Our tools", 0, -1, -1, 0, false, false}, {"Saw", 2, 0, 0, 0, false, false}, {"For wood.", 2, 0, 1, 0, false, false},
        {"File", 2, 1, 0, 0, false, false}, {"For iron.", 2, 1, 1, 0, false, false}, {"Rasp", 2, 1.5849625f, 0, 0, false, false},
        {"$ 12.00", 2, 1.5849625f, 1, 0, false, true}, {"For wood.", 0, -1, -1, 3, true, false},
        {"one", 0, -1, -1, 0, false, false}, {"two", 0, -1, -1, 0, false, false},
    };
    assert_int_equal(c.n_blocks, sizeof want / sizeof *want);
    for (size_t i = 0; i < c.n_blocks; i++) {
        const content_block *b = &c.block[i];
        const float *x = c.row + i * N_FEATURES2;
        assert_true(wt_str_eq((wt_str){c.text.ptr + b->text, b->text_len}, wt_str_of(want[i].text)));
        assert_float_equal(x[F_card_n], want[i].card_n, 1e-6);
        assert_float_equal(x[F_card_order], want[i].order, 1e-6);
        assert_float_equal(x[F_card_place], want[i].place, 0);
        assert_int_equal(b->copy_of, want[i].copy_of);
        assert_int_equal(b->section, 1);
        assert_true(x[F_in_dialog] == want[i].in_dialog && x[F_has_price] == want[i].price);
        assert_true(x[F_page_url_depth] == 2 && x[F_page_url_last] == 4);
    }
    content_free(&c);
    html_tree_free(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cards)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
