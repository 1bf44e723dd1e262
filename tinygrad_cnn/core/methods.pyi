"""Generated from the registry of operations by .ci/make_stubs.py; do not edit."""

import builtins
from typing import Any

from .tensor import Tensor

class TensorMethods:
    @property
    def T(self) -> Tensor:
        """The view with all dimensions in reverse order."""
    def __abs__(self) -> Tensor:
        """Return the absolute value; its gradient at 0 is 0."""
    def __add__(self, other: Any) -> Tensor: ...
    def __and__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) and, broadcast."""
    def __dlpack__(self, other: Any) -> Any:
        """Return a DLPack capsule that shares the memory; for `from_dlpack` of any library."""
    def __dlpack_device__(self, other: Any) -> Any:
        """Return the device, in DLPack's numbers."""
    def __eq__(self, other: Any) -> Any: ...
    def __floordiv__(self, other: Any) -> Tensor:
        """Return ``input / other`` rounded down, broadcast, as Python's ``//``."""
    def __ge__(self, other: Any) -> Tensor:
        """Return whether ``input >= other``, elementwise and broadcast, as booleans."""
    def __getitem__(self, other: Any) -> Tensor:
        """Return ``input[index]``, as in PyTorch."""
    def __gt__(self, other: Any) -> Tensor:
        """Return whether ``input > other``, elementwise and broadcast, as booleans."""
    def __iadd__(self, other: Any) -> Tensor: ...
    def __iand__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) and, broadcast."""
    def __ifloordiv__(self, other: Any) -> Tensor:
        """Return ``input / other`` rounded down, broadcast, as Python's ``//``."""
    def __ilshift__(self, other: Any) -> Tensor:
        """Return the integers shifted left by `other` bits, broadcast."""
    def __imod__(self, other: Any) -> Tensor:
        """Return what ``input // other`` leaves, with the sign of `other`, as Python's ``%``."""
    def __imul__(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def __invert__(self) -> Tensor:
        """Return the bitwise (for booleans, logical) not."""
    def __ior__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) or, broadcast."""
    def __ipow__(self, other: Any) -> Tensor:
        """Return ``input ** exponent``, broadcast; either may be a number."""
    def __irshift__(self, other: Any) -> Tensor:
        """Return the integers shifted right by `other` bits, broadcast; the sign stays."""
    def __isub__(self, other: Any) -> Tensor: ...
    def __itruediv__(self, other: Any) -> Tensor:
        """Return ``input / other``, broadcast; integers give the default floating dtype."""
    def __ixor__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) exclusive or, broadcast."""
    def __le__(self, other: Any) -> Tensor:
        """Return whether ``input <= other``, elementwise and broadcast, as booleans."""
    def __lshift__(self, other: Any) -> Tensor:
        """Return the integers shifted left by `other` bits, broadcast."""
    def __lt__(self, other: Any) -> Tensor:
        """Return whether ``input < other``, elementwise and broadcast, as booleans."""
    def __matmul__(self, other: Any) -> Tensor:
        """Return the matrix product, over batches of matrices, which broadcast."""
    def __mod__(self, other: Any) -> Tensor:
        """Return what ``input // other`` leaves, with the sign of `other`, as Python's ``%``."""
    def __mul__(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def __ne__(self, other: Any) -> Any: ...
    def __neg__(self) -> Tensor:
        """Return ``-input``."""
    def __or__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) or, broadcast."""
    def __pos__(self) -> Tensor:
        """Return `input` itself."""
    def __pow__(self, other: Any) -> Tensor:
        """Return ``input ** exponent``, broadcast; either may be a number."""
    def __radd__(self, other: Any) -> Tensor: ...
    def __rand__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) and, broadcast."""
    def __rfloordiv__(self, other: Any) -> Tensor:
        """Return ``input / other`` rounded down, broadcast, as Python's ``//``."""
    def __rlshift__(self, other: Any) -> Tensor:
        """Return the integers shifted left by `other` bits, broadcast."""
    def __rmatmul__(self, other: Any) -> Tensor:
        """Return the matrix product, over batches of matrices, which broadcast."""
    def __rmod__(self, other: Any) -> Tensor:
        """Return what ``input // other`` leaves, with the sign of `other`, as Python's ``%``."""
    def __rmul__(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def __ror__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) or, broadcast."""
    def __rpow__(self, other: Any) -> Tensor:
        """Return ``input ** exponent``, broadcast; either may be a number."""
    def __rrshift__(self, other: Any) -> Tensor:
        """Return the integers shifted right by `other` bits, broadcast; the sign stays."""
    def __rshift__(self, other: Any) -> Tensor:
        """Return the integers shifted right by `other` bits, broadcast; the sign stays."""
    def __rsub__(self, other: Any) -> Tensor: ...
    def __rtruediv__(self, other: Any) -> Tensor:
        """Return ``input / other``, broadcast; integers give the default floating dtype."""
    def __rxor__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) exclusive or, broadcast."""
    def __setitem__(self, index: Any, value: Any) -> None:
        """Write `value`, broadcast and cast, to ``input[index]``; see `getitem` for the index."""
    def __sub__(self, other: Any) -> Tensor: ...
    def __truediv__(self, other: Any) -> Tensor:
        """Return ``input / other``, broadcast; integers give the default floating dtype."""
    def __xor__(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) exclusive or, broadcast."""
    def abs(self) -> Tensor:
        """Return the absolute value; its gradient at 0 is 0."""
    def abs_(self) -> Tensor:
        """Return the absolute value; its gradient at 0 is 0."""
    def absolute(self) -> Tensor:
        """Return the absolute value; its gradient at 0 is 0."""
    def absolute_(self) -> Tensor:
        """Return the absolute value; its gradient at 0 is 0."""
    def acos(self) -> Tensor:
        """Return the angle of which `input` is the cosine; NaN outside [-1, 1]."""
    def acos_(self) -> Tensor:
        """Return the angle of which `input` is the cosine; NaN outside [-1, 1]."""
    def acosh(self) -> Tensor:
        """Return the inverse of `cosh`; NaN below 1."""
    def acosh_(self) -> Tensor:
        """Return the inverse of `cosh`; NaN below 1."""
    def add(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """Return ``input + alpha * other``, broadcast."""
    def add_(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """Return ``input + alpha * other``, broadcast."""
    def addcdiv(self, tensor1: Any, tensor2: Any, *, value: builtins.float = 1) -> Tensor:
        """Return ``input + value * tensor1 / tensor2``, broadcast."""
    def addcdiv_(self, tensor1: Any, tensor2: Any, *, value: builtins.float = 1) -> Tensor:
        """Return ``input + value * tensor1 / tensor2``, broadcast."""
    def addcmul(self, tensor1: Any, tensor2: Any, *, value: builtins.float = 1) -> Tensor:
        """Return ``input + value * tensor1 * tensor2``, broadcast."""
    def addcmul_(self, tensor1: Any, tensor2: Any, *, value: builtins.float = 1) -> Tensor:
        """Return ``input + value * tensor1 * tensor2``, broadcast."""
    def addmm(
        self, mat1: Any, mat2: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * (mat1 @ mat2)``, for two matrices."""
    def addmm_(
        self, mat1: Any, mat2: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * (mat1 @ mat2)``, for two matrices."""
    def addmv(
        self, mat: Any, vec: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * (mat @ vec)``; see `addmm`."""
    def addmv_(
        self, mat: Any, vec: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * (mat @ vec)``; see `addmm`."""
    def addr(
        self, vec1: Any, vec2: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * outer(vec1, vec2)``; see `addmm`."""
    def addr_(
        self, vec1: Any, vec2: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * outer(vec1, vec2)``; see `addmm`."""
    def all(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
    ) -> Tensor:
        """Return whether all elements are not 0, over one dimension, several, or all."""
    def allclose(
        self,
        other: Any,
        rtol: builtins.float = 1e-05,
        atol: builtins.float = 1e-08,
        equal_nan: builtins.bool = False,
    ) -> builtins.bool:
        """Return whether all elements are close, as `isclose` says."""
    def amax(
        self, dim: builtins.int | tuple[builtins.int, ...] = ..., keepdim: builtins.bool = False
    ) -> Tensor:
        """Return the maximum over one dimension, several, or all; NaN where there is one."""
    def amin(
        self, dim: builtins.int | tuple[builtins.int, ...] = ..., keepdim: builtins.bool = False
    ) -> Tensor:
        """Return the minimum over one dimension, several, or all; otherwise as `amax`."""
    def aminmax(self, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Any:
        """Return the minimum and the maximum, of all elements or along a dimension."""
    def any(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
    ) -> Tensor:
        """Return whether some element is not 0, over one dimension, several, or all."""
    def arccos(self) -> Tensor:
        """Return the angle of which `input` is the cosine; NaN outside [-1, 1]."""
    def arccos_(self) -> Tensor:
        """Return the angle of which `input` is the cosine; NaN outside [-1, 1]."""
    def arccosh(self) -> Tensor:
        """Return the inverse of `cosh`; NaN below 1."""
    def arccosh_(self) -> Tensor:
        """Return the inverse of `cosh`; NaN below 1."""
    def arcsin(self) -> Tensor:
        """Return the angle of which `input` is the sine; NaN outside [-1, 1]."""
    def arcsin_(self) -> Tensor:
        """Return the angle of which `input` is the sine; NaN outside [-1, 1]."""
    def arcsinh(self) -> Tensor:
        """Return the inverse of `sinh`."""
    def arcsinh_(self) -> Tensor:
        """Return the inverse of `sinh`."""
    def arctan(self) -> Tensor:
        """Return the angle of which `input` is the tangent."""
    def arctan2(self, other: Any) -> Tensor:
        """Return the angle of the point whose ordinate is `input` and whose abscissa is `other`."""
    def arctan2_(self, other: Any) -> Tensor:
        """Return the angle of the point whose ordinate is `input` and whose abscissa is `other`."""
    def arctan_(self) -> Tensor:
        """Return the angle of which `input` is the tangent."""
    def arctanh(self) -> Tensor:
        """Return the inverse of `tanh`; NaN outside [-1, 1]."""
    def arctanh_(self) -> Tensor:
        """Return the inverse of `tanh`; NaN outside [-1, 1]."""
    def argmax(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the index of the first maximum along a dimension, or in the flattened tensor."""
    def argmin(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the index of the first minimum along a dimension, or in the flattened tensor."""
    def argsort(
        self,
        dim: builtins.int = -1,
        descending: builtins.bool = False,
        *,
        stable: builtins.bool = False,
    ) -> Tensor:
        """Return the indices that sort a tensor along `dim`; see `sort`."""
    def argwhere(self) -> Tensor:
        """Return the places of the elements that are not 0, one in each row."""
    def asin(self) -> Tensor:
        """Return the angle of which `input` is the sine; NaN outside [-1, 1]."""
    def asin_(self) -> Tensor:
        """Return the angle of which `input` is the sine; NaN outside [-1, 1]."""
    def asinh(self) -> Tensor:
        """Return the inverse of `sinh`."""
    def asinh_(self) -> Tensor:
        """Return the inverse of `sinh`."""
    def atan(self) -> Tensor:
        """Return the angle of which `input` is the tangent."""
    def atan2(self, other: Any) -> Tensor:
        """Return the angle of the point whose ordinate is `input` and whose abscissa is `other`."""
    def atan2_(self, other: Any) -> Tensor:
        """Return the angle of the point whose ordinate is `input` and whose abscissa is `other`."""
    def atan_(self) -> Tensor:
        """Return the angle of which `input` is the tangent."""
    def atanh(self) -> Tensor:
        """Return the inverse of `tanh`; NaN outside [-1, 1]."""
    def atanh_(self) -> Tensor:
        """Return the inverse of `tanh`; NaN outside [-1, 1]."""
    def baddbmm(
        self, batch1: Any, batch2: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * (batch1 @ batch2)``, for two batches; see `addmm`."""
    def baddbmm_(
        self, batch1: Any, batch2: Any, *, beta: builtins.float = 1, alpha: builtins.float = 1
    ) -> Tensor:
        """Return ``beta * input + alpha * (batch1 @ batch2)``, for two batches; see `addmm`."""
    def bernoulli(self, p: builtins.float | None = None, *, generator: Any = None) -> Tensor:
        """Return 1 with the probabilities `input` (or all `p`), else 0, in the dtype of `input`."""
    def bernoulli_(self, p: builtins.float = 0.5, *, generator: Any = None) -> Tensor:
        """Fill the tensor with 1, by the probability `p`, and 0, and return it."""
    def bincount(self, weights: Any = None, minlength: builtins.int = 0) -> Tensor:
        """Return how often each number from 0 on occurs in a vector; no gradient passes."""
    def bitwise_and(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) and, broadcast."""
    def bitwise_and_(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) and, broadcast."""
    def bitwise_left_shift(self, other: Any) -> Tensor:
        """Return the integers shifted left by `other` bits, broadcast."""
    def bitwise_left_shift_(self, other: Any) -> Tensor:
        """Return the integers shifted left by `other` bits, broadcast."""
    def bitwise_not(self) -> Tensor:
        """Return the bitwise (for booleans, logical) not."""
    def bitwise_not_(self) -> Tensor:
        """Return the bitwise (for booleans, logical) not."""
    def bitwise_or(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) or, broadcast."""
    def bitwise_or_(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) or, broadcast."""
    def bitwise_right_shift(self, other: Any) -> Tensor:
        """Return the integers shifted right by `other` bits, broadcast; the sign stays."""
    def bitwise_right_shift_(self, other: Any) -> Tensor:
        """Return the integers shifted right by `other` bits, broadcast; the sign stays."""
    def bitwise_xor(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) exclusive or, broadcast."""
    def bitwise_xor_(self, other: Any) -> Tensor:
        """Return the bitwise (for booleans, logical) exclusive or, broadcast."""
    def bmm(self, mat2: Any) -> Tensor:
        """Return the products of two batches of matrices, (b, n, k) and (b, k, m)."""
    def bool(self, memory_format: Any = None) -> Tensor:
        """Return the values as bool."""
    def broadcast_to(self, size: tuple[builtins.int, ...]) -> Tensor:
        """Return a read-only view broadcast to shape `size`."""
    def byte(self, memory_format: Any = None) -> Tensor:
        """Return the values as uint8."""
    def ceil(self) -> Tensor:
        """Return the smallest integer that is not below; gradient 0."""
    def ceil_(self) -> Tensor:
        """Return the smallest integer that is not below; gradient 0."""
    def char(self, memory_format: Any = None) -> Tensor:
        """Return the values as int8."""
    def cholesky(self, upper: builtins.bool = False) -> Tensor:
        """Return the triangular factor L of a symmetric positive definite matrix, ``L @ L.mT``."""
    def chunk(self, chunks: builtins.int, dim: builtins.int = 0) -> Any:
        """Cut a tensor along `dim` into at most `chunks` views of one size, the last maybe smaller."""
    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """Return `input`, raised to `min` and then lowered to `max`."""
    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        """Return `input`, raised to `min` and then lowered to `max`."""
    def clamp_max(self, max: Any) -> Tensor:
        """Return ``clamp(input, max=max)``."""
    def clamp_max_(self, max: Any) -> Tensor:
        """Return ``clamp(input, max=max)``."""
    def clamp_min(self, min: Any) -> Tensor:
        """Return ``clamp(input, min=min)``."""
    def clamp_min_(self, min: Any) -> Tensor:
        """Return ``clamp(input, min=min)``."""
    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Return `input`, raised to `min` and then lowered to `max`."""
    def clip_(self, min: Any = None, max: Any = None) -> Tensor:
        """Return `input`, raised to `min` and then lowered to `max`."""
    def clone(self) -> Tensor:
        """Return a copy, in the same order in memory."""
    def contiguous(self, memory_format: Any = None) -> Tensor:
        """Return a copy in C order; the tensor itself if it has it. `memory_format` has no effect."""
    def copy_(self, source: Any, non_blocking: builtins.bool = False) -> Tensor:
        """Set the elements to those of `source`, broadcast, and return the tensor."""
    def copysign(self, other: Any) -> Tensor:
        """Return the size of `input` with the sign of `other`, broadcast."""
    def copysign_(self, other: Any) -> Tensor:
        """Return the size of `input` with the sign of `other`, broadcast."""
    def cos(self) -> Tensor:
        """Return the cosine."""
    def cos_(self) -> Tensor:
        """Return the cosine."""
    def cosh(self) -> Tensor:
        """Return the hyperbolic cosine."""
    def cosh_(self) -> Tensor:
        """Return the hyperbolic cosine."""
    def count_nonzero(self, dim: builtins.int | tuple[builtins.int, ...] | None = None) -> Tensor:
        """Return how many elements are not 0, over one dimension, several, or all."""
    def cpu(self) -> Tensor:
        """Return the tensor itself: every tensor is on the CPU."""
    def cross(self, other: Any, dim: builtins.int | None = None) -> Tensor:
        """Return the cross products along `dim`: the first of size 3, where it is not given."""
    def cuda(self, device: Any = None) -> Tensor:
        """Raise RuntimeError: every tensor is on the CPU."""
    def cummax(self, dim: builtins.int) -> Any:
        """Return the maximum of the elements up to each one along `dim`, and where it is."""
    def cummin(self, dim: builtins.int) -> Any:
        """Return the minimum of the elements up to each one along `dim`, and where it is."""
    def cumprod(self, dim: builtins.int, *, dtype: Any = None) -> Tensor:
        """Return the products of the elements up to each one along `dim`."""
    def cumprod_(self, dim: builtins.int, *, dtype: Any = None) -> Tensor:
        """Return the products of the elements up to each one along `dim`."""
    def cumsum(self, dim: builtins.int, *, dtype: Any = None) -> Tensor:
        """Return the sums of the elements up to each one along `dim`."""
    def cumsum_(self, dim: builtins.int, *, dtype: Any = None) -> Tensor:
        """Return the sums of the elements up to each one along `dim`."""
    def data_ptr(self) -> builtins.int:
        """Return the address of the first element."""
    def deg2rad(self) -> Tensor:
        """Return degrees as radians."""
    def deg2rad_(self) -> Tensor:
        """Return degrees as radians."""
    def det(self) -> Tensor:
        """Return the determinant of a square matrix, or of each of a batch."""
    @property
    def device(self) -> Any:
        """The device that the tensor is on: the CPU."""
    def diag(self, diagonal: builtins.int = 0) -> Tensor:
        """Return a vector as the diagonal of a matrix, or a copy of the diagonal of a matrix."""
    def diag_embed(
        self, offset: builtins.int = 0, dim1: builtins.int = -2, dim2: builtins.int = -1
    ) -> Tensor:
        """Return zeros with the last dimension of `input` on the diagonals of a plane `dim1`, `dim2`."""
    def diagonal(
        self, offset: builtins.int = 0, dim1: builtins.int = 0, dim2: builtins.int = 1
    ) -> Tensor:
        """Return a view of the diagonals of the planes of two dimensions, as a new last dimension."""
    def diagonal_scatter(
        self, src: Any, offset: builtins.int = 0, dim1: builtins.int = 0, dim2: builtins.int = 1
    ) -> Tensor:
        """Return `input` with `src` in the place of ``diagonal(input, offset, dim1, dim2)``."""
    def diff(self, **kwargs: Any) -> Tensor:
        """Return the difference of each element along `dim` from the one before."""
    def div(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """Return ``input / other``, broadcast, and rounded as `rounding_mode` says."""
    def div_(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """Return ``input / other``, broadcast, and rounded as `rounding_mode` says."""
    def divide(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """Return ``input / other``, broadcast, and rounded as `rounding_mode` says."""
    def divide_(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """Return ``input / other``, broadcast, and rounded as `rounding_mode` says."""
    def dot(self, tensor: Any) -> Tensor:
        """Return the inner product of two vectors."""
    def double(self, memory_format: Any = None) -> Tensor:
        """Return the values as float64."""
    def dsplit(self, indices_or_sections: Any) -> Any:
        """Cut a tensor along its third dimension; see `vsplit`."""
    def element_size(self) -> builtins.int:
        """Return the bytes of one element."""
    def eq(self, other: Any) -> Tensor:
        """Return whether ``input == other``, elementwise and broadcast, as booleans."""
    def eq_(self, other: Any) -> Tensor:
        """Return whether ``input == other``, elementwise and broadcast, as booleans."""
    def equal(self, other: Any) -> builtins.bool:
        """Return whether both have the same shape and elements."""
    def erf(self) -> Tensor:
        """Return the error function, the integral of ``2/√π exp(-t²)`` from 0 to `input` [1]_."""
    def erf_(self) -> Tensor:
        """Return the error function, the integral of ``2/√π exp(-t²)`` from 0 to `input` [1]_."""
    def erfc(self) -> Tensor:
        """Return ``1 - erf(input)``, exact also where that is as good as 0."""
    def erfc_(self) -> Tensor:
        """Return ``1 - erf(input)``, exact also where that is as good as 0."""
    def exp(self) -> Tensor:
        """Return e to the power of each element."""
    def exp2(self) -> Tensor:
        """Return 2 to the power of each element."""
    def exp2_(self) -> Tensor:
        """Return 2 to the power of each element."""
    def exp_(self) -> Tensor:
        """Return e to the power of each element."""
    def expand(self, *sizes: Any) -> Tensor:
        """Return a read-only view broadcast to `sizes`, in which -1 keeps a dimension's size."""
    def expand_as(self, other: Any) -> Tensor:
        """Return a read-only view broadcast to the shape of `other`."""
    def expm1(self) -> Tensor:
        """Return ``exp(input) - 1``, accurate also near 0."""
    def expm1_(self) -> Tensor:
        """Return ``exp(input) - 1``, accurate also near 0."""
    def exponential_(self, lambd: builtins.float = 1.0, *, generator: Any = None) -> Tensor:
        """Fill the tensor with random numbers of density ``lambd * exp(-lambd * x)``, and return it."""
    def fill_(self, value: Any) -> Tensor:
        """Set every element to `value`, a number or 0-d tensor, and return the tensor."""
    def fix(self) -> Tensor:
        """Return the integer next to it towards 0; gradient 0."""
    def fix_(self) -> Tensor:
        """Return the integer next to it towards 0; gradient 0."""
    def flatten(self, start_dim: builtins.int = 0, end_dim: builtins.int = -1) -> Tensor:
        """Join the dimensions from `start_dim` to `end_dim`, both included, into one."""
    def flip(self, *sizes: Any) -> Tensor:
        """Return a copy with the order of the elements reversed along `dims`."""
    def fliplr(self) -> Tensor:
        """Return a copy with its second dimension reversed."""
    def flipud(self) -> Tensor:
        """Return a copy with its first dimension reversed."""
    def float(self, memory_format: Any = None) -> Tensor:
        """Return the values as float32."""
    def float_power(self, exponent: Any) -> Tensor:
        """Return `pow`, computed in float64."""
    def float_power_(self, exponent: Any) -> Tensor:
        """Return `pow`, computed in float64."""
    def floor(self) -> Tensor:
        """Return the largest integer that is not above; gradient 0."""
    def floor_(self) -> Tensor:
        """Return the largest integer that is not above; gradient 0."""
    def floor_divide(self, other: Any) -> Tensor:
        """Return ``input / other`` rounded down, broadcast, as Python's ``//``."""
    def floor_divide_(self, other: Any) -> Tensor:
        """Return ``input / other`` rounded down, broadcast, as Python's ``//``."""
    def fmax(self, other: Any) -> Tensor:
        """Return the larger of both, broadcast, and of a number and NaN the number."""
    def fmin(self, other: Any) -> Tensor:
        """Return the smaller of both, broadcast, and of a number and NaN the number."""
    def fmod(self, other: Any) -> Tensor:
        """Return what division rounded towards 0 leaves, with the sign of `input`, as C's ``fmod``."""
    def fmod_(self, other: Any) -> Tensor:
        """Return what division rounded towards 0 leaves, with the sign of `input`, as C's ``fmod``."""
    def frac(self) -> Tensor:
        """Return what `trunc` takes away, with the sign of `input`; gradient 1."""
    def frac_(self) -> Tensor:
        """Return what `trunc` takes away, with the sign of `input`; gradient 1."""
    def gather(self, dim: builtins.int, index: Any) -> Tensor:
        """Pick elements along `dim`: ``out[i, j] = input[i, index[i, j]]`` for ``dim=1``."""
    def ge(self, other: Any) -> Tensor:
        """Return whether ``input >= other``, elementwise and broadcast, as booleans."""
    def ge_(self, other: Any) -> Tensor:
        """Return whether ``input >= other``, elementwise and broadcast, as booleans."""
    def geometric_(self, p: builtins.float, *, generator: Any = None) -> Tensor:
        """Fill the tensor with how many trials of probability `p` one success takes, and return it."""
    def ger(self, vec2: Any) -> Tensor:
        """Return the products of each element of one vector with each of another, (n, m)."""
    def greater(self, other: Any) -> Tensor:
        """Return whether ``input > other``, elementwise and broadcast, as booleans."""
    def greater_(self, other: Any) -> Tensor:
        """Return whether ``input > other``, elementwise and broadcast, as booleans."""
    def greater_equal(self, other: Any) -> Tensor:
        """Return whether ``input >= other``, elementwise and broadcast, as booleans."""
    def greater_equal_(self, other: Any) -> Tensor:
        """Return whether ``input >= other``, elementwise and broadcast, as booleans."""
    def gt(self, other: Any) -> Tensor:
        """Return whether ``input > other``, elementwise and broadcast, as booleans."""
    def gt_(self, other: Any) -> Tensor:
        """Return whether ``input > other``, elementwise and broadcast, as booleans."""
    def half(self, memory_format: Any = None) -> Tensor:
        """Return the values as float16."""
    def heaviside(self, values: Any) -> Tensor:
        """Return the step function: 0 below 0, 1 above, and `values` at 0."""
    def heaviside_(self, values: Any) -> Tensor:
        """Return the step function: 0 below 0, 1 above, and `values` at 0."""
    def histc(
        self, bins: builtins.int = 100, min: builtins.float = 0, max: builtins.float = 0
    ) -> Tensor:
        """Return how many elements are in each of `bins` intervals of equal width; no gradient passes."""
    def hsplit(self, indices_or_sections: Any) -> Any:
        """Cut a tensor along its second dimension, a vector along its only one; see `vsplit`."""
    def hypot(self, other: Any) -> Tensor:
        """Return ``sqrt(input**2 + other**2)``, of which no square overflows; gradient NaN at 0."""
    def hypot_(self, other: Any) -> Tensor:
        """Return ``sqrt(input**2 + other**2)``, of which no square overflows; gradient NaN at 0."""
    def index_add(
        self, dim: builtins.int, index: Any, source: Any, *, alpha: builtins.float = 1
    ) -> Tensor:
        """Add the slices of `source`, times `alpha`, to those of `input` that `index` names."""
    def index_add_(
        self, dim: builtins.int, index: Any, source: Any, *, alpha: builtins.float = 1
    ) -> Tensor:
        """Add the slices of `source`, times `alpha`, to those of `input` that `index` names."""
    def index_copy(self, dim: builtins.int, index: Any, source: Any) -> Tensor:
        """Return `input` with the slices that `index` names replaced by those of `source`."""
    def index_copy_(self, dim: builtins.int, index: Any, source: Any) -> Tensor:
        """Return `input` with the slices that `index` names replaced by those of `source`."""
    def index_fill(self, dim: builtins.int, index: Any, value: Any) -> Tensor:
        """Return `input` with `value`, a number, in the slices that `index` names."""
    def index_fill_(self, dim: builtins.int, index: Any, value: Any) -> Tensor:
        """Return `input` with `value`, a number, in the slices that `index` names."""
    def index_put(self, indices: Any, values: Any, accumulate: builtins.bool = False) -> Tensor:
        """Return `input` with `values`, broadcast, written to ``input[indices]``, or added there."""
    def index_put_(self, indices: Any, values: Any, accumulate: builtins.bool = False) -> Tensor:
        """Return `input` with `values`, broadcast, written to ``input[indices]``, or added there."""
    def index_select(self, dim: builtins.int, index: Any) -> Tensor:
        """Return the slices of `input` along `dim` that a vector of integers names."""
    def inner(self, other: Any) -> Tensor:
        """Return the inner products along the last dimensions of both; with a 0-d tensor, `mul`."""
    def int(self, memory_format: Any = None) -> Tensor:
        """Return the values as int32."""
    def inverse(self) -> Tensor:
        """Return the inverse; see `linalg.inv`."""
    def is_contiguous(self) -> builtins.bool:
        """Return whether the elements lie in memory in C order."""
    @property
    def is_cuda(self) -> builtins.bool:
        """Whether the tensor is on a GPU: never."""
    def is_nonzero(self) -> builtins.bool:
        """Return whether the only element is not 0; RuntimeError where there is not exactly one."""
    def isclose(
        self,
        other: Any,
        rtol: builtins.float = 1e-05,
        atol: builtins.float = 1e-08,
        equal_nan: builtins.bool = False,
    ) -> Tensor:
        """Return whether ``|input - other| <= atol + rtol * |other|``, elementwise and broadcast."""
    def isfinite(self) -> Tensor:
        """Return whether each element is neither infinite nor NaN."""
    def isinf(self) -> Tensor:
        """Return whether each element is infinite."""
    def isnan(self) -> Tensor:
        """Return whether each element is not a number."""
    def isneginf(self) -> Tensor:
        """Return whether each element is infinite and negative."""
    def isposinf(self) -> Tensor:
        """Return whether each element is infinite and positive."""
    @property
    def itemsize(self) -> builtins.int:
        """The bytes of one element."""
    def kron(self, other: Any) -> Tensor:
        """Return the Kronecker product: `input` with each element replaced by its multiple of `other`."""
    def kthvalue(
        self, k: builtins.int, dim: builtins.int = -1, keepdim: builtins.bool = False
    ) -> Any:
        """Return the `k`-th smallest element along `dim`, counted from 1."""
    def le(self, other: Any) -> Tensor:
        """Return whether ``input <= other``, elementwise and broadcast, as booleans."""
    def le_(self, other: Any) -> Tensor:
        """Return whether ``input <= other``, elementwise and broadcast, as booleans."""
    def lerp(self, end: Any, weight: Any) -> Tensor:
        """Return ``input + weight * (end - input)``, broadcast; exact at weights 0 and 1."""
    def lerp_(self, end: Any, weight: Any) -> Tensor:
        """Return ``input + weight * (end - input)``, broadcast; exact at weights 0 and 1."""
    def less(self, other: Any) -> Tensor:
        """Return whether ``input < other``, elementwise and broadcast, as booleans."""
    def less_(self, other: Any) -> Tensor:
        """Return whether ``input < other``, elementwise and broadcast, as booleans."""
    def less_equal(self, other: Any) -> Tensor:
        """Return whether ``input <= other``, elementwise and broadcast, as booleans."""
    def less_equal_(self, other: Any) -> Tensor:
        """Return whether ``input <= other``, elementwise and broadcast, as booleans."""
    def log(self) -> Tensor:
        """Return the natural logarithm: -inf at 0, NaN below."""
    def log10(self) -> Tensor:
        """Return the logarithm of base 10."""
    def log10_(self) -> Tensor:
        """Return the logarithm of base 10."""
    def log1p(self) -> Tensor:
        """Return ``log(1 + input)``, accurate also near 0."""
    def log1p_(self) -> Tensor:
        """Return ``log(1 + input)``, accurate also near 0."""
    def log2(self) -> Tensor:
        """Return the logarithm of base 2."""
    def log2_(self) -> Tensor:
        """Return the logarithm of base 2."""
    def log_(self) -> Tensor:
        """Return the natural logarithm: -inf at 0, NaN below."""
    def log_normal_(
        self, mean: builtins.float = 1.0, std: builtins.float = 2.0, *, generator: Any = None
    ) -> Tensor:
        """Fill the tensor with random numbers whose logarithms `normal_` would draw, and return it."""
    def log_softmax(self, dim: builtins.int | None = None, dtype: Any = None) -> Tensor:
        """Return the logarithm of `softmax`, exact also where that is as good as 0."""
    def logaddexp(self, other: Any) -> Tensor:
        """Return ``log(exp(input) + exp(other))``, broadcast, of which no power overflows."""
    def logcumsumexp(self, dim: builtins.int) -> Tensor:
        """Return the logarithm of the sums of ``exp(input)`` up to each element along `dim`."""
    def logdet(self) -> Tensor:
        """Return the logarithm of the determinant: NaN where that is negative; see `slogdet`."""
    def logical_and(self, other: Any) -> Tensor:
        """Return whether both elements are not 0, broadcast."""
    def logical_and_(self, other: Any) -> Tensor:
        """Return whether both elements are not 0, broadcast."""
    def logical_not(self) -> Tensor:
        """Return whether each element is 0."""
    def logical_not_(self) -> Tensor:
        """Return whether each element is 0."""
    def logical_or(self, other: Any) -> Tensor:
        """Return whether one of the elements or both are not 0, broadcast."""
    def logical_or_(self, other: Any) -> Tensor:
        """Return whether one of the elements or both are not 0, broadcast."""
    def logical_xor(self, other: Any) -> Tensor:
        """Return whether one of the elements, but not both, is not 0, broadcast."""
    def logical_xor_(self, other: Any) -> Tensor:
        """Return whether one of the elements, but not both, is not 0, broadcast."""
    def logit(self, eps: builtins.float | None = None) -> Tensor:
        """Return the logarithm of the odds, ``log(input / (1 - input))``: the inverse of `sigmoid`."""
    def logit_(self, eps: builtins.float | None = None) -> Tensor:
        """Return the logarithm of the odds, ``log(input / (1 - input))``: the inverse of `sigmoid`."""
    def logsumexp(
        self, dim: builtins.int | tuple[builtins.int, ...], keepdim: builtins.bool = False
    ) -> Tensor:
        """Return ``log(sum(exp(input), dim))``, stable for inputs of any size."""
    def long(self, memory_format: Any = None) -> Tensor:
        """Return the values as int64."""
    def lt(self, other: Any) -> Tensor:
        """Return whether ``input < other``, elementwise and broadcast, as booleans."""
    def lt_(self, other: Any) -> Tensor:
        """Return whether ``input < other``, elementwise and broadcast, as booleans."""
    @property
    def mH(self) -> Tensor:
        """The view with the last two dimensions swapped; mH is the same, as numbers are real."""
    @property
    def mT(self) -> Tensor:
        """The view with the last two dimensions swapped; mH is the same, as numbers are real."""
    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """Return `input` with `value`, a number, where `mask`, broadcast, holds."""
    def masked_fill_(self, mask: Any, value: Any) -> Tensor:
        """Return `input` with `value`, a number, where `mask`, broadcast, holds."""
    def masked_scatter(self, mask: Any, source: Any) -> Tensor:
        """Return `input` with the first elements of `source`, in turn, where `mask`, broadcast, holds."""
    def masked_scatter_(self, mask: Any, source: Any) -> Tensor:
        """Return `input` with the first elements of `source`, in turn, where `mask`, broadcast, holds."""
    def masked_select(self, mask: Any) -> Tensor:
        """Return the vector of the elements where `mask` holds; both are broadcast together."""
    def matmul(self, other: Any) -> Tensor:
        """Return the matrix product, over batches of matrices, which broadcast."""
    def matrix_power(self, n: builtins.int) -> Tensor:
        """Return the product of `n` factors `A`; of its inverse, where `n` is negative."""
    def max(self, dim: Any = None, keepdim: builtins.bool = False) -> Any:
        """Return the maximum of all elements, those along a dimension, or the larger of two tensors."""
    def maximum(self, other: Any) -> Tensor:
        """Return the larger of both, broadcast; NaN where one is NaN."""
    def mean(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
        *,
        dtype: Any = None,
    ) -> Tensor:
        """Return the mean over one dimension, several, or all; NaN where there are no elements."""
    def median(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Any:
        """Return the median of all elements, or along `dim`; of an even number, the lower middle one."""
    def min(self, dim: Any = None, keepdim: builtins.bool = False) -> Any:
        """Return the minimum of all elements, those along a dimension, or the smaller of two tensors."""
    def minimum(self, other: Any) -> Tensor:
        """Return the smaller of both, broadcast; NaN where one is NaN."""
    def mm(self, mat2: Any) -> Tensor:
        """Return the product of two matrices, (n, k) and (k, m)."""
    def mode(self, dim: builtins.int = -1, keepdim: builtins.bool = False) -> Any:
        """Return the most frequent element along `dim`, the smallest of several, and where it is last."""
    def moveaxis(
        self,
        source: builtins.int | tuple[builtins.int, ...],
        destination: builtins.int | tuple[builtins.int, ...],
    ) -> Tensor:
        """Move the dimensions `source` to the places `destination`; the others keep their order."""
    def movedim(
        self,
        source: builtins.int | tuple[builtins.int, ...],
        destination: builtins.int | tuple[builtins.int, ...],
    ) -> Tensor:
        """Move the dimensions `source` to the places `destination`; the others keep their order."""
    def msort(self) -> Tensor:
        """Sort a tensor along its first dimension; see `sort`."""
    def mul(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def mul_(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def multiply(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def multiply_(self, other: Any) -> Tensor:
        """Return ``input * other``, broadcast."""
    def mv(self, vec: Any) -> Tensor:
        """Return the product of a matrix (n, k) and a vector (k,)."""
    def nan_to_num(
        self,
        nan: builtins.float | None = None,
        posinf: builtins.float | None = None,
        neginf: builtins.float | None = None,
    ) -> Tensor:
        """Return `input`, with numbers for NaN and the infinities; gradient 0 there."""
    def nan_to_num_(
        self,
        nan: builtins.float | None = None,
        posinf: builtins.float | None = None,
        neginf: builtins.float | None = None,
    ) -> Tensor:
        """Return `input`, with numbers for NaN and the infinities; gradient 0 there."""
    def nanmean(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
        *,
        dtype: Any = None,
    ) -> Tensor:
        """Return the mean of the elements that are not NaN, or NaN; otherwise as `mean`."""
    def nansum(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
        *,
        dtype: Any = None,
    ) -> Tensor:
        """Return the sum of the elements that are not NaN; otherwise as `sum`."""
    def narrow(self, dim: builtins.int, start: builtins.int, length: builtins.int) -> Tensor:
        """Return a view of `length` slices along `dim`, from `start` on."""
    @property
    def nbytes(self) -> builtins.int:
        """The bytes of all elements."""
    def ndimension(self) -> builtins.int:
        """Return the number of dimensions."""
    def ne(self, other: Any) -> Tensor:
        """Return whether ``input != other``, elementwise and broadcast, as booleans."""
    def ne_(self, other: Any) -> Tensor:
        """Return whether ``input != other``, elementwise and broadcast, as booleans."""
    def neg(self) -> Tensor:
        """Return ``-input``."""
    def neg_(self) -> Tensor:
        """Return ``-input``."""
    def negative(self) -> Tensor:
        """Return ``-input``."""
    def negative_(self) -> Tensor:
        """Return ``-input``."""
    def nelement(self) -> builtins.int:
        """Return the number of elements of a tensor."""
    def new_empty(self, *args: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return `empty`, where not given in the dtype of the tensor."""
    def new_full(self, *args: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return `full`, where not given in the dtype of the tensor."""
    def new_ones(self, *args: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return `ones`, where not given in the dtype of the tensor."""
    def new_tensor(self, *args: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return `tensor`, where not given in the dtype of the tensor."""
    def new_zeros(self, *args: Any, dtype: Any = None, **options: Any) -> Tensor:
        """Return `zeros`, where not given in the dtype of the tensor."""
    def nonzero(self, *, as_tuple: builtins.bool = False) -> Any:
        """Return the places of the elements that are not 0, as `argwhere`."""
    def norm(
        self,
        p: builtins.float | str | None = "fro",
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
        dtype: Any = None,
    ) -> Tensor:
        """Return the norm of all elements, or of vectors along `dim`; see `linalg.vector_norm`."""
    def normal_(
        self, mean: builtins.float = 0.0, std: builtins.float = 1.0, *, generator: Any = None
    ) -> Tensor:
        """Fill the tensor with random numbers of a normal distribution, and return it."""
    def not_equal(self, other: Any) -> Tensor:
        """Return whether ``input != other``, elementwise and broadcast, as booleans."""
    def not_equal_(self, other: Any) -> Tensor:
        """Return whether ``input != other``, elementwise and broadcast, as booleans."""
    def outer(self, vec2: Any) -> Tensor:
        """Return the products of each element of one vector with each of another, (n, m)."""
    def permute(self, *sizes: Any) -> Tensor:
        """Return a view with the dimensions in the order `dims`."""
    def positive(self) -> Tensor:
        """Return `input` itself."""
    def pow(self, exponent: Any) -> Tensor:
        """Return ``input ** exponent``, broadcast; either may be a number."""
    def pow_(self, exponent: Any) -> Tensor:
        """Return ``input ** exponent``, broadcast; either may be a number."""
    def prelu(self, weight: Any) -> Tensor:
        """Return `input` where it is positive, and ``weight * input`` elsewhere [1]_."""
    def prod(
        self, dim: builtins.int | None = None, keepdim: builtins.bool = False, *, dtype: Any = None
    ) -> Tensor:
        """Return the product over one dimension, or all; 1 where there are no elements."""
    def put(self, index: Any, source: Any, accumulate: builtins.bool = False) -> Tensor:
        """Return `input` with each element of `source` written to its index in the flat tensor."""
    def put_(self, index: Any, source: Any, accumulate: builtins.bool = False) -> Tensor:
        """Return `input` with each element of `source` written to its index in the flat tensor."""
    def rad2deg(self) -> Tensor:
        """Return radians as degrees."""
    def rad2deg_(self) -> Tensor:
        """Return radians as degrees."""
    def random_(
        self,
        low: builtins.int | None = None,
        high: builtins.int | None = None,
        *,
        generator: Any = None,
    ) -> Tensor:
        """Fill the tensor with random integers, and return it."""
    def ravel(self) -> Tensor:
        """Return the elements, in their order, as a vector."""
    def reciprocal(self) -> Tensor:
        """Return ``1 / input``."""
    def reciprocal_(self) -> Tensor:
        """Return ``1 / input``."""
    def relu(self) -> Tensor:
        """Return ``max(input, 0)``; its gradient at 0 is 0."""
    def relu_(self) -> Tensor:
        """Return ``max(input, 0)``; its gradient at 0 is 0."""
    def remainder(self, other: Any) -> Tensor:
        """Return what ``input // other`` leaves, with the sign of `other`, as Python's ``%``."""
    def remainder_(self, other: Any) -> Tensor:
        """Return what ``input // other`` leaves, with the sign of `other`, as Python's ``%``."""
    def repeat(self, *repeats: Any) -> Tensor:
        """Return the tensor copied `repeats` times along each dimension, new ones first."""
    def repeat_interleave(self, repeats: Any, dim: builtins.int | None = None) -> Tensor:
        """Return each slice along `dim` (of the flat tensor, if None) copied a number of times."""
    def reshape(self, *sizes: Any) -> Tensor:
        """Return the elements, in their order, in another shape; a view where that is possible."""
    def reshape_as(self, other: Any) -> Tensor:
        """Return ``input.reshape(other.shape)``."""
    def roll(
        self,
        shifts: builtins.int | tuple[builtins.int, ...],
        dims: builtins.int | tuple[builtins.int, ...] | None = None,
    ) -> Tensor:
        """Move the elements along `dims` (of the flat tensor, if None); the last come first again."""
    def rot90(self, k: builtins.int = 1, dims: Any = ...) -> Tensor:
        """Turn a tensor by 90 degrees `k` times in the plane of two dimensions, from the first on."""
    def round(self, *, decimals: builtins.int = 0) -> Tensor:
        """Return the nearest multiple of ``10**-decimals``, of two the even one; gradient 0."""
    def round_(self, *, decimals: builtins.int = 0) -> Tensor:
        """Return the nearest multiple of ``10**-decimals``, of two the even one; gradient 0."""
    def rsqrt(self) -> Tensor:
        """Return ``1 / sqrt(input)``."""
    def rsqrt_(self) -> Tensor:
        """Return ``1 / sqrt(input)``."""
    def scatter(
        self,
        dim: builtins.int,
        index: Any,
        src: Any = None,
        *,
        value: builtins.float | None = None,
        reduce: str | None = None,
    ) -> Tensor:
        """Write each element of `src` to its index along `dim`: ``out[i, index[i, j]] = src[i, j]``."""
    def scatter_(
        self,
        dim: builtins.int,
        index: Any,
        src: Any = None,
        *,
        value: builtins.float | None = None,
        reduce: str | None = None,
    ) -> Tensor:
        """Write each element of `src` to its index along `dim`: ``out[i, index[i, j]] = src[i, j]``."""
    def scatter_add(self, dim: builtins.int, index: Any, src: Any) -> Tensor:
        """Add each element of `src` at its index along `dim`: ``out[i, index[i, j]] += src[i, j]``."""
    def scatter_add_(self, dim: builtins.int, index: Any, src: Any) -> Tensor:
        """Add each element of `src` at its index along `dim`: ``out[i, index[i, j]] += src[i, j]``."""
    def select(self, dim: builtins.int, index: builtins.int) -> Tensor:
        """Return a view of the slice number `index` along `dim`, without that dimension."""
    def select_scatter(self, src: Any, dim: builtins.int, index: builtins.int) -> Tensor:
        """Return `input` with `src` in the place of ``select(input, dim, index)``."""
    def sgn(self) -> Tensor:
        """Return `sign`: of complex numbers they would differ."""
    def sgn_(self) -> Tensor:
        """Return `sign`: of complex numbers they would differ."""
    def short(self, memory_format: Any = None) -> Tensor:
        """Return the values as int16."""
    def sigmoid(self) -> Tensor:
        """Return ``1 / (1 + exp(-input))``, accurate also far from 0."""
    def sigmoid_(self) -> Tensor:
        """Return ``1 / (1 + exp(-input))``, accurate also far from 0."""
    def sign(self) -> Tensor:
        """Return 1, 0 or -1: the sign of each element; 0 for NaN."""
    def sign_(self) -> Tensor:
        """Return 1, 0 or -1: the sign of each element; 0 for NaN."""
    def signbit(self) -> Tensor:
        """Return whether each element is negative, or -0.0."""
    def sin(self) -> Tensor:
        """Return the sine."""
    def sin_(self) -> Tensor:
        """Return the sine."""
    def sinh(self) -> Tensor:
        """Return the hyperbolic sine."""
    def sinh_(self) -> Tensor:
        """Return the hyperbolic sine."""
    def slice_scatter(
        self,
        src: Any,
        dim: builtins.int = 0,
        start: builtins.int | None = None,
        end: builtins.int | None = None,
        step: builtins.int = 1,
    ) -> Tensor:
        """Return `input` with `src` in the place of the slice ``start:end:step`` along `dim`."""
    def slogdet(self) -> Any:
        """Return the sign of the determinant, and the logarithm of its magnitude."""
    def softmax(self, dim: builtins.int | None = None, dtype: Any = None) -> Tensor:
        """Return ``exp(input) / exp(input).sum(dim)``, stable for inputs of any size."""
    def sort(
        self,
        dim: builtins.int = -1,
        descending: builtins.bool = False,
        *,
        stable: builtins.bool = False,
    ) -> Any:
        """Sort a tensor along `dim`."""
    def split(self, split_size_or_sections: Any, dim: builtins.int = 0) -> Any:
        """Cut a tensor along `dim` into views of a size (the last may be smaller), or of the sizes."""
    def sqrt(self) -> Tensor:
        """Return the square root: NaN below 0, and gradient inf at 0."""
    def sqrt_(self) -> Tensor:
        """Return the square root: NaN below 0, and gradient inf at 0."""
    def square(self) -> Tensor:
        """Return ``input ** 2``."""
    def square_(self) -> Tensor:
        """Return ``input ** 2``."""
    def squeeze(self, dim: builtins.int | tuple[builtins.int, ...] | None = None) -> Tensor:
        """Remove the dimensions of size 1: all, or those of `dim` that have it."""
    def std(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        unbiased: builtins.bool | None = None,
        keepdim: builtins.bool = False,
        *,
        correction: builtins.float | None = None,
    ) -> Tensor:
        """Return the standard deviation: the square root of `var`, whose parameters it has."""
    def stride(self, dim: builtins.int | None = None) -> Any:
        """Return by how many elements each dimension, or one of them, steps through memory."""
    def sub(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """Return ``input - alpha * other``, broadcast; otherwise as `add`."""
    def sub_(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """Return ``input - alpha * other``, broadcast; otherwise as `add`."""
    def subtract(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """Return ``input - alpha * other``, broadcast; otherwise as `add`."""
    def subtract_(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """Return ``input - alpha * other``, broadcast; otherwise as `add`."""
    def sum(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        keepdim: builtins.bool = False,
        *,
        dtype: Any = None,
    ) -> Tensor:
        """Return the sum over one dimension, several, or all; 0 where there are no elements."""
    def sum_to_size(self, *sizes: Any) -> Tensor:
        """Sum over the axes along which an array of shape `size` was broadcast to `input`'s shape."""
    def swapaxes(self, axis0: builtins.int, axis1: builtins.int) -> Tensor:
        """Return ``transpose(input, axis0, axis1)``."""
    def swapdims(self, dim0: builtins.int, dim1: builtins.int) -> Tensor:
        """Return ``transpose(input, dim0, dim1)``."""
    def t(self) -> Tensor:
        """Return the transpose of a matrix; vectors and numbers stay as they are."""
    def take(self, index: Any) -> Tensor:
        """Pick elements of the flat tensor; the result has the shape of `index`."""
    def take_along_dim(self, indices: Any, dim: builtins.int | None = None) -> Tensor:
        """Pick elements along `dim` (of the flat tensor, if None), broadcasting the other dimensions."""
    def tan(self) -> Tensor:
        """Return the tangent."""
    def tan_(self) -> Tensor:
        """Return the tangent."""
    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent."""
    def tanh_(self) -> Tensor:
        """Return the hyperbolic tangent."""
    def tensor_split(self, indices_or_sections: Any, dim: builtins.int = 0) -> Any:
        """Cut a tensor along `dim` into a number of views of nearly one size, or at the indices."""
    def tile(self, *sizes: Any) -> Tensor:
        """Return the tensor copied `dims` times along its last dimensions, or along new ones too."""
    def to(
        self,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        non_blocking: builtins.bool = False,
        copy: builtins.bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """Return the values in another dtype; the tensor itself where nothing changes."""
    def topk(
        self,
        k: builtins.int,
        dim: builtins.int = -1,
        largest: builtins.bool = True,
        sorted: builtins.bool = True,
    ) -> Any:
        """Return the `k` largest elements along `dim`, or the smallest, in order."""
    def trace(self) -> Tensor:
        """Return the sum of the diagonal of a matrix."""
    def transpose(self, dim0: builtins.int, dim1: builtins.int) -> Tensor:
        """Return a view with two dimensions swapped."""
    def tril(self, diagonal: builtins.int = 0) -> Tensor:
        """Return the lower triangle of matrices, up to a diagonal, and 0 above."""
    def tril_(self, diagonal: builtins.int = 0) -> Tensor:
        """Return the lower triangle of matrices, up to a diagonal, and 0 above."""
    def triu(self, diagonal: builtins.int = 0) -> Tensor:
        """Return the upper triangle of matrices, from a diagonal on, and 0 below."""
    def triu_(self, diagonal: builtins.int = 0) -> Tensor:
        """Return the upper triangle of matrices, from a diagonal on, and 0 below."""
    def true_divide(self, other: Any) -> Tensor:
        """Return ``input / other``, broadcast; integers give the default floating dtype."""
    def true_divide_(self, other: Any) -> Tensor:
        """Return ``input / other``, broadcast; integers give the default floating dtype."""
    def trunc(self) -> Tensor:
        """Return the integer next to it towards 0; gradient 0."""
    def trunc_(self) -> Tensor:
        """Return the integer next to it towards 0; gradient 0."""
    def type(self, dtype: Any) -> Tensor:
        """Return the values in another dtype; see `to`."""
    def type_as(self, other: Any) -> Tensor:
        """Return the values in the dtype of `other`."""
    def unbind(self, dim: builtins.int = 0) -> Any:
        """Return the slices along `dim`, without it."""
    def unflatten(self, dim: builtins.int, sizes: Any) -> Tensor:
        """Split the dimension `dim` into several, of which one may be -1."""
    def unfold(self, dimension: builtins.int, size: builtins.int, step: builtins.int) -> Tensor:
        """Return all windows of `size` along a dimension, `step` apart, in a new last dimension."""
    def uniform_(
        self, a: builtins.float = 0.0, b: builtins.float = 1.0, *, generator: Any = None
    ) -> Tensor:
        """Fill the tensor with random numbers, uniform in [a, b), and return it."""
    def unique(
        self,
        sorted: builtins.bool = True,
        return_inverse: builtins.bool = False,
        return_counts: builtins.bool = False,
        dim: builtins.int | None = None,
    ) -> Any:
        """Return the different elements, or slices along `dim`, in ascending order."""
    def unique_consecutive(
        self,
        return_inverse: builtins.bool = False,
        return_counts: builtins.bool = False,
        dim: builtins.int | None = None,
    ) -> Any:
        """Return the elements, or slices along `dim`, without those that equal the one before."""
    def unsqueeze(self, dim: builtins.int) -> Tensor:
        """Insert a dimension of size 1 at `dim`."""
    def var(
        self,
        dim: builtins.int | tuple[builtins.int, ...] | None = None,
        unbiased: builtins.bool | None = None,
        keepdim: builtins.bool = False,
        *,
        correction: builtins.float | None = None,
    ) -> Tensor:
        """Return the variance over one dimension, several, or all."""
    def vdot(self, other: Any) -> Tensor:
        """Return the inner product of two vectors; as `dot`, since numbers here are real."""
    def view(self, *shape: Any) -> Tensor:
        """Return the elements, in their order, in another shape, sharing their memory."""
    def view_as(self, other: Any) -> Tensor:
        """Return ``input.view(other.shape)``."""
    def vsplit(self, indices_or_sections: Any) -> Any:
        """Cut a tensor along its first dimension into a number of equal views, or at the indices."""
    def where(self, condition: Any, other: Any) -> Tensor:
        """Return ``where(condition, input, other)``."""
    def xlogy(self, other: Any) -> Tensor:
        """Return ``input * log(other)``, broadcast: 0 where `input` is 0, unless `other` is NaN."""
    def xlogy_(self, other: Any) -> Tensor:
        """Return ``input * log(other)``, broadcast: 0 where `input` is 0, unless `other` is NaN."""
    def zero_(self) -> Tensor:
        """Set every element to 0, and return the tensor."""
