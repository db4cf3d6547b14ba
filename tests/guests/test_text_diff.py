from __future__ import annotations

from guests.views.text_diff import MOST_LINES, MOST_PAIRED, diff_of
from guests.views.xml_shown import MOST_COLOURED, shown_xml

HOSTILE = "<a b='<img src=x>'>&amp;</a><script>alert(1)</script>\u202e"


def test_a_line_that_changed_has_its_words_marked() -> None:
    found = diff_of("<a>\n<memory unit='KiB'>1</memory>\n</a>", "<a>\n<memory unit='KiB'>2</memory>\n</a>")
    assert (found.added, found.removed) == (1, 1)
    assert [line.kind for line in found.lines] == ["gap", "same", "del", "add", "same"]
    assert "&gt;<del>1</del>&lt;" in found.html
    assert "&gt;<ins>2</ins>&lt;" in found.html


def test_lines_that_are_not_alike_are_two_lines() -> None:
    html = diff_of("<on_crash>destroy</on_crash>", "42").html
    assert "<ins>" not in html
    assert '<span class="d-del">-&lt;on_crash' in html
    assert '<span class="d-add">+42' in html


def test_only_what_is_near_a_change_is_shown() -> None:
    before = [f"line {number}" for number in range(100)]
    after = [*before[:50], "new", *before[50:]]
    kinds = [line.kind for line in diff_of("\n".join(before), "\n".join(after)).lines]
    assert kinds == ["gap", *["same"] * 3, "add", *["same"] * 3]


def test_the_same_with_other_ends_of_lines_is_the_same() -> None:
    assert diff_of("a\r\nb\r\n", "a\nb").lines == ()


def test_what_is_too_long_is_not_compared() -> None:
    assert diff_of("a\n" * (MOST_LINES + 1), "b").too_long


def test_of_many_lines_at_once_no_words_are_compared() -> None:
    before, after = ("\n".join(f"a {n} {end}" for n in range(MOST_PAIRED + 1)) for end in ("b", "c"))
    assert "<ins>" not in diff_of(before, after).html


def test_every_word_is_escaped() -> None:
    for html in (diff_of("", HOSTILE).html, diff_of(HOSTILE + "1", HOSTILE + "2").html, shown_xml(HOSTILE)):
        assert "<img" not in html
        assert "<script" not in html
    assert "<script" not in shown_xml(f"{HOSTILE}\n" * (MOST_COLOURED + 1))


def test_xml_is_shown_whole_line_by_line() -> None:
    html = shown_xml("<a b='c'>\n  <d/>\n</a>\n")
    assert html.count('class="ln"') == 3
    assert '<span class="x-tag">&lt;a</span> <span class="x-name">b</span>=<span class="x-value">&#x27;c&#x27;' in html
