"""Graphs: what a bundle's ONNX files take and give is what its manifest says, and no part of them is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from adapt.bundle import PolicyBundle
from adapt.errors import BundleError
from adapt.online.adapters import MotionPredictor
from adapt.online.kinds import make_adapter

Sizes = Sequence[tuple[str, int | None]]


def with_graph(bundle: PolicyBundle, graph: bytes, file: str = "step.onnx") -> PolicyBundle:
    return replace(bundle, files={**bundle.files, file: graph})


def with_adapter(bundle: PolicyBundle, **changes: object) -> PolicyBundle:
    return replace(bundle, manifest=bundle.manifest | {"adapter": bundle.manifest["adapter"] | changes})


def refused(bundle: PolicyBundle, *words: str, make: Callable[[PolicyBundle], object] = make_adapter) -> None:
    with pytest.raises(BundleError) as error:
        make(bundle)
    message = str(error.value)
    assert str(bundle.path) in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


def graph(
    inputs: Sequence[tuple[str, list[int | str]]],
    outputs: Sequence[tuple[str, list[int | str]]],
    nodes: list[onnx.NodeProto],
    weights: Sequence[TensorProto] = (),
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """A graph written by hand."""
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs],
        list(weights),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def summed(**changes: object) -> bytes:
    """The sum of an observation of 3 as the action."""
    given = {"inputs": [("observation", ["n", 3])], "outputs": [("action", ["n", 1])]} | changes
    node = helper.make_node("ReduceSum", ["observation", "axes"], ["action"])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    return graph(nodes=[node], weights=[axes], **given)  # type: ignore[arg-type]


def test_a_graph_need_not_have_all_inputs(dr_bundle):
    adapter = make_adapter(with_graph(dr_bundle, summed()), 2)
    seen, one = np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.ones((2, 1), np.float32)
    action = adapter.act(seen, one, one, one, np.ones(2, dtype=bool))
    assert action.tolist() == [[6.0], [15.0]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": [("observation", ["n", 4])]}, "input 'observation' is tensor(float) of shape ['n', 4]; expected"),
        ({"inputs": [("observation", [1, 3])]}, "input 'observation' is tensor(float) of shape [1, 3]; expected"),
        ({"inputs": [("observation", ["n", "m"])]}, "shape ['n', 'm']; expected tensor(float) of shape ['robots', 3]"),
        ({"outputs": [("action", ["n", 2])]}, "step.onnx: "),
        ({"outputs": [("action", [3, 1])]}, "output 'action' is tensor(float) of shape [3, 1]; expected"),
        ({"kind": TensorProto.DOUBLE}, "input 'observation' is tensor(double) of shape ['n', 3]; expected"),
    ],
)  # fmt: skip
def test_shapes_that_the_manifest_does_not_say_are_refused(dr_bundle, changes, words):
    refused(with_graph(dr_bundle, summed(**changes)), "step.onnx", words)


def test_unknown_and_missing_inputs_and_outputs_are_named(belief_bundle, dr_bundle):
    more = [("observation", ["n", 3]), ("temperature", ["n", 1])]
    refused(
        with_graph(dr_bundle, summed(inputs=more)),
        "unknown input 'temperature'; valid: observation, previous",
    )
    refused(with_graph(belief_bundle, summed()), "input 'hidden' is missing")
    refused(with_graph(dr_bundle, belief_bundle.files["step.onnx"]), "unknown input 'new_episode'")
    identity = helper.make_node("Identity", ["observation"], ["action"])
    made = graph([("observation", ["n", 3])], [("action", ["n", 3])], [identity])
    refused(with_graph(dr_bundle, made), "output 'action' is tensor(float) of shape ['n', 3]")
    renamed = helper.make_node("Identity", ["observation"], ["command"])
    made = graph([("observation", ["n", 3])], [("command", ["n", 3])], [renamed])
    refused(with_graph(dr_bundle, made), "unknown output 'command'; valid: action")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": 16}, "input 'hidden' is tensor(float) of shape ['robots', 15]; expected"),
        ({"latent": 12}, "output 'belief' is tensor(float) of shape ['robots', 26]; expected tensor(float) of shape"),
        ({"reward_free": False}, "input 'previous_reward' is missing"),
    ],
)  # fmt: skip
def test_sizes_in_the_manifest_that_the_graph_does_not_have_are_refused(belief_bundle, changes, words):
    refused(with_adapter(belief_bundle, **changes), "step.onnx: ", words)


def test_a_belief_of_other_quantities_is_refused(belief_bundle):
    family = belief_bundle.manifest["family"]
    fewer = family | {name: family[name][1:] for name in ("belief_names", "belief_units")}
    refused(
        replace(belief_bundle, manifest=belief_bundle.manifest | {"family": fewer}),
        "output 'parameters' is tensor(float) of shape ['robots', 13]; expected tensor(float) of shape ['robots', 12]",
    )


def test_a_forecast_of_another_history_is_refused(belief_bundle):
    refused(
        with_adapter(belief_bundle, action_history=4),
        "predict.onnx: input 'actions' is tensor(float) of shape ['robots', 3]; expected",
        make=MotionPredictor,
    )


@pytest.mark.parametrize("content", [b"no graph", b"\0" * 100, b"\x08\x09" * 50])
@pytest.mark.parametrize(("file", "make"), [("step.onnx", make_adapter), ("predict.onnx", MotionPredictor)])
def test_what_is_no_graph_is_refused(belief_bundle, content, file, make):
    refused(with_graph(belief_bundle, content, file), f"{file}: no graph that can be run: ", make=make)


def test_a_graph_that_fails_when_it_runs_is_refused_before_a_robot_moves(dr_bundle):
    """It says that it gives (n, 1), but sums one row too few; another gives two rows for one robot."""
    cut = helper.make_node("Slice", ["observation", "one", "two"], ["action"])
    ends = [
        helper.make_tensor(name, TensorProto.INT64, [2], at)
        for name, at in (("one", [1, 0]), ("two", [9, 1]))
    ]
    made = graph([("observation", ["n", 3])], [("action", ["m", 1])], [cut], ends)
    refused(with_graph(dr_bundle, made), "step.onnx: output 'action': shape (0, 1); expected (1, 1)")
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [7, 1])
    reshape = helper.make_node("Reshape", ["observation", "shape"], ["action"])
    made = graph([("observation", ["n", 3])], [("action", ["m", 1])], [reshape], [shape])
    refused(with_graph(dr_bundle, made), "step.onnx: ")


@pytest.mark.parametrize(
    "where", ["weights.bin", "./weights.bin", "../weights.bin", "absolute", "missing.bin"]
)
@pytest.mark.parametrize("how", ["initializer", "constant"])
def test_weights_in_other_files_are_refused(dr_bundle, tmp_path, monkeypatch, where, how):
    """Also where such files lie in the working directory, which onnxruntime would read."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for folder in (tmp_path, tmp_path / "in"):
        (folder / "weights.bin").write_bytes(np.ones((3, 1), np.float32).tobytes())
    elsewhere = str(Path("weights.bin").absolute()) if where == "absolute" else where
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [3, 1], np.ones(3))
    product = helper.make_node("MatMul", ["observation", "weights"], ["action"])

    def made() -> bytes:
        constant = helper.make_node("Constant", [], ["weights"], value=weights)
        nodes, initial = ([product], [weights]) if how == "initializer" else ([constant, product], [])
        return graph([("observation", ["n", 3])], [("action", ["n", 1])], nodes, initial)

    make_adapter(with_graph(dr_bundle, made()))
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", elsewhere), ("offset", "0"), ("length", "12")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    refused(with_graph(dr_bundle, made()), "step.onnx: no graph that can be run: ")
