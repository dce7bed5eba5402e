"""Any config, however it is written, keeps its meaning and its comments when it is formatted, and is then in order."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runner.cli.format import ORDER
from runner.config.document import Origin, read_document
from runner.config.layout import CannotFormat, format_text

KEYS = ["model", "train_cfg", "vars", "type", "lr", "optim_wrapper", '"t"', "'q k'", "x y", "_base_", "val_cfg"]
PLAIN = ["1", "true", "~", "", "0.10", "'it''s'", '"d # q"', "plain text", "1e-3", "a#b", "http://x:1", "[]", "{}"]
FLOW = ["1", "x", "'q, r'", '"d: e"', "null", "a b", "[1,2 ]", "{type : A,b: [ ]}", "{lr: 1 ,type: B}"]


class Writer:
    """Writes a config as nobody would, as hypothesis decides."""

    def __init__(self, draw):
        self.draw = draw
        self.lines = []

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def text(self):
        self.between(0)
        self.block(0, 3)
        self.between(0)
        return "\n".join(self.lines) + self.pick("\n", "\n", "\n\n", "")

    def remark(self):
        return self.pick("", "", "", "  # c", " # {d: [", "     # e")

    def between(self, indent):
        own = " " * indent
        for _ in range(self.pick(0, 0, 0, 1, 2)):
            self.lines += [self.pick("", "   ", f"{own}# f", f"{own}  # g", f"{own} # h", "# i", "# ---- j ----")]

    def block(self, indent, depth, first=""):
        """A mapping or a list; `first` stands before it in its first line."""
        if self.pick(False, False, True):
            self.items(indent, depth, first)
            return
        keys = self.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
        for key, lead in zip(keys, self.leads(indent, first), strict=False):
            self.value(f"{lead}{key}{self.pick(':', ':', ' :')}", indent, depth)

    def items(self, indent, depth, first=""):
        for _, lead in zip(range(self.pick(1, 2)), self.leads(indent, first), strict=False):
            gap = self.pick(" ", " ", "   ")
            if depth and self.pick(False, True):
                self.block(indent + 1 + len(gap), depth - 1, f"{lead}-{gap}")
            else:
                self.value(f"{lead}-", indent, depth, dash=True)

    def leads(self, indent, first):
        if first:
            yield first
        while True:
            self.between(indent)
            yield " " * indent

    def value(self, lead, indent, depth, *, dash=False):
        kind = self.pick("plain", "flow", "mapping", "literal", "quoted", "deeper", "deeper") if depth else "plain"
        if kind == "deeper":
            self.deeper(lead, indent, depth, dash=dash)
        elif kind == "literal":
            self.literal(lead, indent)
        else:
            self.lines += [f"{lead}{getattr(self, kind)(' ' * (indent + self.pick(1, 2, 4)))}{self.remark()}"]

    def plain(self, space):
        return (self.pick(" ", "   ") + self.pick(*PLAIN)).rstrip()

    def flow(self, space):
        inner = self.draw(st.lists(st.sampled_from(FLOW), max_size=3))
        return f" [{self.pick('', ' ')}{self.pick(', ', ',', ' , ').join(inner)}]"

    def mapping(self, space):
        return f" {{b: 1,{self.pick('', ' # k')}\n{space}type: A\n{space}}}"

    def quoted(self, space):
        return f' "two\n\n{space}lines \\\n{space} here"'

    def literal(self, lead, indent):
        step = self.pick(1, 2, 4)
        sign = self.pick("|", ">", "|-", ">-", "|+") + self.pick("", "", str(step))
        self.lines += [f"{lead} {sign}{self.remark()}"]
        words = [self.pick("text", "  more", "# none", "a: b", "- x") for _ in range(self.pick(0, 1, 3))]
        self.lines += [" " * (indent + step) + word for word in words] + [""] * self.pick(0, 1)

    def deeper(self, lead, indent, depth, *, dash):
        self.lines += [f"{lead}{self.pick('', '', ' &n')}{self.remark()}"]
        if not dash and self.pick(False, False, True):
            self.items(indent, depth - 1)
        else:
            step = self.pick(2, 4, 3)
            self.between(indent + step)
            self.block(indent + step, depth - 1)


@given(st.composite(lambda draw: Writer(draw).text())())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_whatever_it_looks_like(text):
    before = read_document(text, Origin("x"))
    assume(not before.problems and before.root is not None)
    try:
        after = format_text(text, ORDER)  # which holds meaning and comments against what they were
    except CannotFormat as reason:
        left_alone = str(reason)
    else:
        assert format_text(after, ORDER) == after
        left_alone = ""
    assert not left_alone or ("line break at its end" in left_alone and not text.endswith("\n")), text
