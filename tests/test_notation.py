"""The one-line notation: what it means, what it refuses, and the input it takes by default."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import erfgraph as eg
from erfgraph import shortest
from erfgraph.notation import KEYS, WORDS, Group, Item, Leaf, build, n_layers, parse
from erfgraph.shortest import shortest_input

QUICKLY = 5.0  # seconds that a refusal may take on a loaded machine


def grown(shape: Any, grow: Callable[[eg.Network], Any], channels: int = 3) -> dict[str, Any]:
    net = eg.Network(shape, channels)
    grow(net)
    return net.to_dict()


def loaded(text: str, shape: Any, channels: int | None = None) -> dict[str, Any]:
    document = eg.load(text, shape, channels).to_dict()
    assert document.pop("name") == " ".join(text.split())
    return document


# --- what it means ---


def stack(*ops: tuple[Any, ...]) -> Callable[[eg.Network], None]:
    def grow(net: eg.Network) -> None:
        for op, *args in ops:
            options = args.pop() if args and isinstance(args[-1], dict) else {}
            getattr(net, op)(net.output, *args, **options)

    return grow


def residual(net: eg.Network) -> None:
    x = net.conv(net.conv(net.input, 3, padding=1), 3, padding=1)
    net.add(x, net.input)


def eight_blocks(net: eg.Network) -> None:
    for _ in range(8):
        x = net.output
        net.add(net.conv(x, 3, padding=1), x)


def branches(merge: str) -> Callable[[eg.Network], None]:
    def grow(net: eg.Network) -> None:
        ends = net.conv(net.input, 1), net.conv(net.input, 3, padding=1)
        getattr(net, merge)(*ends)

    return grow


def identity_branch(net: eg.Network) -> None:
    net.concat(net.input, net.conv(net.input, 3, padding=1), net.input)


def nested(net: eg.Network) -> None:
    for _ in range(2):
        for _ in range(3):
            x = net.output
            net.add(net.conv(x, 3, padding=1), x)
        net.max_pool(net.output, 2)


def res_of_add(net: eg.Network) -> None:
    x = net.add(net.conv(net.input, 1), net.input)
    net.add(x, net.input)


MEANINGS: list[tuple[str, Any, Callable[[eg.Network], None]]] = [
    ("conv7 conv7 conv7", 19, stack(*[("conv", 7)] * 3)),
    ("conv7*3", 19, stack(*[("conv", 7)] * 3)),
    ("conv3s2p1d2", 19, stack(("conv", 3, 2, 1, 2))),
    ("conv3d2p1s2", 19, stack(("conv", 3, 2, 1, 2))),
    ("conv3x1p1x0", (9, 9), stack(("conv", (3, 1), 1, (1, 0)))),
    ("conv3x1x2s1x2x1", (9, 9, 9), stack(("conv", (3, 1, 2), (1, 2, 1)))),
    ("conv3psame conv3pvalid", 9, stack(("conv", 3, 1, "same"), ("conv", 3, 1, "valid"))),
    ("conv3g3", 9, stack(("conv", 3, {"groups": 3}))),
    ("max2", 9, stack(("max_pool", 2))),
    ("max3x2", (9, 9), stack(("max_pool", (3, 2)))),
    ("avg3s2p1", 9, stack(("avg_pool", 3, 2, 1))),
    ("max2s1d3", 9, stack(("max_pool", 2, 1, 0, 3))),
    ("deconv4s2p1", 9, stack(("conv_transpose", 4, 2, 1))),
    ("deconv3s2o1d2g3", 9, stack(("conv_transpose", 3, 2, 0, 2, 3, {"output_padding": 1}))),
    ("up2", 9, stack(("upsample", 2))),
    ("up2x3", (9, 9), stack(("upsample", (2, 3)))),
    ("pad2 crop1x0", (9, 9), stack(("pad", 2), ("crop", (1, 0)))),
    ("gap", (9, 9), stack(("global_pool",))),
    ("linear", (9, 9), stack(("linear",))),
    ("attention", 9, stack(("attention",))),
    ("attention3x2", (9, 9), stack(("attention", (3, 2)))),
    ("res(conv3p1 conv3p1)", 9, residual),
    ("res(conv3p1)*8", 9, eight_blocks),
    ("add(conv1 | conv3p1)", 9, branches("add")),
    ("cat(conv1|conv3p1)", 9, branches("concat")),
    ("cat(| conv3p1 |)", 9, identity_branch),
    ("(res(conv3p1)*3 max2)*2", 12, nested),
    ("res(add(conv1|))", 9, res_of_add),
    ("((conv3))*1", 9, stack(("conv", 3))),
    ("\n res ( conv3p1\tconv3p1 ) ", 9, residual),
    ("conv7 * 3", 19, stack(*[("conv", 7)] * 3)),
    ("conv7*03", 19, stack(*[("conv", 7)] * 3)),
]


@pytest.mark.parametrize(("text", "shape", "grow"), MEANINGS)
def test_it_says_what_the_layer_calls_say(
    text: str, shape: Any, grow: Callable[[eg.Network], None]
) -> None:
    assert loaded(text, shape) == grown(shape, grow)


def test_every_word_and_key_is_among_the_examples() -> None:
    calls = [layer for text, shape, _ in MEANINGS for layer in eg.load(text, shape).layers]
    assert {word.op for word in WORDS.values()} == {call.op for call in calls} - {"add", "concat"}
    assert set(KEYS.values()) <= {key for call in calls for key in call.params}


def test_a_pool_strides_by_its_kernel_and_nothing_pads() -> None:
    assert eg.load("max3", 11).output.shape == (3,)
    assert eg.load("max3x2", (11, 11)).output.shape == (3, 5)
    assert eg.load("conv3", 11).output.shape == (9,)


def test_the_contract_s_map() -> None:
    imp = eg.importance(eg.load("conv7*3"))
    assert [*imp.values.tolist()[:4], imp.peak.value] == [1, 3, 6, 10, 37]


def test_channels_are_three_unless_given() -> None:
    assert eg.load("conv7*3").input.channels == 3
    assert eg.load("conv7*3", channels=8).output.channels == 8
    with pytest.raises(eg.InputError, match="channels: got 0, wanted an integer >= 1"):
        eg.load("conv7*3", channels=0)


# --- the default input ---

# a large number of positions that every stride below divides
FAR = 2 * 720


def brute_shortest(text: str) -> int:
    """The first length on which the centre has as many paths as far from every border."""
    for n in range(1, 200):
        try:
            net = build(parse(text), n)
            far = build(parse(text), n + FAR)  # the centre stands at the same phase
        except eg.LayerError:
            continue
        inside = eg.importance(far)
        if inside.trf.bbox is not None:
            start, stop = inside.trf.bbox[0]
            assert 0 < start < stop < n + FAR
        if eg.importance(net).total == inside.total:
            return n
    raise AssertionError(f"no length below 200 shows the whole field of {text}")


@pytest.mark.parametrize(
    "text",
    [
        "conv7*3",
        "conv3p1*4",
        "conv2*3",
        "conv3s2p1*3",
        "conv4s2p1*3 conv2",
        "conv3s2p1d2*2 conv3",
        "conv3s4 conv2",
        "max2*3 conv3",
        "pad1 max2*3",
        "conv3psame*3",
        "conv3s2psame*3",
        "add(conv3s2psame|conv1s2psame)",
        "res(conv3p1 conv3p1)*3",
        "res(pad1 conv3)*2",
        "add(conv5s2p2 | max2) conv3s3",
        "cat(conv3p1|conv5p2|max3s1p1) max2",
        "cat(|max2 up2)",
        "up3 conv2 max2",
        "up2 conv3",
        "deconv3s2*2",
        "deconv4s2p1 conv3",
        "conv3s2p1 deconv4s2p1 conv3s2p1",
        "conv3p1 crop1 conv5",
        # branches that join on no power of two
        "res(conv3s2p1 deconv3s2p1)",
        "res(conv3s2p1*2 deconv3s2p1*2)",
        "cat(|max3s3 up3) conv3",
    ],
)
def test_the_default_input_is_the_shortest(text: str) -> None:
    assert shortest_input(parse(text)) == (brute_shortest(text),)
    assert eg.load(text).input.shape == shortest_input(parse(text))


def test_brute_force_can_fail() -> None:
    with pytest.raises(AssertionError, match="no length below 200"):
        brute_shortest("conv99*3")
    assert brute_shortest("conv3*2") != brute_shortest("conv3*3")


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("conv7*3", (19,)),
        ("conv3*100", (201,)),
        ("conv3s2p1*10", (2048,)),
        ("conv7x3*2 max2", (14, 6)),
        ("res(conv3x3s2x1p1 deconv3x3s2x1p1)", (5, 5)),
        ("conv1x1x3", (1, 1, 3)),
        ("up9*9", (1,)),
        ("conv3g2", (3,)),
    ],
)
def test_default_inputs(text: str, shape: tuple[int, ...]) -> None:
    assert eg.load(text, channels=2).input.shape == shape


@pytest.mark.parametrize("layer", ["gap", "linear", "attention", "attention3", "conv3 add(gap|)"])
def test_a_layer_that_sees_everything_wants_an_input(layer: str) -> None:
    with pytest.raises(eg.InputError, match=r"sees every position.*input's shape \(--input\)"):
        eg.load(f"conv3 {layer}")


def test_a_field_that_is_never_whole_wants_an_input() -> None:
    with pytest.raises(eg.InputError, match=r"at most 1048576 positions.*\(--input\)"):
        eg.load("conv3p999999d999999*2")
    with pytest.raises(eg.InputError, match=r"lengths that were tried.*\(--input\)"):
        eg.load("pad1 max9*5 conv1*999")


# --- what it refuses ---

REFUSED = [
    ("", "it is empty, wanted at least one layer"),
    (" \t\n", "it is empty, wanted at least one layer"),
    ("conv3 res", r"column 7: 'res' wants '\(' behind it"),
    ("res()", "column 1: res group has 1, wanted one branch with at least one layer"),
    ("res(conv3p1|conv3p1)", "column 1: res group has 2, wanted one branch"),
    ("()", "column 1: a plain group has 1, wanted one branch"),
    ("conv3 (conv3", r"column 7: this group has no '\)'"),
    ("conv3) conv3", r"column 6: unexpected '\)', no group is open"),
    ("conv3 | conv3", r"column 7: unexpected '\|', no group is open"),
    ("*3", r"column 1: '\*3' wants a layer or group before it"),
    ("conv3*", r"column 6: '\*' wants a layer.*count of at least 1"),
    ("conv3*\t", r"column 6: '\*' wants a layer.*count of at least 1"),
    ("conv3*\x1f", r"column 6: '\*' wants a layer.*count of at least 1"),
    ("conv3*0", r"column 6: '\*0' wants a layer.*count of at least 1"),
    ("conv3*00", r"column 6: '\*00' wants a layer.*count of at least 1"),
    ("(conv3*00)*999999999", r"column 7: '\*00' wants a layer.*count of at least 1"),
    ("conv3*2*3", r"column 8: '\*3' wants a layer"),
    ("conv3*1*3", r"column 8: '\*3' wants a layer"),
    ("conv3*٣", "column 7: unexpected '٣'"),
    ("conv３", "column 5: unexpected '３'"),
    ("conv3,conv3", "column 6: unexpected ','"),
    ("conv3 cnv3", "column 7: unknown layer 'cnv3'; did you mean 'conv'"),
    ("max", "column 1: 'max': max wants its kernel behind it, as max2"),
    ("up", "column 1: 'up': up wants its scale behind it, as up2"),
    ("gap3", "column 1: 'gap3': gap takes no number"),
    ("conv3k2", r"'conv3k2': unknown parameter 'k'; conv takes s \(stride\), p \(padding\)"),
    ("max3o1", r"'max3o1': unknown parameter 'o'; max takes s \(stride\)"),
    ("up2s1", "'up2s1': unknown parameter 's'; up takes none"),
    ("conv3p1p2", "'conv3p1p2': padding is given twice"),
    ("convs2", "'convs2': conv wants its kernel behind it, as conv2"),
    ("conv3q", "cannot read 'conv3q', wanted for example conv3s2p1"),
    ("conv3x", "cannot read 'conv3x', wanted for example conv3s2p1"),
    ("upa", "cannot read 'upa', wanted for example up3"),
    ("gaps", "cannot read 'gaps', wanted for example gap$"),
    ("conv3x3x3x3", "'3x3x3x3' has 4 values, wanted one per axis, at most 3"),
    ("conv1234567890", "the number 123456789… is too large"),
    ("conv0", r"conv: kernel: got 0, wanted an integer >= 1"),
    ("conv3 conv3s0", r"conv: stride: got 0, wanted an integer >= 1"),
    ("convsame", r"conv: kernel: got 'same', wanted an integer >= 1"),
    ("conv3g2", "conv: groups: 2 does not divide 3 input and 3 output channels"),
    ("conv3x3 conv3x3x3", r"conv: kernel: got \(3, 3\), wanted an integer >= 1, or 3 of them"),
    ("res(conv3)", r"add: xs: spatial shapes differ"),
    ("max2*40", "max_pool: kernel: spans 2 positions on axis 0, but the padded input has 1"),
    ("up2*40", "an axis of the output would have 4294967296 positions"),
    ("(" * 65 + "conv3" + ")" * 65, "column 65: groups nest deeper than 64"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=[repr(t)[:40] for t, _ in REFUSED])
def test_refusals_say_where_and_what(text: str, problem: str) -> None:
    with pytest.raises(eg.InputError, match=problem):
        eg.load(text)


def test_a_layer_that_does_not_fit_the_given_input() -> None:
    with pytest.raises(eg.LayerError) as caught:
        eg.load("conv3 conv9 conv3", 7)
    assert str(caught.value) == (
        "notation 'conv3 conv9 conv3': conv: kernel: spans 9 positions on axis 0, but the padded "
        "input has 5 (input 5, padding 0 + 0); reads 'conv1' of shape (5,)"
    )


HOSTILE = {
    "a tower of counts": "((conv3*999)*999)*999",
    "opening": "(" * 10**6,
    "closing": ")" * 10**6,
    "empty groups": "()" * 10**5,
    "blanks": " " * 10**6,
    "blanks before the end": "q" + " " * 10**6 + "q",
    "a count of blanks": "conv3*" + " " * 10**6,
    "digits": "conv" + "9" * 10**6,
    "zeros": "conv" + "0" * 10**6,
    "a count of digits": "conv3*" + "9" * 10**6,
    "many axes": "conv3" + "x1" * 10**5,
    "axes that backtrack": "conv3" + "x1" * 50 + "A",
    "keys that backtrack": "conv3" + "p1s1" * 10**4 + "A",
    "a long word": "q" * 10**6,
    "a long word behind a layer": "conv3 " + "q" * 10**6,
    "bars": "add(" + "|" * 10**6,
    "stars": "conv3" + "*2" * 10**5,
    "null": "\0",
    "surrogate": "\ud800",
    "path with null": "a\0.json",
    "path with surrogate": "\ud800.toml",
    "long path": "x" * 10**5 + ".json",
    "huge kernels": "conv999999999s999999999p999999999d999999999",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_quickly_and_briefly(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(eg.ErfgraphError) as caught:
        eg.load(text)
    assert time.perf_counter() - start < QUICKLY
    assert len(str(caught.value)) < 500 or ".json" in text


def test_too_many_layers_are_counted_not_built() -> None:
    with pytest.raises(eg.SizeError, match="it has 997002999 layers, wanted at most 200000"):
        eg.load("((conv3*999)*999)*999")
    assert n_layers(parse("res(conv3p1 conv3p1)*8 max2")) == 8 * 3 + 1


# --- deep ---


def test_a_deep_chain_is_built_twice_to_find_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once on a long input, which tells the length, and once on that; so it stays linear."""
    built = []

    def counted(net: Any, shape: Any) -> eg.Network:
        built.append(shape)
        return build(net, shape)

    monkeypatch.setattr(shortest, "build", counted)
    assert shortest_input(parse("conv3*4000")) == (8001,)
    assert len(built) == 2
    built.clear()
    assert shortest_input(parse("conv3x3*2000 max2")) == (4002, 4002)  # one axis for both
    assert len(built) == 2


def test_depth_has_no_limit_but_the_number_of_maps() -> None:
    net = eg.load("conv3p1*60000", 5)
    assert (len(net), net.output.shape, net.output.index) == (60001, (5,), 60000)
    assert eg.load("conv3p1*10000", (64, 64)).output.shape == (64, 64)


# --- drawn ---


def written(items: tuple[Item, ...]) -> str:
    """The text of a tree."""
    texts = []
    for item in items:
        if isinstance(item.node, Leaf):
            text = item.node.text
        else:
            text = f"{item.node.kind}({' | '.join(map(written, item.node.branches))})"
        texts.append(text + (f"*{item.times}" if item.times > 1 else ""))
    return " ".join(texts)


def value_text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    name, word = draw(st.sampled_from(list(WORDS.items())))
    sizes = st.integers(0, 999)
    values = sizes | st.tuples(sizes, sizes) | st.sampled_from(["same", "valid"])
    text, params = name, []
    if word.value is not None and (word.required or draw(st.booleans())):
        params.append((word.value, draw(values)))
        text += value_text(params[-1][1])
    for key in draw(st.permutations(word.keys))[: draw(st.integers(0, 5))]:
        params.append((KEYS[key], draw(values)))
        text += key + value_text(params[-1][1])
    return Leaf(word.op, tuple(params), text)


def item_of(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Item]:
    return st.builds(Item, nodes, st.integers(1, 99))


def sequences(items: st.SearchStrategy[Item], least: int) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def groups(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Item]:
    one = st.tuples(sequences(items, 1))
    more = st.lists(sequences(items, 0), min_size=1, max_size=3).map(tuple)
    kinds = st.sampled_from
    return item_of(st.builds(Group, kinds(["", "res"]), one)) | item_of(
        st.builds(Group, kinds(["add", "cat"]), more)
    )


@given(sequences(st.recursive(item_of(leaves()), groups, max_leaves=8), 1))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read(tree: tuple[Item, ...]) -> None:
    if n_layers(tree) > 200_000:
        with pytest.raises(eg.SizeError, match="layers, wanted at most 200000"):
            parse(written(tree))
    else:
        assert parse(written(tree)) == tree


TOKENS = [*WORDS, "res(", "add(", "cat(", "(", ")", "|", "*", " ", *"0123x", *KEYS, "same", "*3"]


@given(st.text().filter(lambda t: ":" not in t) | st.lists(st.sampled_from(TOKENS)).map("".join))
@example("conv3*\t").via("a count that is blank")
@settings(max_examples=400, deadline=timedelta(seconds=QUICKLY))
def test_any_text_is_a_network_or_an_error(text: str) -> None:
    try:
        net = eg.load(text)
    except eg.ErfgraphError:
        return
    assert net.layers
