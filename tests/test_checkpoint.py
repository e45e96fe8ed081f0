"""Every kind of file that holds weights, each written by its real writer."""

import argparse
import collections
import hashlib
import io
import json
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from landscape.errors import LandscapeError
from landscape.models import build_model, load_weights, read_checkpoint

SHARED = Path(__file__).parents[1].parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared holds the real checkpoints")


def small(seed=0, spec="mlp(inputs=4, hidden=(3,), classes=2, norm='batch')"):
    torch.manual_seed(seed)
    return build_model(spec)


STATE = small().state_dict()
EMA = {name: tensor + 1 for name, tensor in STATE.items()}


class Tiny(nn.Module):
    """A module that torch.jit and torch.export can take."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(x)


class Stateful(nn.Module):
    """A TorchScript module that runs code of its own while it is loaded."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x * self.weight

    @torch.jit.export
    def __getstate__(self):
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        print("it runs")  # noqa: T201 - how the test sees it
        self.weight = state[0]
        self.training = state[1]


class RunsCode:
    """Pickles into a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def saved(value, path, **options):
    torch.save(value, path, **options)
    return path


def scripted(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), path)
    return path


def same(left, right):
    assert left.keys() == right.keys()
    return all(torch.equal(left[name], right[name]) for name in left)


def prefixed(prefix):
    return {prefix + name: tensor for name, tensor in STATE.items()}


class Compiled(nn.Module):
    """What Lightning saves of a compiled network inside a module."""

    def __init__(self):
        super().__init__()
        self.model = torch.compile(small())


LIGHTNING = {
    "epoch": 4,
    "global_step": 100,
    "pytorch-lightning_version": "2.4.0",
    "state_dict": prefixed("model."),
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 5}}}},
    "callbacks": {
        "ModelCheckpoint{'monitor': 'val_acc'}": {"best_model_score": torch.tensor(0.9), "best_k_models": {}}
    },
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}],
    "lr_schedulers": [],
    "hparams_name": "kwargs",
    "hyper_parameters": {"lr": 0.1, "weights": {"a": torch.zeros(2)}},
}


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize(
    ("value", "key"),
    [
        (STATE, ""),
        (dict(STATE), ""),
        (collections.OrderedDict(STATE), ""),
        ({name: nn.Parameter(t) for name, t in STATE.items() if t.is_floating_point()}, ""),
        ({"state_dict": STATE, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}}, "state_dict"),
        *(
            ({key: STATE, "epoch": 3}, key)
            for key in ("model", "net", "model_state_dict", "network", "weights", "params")
        ),
        ({"model": {"state_dict": STATE}}, "model/state_dict"),
        ({"my_own_name": STATE}, "my_own_name"),
        ([{"state_dict": STATE}], "state_dict"),
        ({"state_dict": prefixed("module.")}, "state_dict"),
        ({"state_dict": prefixed("module._orig_mod.model.")}, "state_dict"),
        ({"model_ema": STATE}, "model_ema"),
        ({"state_dict_ema": EMA, "state_dict": STATE}, "state_dict"),
        ({"ema": EMA, "net": STATE}, "net"),
        ({"ema": {"module": EMA}, "my_own_name": STATE}, "my_own_name"),
        ({"model": STATE, "state_dict": STATE}, "state_dict"),
        (LIGHTNING, "state_dict"),
    ],
)
def test_weights_are_found_wherever_torch_save_put_them(tmp_path, value, key, options):
    checkpoint = read_checkpoint(saved(value, tmp_path / "model.ckpt", **options))
    expected = {
        name: t for name, t in STATE.items() if "num_batches" not in name or len(checkpoint.state) == len(STATE)
    }
    assert checkpoint.key == key
    assert same(checkpoint.state, expected)
    assert all(not tensor.requires_grad for tensor in checkpoint.state.values())
    load_weights(small(1), checkpoint)


def test_the_file_is_named_and_hashed(tmp_path):
    path = saved(STATE, tmp_path / "model.pt")
    checkpoint = read_checkpoint(str(path))
    assert (checkpoint.path, checkpoint.name, checkpoint.container) == (path, "model.pt", "PyTorch file")
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (checkpoint.notes, checkpoint.module, checkpoint.stated, checkpoint.metadata) == ((), None, {}, {})


def test_prefixes_of_real_wrappers_are_stripped_and_told(tmp_path):
    wrapped = {"parallel": nn.DataParallel(small()), "compiled": torch.compile(small()), "both": Compiled()}
    prefixes = {"parallel": "module.", "compiled": "_orig_mod.", "both": "model._orig_mod."}
    for name, module in wrapped.items():
        checkpoint = read_checkpoint(saved(module.state_dict(), tmp_path / f"{name}.pt"))
        assert same(checkpoint.state, STATE)
        assert checkpoint.notes == (f"the prefix {prefixes[name]!r} was taken off every name",)


def test_an_averaged_model_of_torch_loses_its_counter(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(small())
    checkpoint = read_checkpoint(saved(averaged.state_dict(), tmp_path / "swa.pt"))
    assert same(checkpoint.state, STATE)
    assert checkpoint.notes[0] == "entries that are not weights were left out: n_averaged"


def test_a_prefix_that_not_all_names_share_stays(tmp_path):
    state = {"model.0.weight": torch.zeros(2, 2), "criterion.weight": torch.zeros(2)}
    assert same(read_checkpoint(saved(state, tmp_path / "m.pt")).state, state)


def test_a_model_whose_own_names_begin_like_a_wrapper_loads(tmp_path):
    module = nn.Module()
    module.net = small()
    checkpoint = read_checkpoint(saved(module.state_dict(), tmp_path / "m.pt"))
    assert load_weights(nn.DataParallel(small(1)), checkpoint) == []
    module.net = small(1)
    load_weights(module, checkpoint)
    assert same(module.net.state_dict(), STATE)


def test_averaged_weights_are_had_by_their_key(tmp_path):
    path = saved({"model": STATE, "model_ema": EMA}, tmp_path / "both.pt")
    note = (
        "the weights under 'model' were taken; choose the averaged weights under 'model_ema' with --weights model_ema"
    )
    assert read_checkpoint(path).notes == (note,)
    assert same(read_checkpoint(path, key="model_ema").state, EMA)
    assert read_checkpoint(saved({"ema": EMA}, path)).notes[0].startswith("these are the averaged weights under 'ema'")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_at_loading_and_told(tmp_path, dtype):
    path = saved(small().to(dtype).state_dict(), tmp_path / "half.pt")
    model = small(1)
    notes = load_weights(model, read_checkpoint(path))
    assert notes == [f"{str(dtype)[6:]} weights converted to the model's float32"]
    assert torch.equal(model.state_dict()["fc1.weight"], STATE["fc1.weight"].to(dtype).float())
    assert load_weights(small(1).to(dtype), read_checkpoint(path)) == []


def test_double_precision_is_kept_in_the_file_and_told_at_loading(tmp_path):
    checkpoint = read_checkpoint(saved(small().double().state_dict(), tmp_path / "double.pt"))
    assert checkpoint.state["fc1.weight"].dtype == torch.float64
    assert load_weights(small(1), checkpoint) == ["float64 weights converted to the model's float32"]


def test_arguments_and_numpy_numbers_need_no_trust(tmp_path):
    extra = {
        "args": argparse.Namespace(lr=0.1, name="x"),
        "acc": np.float64(91.5),
        "top1": np.float32(0.25),
        "epochs": np.int64(3),
        "history": np.arange(4.0),
        "mask": np.array([True]),
    }
    checkpoint = read_checkpoint(saved({"state_dict": STATE, **extra}, tmp_path / "m.pt"))
    assert checkpoint.stated == {"acc": 0.915, "top1": 0.25}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_that_was_packed_anew_gives_the_same_weights(tmp_path, compression):
    path = saved({"state_dict": STATE}, tmp_path / "m.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "packed.pt", "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    checkpoint = read_checkpoint(tmp_path / "packed.pt")
    assert same(checkpoint.state, STATE)
    assert checkpoint.mapped == (compression == zipfile.ZIP_STORED)


@pytest.mark.parametrize("kept", ["head.weight", "table.weight"])
def test_a_tied_tensor_may_be_in_the_file_once(tmp_path, kept):
    model, other = tied(0), tied(1)
    state = {name: tensor for name, tensor in model.state_dict().items() if name in (kept, "head.bias")}
    assert load_weights(other, read_checkpoint(saved(state, tmp_path / "m.pt"))) == []
    assert same(other.state_dict(), model.state_dict())
    assert other.head.weight is other.table.weight
    with pytest.raises(LandscapeError, match=r"missing in the file: table\.weight, head\.weight"):
        load_weights(other, read_checkpoint(saved({"head.bias": state["head.bias"]}, tmp_path / "m.pt")))


def tied(seed):
    """An embedding whose table is the head's weight, too."""
    torch.manual_seed(seed)
    model = nn.Sequential(collections.OrderedDict(table=nn.Embedding(7, 4), head=nn.Linear(4, 7)))
    model.head.weight = model.table.weight
    return model


@pytest.mark.parametrize("own", [[], [argparse.Namespace]])
def test_what_a_process_allows_to_be_unpickled_is_left_alone(tmp_path, own):
    path = saved({"state_dict": STATE, "args": argparse.Namespace(lr=0.1)}, tmp_path / "m.pt")
    with torch.serialization.safe_globals(own):
        allowed = set(torch.serialization.get_safe_globals())
        read_checkpoint(path)
        assert set(torch.serialization.get_safe_globals()) == allowed
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_numpy_1_and_2_need_no_trust(tmp_path, module):
    """An archive with the other NumPy's name for the very same function."""
    path = saved(
        {"state_dict": STATE, "acc": np.float64(91.5)}, tmp_path / "m.pt", _use_new_zipfile_serialization=False
    )
    here = np.float64(0).__reduce__()[0].__module__
    path.write_bytes(path.read_bytes().replace(f"c{here}\n".encode(), f"c{module}\n".encode()))
    assert f"c{module}\nscalar".encode() in path.read_bytes()
    assert read_checkpoint(path).stated == {"acc": 0.915}


@pytest.mark.parametrize(
    ("entries", "stated"),
    [
        ({"acc": 93.66, "epoch": 300, "loss": 0.3}, {"acc": 0.9366}),
        ({"best_prec1": torch.tensor(91.5)}, {"best_prec1": 0.915}),
        (
            {"best_acc1": 0.5, "test_acc": 1.0, "val_accuracy": 100},
            {"best_acc1": 0.5, "test_acc": 1.0, "val_accuracy": 1.0},
        ),
        ({"acc@1": 71.0, "Top1": 70, "acc5": 90.0, "train_acc": 99.0}, {"acc@1": 0.71, "Top1": 0.70}),
        ({"acc": float("nan"), "accuracy": 1234.0, "best_acc": -1, "prec1": True, "test_acc": None}, {}),
        ({"acc": [0.1, 0.9], "accuracy": torch.tensor([0.1, 0.2])}, {}),
    ],
)
def test_stated_accuracies_are_fractions(tmp_path, entries, stated):
    checkpoint = read_checkpoint(saved({"state_dict": STATE, **entries}, tmp_path / "m.pt"))
    assert checkpoint.stated == pytest.approx(stated)


def test_safetensors_hold_weights_and_text(tmp_path):
    own = {"model": "mlp(inputs=4)", "data": "fashion-mnist"}
    save_file(STATE, tmp_path / "m.safetensors", metadata={"acc": "91.5", "landscape": json.dumps(own), "format": "pt"})
    checkpoint = read_checkpoint(tmp_path / "m.safetensors")
    assert same(checkpoint.state, STATE)
    assert (checkpoint.container, checkpoint.stated, checkpoint.metadata) == ("safetensors file", {"acc": 0.915}, own)


@pytest.mark.parametrize("entry", [{"model": "lenet", "data": "fashion-mnist-mini"}, "no json", 3])
def test_our_own_metadata_is_kept(tmp_path, entry):
    checkpoint = read_checkpoint(saved({"state_dict": STATE, "landscape": entry}, tmp_path / "m.pt"))
    assert checkpoint.metadata == (entry if isinstance(entry, dict) else {})


def test_torchscript_gives_its_weights_alone(tmp_path):
    module = Tiny()
    checkpoint = read_checkpoint(scripted(module, tmp_path / "m.pt"))
    assert same(checkpoint.state, module.state_dict())
    assert checkpoint.module is None
    assert checkpoint.notes == ("the weights of a TorchScript archive; its code is not used",)


def rewritten(path, change, *more, compression=zipfile.ZIP_STORED):
    """The bytes of an archive with each source replaced by others, written by Python without its debug records."""
    copy = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w", compression) as target:
        for name in (name for name in archive.namelist() if not name.endswith(".debug_pkl")):
            for each in (change, *more) if name.endswith(".py") else [bytes]:
                target.writestr(zipfile.ZipInfo(name), each(archive.read(name)), compression)
    return copy.getvalue()


def two_spaces(text):
    return text.replace(b"def __setstate__", b"def  __setstate__")


def renamed(text):
    return text.replace(b"__setstate__", b"__setstata__")


def renamed_for_python(path):
    """Two archives in one file: torch follows the offset of the directory, zipfile takes the last directory."""
    return rewritten(path, bytes)[:-22] + rewritten(path, renamed)


DISGUISES = {
    "none": (lambda path: path.read_bytes(), "runs code of its own while it is read .* add --trust"),
    "two spaces": (lambda path: rewritten(path, two_spaces), "runs code of its own while it is read"),
    "compressed": (
        lambda path: rewritten(path, bytes, compression=zipfile.ZIP_DEFLATED),
        "runs code of its own while it is read",
    ),
    "for python": (renamed_for_python, "runs code of its own while it is read"),
    "duplicate": (lambda path: rewritten(path, bytes, renamed), "two entries of one name, which torch never writes"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("disguise", DISGUISES)
def test_torchscript_that_runs_code_at_loading_is_refused_in_any_disguise(tmp_path, disguise, capfd):
    write, message = DISGUISES[disguise]
    path = scripted(Stateful(), tmp_path / "m.pt")
    path.write_bytes(write(path))
    with pytest.raises(LandscapeError, match=message):
        read_checkpoint(path)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("change", [bytes, two_spaces])
def test_torchscript_that_is_trusted_runs_its_code(tmp_path, change, capfd):
    path = scripted(Stateful(), tmp_path / "m.pt")
    path.write_bytes(rewritten(path, change, compression=zipfile.ZIP_DEFLATED))
    assert set(read_checkpoint(path, trust=True).state) == {"weight"}
    assert "it runs" in capfd.readouterr().out


def test_an_export_archive_needs_trust(tmp_path):
    module = Tiny()
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, 2),)), path)
    with pytest.raises(LandscapeError, match=r"is a torch\.export archive, and reading it may run code: .* --trust"):
        read_checkpoint(path)
    assert same(read_checkpoint(path, trust=True).state, module.state_dict())


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: {"model": m, "acc": 91.5}, nn.DataParallel, lambda m: m.half()]
)
def test_a_pickled_module_needs_trust(tmp_path, options, wrap):
    module = small()
    path = saved(wrap(module), tmp_path / "m.pt", **options)
    with pytest.raises(LandscapeError, match=r"may run code \(.*torch\.nn\..*\): .* add --trust"):
        read_checkpoint(path)
    checkpoint = read_checkpoint(path, trust=True)
    assert type(checkpoint.module) is type(module)
    assert same(checkpoint.module.state_dict(), checkpoint.state)
    assert checkpoint.state["fc1.weight"].dtype == torch.float32
    assert "as --trust allows" in checkpoint.notes[0]


def test_a_pickled_module_whose_code_is_gone_is_told_in_a_sentence(tmp_path, monkeypatch):
    path = saved(Tiny(), tmp_path / "m.pt")
    monkeypatch.delattr(f"{__name__}.Tiny")
    with pytest.raises(LandscapeError, match=r"needs Python code that is not here .*: run where its modules"):
        read_checkpoint(path, trust=True)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, options):
    marker = tmp_path / "marker"
    path = saved({"state_dict": STATE, "args": RunsCode(marker)}, tmp_path / "m.pt", **options)
    with pytest.raises(LandscapeError, match=r"may run code \(posix\.mkdir\): .* --trust"):
        read_checkpoint(path)
    assert not marker.exists()
    assert same(read_checkpoint(path, trust=True).state, STATE)
    assert marker.exists()


@pytest.mark.parametrize("trust", [False, True])
def test_a_plain_pickle_is_never_read(tmp_path, trust):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(RunsCode(tmp_path / "marker")))
    with pytest.raises(LandscapeError, match=r"it is a plain pickle, not written by torch\.save"):
        read_checkpoint(path, trust=trust)
    assert not (tmp_path / "marker").exists()


def test_every_way_to_cut_a_file_short_is_told_in_a_sentence(tmp_path):
    save_file(STATE, tmp_path / "m.safetensors")
    saved({"state_dict": STATE}, tmp_path / "zip.pt")
    saved({"state_dict": STATE}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    scripted(Tiny(), tmp_path / "script.pt")
    for path in list(tmp_path.iterdir()):
        whole = path.read_bytes()
        for length in {4, 10, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1}:
            path.write_bytes(whole[:length])
            with pytest.raises(
                LandscapeError, match=r"truncated|is not a checkpoint: it is (text|binary data)"
            ) as error:
                read_checkpoint(path)
            assert "\n" not in str(error.value)


def test_damaged_bytes_are_told_in_a_sentence(tmp_path):
    path = saved(STATE, tmp_path / "m.pt")
    whole = path.read_bytes()
    place = whole.find(b"fc1.weight")
    path.write_bytes(whole[:place] + b"\xff" * 10 + whole[place + 10 :])
    with pytest.raises(LandscapeError, match=r"is truncated or damaged and cannot be read as a PyTorch file \("):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.pt", b"", "is not a checkpoint: it is empty"),
        (
            "m.pt",
            b"epoch,loss\n1,2.3\n" * 10,
            "is not a checkpoint: it is text; pass what torch.save or safetensors wrote",
        ),
        ("m.pt", bytes(range(256)), "is not a checkpoint: it is binary data of an unknown kind"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "is not a checkpoint: it is an HDF5 file"),
        ("m.npy", b"\x93NUMPY\x01\x00" + bytes(100), "is not a checkpoint: it is a NumPy array"),
        ("m.pt.gz", b"\x1f\x8b" + bytes(100), "it is a gzip archive (unpack it first)"),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LandscapeError) as error:
        read_checkpoint(tmp_path / name)
    assert message in str(error.value)


def test_archives_that_are_no_checkpoints(tmp_path):
    np.savez(tmp_path / "m.npz", images=np.zeros(3))
    with pytest.raises(LandscapeError, match="is not a checkpoint: it is a NumPy archive"):
        read_checkpoint(tmp_path / "m.npz")


def test_a_missing_file_names_those_beside_it(tmp_path):
    saved(STATE, tmp_path / "model_best.pt")
    with pytest.raises(LandscapeError, match=r"there is no checkpoint file .*; the folder has model_best\.pt"):
        read_checkpoint(tmp_path / "model.pt")
    with pytest.raises(LandscapeError, match="is a folder; name the checkpoint file in it"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"epoch": 3, "loss": 0.1}, "holds no weights: it is a PyTorch file with the keys epoch, loss"),
        ({}, "holds no weights: it is a PyTorch file with an empty dict"),
        (torch.zeros(3), "holds no weights: it is a PyTorch file with a Tensor"),
        ([STATE, STATE], "holds no weights: it is a PyTorch file with a list"),
        ({"generator": STATE, "critic": STATE}, "choose one with --weights KEY, where KEY is generator, critic"),
        ({"a": {"state_dict": STATE}, "b": {"state_dict": STATE}}, "where KEY is a/state_dict, b/state_dict"),
    ],
)
def test_files_without_clear_weights(tmp_path, value, message):
    with pytest.raises(LandscapeError) as error:
        read_checkpoint(saved(value, tmp_path / "m.pt"))
    assert message in str(error.value)


def test_an_unknown_key_names_the_nearest(tmp_path):
    path = saved({"generator": STATE, "critic": EMA}, tmp_path / "m.pt")
    assert same(read_checkpoint(path, key="critic").state, EMA)
    with pytest.raises(
        LandscapeError, match=r"no weights under 'critics'; did you mean critic\? \(known: critic, generator\)"
    ):
        read_checkpoint(path, key="critics")


def test_entries_beside_the_tensors_of_a_bare_dict_are_left_out(tmp_path):
    checkpoint = read_checkpoint(saved({**STATE, "epoch": 3}, tmp_path / "m.pt"))
    assert same(checkpoint.state, STATE)
    assert checkpoint.notes == ("entries that are not weights were left out: epoch",)


def test_weights_of_another_model_are_listed_with_the_one_that_fits(tmp_path):
    state = small(spec="resnet(depth=8, shortcut='conv', width=2)").state_dict()
    checkpoint = read_checkpoint(saved(state, tmp_path / "m.pt"))
    model = build_model("resnet(depth=14, shortcut='conv', width=2, classes=3)")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(LandscapeError) as error:
        load_weights(model, checkpoint)
    text = str(error.value)
    assert "the weights of m.pt do not fit the model ResNet (missing in the file: layer1.1.conv1.weight, " in text
    assert "and 20 more; of another shape: linear.weight (10, 8) for (3, 8), linear.bias (10,) for (3,))" in text
    assert text.endswith("they fit --model \"resnet(depth=8, shortcut='conv', width=2)\"")
    assert same(model.state_dict(), before)


def test_left_over_weights_are_listed_with_the_nearest_model(tmp_path):
    state = small(spec="resnet20").state_dict() | {"linear.scale": torch.ones(10)}
    checkpoint = read_checkpoint(saved(state, tmp_path / "m.pt"))
    with pytest.raises(
        LandscapeError, match=r"\(not in the model: linear.scale\); the nearest known model is 'resnet20'"
    ):
        load_weights(small(spec="resnet20"), checkpoint)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, value):
    state = {name: tensor.clone() for name, tensor in STATE.items()}
    state["fc1.bias"][0] = value
    model = small(1)
    with pytest.raises(LandscapeError, match=r"must be finite, but .* in fc1\.bias \(1 of 3 values\)"):
        load_weights(model, read_checkpoint(saved(state, tmp_path / "m.pt")))
    assert same(model.state_dict(), small(1).state_dict())


def test_missing_counters_of_batches_are_tolerated_and_told(tmp_path):
    state = {name: tensor for name, tensor in STATE.items() if "num_batches" not in name}
    model = small(1)
    notes = load_weights(model, read_checkpoint(saved(state, tmp_path / "m.pt")))
    assert notes == ["the file has no num_batches_tracked, on which no output depends"]
    assert same({name: t for name, t in model.state_dict().items() if name in state}, state)


@needs_shared
@pytest.mark.parametrize(
    ("name", "spec", "stated"),
    [
        ("resnet20-12fca82f.th", "resnet20", {"best_prec1": 0.9178}),
        ("li2018_resnet56.t7", "resnet(depth=56, shortcut='conv')", {"acc": 0.9366}),
        ("li2018_resnet56_noshort.t7", "resnet(depth=56, shortcut='none')", {"acc": 0.8669}),
    ],
)
def test_real_checkpoints_load_and_reach_what_they_state(name, spec, stated):
    checkpoint = read_checkpoint(SHARED / "checkpoints" / name)
    model = build_model(spec).eval()
    load_weights(model, checkpoint)
    assert checkpoint.stated == pytest.approx(stated, abs=1e-7)
    imagenet = "resnet20" in name
    mean = (0.485, 0.456, 0.406) if imagenet else (125.3 / 255, 123.0 / 255, 113.9 / 255)
    std = (0.229, 0.224, 0.225) if imagenet else (63.0 / 255, 62.1 / 255, 66.7 / 255)
    with np.load(SHARED / "data" / "cifar10_test.npz") as data:
        images, labels = torch.from_numpy(data["images"][:100]), torch.from_numpy(data["labels"][:100])
    images = (images / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    with torch.inference_mode():
        accuracy = (model(images).argmax(1) == labels).double().mean().item()
    expected = next(iter(stated.values()))
    assert abs(accuracy - expected) < 3 * (expected * (1 - expected) / 100) ** 0.5


def test_a_pickled_module_that_a_process_allows_is_not_part_of_the_file(tmp_path):
    path = saved(nn.Linear(3, 2), tmp_path / "m.pt")
    with torch.serialization.safe_globals([nn.Linear, set]):
        checkpoint = read_checkpoint(path)
    assert isinstance(checkpoint.module, nn.Linear)
    assert not checkpoint.mapped
