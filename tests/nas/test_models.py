"""The Keras models of all spaces: small ones are trained, the published ones counted."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sparkexp import nas
from sparkexp.errors import InvalidArgumentError
from sparkexp.nas.drop_path import drop_path
from sparkexp.nas.operations import OPERATIONS

TINY = {"input_shape": (8, 8, 1), "classes": 10}
SMALL = nas.CellSpace(2, ["identity", "sep3", "max3"]).parse(
    "0:sep3+1:identity 0:max3+2:sep3; 0:sep3+1:max3 1:identity+2:identity"
)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    x = (found.images[:512, :, :, None] / 16).astype("float32")
    return x, found.target[:512]


@pytest.fixture(scope="module")
def small_model():
    return SMALL.build(cells=3, filters=4, drop_path_keep=0.6, steps=100, **TINY)


def shape_of(model, layer):
    return tuple(model.get_layer(layer).output.shape[1:])


def train(model, digits, epochs=1):
    import keras

    keras.utils.set_random_seed(0)
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model.fit(*digits, batch_size=64, epochs=epochs, verbose=0).history["loss"]


def check_saved(model, tmp_path):
    import keras

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((3, *model.input_shape[1:]), "float32")
    np.testing.assert_allclose(loaded(x).numpy(), model(x).numpy(), atol=1e-6)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    return loaded


class TestCells:
    def test_sizes(self, small_model):
        # int(r / (R + 1) * cells): reductions stand before the cells 1 and 2.
        assert shape_of(small_model, "stem_conv") == (8, 8, 12)
        assert shape_of(small_model, "cell0_block1_add") == (8, 8, 4)
        assert shape_of(small_model, "reduction0_block0_add") == (4, 4, 8)
        assert shape_of(small_model, "cell1_block1_add") == (4, 4, 8)
        assert shape_of(small_model, "reduction1_block1_add") == (2, 2, 16)
        assert shape_of(small_model, "cell2_block1_add") == (2, 2, 16)
        assert small_model.output_shape == (None, 10)
        # The normal cell's last block is its only unused state.
        assert "cell0_output" not in [layer.name for layer in small_model.layers]

    def test_only_the_cells_inputs_have_strides(self, small_model):
        stride = small_model.get_layer("reduction0_block0_left_sep3_1").strides
        again = small_model.get_layer("reduction0_block0_left_sep3_2").strides
        pooled = small_model.get_layer("reduction0_block0_right_max3").strides
        # An identity with a stride is a convolution.
        identity = small_model.get_layer("reduction0_block1_left_identity").strides
        assert [stride, again, pooled, identity] == [(2, 2), (1, 1), (2, 2), (2, 2)]
        assert small_model.get_layer("cell1_block0_left_sep3_1").strides == (1, 1)

    def test_paths_are_dropped_as_scheduled(self, small_model):
        dropping = {
            layer.name: layer.keep for layer in small_model.layers if layer.name.endswith("_drop")
        }
        # The formula at the last step, for five cells.
        keep = [1 - (cell + 1) / 5 * (1 - 0.6) for cell in range(5)]
        assert dropping["cell0_block0_left_drop"] == pytest.approx(keep[0])
        assert dropping["reduction0_block0_left_drop"] == pytest.approx(keep[1])
        assert dropping["cell1_block0_left_drop"] == pytest.approx(keep[2])
        assert dropping["cell2_block1_right_drop"] == pytest.approx(keep[4]) == pytest.approx(0.6)
        # Identities stay.
        assert "cell0_block0_right_drop" not in dropping

    def test_it_learns_and_is_saved(self, digits, tmp_path):
        model = SMALL.build(
            cells=1, reductions=1, filters=4, drop_path_keep=0.6, steps=100, **TINY
        )
        losses = train(model, digits, epochs=3)
        assert losses[-1] < 0.8 * losses[0]
        loaded = check_saved(model, tmp_path)
        layer = loaded.get_layer("cell0_block1_right_drop")
        assert float(layer._step.numpy()) == 3 * 8 and layer.steps == 100

    @pytest.mark.slow
    def test_a_result_loads_it_in_a_new_process(self, tmp_path):
        model = SMALL.build(cells=1, filters=2, drop_path_keep=0.6, steps=100, **TINY)
        model.save(tmp_path / "model.keras")
        script = (
            "from pathlib import Path; from sparkexp.results.stored_artifacts import load_model; "
            f"print(load_model(Path({str(tmp_path / 'model.keras')!r})).count_params())"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.stdout.strip() == str(model.count_params()), done.stderr

    def test_all_operations(self, tmp_path):
        """Each in both cells, with and without a stride, on images of odd sizes."""
        ops = [*OPERATIONS, "sep3"]
        pairs = zip(ops[::2], ops[1::2], strict=True)
        cell = " ".join(f"{k % 2}:{left}+1:{right}" for k, (left, right) in enumerate(pairs))
        architecture = nas.CellSpace(7).parse(f"{cell}; {cell}")
        model = architecture.build(
            input_shape=(7, 9, 3), classes=4, cells=2, filters=2, reductions=1
        )
        assert model.output_shape == (None, 4)
        assert shape_of(model, "reduction0_block0_add") == (4, 5, 4)
        check_saved(model, tmp_path)

    def test_an_unused_input_is_part_of_the_output(self):
        architecture = nas.CellSpace(1).parse("0:sep3+0:max3; 0:sep3+0:max3")
        model = architecture.build(cells=2, filters=2, reductions=1, **TINY)
        # The state of the cell before, half as high and wide, and the block.
        assert shape_of(model, "reduction0_output") == (4, 4, 8)
        assert shape_of(model, "reduction0_output1_join") == (4, 4, 4)

    @pytest.mark.parametrize("cells", [1, 2, 5, 12, 13])
    def test_places_of_reductions(self, cells):
        from sparkexp.nas.cell_network import CellNetwork, CellSettings

        settings = CellSettings.check({**TINY, "cells": cells, "filters": 4})
        places = [place.name for place in CellNetwork(settings)._list_places()]
        assert len(places) == cells + 2
        for r in (1, 2):
            following = places.index(f"reduction{r - 1}") + 1
            while places[following].startswith("reduction"):
                following += 1
            assert places[following] == f"cell{int(r / 3 * cells)}"

    def test_imagenet_stem(self):
        model = SMALL.build(
            input_shape=(32, 32, 3), classes=10, cells=1, filters=6, reductions=0, stem="imagenet"
        )
        assert shape_of(model, "stem_conv") == (15, 15, 32)
        assert shape_of(model, "stem0_block0_add") == (8, 8, 1)
        assert shape_of(model, "stem1_block0_add") == (4, 4, 3)
        assert shape_of(model, "cell0_block0_add") == (4, 4, 6)

    def test_logits(self):
        model = SMALL.build(cells=1, filters=2, classifier_activation=None, name="mine", **TINY)
        assert model.get_layer("predictions").activation.__name__ == "linear"
        assert model.name == "mine"

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"input_shape": (8, 8)}, "height, width and channels"),
            ({"input_shape": (8, 8, None)}, "whole number"),
            ({"classes": 0}, "classes"),
            ({"cells": 0}, "cells"),
            ({"filters": 0}, "filters"),
            ({"filters": 3, "stem": "imagenet"}, "at least 4"),
            ({"reductions": -1}, "reductions"),
            ({"stem": "mnist"}, "'cifar' or 'imagenet'"),
            ({"stem": "imagenet", "input_shape": (2, 8, 1)}, "3×3 pixels"),
            ({"stem_filters": 0}, "stem_filters"),
            ({"drop_path_keep": 0.0, "steps": 9}, "drop_path_keep"),
            ({"drop_path_keep": 0.5}, "needs steps"),
            ({"drop_path_keep": 0.5, "steps": 0}, "steps"),
            ({"layers": 3}, "got 'layers'"),
        ],
    )
    def test_arguments_that_are_none(self, settings, said):
        with pytest.raises(InvalidArgumentError, match=said):
            SMALL.build(**{**TINY, **settings})

    def test_arguments_that_are_missing(self):
        with pytest.raises(InvalidArgumentError, match="input_shape and classes"):
            SMALL.build()


class TestDropPath:
    def test_more_and_more_examples_are_dropped(self):
        layer = drop_path(0.5, 10)
        x = np.ones((4000, 2, 2, 3), "float32")
        for step in range(12):
            y = layer(x, training=True).numpy()
            keep = 1 - min(1, step / 10) * 0.5
            per_example = y.reshape(len(y), -1)
            assert (per_example == per_example[:, :1]).all()
            kept = per_example[:, 0] > 0
            np.testing.assert_allclose(per_example[kept], 1 / keep, rtol=1e-5)
            assert abs(kept.mean() - keep) < 4 * (0.25 / len(y)) ** 0.5

    def test_evaluation_drops_nothing(self):
        layer = drop_path(0.1, 1)
        x = np.ones((50, 3), "float32")
        layer(x, training=True)
        for _ in range(3):
            np.testing.assert_array_equal(layer(x).numpy(), x)
        assert float(layer._step.numpy()) == 1

    def test_its_configuration_makes_an_equal_one(self):
        import keras

        layer = drop_path(0.7, 30, "mine")
        again = keras.layers.deserialize(keras.layers.serialize(layer))
        assert (again.keep, again.steps, again.name) == (0.7, 30, "mine")
        assert again.get_config() == layer.get_config()

    def test_in_half_precision(self):
        import keras

        layer = nas.register_layers()(0.5, 1, dtype="mixed_float16")
        for _ in range(2):
            y = layer(keras.ops.ones((8, 2), "float16"), training=True)
        assert str(y.dtype) == "<dtype: 'float16'>"
        assert set(np.unique(y.numpy())) <= {0.0, 2.0}


class TestNasnetA:
    def test_a_small_one_has_the_parameters_of_kerass(self):
        """Keras's own builder, with 4 filters and one cell between reductions."""
        from keras.src.applications.nasnet import NASNet

        own = nas.NASNET_A.build(
            input_shape=(32, 32, 3), classes=7, cells=3, filters=4, stem="imagenet"
        )
        reference = NASNet((32, 32, 3), 96, 1, 32, False, 2, weights=None, classes=7)
        assert own.count_params() == reference.count_params()
        assert own.output_shape == reference.output_shape
        for layer in ("SeparableConv2D", "Conv2D", "BatchNormalization", "Add", "Concatenate"):
            own_count, count = (
                sum(type(n).__name__ == layer for n in model.layers) for model in (own, reference)
            )
            assert own_count == count, layer

    @pytest.mark.slow
    def test_mobile(self):
        import keras

        own = nas.NASNET_A.build(
            input_shape=(224, 224, 3), classes=1000, cells=12, filters=44, stem="imagenet"
        )
        assert own.count_params() == 5_326_716
        reference = keras.applications.NASNetMobile(weights=None)
        assert own.count_params() == reference.count_params()
        images = np.random.default_rng(0).random((1, 224, 224, 3), "float32")
        assert own(images).numpy().sum() == pytest.approx(1, abs=1e-4)

    @pytest.mark.slow
    def test_large(self):
        own = nas.NASNET_A.build(
            input_shape=(331, 331, 3),
            classes=1000,
            cells=18,
            filters=168,
            stem="imagenet",
            stem_filters=96,
        )
        assert own.count_params() == 88_949_818

    @pytest.mark.slow
    def test_cifar(self):
        own = nas.NASNET_A.build(input_shape=(32, 32, 3), classes=10, cells=18, filters=32)
        assert own.count_params() == 3_383_786


class TestLayers:
    def test_a_chain_learns_and_is_saved(self, digits, tmp_path):
        space = nas.ChainSpace(4, filters=(4, 8))
        architecture = space.parse("3x3:8 5x1:4/2<1 1x3:8<1,2 3x3:8/2")
        model = architecture.build(**TINY)
        assert shape_of(model, "layer4_join") == (8, 8, 12)  # 4×4, padded
        assert shape_of(model, "output_join") == (8, 8, 16)
        losses = train(model, digits, epochs=12)
        assert losses[-1] < 0.8 * losses[0]
        check_saved(model, tmp_path)

    def test_smaller_inputs_are_padded_with_zeros(self):
        model = nas.ChainSpace(3).parse("1x1:24 1x1:24/2<1 1x1:24<1,2").build(**TINY)
        import keras

        parts = keras.Model(model.input, model.get_layer("layer3_join").output)
        y = parts(np.ones((1, 8, 8, 1), "float32")).numpy()[0, :, :, 24:]
        assert not y[:2].any() and not y[6:].any() and not y[:, :2].any()

    def test_a_graph_learns_and_is_saved(self, digits, tmp_path):
        """Its skip connections cut channels, pad them, and pick pixels."""
        architecture = nas.GraphSpace().parse("3x3:16/2 3x3:8/2<0 1x3:16<0,1")
        model = architecture.build(**TINY)
        skips = [layer.name for layer in model.layers if "_skip" in layer.name]
        assert {name.rpartition("_")[2] for name in skips} == {"pick", "pad", "cut"}
        losses = train(model, digits, epochs=3)
        assert losses[-1] < 0.8 * losses[0]
        check_saved(model, tmp_path)

    def test_skips_pick_and_pad(self):
        import keras

        model = nas.GraphSpace().parse("1x1:8/2 1x1:16/2<0").build(**TINY)
        skip = next(layer for layer in model.layers if layer.name.endswith("_pad"))
        x = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
        y = keras.Model(model.input, skip.output)(x).numpy()
        np.testing.assert_array_equal(y[..., 0], x[:, ::2, ::2, 0])
        assert y.shape == (1, 4, 4, 8) and not y[..., 1:].any()

    def test_random_ones_build(self):
        rng = np.random.default_rng(0)
        for space in (nas.ChainSpace(5), nas.GraphSpace(5)):
            for _ in range(4):
                assert space.random(rng).build(**TINY).output_shape == (None, 10)

    def test_the_empty_graph(self):
        assert nas.GraphSpace().parse("none").build(**TINY).count_params() == 20


class TestInheritance:
    def test_a_grown_graph_inherits_what_stayed(self, tmp_path):
        space = nas.GraphSpace()
        parent = space.parse("3x3:8 5x5:16 3x3:32/2").build(**TINY)
        parent.save(tmp_path / "model.keras")
        child = space.parse("3x3:8 3x3:8/2 5x5:16 3x3:32/2<0").build(**TINY)
        # Three convolutions with their normalisations, and the classification.
        assert nas.inherit_weights(child, tmp_path / "model.keras") == 7
        for name in ("conv3x3_1_8", "conv5x5_8_16_bn", "conv3x3_16_32", "predictions"):
            for own, given in zip(
                child.get_layer(name).get_weights(),
                parent.get_layer(name).get_weights(),
                strict=True,
            ):
                np.testing.assert_array_equal(own, given)

    def test_a_mutated_cell_inherits_the_rest(self, small_model, tmp_path):
        small_model.save(tmp_path / "model.keras")
        text = str(SMALL).replace("max3", "sep3", 1)
        child = SMALL.space.parse(text)
        model = child.build(cells=3, filters=4, drop_path_keep=0.6, steps=100, **TINY)
        weighted = [layer for layer in model.layers if layer.weights]
        copied = nas.inherit_weights(model, tmp_path / "model.keras")
        assert len(weighted) / 2 < copied < len(weighted)

    def test_without_a_parent(self, small_model, tmp_path):
        assert nas.inherit_weights(small_model, tmp_path / "model.keras") == 0

    def test_other_shapes_are_left_out(self, small_model, tmp_path):
        SMALL.build(cells=3, filters=5, **TINY).save(tmp_path / "model.keras")
        assert nas.inherit_weights(small_model, tmp_path / "model.keras") == 0
