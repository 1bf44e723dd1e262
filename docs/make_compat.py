"""Write ``docs/pytorch-compat.md``: which of PyTorch's names are here, and what differs.

    python docs/make_compat.py [--check]

PyTorch's names and signatures come from its own type stubs and functions, ours from the package;
so PyTorch must be installed (the extra ``compare``). ``--check`` fails where the page is not up to
date.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

import tinygrad_cnn

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))
from tests.compat.differences import DIFFERS, ERRORS_DIFFER  # noqa: E402

TARGET = DOCS / "pytorch-compat.md"
SPACES = [
    "torch",
    "torch.Tensor",
    "torch.nn.functional",
    "torch.linalg",
    "torch.autograd",
    "torch.autograd.functional",
    "torch.func",
    "torch.nn",
    "torch.nn.init",
    "torch.nn.utils",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.checkpoint",
    "torch.utils.data",
]

# Names that will not come: the reason, and a pattern of the whole name. The first that fits counts.
NOT_PLANNED = {
    "there is one device, the CPU, and one engine, NumPy": (
        r"Event|Stream|GradScaler|OutOfMemoryError|AcceleratorError|DispatchKey|set_default_device"
        r"|.*(cudnn|miopen|mkldnn|fbgemm|vulkan|cuda|xpu|ipu|mtia|mps|maia|xla|autocast|DataParallel).*"
        r"|native_.*|batch_norm_.*|.*grouped_mm|scaled_mm|conv_tbc|(is_)?pin(_memory|ned)|is_meta"
        r"|get_device(_module)?|record_stream|.*share(d|_memory_)|is_distributed|SyncBatchNorm"
        r"|SelectiveCheckpointContext|.*device_states|DefaultDeviceType|get_device_states"
    ),
    "there is no compiler, no script, no vectorising transform": (
        r"compile|cond|vmap|sym_.*|parse_.*|import_ir.*|fork|wait|unify_.*|merge_type.*|functionalize"
        r"|rearrange|debug_unwrap|stack_module_state|replace_all_batch.*|.*selective_checkpoint.*"
        r"|boolean_dispatch|assert_int_or_pair|(has|handle)_torch_function.*|Script.*|Sym(Int|Bool|Float)"
        r"|AggregationType|Tag|ScalingType|SwizzleType"
    ),
    "arithmetic has no global switches": (
        r".*(deterministic|float32_matmul|warn_always|flush_denormal|interop|init_num_threads).*"
        r"|set_default_tensor_type|thread_safe_generator|set_multithreading_enabled|enforce_grad.*"
    ),
    "tensors are dense": (
        r".*(sparse|coalesce|hsmm|hspmm|saddmm|dsmm|spmm|sspaddmm|ccol|crow|col_ind|row_ind|to_dense).*"
        r"|smm|dense_dim|indices|values|SparseAdam"
    ),
    "there are no quantised numbers": (
        r".*(quantize|quantiz|qscheme|int_repr|fake_|fused_moving).*|q_(scale|zero_point|per_).*"
    ),
    "NumPy has no such numbers, or they have no use here: complex ones, bfloat16": (
        r".*(complex|conj|stft|istft|view_as_real|polar|angle|imag|chalf|cfloat|cdouble).*"
        r"|real|isreal|mH|H|adjoint|eig|eigvals|is_neg|resolve_neg|bfloat16"
    ),
    "memory is NumPy's: `.data` is the array": (
        r".*_copy|as_strided.*|unsafe_.*|.*storage.*|empty_(strided|permuted)|new_empty_strided|new"
        r"|(const_)?data_ptr|set_|resize.*|dim_order|is_set_to|hash_tensor|as_subclass|module_load"
        r"|slice_inverse|untyped_storage|from_file|is_inference|is_nested|to_padded_tensor|layout"
    ),
    "in place are the methods of `Tensor`": r"torch\.\w+_|torch\.nn\.functional\.\w+_",
    "a tensor keeps its shape in place": (
        r"torch\.Tensor\.(t|transpose|swapaxes|swapdims|squeeze|unsqueeze)_"
    ),
    "they are deprecated or undocumented in PyTorch": (
        r"torch\.Tensor\.(volatile|reinforce|name|names|map2?_|apply_|index|grad_dtype)|\w+_backward"
        r"|variable|Variable|NestedIOFunction|range|typename|is_storage|upsample_.*|Container|NLLLoss2d"
        r"|CrossMapLRN2d|torch\.nn\.init\.\w+[^_]|clip_grad_norm|register_post_acc.*|swap_in_opt.*"
        r"|factory_kwargs|convert_conv.*|skip_init|detach_variable|noop_context_fn|GraphExecGroup"
        r"|check_backward_validity|set_checkpoint_.*|Checkpoint(Function|Policy|Error)|.*_indices_copy"
    ),
    "they are in `tinygrad_cnn.testing`": r"torch\.autograd\.(grad)?gradcheck",
    "recurrent networks and transformers are not convolutional ones": (
        r".*(lstm|gru|rnn|RNN|LSTM|GRU|Transformer|MultiheadAttention|multi_head).*|ctc_loss|CTCLoss"
        r"|embedding_bag|EmbeddingBag|linear_cross_entropy|LinearCrossEntropy.*|AdaptiveLogSoftmax.*"
    ),
    "sizes are known from the start": r"Lazy.*|Uninitialized.*|.*DataPipe|.*datapipe.*|DataChunk|.*runtime_validation.*|argument_validation|(guaranteed|non)_.*determinis.*",
    "special functions and signals are SciPy's": (
        r".*_window|i0|i1|igammac?|(multi|poly)gamma|mvlgamma|polygamma|lgamma|digamma|erfinv|sinc"
        r"|nextafter|frexp|ldexp|gcd|lcm|renorm|binomial|gradient|logaddexp2"
    ),
    "matrices are not decomposed further": (
        r"lu|lu_.*|ldl_.*|geqrf|orgqr|ormqr|lobpcg|householder_product|matrix_exp|cond|lstsq|vander"
        r"|cholesky_(ex|inverse|solve)|inv_ex|solve_ex|tensorinv|tensorsolve|triangular_solve|symeig"
        r"|solve|pinverse|svd|qr|chain_matmul|addbmm"
    ),
}
# Arguments that are nowhere here, or are accepted everywhere and mean nothing.
EVERYWHERE = {
    "out", "layout", "pin_memory", "memory_format", "names", "self", "size_average", "reduce",
    "_stacklevel", "foreach", "fused", "capturable", "differentiable", "out_dtype", "sparse_grad",
    "non_blocking", "orig_func", "pickle_module", "pickle_protocol", "pin_memory_device",
}  # fmt: skip


def main() -> None:
    """Write the page, or check it."""
    text = page()
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not up to date: run python docs/make_compat.py")


def page() -> str:
    """Return the whole page."""
    reasons = defaultdict(list)
    for name, _, reason in DIFFERS + ERRORS_DIFFER:
        reasons[name].append(reason)
    stubs = read_stubs()
    parts = [INTRODUCTION]
    for space in SPACES:
        theirs, mine = find(space, torch), find(space, tinygrad_cnn)
        prefix = space.removeprefix("torch").removeprefix(".Tensor").lstrip(".")
        if mine is tinygrad_cnn.Tensor:
            mine = mine([[0.0]])  # what it sets itself counts, too
        here, differs, not_planned, absent = [], [], defaultdict(list), []
        for name in public_names(theirs, mine):
            if hasattr(mine, name):
                signatures = stubs.get((space, name)) or signature_of(getattr(theirs, name))
                ours = getattr(type(mine) if isinstance(mine, tinygrad_cnn.Tensor) else mine, name, None)
                found = differences(signatures, ours)
                found += reasons.get(f"{prefix}.{name}".lstrip("."), [])
                if found:
                    differs.append(f"- `{name}`: {'; '.join(found)}")
                else:
                    here.append(name)
            elif reason := why_not(space, name):
                not_planned[reason].append(name)
            else:
                absent.append(name)
        parts.append(f"## {space}\n")
        parts.append(paragraph("Present", here))
        if differs:
            parts.append(f"**Present, with a difference ({len(differs)}):**\n")
            parts.append("\n".join(differs) + "\n")
        if absent:
            parts.append(paragraph("Not present", absent))
        for reason in NOT_PLANNED:
            if reason in not_planned:
                parts.append(paragraph(f"Not planned, as {reason}", not_planned[reason]))
    return "\n".join(parts)


def why_not(space: str, name: str) -> str | None:
    """Return why a name is not planned; None where nothing says so."""
    for reason, pattern in NOT_PLANNED.items():
        if re.fullmatch(pattern, name) or re.fullmatch(pattern, f"{space}.{name}"):
            return reason
    return None


def paragraph(title: str, names: list[str]) -> str:
    """Return a wrapped list of names under a title."""
    text = f"**{title} ({len(names)}):** " + " ".join(f"`{name}`" for name in names)
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False) + "\n"


def find(dotted: str, root: Any) -> Any:
    """Return the module or class at a dotted name under `root`; None where there is none."""
    value = root
    for part in dotted.split(".")[1:]:
        if not hasattr(value, part):
            try:
                importlib.import_module(f"{value.__name__}.{part}")
            except ImportError:
                return None
        value = getattr(value, part)
    return value


def public_names(theirs: Any, mine: Any) -> list[str]:
    """Return PyTorch's documented functions, classes and attributes, and those that we have, too."""
    names = [name for name in getattr(theirs, "__all__", dir(theirs)) if not name.startswith("_")]
    if not isinstance(theirs, type):
        names = [n for n in names if is_public(getattr(theirs, n, None)) or hasattr(mine, n)]
    return sorted({name for name in names if hasattr(theirs, name)})


def is_public(value: Any) -> bool:
    """Return whether it is a documented function, or a class that is not of the machinery."""
    if not callable(value) or not str(getattr(value, "__doc__", None) or "").strip():
        return False
    module = str(getattr(value, "__module__", None) or "torch")
    return module.startswith("torch") and not (isinstance(value, type) and module == "torch._C")


def read_stubs() -> dict[tuple[str, str], list[inspect.Signature]]:
    """Return the signatures, one for each overload, of PyTorch's built-in functions and methods."""
    folder = Path(torch.__file__).parent / "_C"
    found = defaultdict(list)
    functions = ast.parse((folder / "_VariableFunctions.pyi").read_text(encoding="utf-8"))
    classes = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    methods = next(c for c in classes.body if isinstance(c, ast.ClassDef) and c.name == "TensorBase")
    for space, body in (("torch", functions.body), ("torch.Tensor", methods.body)):
        for node in body:
            if isinstance(node, ast.FunctionDef) and (signature := parse(node.args)):
                found[space, node.name].append(signature)
    return found


def parse(args: ast.arguments) -> inspect.Signature | None:
    """Return the signature that a stub says; None for one of named dimensions."""
    kinds = inspect.Parameter
    every = [*args.posonlyargs, *args.args]
    if any("Ellipsis" in ast.unparse(a.annotation) for a in every if a.annotation):
        return None
    missing: list[Any] = [None] * (len(every) - len(args.defaults))
    defaults = [*missing, *args.defaults]
    found = [
        kinds(a.arg, kinds.POSITIONAL_OR_KEYWORD, default=literal(d))
        for a, d in zip(every, defaults, strict=True)
    ]
    if args.vararg:
        return None  # a size as separate numbers: it stands there as a sequence, too
    found += [
        kinds(a.arg, kinds.KEYWORD_ONLY, default=literal(d))
        for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    return inspect.Signature([p for p in found if p.name != "self"])


def literal(node: ast.expr | None) -> Any:
    """Return a default's value; Parameter.empty where there is none."""
    if node is None:
        return inspect.Parameter.empty
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...


def signature_of(value: Any) -> list[inspect.Signature]:
    """Return the signature of a Python function or class, or that of a docstring's first line."""
    try:
        return [inspect.signature(value)]
    except (TypeError, ValueError):
        pass
    line = (getattr(value, "__doc__", None) or "").strip().split("\n\n")[0].replace("\n", " ")
    try:
        parsed = ast.parse(f"def {line.split('->')[0].strip().rpartition('.')[2]}: ...").body[0]
    except SyntaxError:
        return []
    signature = parse(parsed.args) if isinstance(parsed, ast.FunctionDef) else None
    return [signature] if signature else []


def differences(theirs: list[inspect.Signature], mine: Any) -> list[str]:
    """Say how the signature of `mine` differs from all that PyTorch takes."""
    try:
        ours = inspect.signature(mine).parameters
    except (TypeError, ValueError):
        return []
    takes_any = {p.kind for p in ours.values()} & {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }
    found: dict[str, str] = {}
    agreed = set()
    for signature in theirs:
        for name, p in signature.parameters.items():
            if name in EVERYWHERE or name.startswith("_") or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            if name not in ours:
                if not takes_any:
                    found[name] = f"without `{name}`"
                continue
            both = (p.default, ours[name].default)
            if both[0] == both[1] or {..., None, p.empty} & set(map(hashable, both)):
                agreed.add(name)
            else:
                found[name] = f"`{name}={both[1]!r}` by default, not `{both[0]!r}`"
        places = [
            [p.name for p in s.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
            for s in (signature.parameters, ours)
        ]
        common = [name for name in places[0] if name in places[1]]
        if common != [name for name in places[1] if name in common] and not takes_any:
            found["order"] = f"the order is {', '.join(f'`{name}`' for name in places[1])}"
    return [text for name, text in found.items() if name not in agreed]


def hashable(value: Any) -> Any:
    """Return the value, or ... in the place of one that a set cannot hold."""
    return value if value.__hash__ else ...


INTRODUCTION = f"""\
# PyTorch's names

What of PyTorch {torch.__version__.partition("+")[0]} is here under the same name. The page is made by
`docs/make_compat.py` from both packages: PyTorch's documented names, functions, methods and
classes, and the arguments that its own type stubs give them.

"Present" means that all arguments are there, in the same order and with the same defaults, and
that values, dtypes, gradients and second gradients are the same on the inputs that PyTorch
publishes for its own tests, and bad inputs are errors here as there: `tests/compat/test_op_db.py`
runs them through both. A difference is either an argument or a result that tests show to be another.

Everywhere, `out=` and what PyTorch calls deprecated are missing; `inplace=True` is accepted, and the
result is a new tensor all the same; `device` may be `"cpu"`; `layout`, `pin_memory` and
`memory_format` have no meaning.
"""


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
