"""Function bodies in plain form, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from google.protobuf import text_format

from rewrite.graphs import library, shape_of
from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.body import to_body, to_function_def
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.op_table import op_defs
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import FunctionDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

NOTHING: Mapping[str, AttrValue] = {}


def only(text: str) -> FunctionDef:
    """The one function of a text."""
    return text_format.Parse(text, FunctionDef())


def outputs(text: str = "") -> OpRegistry:
    """What the functions of a text, and ops, give."""
    return OpRegistry(library(text), op_defs(), Budget())


SPLITS = """
signature { name: "f" input_arg { name: "x" type: DT_FLOAT } output_arg { name: "o" type: DT_FLOAT }
            output_arg { name: "p" type: DT_INT32 } control_output: "done" }
node_def { name: "axis" op: "Const" attr { key: "dtype" value { type: DT_INT32 } } }
node_def { name: "split" op: "Split" input: "axis:output:0" input: "x" attr { key: "num_split" value { i: 3 } }
           attr { key: "T" value { type: DT_FLOAT } } }
node_def { name: "top" op: "TopKV2" input: "split:output:2" input: "axis:output" input: "^split"
           attr { key: "T" value { type: DT_FLOAT } } }
ret { key: "o" value: "split:output:1" } ret { key: "p" value: "top:indices:0" }
control_ret { key: "done" value: "top" }
"""


def test_outputs_are_counted_over_all_arguments() -> None:
    """`node:argument:index` becomes `node:k`."""
    body = to_body(only(SPLITS), NOTHING, outputs())

    assert {
        "axis": ("Const", ()),
        "split": ("Split", ("axis", "x")),
        "top": ("TopKV2", ("split:2", "axis", "^split")),
    } == shape_of(dict(body.nodes))
    assert ("split:1", "top:1") == body.result_tensors
    assert (("done", "top"),) == body.control_results


def test_there_and_back() -> None:
    """What was read is written, an output that is one tensor with its index."""
    known = outputs()
    written = to_function_def(to_body(only(SPLITS), NOTHING, known), known)

    expected = only(SPLITS)
    expected.node_def[2].input[1] = "axis:output:0"
    assert expected == written


def test_functions_of_real_models_there_and_back(models_dir: Path) -> None:
    """Every function of some models of TensorFlow 2 is the same after the round trip, read again."""
    count = 0
    for name in (
        "tf_SimpleWhileLoop",
        "tfx_trainer_keras",
        "tf_VarsAndArithmeticObjectGraph",
        "basic_pitch_nmp",
    ):
        file = models_dir / name / "saved_model.pb"
        graph = SavedModel.FromString(file.read_bytes()).meta_graphs[0].graph_def
        known = OpRegistry({f.signature.name: f for f in graph.library.function}, op_defs(), Budget())
        for function in graph.library.function:
            body = to_body(function, NOTHING, known)
            again = to_body(to_function_def(body, known), NOTHING, known)
            assert (body.args, body.results, body.result_tensors) == (
                again.args,
                again.results,
                again.result_tensors,
            )
            assert shape_of(dict(body.nodes)) == shape_of(dict(again.nodes))
            count += 1
    assert count > 50


POLYMORPHIC = """
signature { name: "f" input_arg { name: "x" type_attr: "T" } output_arg { name: "o" type_attr: "T" }
            attr { name: "T" type: "type" default_value { type: DT_HALF } } attr { name: "N" type: "int" } }
node_def { name: "i" op: "Identity" input: "x" attr { key: "T" value { placeholder: "T" } } }
node_def { name: "w" op: "While" input: "i:output:0"
           attr { key: "body" value { func { name: "g" attr { key: "U" value { placeholder: "T" } } } } }
           attr { key: "T" value { list { } } } }
ret { key: "o" value: "i:output:0" }
"""


def test_values_of_attributes_go_everywhere() -> None:
    """What a call gives stands in nodes, in the functions they name, in arguments and results; else the default."""
    for given, dtype in (({"T": type_attr(3), "N": AttrValue(i=1)}, 3), (NOTHING, 19)):
        body = to_body(only(POLYMORPHIC), given, outputs())

        assert [dtype, dtype] == [a.dtype for a in (*body.args, *body.results)]
        assert dtype == body.nodes["i"].proto.attr["T"].type
        assert dtype == body.nodes["w"].proto.attr["body"].func.attr["U"].type


def test_an_op_that_is_not_known_is_written_as_it_was_read() -> None:
    """The one output that is named, wherever in the library, is the name on the way back."""
    text = """library { function { signature { name: "f" input_arg { name: "x" type: DT_FLOAT }
      output_arg { name: "o" type: DT_FLOAT } } node_def { name: "m" op: "Mystery" input: "x" }
      ret { key: "o" value: "m:thing:2" } }
      function { signature { name: "g" } } }"""
    known = outputs(text)
    body = to_body(known.library["f"], NOTHING, known)
    inlined = body.__class__(
        "g", body.args, body.nodes, body.results, body.result_tensors, (), known.library["g"]
    )

    assert ("m:2",) == body.result_tensors
    assert "m:thing:2" == to_function_def(body, known).ret["o"]
    assert "m:thing:2" == to_function_def(inlined, known).ret["o"]


def test_two_outputs_of_an_op_that_is_not_known() -> None:
    """Their order is not known: an error asks for the op's definition."""
    text = """signature { name: "f" } node_def { name: "m" op: "Mystery" }
      node_def { name: "a" op: "Neg" input: "m:one:0" } node_def { name: "b" op: "Neg" input: "m:two:0" }"""

    with pytest.raises(FreezeError) as caught:
        to_body(only(text), NOTHING, outputs())

    assert (Reason.UNKNOWN_OP, "Mystery") == (caught.value.reason, caught.value.subject)
    assert "--op-list" in caught.value.message


ARGUMENT = 'input_arg { name: "x" type: DT_FLOAT }'
BROKEN = {
    "no such node": f'signature {{ name: "f" {ARGUMENT} }} node_def {{ name: "n" op: "Neg" input: "y:y:0" }}',
    "no such output": f'signature {{ name: "f" {ARGUMENT} }} node_def {{ name: "n" op: "Neg" input: "x" }} '
    'node_def { name: "m" op: "Neg" input: "n:z:0" }',
    "no such index": 'signature { name: "f" } node_def { name: "n" op: "Const" } '
    'node_def { name: "m" op: "Neg" input: "n:output:1" }',
    "not of the form": 'signature { name: "f" } node_def { name: "n" op: "Const" } '
    'node_def { name: "m" op: "Neg" input: "n" }',
    "an argument of several": f'signature {{ name: "f" {ARGUMENT} }} node_def {{ name: "n" op: "Neg" input: "x:1" }}',
    "two nodes of a name": 'signature { name: "f" } node_def { name: "n" op: "NoOp" } '
    'node_def { name: "n" op: "NoOp" }',
    "a node of an argument's name": f'signature {{ name: "f" {ARGUMENT} }} node_def {{ name: "x" op: "NoOp" }}',
    "two arguments of a name": f'signature {{ name: "f" {ARGUMENT} {ARGUMENT} }}',
    "no type": 'signature { name: "f" input_arg { name: "x" } }',
    "no result": 'signature { name: "f" output_arg { name: "o" type: DT_FLOAT } }',
    "a result that is a wait": 'signature { name: "f" output_arg { name: "o" type: DT_FLOAT } } '
    'node_def { name: "n" op: "NoOp" } ret { key: "o" value: "^n" }',
    "no control result": 'signature { name: "f" control_output: "c" }',
    "no value for an attribute": 'signature { name: "f" } node_def { name: "n" op: "NoOp" '
    'attr { key: "T" value { placeholder: "T" } } }',
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_broken_function_is_told(case: str) -> None:
    """The message names the function or node."""
    with pytest.raises(FreezeError) as caught:
        to_body(only(BROKEN[case]), NOTHING, outputs())

    assert Reason.MALFORMED_MODEL is caught.value.reason


def test_a_list_of_tensors_is_not_read() -> None:
    """An argument that is a list is an error that says so."""
    text = 'signature { name: "f" input_arg { name: "x" type: DT_FLOAT number_attr: "N" } }'

    with pytest.raises(FreezeError) as caught:
        to_body(only(text), NOTHING, outputs())

    assert Reason.UNSUPPORTED_OP is caught.value.reason
