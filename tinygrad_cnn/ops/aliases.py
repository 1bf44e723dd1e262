"""Second names that PyTorch has for operations, mostly NumPy's."""

from __future__ import annotations

from tinygrad_cnn.core.op import method

from . import elementwise, joining, linalg, math, shape

absolute = method("absolute", inplace=True)(elementwise.abs)
arccos = method("arccos", inplace=True)(math.acos)
arccosh = method("arccosh", inplace=True)(math.acosh)
arcsin = method("arcsin", inplace=True)(math.asin)
arcsinh = method("arcsinh", inplace=True)(math.asinh)
arctan = method("arctan", inplace=True)(math.atan)
arctan2 = method("arctan2", inplace=True)(math.atan2)
arctanh = method("arctanh", inplace=True)(math.atanh)
clip = method("clip", inplace=True)(elementwise.clamp)
concat = concatenate = joining.cat
divide = method("divide", inplace=True)(elementwise.div)
fix = method("fix", inplace=True)(math.trunc)
ger = method("ger")(linalg.outer)
greater = method("greater", inplace=True)(elementwise.gt)
greater_equal = method("greater_equal", inplace=True)(elementwise.ge)
less = method("less", inplace=True)(elementwise.lt)
less_equal = method("less_equal", inplace=True)(elementwise.le)
moveaxis = method("moveaxis")(shape.movedim)
multiply = method("multiply", inplace=True)(elementwise.mul)
negative = method("negative", inplace=True)(elementwise.neg)
not_equal = method("not_equal", inplace=True)(elementwise.ne)
row_stack = joining.vstack
subtract = method("subtract", inplace=True)(elementwise.sub)
