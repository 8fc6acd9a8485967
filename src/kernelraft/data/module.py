"""A reference's source, looked at and not run: its module, and what its module is built and called with."""

import ast
from collections.abc import Iterator
from functools import cached_property


class Module:
    """The nn.Module of a source in KernelBench's or KernelBook's form."""

    def __init__(self, source: str, tree: ast.Module) -> None:
        self._source, self._tree = source, tree
        self._lines = [0]
        for line in source.encode().split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def text(self, node: ast.AST) -> str:
        """What stands there."""
        return ast.get_source_segment(self._source, node) or ""

    def spliced(self, node: ast.AST, text: str) -> str:
        """The source with `text` in a node's place."""
        data = self._source.encode()
        start = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return (data[:start] + text.encode() + data[end:]).decode()

    def calls(self) -> Iterator[ast.Call]:
        """Every call of the source."""
        return (node for node in ast.walk(self._tree) if isinstance(node, ast.Call))

    @cached_property
    def _class(self) -> ast.ClassDef | None:
        """As the judge chooses it: Model, or what is called so, else the last class that is a module by its name."""
        found = {node.name: node for node in self._tree.body if isinstance(node, ast.ClassDef) and node.bases}
        for node in self._tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="Model")], value=ast.Name(id=name)) if name in found:
                    return found[name]
        return found.get("Model", list(found.values())[-1] if found else None)

    @property
    def name(self) -> str:
        """The class's."""
        return self._class.name if self._class else "the module"

    def _method(self, name: str) -> ast.FunctionDef | None:
        body = self._class.body if self._class else []
        return next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == name), None)

    def _returned(self, name: str) -> ast.expr | None:
        """What a function of the source returns, where that is all that it does."""
        for node in self._tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name and node.body:
                last = node.body[-1]
                return last.value if isinstance(last, ast.Return) else None
        return None

    @cached_property
    def inputs(self) -> list[ast.expr]:
        """The expressions of get_inputs' list."""
        found = self._returned("get_inputs")
        return found.elts if isinstance(found, ast.List | ast.Tuple) else []

    @cached_property
    def _init(self) -> tuple[list[ast.expr], ast.Dict | None]:
        match self._returned("get_init_inputs"):
            case ast.List(elts=[ast.List(elts=given), ast.Dict() as named]):
                return given, named
            case ast.List(elts=given):
                return given, None
        return [], None

    @property
    def init_kwargs(self) -> ast.Dict | None:
        """Those that get_init_inputs names."""
        return self._init[1]

    @property
    def init_names(self) -> set[str] | None:
        """The names that the constructor takes; None where that is not known, or any."""
        init = self._method("__init__")
        if init is None or init.args.kwarg is not None:
            return None
        return {argument.arg for argument in (*init.args.args, *init.args.kwonlyargs)} - {"self"}

    def embedded(self) -> Iterator[tuple[int, int]]:
        """(position among forward's inputs, number of embeddings) of inputs that go straight into nn.Embedding."""
        forward = self._method("forward")
        if forward is None:
            return
        names = [argument.arg for argument in forward.args.args[1:]]
        tables = dict(self._tables())
        for node in ast.walk(forward):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=table), args=[ast.Name(id=name)]):
                    if table in tables and name in names:
                        yield names.index(name), tables[table]

    def _tables(self) -> Iterator[tuple[str, int]]:
        init = self._method("__init__")
        for node in ast.walk(init) if init else ():
            match node:
                case ast.Assign(
                    targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=ast.Call() as call
                ) if self.text(call.func).rpartition(".")[2] == "Embedding":
                    sizes = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "num_embeddings")]
                    count = self._integer(sizes[0]) if sizes else None
                    if count:
                        yield name, count

    def _integer(self, node: ast.expr | None) -> int | None:
        """A number, or an argument of the constructor whose value is one; None where that is not plain to see."""
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return value
            case ast.Name(id=name):
                return self._integer(self._argument(name))
        return None

    def _argument(self, name: str) -> ast.expr | None:
        """What get_init_inputs gives for it, or its default; a name that is no argument has none."""
        init = self._method("__init__")
        names = [argument.arg for argument in init.args.args[1:]] if init else []
        if init is None or name not in names:
            return None
        given, named = self._init
        if names.index(name) < len(given):
            found: ast.expr | None = given[names.index(name)]
        else:
            pairs = zip(named.keys, named.values, strict=True) if named else ()
            defaults = dict(zip(names[len(names) - len(init.args.defaults) :], init.args.defaults, strict=True))
            values = (value for key, value in pairs if isinstance(key, ast.Constant) and key.value == name)
            found = next(values, defaults.get(name))
        return None if isinstance(found, ast.Name) else found
