"""A script's definitions are in the ``__main__`` of the process that loads its train function."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# What users define in scripts. The trial must find each by standard pickle.
DEFINITIONS = """
import abc, collections, dataclasses, enum, functools, threading, typing

T = typing.TypeVar("T")
UserId = typing.NewType("UserId", int)

class Scaler: ...

def square(v):
    return v * v

@functools.cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

@functools.lru_cache(maxsize=3, typed=True)
def bounded(x):
    "Of a cache."
    return x

@functools.singledispatch
def kind(x):
    return "object"

@kind.register
def _(x: int):
    return "int " + kind("")

def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

@logged
def decorated(x):
    return square(x) + 1

partly = functools.partial(decorated, 3)

@dataclasses.dataclass
class Point:
    x: int = 1

@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: int = 3

class Colour(enum.Enum):
    RED = 1
    BLUE = enum.auto()

class Pair(typing.NamedTuple):
    a: int = 2

class Options(typing.TypedDict, total=False):
    a: int

@typing.runtime_checkable
class Goes(typing.Protocol):
    def go(self): ...

class Base(abc.ABC):
    @abc.abstractmethod
    def go(self): ...
    @property
    def five(self):
        return 5

class Child(Base):
    def go(self):
        return super().five + 1

class Box(typing.Generic[T]):
    def __init__(self, value: T):
        self.value = value

class IntBox(Box[int]): ...

class Outer:
    class Inner: ...

class Meta(type):
    def __new__(mcs, name, bases, space):
        made = super().__new__(mcs, name, bases, space)
        made.tag = name
        return made

class Tagged(metaclass=Meta): ...

class Lazy:
    @functools.cached_property
    def value(self):
        return 42
    @functools.singledispatchmethod
    def kind(self, x):
        return "object"
    @kind.register
    def _(self, x: int):
        return "int"

class Sentinel:
    def __reduce__(self):
        return "MISSING"

MISSING = Sentinel()
counter = 0

def count():
    global counter
    counter += 1

# The rest is what no train function refers to.
LOCK = threading.Lock()

class Tree:
    def grow(self):
        return Leaf()

class Leaf(Tree):
    def __init__(self):
        super().__init__()
        self.size = size(2)

@functools.cache
def size(x):
    return x * len(Tree.__name__)

Tree.child = Leaf

def locked():
    return LOCK
"""


def load(folder: Path, train: str) -> None:
    """Pickle the ``train`` of a script, and call it in a process that lacks the script."""
    script = folder / "script.py"
    script.write_text(
        DEFINITIONS
        + textwrap.dedent(train)
        + "\nfrom sparkexp.engine.transfer.main_pickle import pickle_train\n"
        + "open('pickled', 'wb').write(pickle_train(train))\n"
    )
    subprocess.run([sys.executable, script], cwd=folder, check=True)
    script.unlink()
    code = (
        "from sparkexp.engine.transfer.main_module import load_train;"
        " load_train(open('pickled', 'rb').read())()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=60)


def test_what_the_function_refers_to(tmp_path):
    load(
        tmp_path,
        """
        def again(value):
            import pickle
            return pickle.loads(pickle.dumps(value))

        def train():
            import __main__
            assert type(again(Scaler())) is Scaler is __main__.Scaler
            assert fib(30) == 832040 and again(fib) is fib
            assert again(bounded) is bounded and bounded.__doc__ == "Of a cache."
            assert bounded.cache_parameters() == {"maxsize": 3, "typed": True}
            assert kind(1) == "int object" and again(kind) is kind
            assert again(decorated) is decorated and again(partly)() == 10
            assert again(Point(4)) == Point(4) and again(Slotted(4)) == Slotted(4)
            assert again(Colour.RED) is Colour.RED and Colour(2) is Colour.BLUE
            assert again(Pair()) == Pair() and again(Options) is Options
            assert again(Child()).go() == 6 and isinstance(Child(), Goes)
            assert again(IntBox(2)).value == 2 and again(T) is T and again(UserId) is UserId
            assert type(again(Outer.Inner())) is Outer.Inner
            assert type(again(Tagged())) is Tagged and Tagged.tag == "Tagged"
            assert Lazy().value == 42 and again(Lazy()).kind(1) == "int"
            assert again(MISSING) is MISSING
            count()
            count()
            assert counter == __main__.counter == 2
        """,
    )


def test_what_only_a_class_within_the_function_refers_to(tmp_path):
    load(
        tmp_path,
        """
        from fractions import Fraction as Ratio
        WIDTH, unused = 3, threading.Lock()

        def train():
            class Layer:
                width: Ratio = Ratio(WIDTH)
                unused = 1

                @logged
                def call(self, x: Ratio = width, *, kind: "Ratio" = None) -> Slotted:
                    return x

                class Inner(Point):
                    y: Colour = Colour.RED
                    twice = unused

            assert Layer().call() == 3 and Layer.Inner().y is Colour.RED
            assert Layer.call.__wrapped__.__annotations__["x"] is Ratio
        """.replace("twice = unused", "twice = 2"),
    )


@pytest.mark.parametrize(
    "lookup", ["globals()[name]", "getattr(__import__('__main__'), name)", "find_class(name)"]
)
def test_what_is_looked_up_by_name(lookup, tmp_path):
    load(
        tmp_path,
        f"""
        def find_class(name):
            import io, pickle
            return pickle.Unpickler(io.BytesIO()).find_class("__main__", name)

        def train():
            found = lambda name: {lookup}
            assert found("Leaf")().size == 8
            assert found("Tree").child is type(found("Tree")().grow()) is found("Leaf")
            assert found("size") is found("size") and found("size")(1) == 4
            try:
                found("locked")()
            except NameError as error:  # a lock can't travel
                assert "LOCK" in str(error)
        """,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools(method, tmp_path):
    load(
        tmp_path,
        f"""
        def train():
            import concurrent.futures, copy, multiprocessing
            context = multiprocessing.get_context({method!r})
            with context.Pool(2) as pool:
                assert pool.map(square, range(4)) == [0, 1, 4, 9]
                assert pool.apply(fib, (20,)) == 6765
                assert type(pool.apply(copy.copy, (Scaler(),))) is Scaler
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                assert pool.submit(decorated, 2).result() == 5
        """,
    )


def test_sources_and_tracebacks(tmp_path):
    load(
        tmp_path,
        """
        class Fails:
            def fail(self):
                raise RuntimeError("here")  # this line

        def train():
            import inspect, traceback
            try:
                Fails().fail()
            except RuntimeError:
                text = traceback.format_exc()
            assert "# this line" in text and "script.py" in text, text
            assert inspect.getsource(square).endswith("return v * v\\n")
        """,
    )


def test_a_loaded_function_brings_little(tmp_path):
    """Neither large data nor modules that only other functions need."""
    load(
        tmp_path,
        """
        import numpy, wsgiref
        LARGE = numpy.zeros(10**6)

        def unused():
            return LARGE, wsgiref

        def train():
            import os, sys
            assert os.path.getsize("pickled") < 50_000
            assert "wsgiref" not in sys.modules and "numpy" not in sys.modules
        """,
    )
