from __future__ import annotations

import pytest

from runner.signature.docstring import parse_docstring

GOOGLE = """Does a thing. And more.

    Args:
        a (int, optional): The first,
            over two lines.
        b: The second. Defaults to ``3``.
        c, d (list[dict(str, int)]): Two at once; see :class:`~torch.nn.Module`.

            After an empty line.
        **kwargs: Handed on.

    Example:
        e: not one
    """

NUMPY = """
    Does a thing.

    Parameters
    ----------
    a : int, optional
        The first,
        over two lines.
    b
        The second. Defaults to `3`.
    c, d : list
        Two at once; see torch.nn.Module. After an empty line.

    Returns
    -------
    e : int
        not one
    """

REST = """Does a thing.

    :param int a: The first,
        over two lines.
    :param b: The second. Defaults to ``3``.
    :type b: int
    :param c: Two at once; see :class:`torch.nn.Module`. After an empty line.
    :param d: Two at once; see :class:`torch.nn.Module`. After an empty line.
    :returns: e: not one
    """

EXPECTED = {
    "a": "The first, over two lines.",
    "b": "The second. Defaults to `3`.",
    "c": "Two at once; see torch.nn.Module. After an empty line.",
    "d": "Two at once; see torch.nn.Module. After an empty line.",
}


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_descriptions(text):
    found = parse_docstring(text)
    assert {name: doc for name, doc in found.parameters.items() if name != "kwargs"} == EXPECTED
    assert found.summary == "Does a thing."
    assert found.text.startswith("Does a thing.")


@pytest.mark.parametrize(
    "text", ["", "\n", "Args:", "Args:\n", "Args:\nx", "a: b", "Parameters\n----", ":param", "Args:\n    (: :"]
)
def test_any_text_will_do(text):
    assert isinstance(parse_docstring(text).parameters, dict)


def test_descriptions_come_from_bases_and_from_the_constructor(package):
    package.put(
        "documented.py",
        '''
        NOTE = "c: From a constant."
        class Base:
            """Base.

            Args:
                a: From the base.
                b: Hidden by the class.
            """
            def __init__(self, a, b):
                ...
        class Thing(Base):
            def __init__(self, c, d, **kwargs):
                """Make one.

                Args:
                    d: From the constructor.
                """
                super().__init__(**kwargs)
        Thing.__doc__ = r"""A thing.

            Args:
                b: From the class.
        """ + f"""        {NOTE}"""
        ''',
    )
    found = package.describe("documented:Thing")
    assert found.summary == "A thing."
    assert {each.name: each.doc for each in found.parameters} == {
        "a": "From the base.",
        "b": "From the class.",
        "c": "",
        "d": "From the constructor.",
    } | {"c": found.parameter("c").doc}
