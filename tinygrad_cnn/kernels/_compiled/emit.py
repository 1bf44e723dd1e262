"""The little of LLVM's language that the innermost loops are written in.

Numba's own loops leave it to LLVM to find vectors and registers, which it does for some loops, and
not for those of convolutions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir


def _machine() -> tuple[int, bool]:
    """Return the bytes of a vector register, and whether there are 32 of them rather than 16."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, True
    if features.get("avx"):
        return 32, False
    return 16, bool(features.get("neon"))


VECTOR, WIDE = _machine()

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


class Vectors:
    """Emits code on vectors of the dtype of the first argument, an array."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder = context, builder
        self.signature, self.args = signature, args
        self.scalar = context.get_value_type(signature.args[0].dtype)
        self.size = context.get_abi_sizeof(self.scalar)
        self.lanes = VECTOR // self.size
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def pointer(self, i: int) -> Any:
        """Return the address of the first element of argument i, an array."""
        return self.context.make_array(self.signature.args[i])(
            self.context, self.builder, self.args[i]
        ).data

    def at(self, pointer: Any, *steps: Any) -> Any:
        """Return the address so many elements further on."""
        for step in steps:
            step = ir.Constant(I64, step) if isinstance(step, int) else step
            pointer = self.builder.gep(pointer, [step])
        return pointer

    def load(self, pointer: Any) -> Any:
        return self.builder.load(
            self.builder.bitcast(pointer, self.type.as_pointer()), align=self.size
        )

    def store(self, vector: Any, pointer: Any) -> None:
        self.builder.store(
            vector, self.builder.bitcast(pointer, self.type.as_pointer()), align=self.size
        )

    def below(self, count: Any) -> Any:
        """Return a vector of bits, set where the lane's number is less than `count`."""
        numbers = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", numbers, self.filled(count))

    def load_where(self, bits: Any, pointer: Any, kind: Any = None) -> Any:
        """Return a vector of which only these lanes are read, and the others are 0."""
        kind = kind or self.type
        function = self._masked("load", kind, kind, [kind.as_pointer(), I32, bits.type, kind])
        pointer = self.builder.bitcast(pointer, kind.as_pointer())
        zero = ir.Constant(kind, None)
        return self.builder.call(function, [pointer, self._align(kind), bits, zero])

    def store_where(self, bits: Any, vector: Any, pointer: Any) -> None:
        """Write these lanes only."""
        kind = vector.type
        function = self._masked("store", kind, ir.VoidType(), [kind, kind.as_pointer(), I32, bits.type])
        pointer = self.builder.bitcast(pointer, kind.as_pointer())
        self.builder.call(function, [vector, pointer, self._align(kind), bits])

    def _align(self, kind: Any) -> Any:
        return ir.Constant(I32, 1 if kind.element == I8 else self.size)

    def _masked(self, what: str, kind: Any, result: Any, arguments: list[Any]) -> Any:
        element = {I8: "i8"}.get(kind.element, f"f{8 * self.size}")
        name = f"llvm.masked.{what}.v{self.lanes}{element}.p0"
        if name in self.builder.module.globals:
            return self.builder.module.globals[name]
        return ir.Function(self.builder.module, ir.FunctionType(result, arguments), name)

    def spread(self, pointer: Any) -> Any:
        """Return a vector of the number at `pointer`."""
        return self.filled(self.builder.load(pointer))

    def filled(self, number: Any) -> Any:
        """Return a vector of this number."""
        kind = ir.VectorType(number.type, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(undefined, number, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, zeros)

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=("contract",))

    def sub(self, a: Any, b: Any) -> Any:
        return self.builder.fsub(a, b, flags=("contract",))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.add(self.builder.fmul(a, b, flags=("contract",)), c)

    def turned(self, rows: list[Any]) -> list[Any]:
        """Return the columns of a square: of as many vectors as each has lanes."""
        apart = 1
        while apart < self.lanes:
            # squares of 2 x 2 squares, `apart` wide: the upper right and the lower left change places
            places = range(self.lanes)
            upper = [self.lanes + j - apart if j & apart else j for j in places]
            lower = [self.lanes + j if j & apart else j + apart for j in places]
            masks = [ir.Constant(ir.VectorType(I32, self.lanes), half) for half in (upper, lower)]
            made = list(rows)
            for i in places:
                if not i & apart:
                    for k, mask in zip((i, i + apart), masks, strict=True):
                        made[k] = self.builder.shuffle_vector(rows[i], rows[i + apart], mask)
            rows, apart = made, 2 * apart
        return rows

    def total(self, vector: Any) -> Any:
        """Return the sum of the elements."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            undefined = ir.Constant(vector.type, ir.Undefined)
            halves = [
                self.builder.shuffle_vector(
                    vector,
                    undefined,
                    ir.Constant(ir.VectorType(I32, lanes), list(range(i, i + lanes))),
                )
                for i in (0, lanes)
            ]
            vector = self.add(*halves)
        return self.builder.extract_element(vector, ir.Constant(I32, 0))


def loop(builder: Any, stop: Any, step: int, name: str) -> tuple[Any, Any, Any]:
    """Begin a loop that runs at least once; return its index and how to add state and to end it."""
    start = builder.block
    body = builder.append_basic_block(name)
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(I64)
    index.add_incoming(ir.Constant(I64, 0), start)
    states = []

    def state(value: Any) -> Any:
        phi = builder.phi(value.type)
        phi.add_incoming(value, start)
        states.append(phi)
        return phi

    def end(values: Any) -> None:
        after = builder.append_basic_block(name + ".end")
        following = builder.add(index, ir.Constant(I64, step))
        here = builder.block
        index.add_incoming(following, here)
        for phi, value in zip(states, values, strict=True):
            phi.add_incoming(value, here)
        builder.cbranch(builder.icmp_signed("<", following, stop), body, after)
        builder.position_at_end(after)

    return index, state, end
