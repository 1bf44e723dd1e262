"""Export to ONNX.

Each operation declares how it is written in ONNX, beside its gradient rules::

    relu.onnx("Relu")                       # the type of a node that takes the inputs

    @leaky_relu.onnx
    def _(onnx, input, negative_slope):     # names what it needs, as a gradient rule does
        return onnx.node("LeakyRelu", input, alpha=negative_slope)

So can the operations of users. `Builder` is what such a function writes to.
"""

from .builder import Builder as Builder, Dim as Dim, Value as Value
from .export import export as export
