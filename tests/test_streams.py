"""Data that are read part by part give the same numbers, to the bit, as data in memory."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
import zipfile

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import landscape
from landscape.data import Batches, ImageSet, capacity, folders, load_data, load_examples, materialise
from landscape.data.deferred import Deferred, Resident
from landscape.data.prefetch import AHEAD, prefetched
from landscape.data.rewalking import recut
from landscape.data.rows import Mapped, Rows, stored_in_npz
from landscape.data.samples import chosen, digest_of
from landscape.errors import LandscapeError
from landscape.evaluation import strict_arithmetic

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (600, 3, 6, 6), dtype=np.uint8)
LABELS = np.arange(600) % 3
ORDER = chosen("all", 600)


def refused(message):
    return pytest.raises(LandscapeError, match=message)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "landscape-prefetch"]


@pytest.fixture
def no_memory(monkeypatch):
    """Nothing fits into memory."""
    monkeypatch.setattr("landscape.data.capacity.free_memory", lambda: 0)
    monkeypatch.setattr("landscape.data.loaders.free_memory", lambda: 0)


def all_of(batches, size=70):
    """Inputs and targets, put together from their parts."""
    inputs, targets = zip(*batches.split(size), strict=True)
    return torch.cat(inputs), torch.cat(targets)


def assert_alike(one: Batches, other: Batches) -> None:
    """The first is read part by part, the second one is in memory, and they are the same."""
    assert isinstance(one.inputs, Deferred)
    assert isinstance(other.inputs, torch.Tensor)
    for size in (7, 250, 1000):
        assert [len(targets) for _, targets in one.split(size)] == [len(targets) for _, targets in other.split(size)]
        assert all(
            torch.equal(mine, theirs) for mine, theirs in zip(all_of(one, size), all_of(other, size), strict=True)
        )
    assert (one.inputs.shape, one.inputs.dtype) == (other.inputs.shape, other.inputs.dtype)
    assert torch.equal(one.inputs[:2], other.inputs[:2])
    assert torch.equal(one.every(10).inputs[:], other.every(10).inputs)
    assert (one.digest, one.preprocessing, len(one)) == (other.digest, other.preprocessing, len(other))


# Reading ahead


@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_items_come_in_order(number):
    assert list(prefetched(iter(range(number)))) == list(range(number))
    assert readers() == []


def test_no_more_than_a_few_items_are_read_ahead():
    counted = itertools.count()
    items = prefetched(iter(lambda: next(counted), None))
    for used in range(5):
        assert next(items) == used
    time.sleep(0.1)
    assert next(counted) <= 5 + AHEAD + 1
    items.close()


@pytest.mark.parametrize("error", [LandscapeError("gone"), MemoryError("full"), KeyboardInterrupt(), SystemExit(3)])
def test_what_fails_in_the_background_is_raised_in_its_place(error):
    def failing():
        yield from range(10)
        raise error

    found = []
    with pytest.raises(type(error)) as caught:
        found.extend(iter(prefetched(failing())))
    assert caught.value is error
    assert readers() == []


def test_leaving_early_stops_the_thread_and_closes_what_it_reads():
    closed = threading.Event()

    def endless():
        try:
            yield from itertools.count()
        finally:
            closed.set()

    items = prefetched(endless())
    assert next(items) == 0
    assert len(readers()) == 1
    items.close()
    assert readers() == []
    assert closed.is_set()


def test_a_thread_that_never_ends_is_left_behind(monkeypatch):
    monkeypatch.setattr("landscape.data.prefetch.PATIENCE", 0.2)
    release = threading.Event()

    def stuck():
        yield 1
        release.wait()
        yield 2

    items = prefetched(stuck())
    assert next(items) == 1
    items.close()
    assert [thread.daemon for thread in readers()] == [True]
    release.set()
    for thread in readers():
        thread.join()


# Rows of files


@settings(max_examples=40)
@given(
    data=st.data(), dtype=st.sampled_from(["u1", "<f4", ">f8", "<f2"]), shape=st.sampled_from([(5,), (3, 2), (2, 4, 3)])
)
def test_rows_of_a_file_are_those_of_the_array(tmp_path_factory, data, dtype, shape):
    array = RANDOM.integers(0, 200, (9, *shape)).astype(dtype)
    path = tmp_path_factory.mktemp("rows") / "set.npz"
    np.savez(path, first=np.arange(4), images=array, last=np.arange(3))
    rows = stored_in_npz(path, "images")
    index = np.array(data.draw(st.lists(st.integers(0, 8), max_size=12)), dtype=np.int64)
    assert (rows.shape, rows.dtype, rows.size, rows.nbytes) == (array.shape, array.dtype, array.size, array.nbytes)
    assert np.array_equal(rows[index], array[index])
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9))))
    assert np.array_equal(rows[start:stop], array[start:stop])
    if len(index):
        assert np.array_equal(rows.taken(index)[::-1], array[index][::-1])
        again = np.array(data.draw(st.lists(st.integers(0, len(index) - 1))), dtype=np.int64)
        assert np.array_equal(rows.taken(index).taken(again)[:], array[index][again])
    assert digest_of(rows) == digest_of(array)


def test_what_has_no_rows_in_a_file_is_read_whole(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    np.savez(tmp_path / "b.npz", images=np.asfortranarray(IMAGES), labels=LABELS)
    assert [stored_in_npz(tmp_path / f"{name}.npz", "images") for name in "ab"] == [None, None]
    for name in "ab":
        assert load_examples(str(tmp_path / f"{name}.npz"), ["test"], "9").batches["test"].digest == digest_of(
            IMAGES[ORDER[:9]], LABELS[ORDER[:9]]
        )


def test_a_damaged_file_is_noticed_before_its_rows_are_read(tmp_path):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    content = bytearray((tmp_path / "set.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        stored_in_npz(tmp_path / "set.npz", "images")
    with refused("cannot read set.npz as a .npz file: it is damaged"):
        load_examples(str(tmp_path / "set.npz"), ["test"], "2")


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path):
    np.savez(tmp_path / "set.npz", labels=LABELS, images=IMAGES)
    rows = stored_in_npz(tmp_path / "set.npz", "images")
    (tmp_path / "set.npz").write_bytes((tmp_path / "set.npz").read_bytes()[:20_000])
    with refused("set.npz' has become shorter: leave it alone during a run"):
        rows[590:]
    (tmp_path / "set.npz").unlink()
    with refused("cannot read .*set.npz' any more: No such file"):
        rows[:1]


# Image sets

LAYOUTS = {
    "bytes": IMAGES,
    "grey": IMAGES[:, 0],
    "channels last": np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1)),
    "float32": IMAGES.astype(np.float32) / 255,
    "float64": IMAGES / 255,
}


@pytest.mark.parametrize("samples", ["all", "500", "first:300"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_of_a_file(tmp_path, no_memory, monkeypatch, layout, samples):
    np.savez(tmp_path / "set.npz", images=LAYOUTS[layout], labels=LABELS)
    spec = f"{tmp_path / 'set.npz'}(mean=0.4, std=0.3)"
    streamed = load_examples(spec, ["test"], samples)
    assert any(note.startswith("the test images are read anew at every point (") for note in streamed.notes)
    monkeypatch.undo()
    resident = load_examples(spec, ["test"], samples)
    assert not any("anew" in note for note in resident.notes)
    assert_alike(streamed.batches["test"], resident.batches["test"])


@pytest.mark.parametrize("constants", [(None, None), ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_bytes_in_memory_are_normalised_batch_by_batch_where_floats_would_be_large(monkeypatch, dtype, constants):
    images = ImageSet(IMAGES.astype(dtype), LABELS, *constants)
    ready = images.batches()
    monkeypatch.setattr("landscape.data.capacity.ROOMY", 4 * IMAGES.size - 1)
    deferred = images.batches()
    assert_alike(deferred, ready)
    assert isinstance(deferred.inputs.source, Resident)
    assert deferred.inputs.source.inputs.dtype == torch.from_numpy(images.images).dtype
    assert readers() == []


def test_what_is_prepared_later_leaves_the_raw_images_alone():
    images = IMAGES.astype(np.float32)
    batches = ImageSet(images, LABELS, (1.0,) * 3, (2.0,) * 3).batches(low_memory=True)
    all_of(batches)
    assert np.array_equal(images, IMAGES)


def test_augmented_images_are_the_same(tmp_path, no_memory, monkeypatch):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    spec = f"{tmp_path / 'set.npz'}(augment='crop4-flip')"

    def calibration():
        return load_examples(spec.split("(")[0], ["test"], "20").calibrated(spec, "300").calibration

    streamed = calibration()
    monkeypatch.undo()
    assert_alike(streamed, calibration())


def test_types_and_subsets_follow(tmp_path, no_memory, monkeypatch):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    streamed = load_examples(str(tmp_path / "set.npz"), ["test"], "all").batches["test"]
    monkeypatch.undo()
    whole = ImageSet(IMAGES, LABELS).subset("all").batches()
    double = dataclasses.replace(streamed, inputs=streamed.inputs.to(torch.float64))
    assert torch.equal(all_of(double)[0], whole.inputs.double())
    assert_alike(streamed.subset("100"), whole.subset("100"))
    parts = streamed.split(100)
    assert len(parts) == 6
    assert torch.equal(parts[2][0], whole.inputs[200:300])
    assert [len(targets) for _, targets in parts[4:]] == [100, 100]


def test_an_image_that_is_not_finite_is_named(tmp_path, no_memory):
    images = IMAGES.astype(np.float32)
    images[[3, 7], 0] = np.inf
    np.savez(tmp_path / "set.npz", images=images, labels=LABELS)
    with refused(r"2 of 600 images of set.npz contain NaN or infinite values"):
        load_examples(str(tmp_path / "set.npz"), ["test"], "all")


# Class folders


@pytest.fixture
def folder(tmp_path):
    for number, image in enumerate(IMAGES[:60]):
        place = tmp_path / "pets" / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{number:02d}.png")
    return tmp_path / "pets"


def test_of_a_folder_only_the_chosen_images_are_decoded(folder, monkeypatch):
    decoded = []
    decode = folders._decoded
    monkeypatch.setattr(folders, "_decoded", lambda file, *how: decoded.append(file) or decode(file, *how))
    part = load_examples(str(folder), ["test"], "7").batches["test"]
    assert len(decoded) == 8  # the first one of all says how large they are
    order = np.argsort(np.arange(60) % 3, kind="stable")[chosen("7", 60)]
    assert part.digest == digest_of(IMAGES[order], LABELS[order])
    assert torch.equal(part.inputs, ImageSet(IMAGES[order], LABELS[order]).tensors()[0])


def test_a_folder_is_decoded_anew_where_it_does_not_fit(folder, no_memory, monkeypatch):
    streamed = load_examples(str(folder), ["test"], "all").batches["test"]
    monkeypatch.undo()
    assert_alike(streamed, load_examples(str(folder), ["test"], "all").batches["test"])


def test_an_image_that_is_lost_in_mid_run_stops_it(folder, tmp_path, no_memory):
    examples = load_examples(str(folder), ["test"], "all").batches["test"]
    next(folder.glob("b/*.png")).unlink()
    with refused(r"cannot read the image .*png': it is damaged or of another kind"):
        all_of(examples, 10)
    assert readers() == []


# Users' data sets and loaders

INPUTS = torch.from_numpy(IMAGES).float().div(7)
TARGETS = torch.from_numpy(LABELS)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(INPUTS, TARGETS, strict=True))


class Endless:
    """An iterable that is no iterator: each walk is a new one."""

    def __init__(self, walk):
        self.walk = walk

    def __iter__(self):
        return self.walk()


def batched(order=None, sizes=(100, 7, 293, 200)):
    order = torch.arange(600) if order is None else order
    for index in torch.split(order, list(sizes)):
        yield INPUTS[index], TARGETS[index]


PAIRS = TensorDataset(INPUTS, TARGETS)
SOURCES = {
    "Dataset": PAIRS,
    "DataLoader": DataLoader(PAIRS, batch_size=33),
    # With tensors of its own: those that go to another process move to shared memory, away from under their arrays.
    "workers": DataLoader(
        TensorDataset(INPUTS.clone(), TARGETS.clone()), batch_size=200, num_workers=1, multiprocessing_context="spawn"
    ),
    "stream": Stream(),
    "loader of a stream": DataLoader(Stream(), batch_size=50),
    "iterable": Endless(batched),
    "list": list(batched()),
    "arrays": (INPUTS.numpy(), LABELS),
    "tensors": (INPUTS, TARGETS),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_that_can_be_read_again(no_memory, monkeypatch, name):
    examples = load_examples(SOURCES[name], ["test"], "all")
    streamed = examples.batches["test"]
    assert any(note.startswith("the examples for 'test' are read anew at every point (") for note in examples.notes)
    monkeypatch.undo()
    source = [SOURCES[name]] if isinstance(SOURCES[name], tuple) else SOURCES[name]
    if name == "workers":  # the processes are slow to start
        assert torch.equal(all_of(streamed, 300)[0], INPUTS)
    else:
        assert_alike(streamed, materialise(source, "test"))
    assert readers() == []


def test_a_function_that_yields_is_called_again(tmp_path, no_memory):
    (tmp_path / "data.py").write_text(
        "import torch\ncalls = []\ndef walk(split):\n    calls.append(split)\n"
        "    yield torch.arange(12.).reshape(6, 2), torch.arange(6)\n"
    )
    examples = load_examples(f"{tmp_path / 'data.py'}:walk", ["test"], "first:4").batches["test"]
    assert torch.equal(all_of(examples)[0], torch.arange(8.0).reshape(4, 2))
    assert examples.name == "data.py:walk"


@pytest.mark.parametrize("name", ["Dataset", "DataLoader", "arrays"])
@pytest.mark.parametrize("samples", ["90", "first:90"])
def test_subsets_of_what_is_read_by_index(no_memory, monkeypatch, name, samples):
    streamed = load_examples(SOURCES[name], ["test"], samples).batches["test"]
    monkeypatch.undo()
    assert_alike(streamed, materialise(PAIRS, "test").subset(samples))


def test_of_a_data_set_only_the_chosen_examples_are_read():
    class Counting(Dataset):
        def __init__(self):
            self.asked = []

        def __len__(self):
            return 600

        def __getitem__(self, index):
            self.asked.append(index)
            return INPUTS[index], TARGETS[index]

    counting = Counting()
    part = load_examples(counting, ["test"], "9").batches["test"]
    assert set(counting.asked) == set(ORDER[:9].tolist())
    assert torch.equal(part.inputs, INPUTS[ORDER[:9]])


def test_subsets_of_what_has_its_own_order_alone(monkeypatch, no_memory):
    source = Endless(batched)
    first = load_examples(source, ["test"], "first:90").batches["test"]
    assert isinstance(first.inputs, Deferred)
    assert torch.equal(all_of(first)[0], INPUTS[:90])
    with refused(r"'test' can be read in their own order alone, and 90 chosen examples .* give a Dataset"):
        load_examples(source, ["test"], "90")
    monkeypatch.undo()
    chosen_ones = load_examples(source, ["test"], "90", low_memory=True).batches["test"]
    assert torch.equal(all_of(chosen_ones)[0], INPUTS[ORDER[:90]])
    assert chosen_ones.digest == materialise(source, "test").subset("90").digest


@pytest.mark.parametrize("mode", ["r", "c"])
def test_memory_mapped_arrays(tmp_path, no_memory, monkeypatch, mode):
    np.save(tmp_path / "x.npy", INPUTS.numpy())
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    assert_alike(load_examples((mapped, LABELS), ["test"], "all").batches["test"], materialise(PAIRS, "test"))
    call = f"np.load({str(tmp_path / 'images.npy')!r}, mmap_mode={mode!r})"
    (tmp_path / "data.py").write_text(
        f"import numpy as np\ndef images(split):\n    return {call}, np.arange(600) % 3\n"
    )
    found = load_examples(f"{tmp_path / 'data.py'}:images", ["test"], "40")
    assert isinstance(found.parts["test"].images, Rows)
    monkeypatch.undo()
    assert_alike(found.batches["test"], ImageSet(IMAGES, LABELS).subset("40").batches())
    assert np.array_equal(Mapped(mapped)[5:7], INPUTS[5:7])


def test_a_shuffling_loader_keeps_the_order_of_one_walk(no_memory):
    examples = load_examples(DataLoader(PAIRS, batch_size=50, shuffle=True), ["test"], "all")
    first, again = all_of(examples.batches["test"]), all_of(examples.batches["test"])
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], INPUTS)
    assert any("the loader shuffles" in note for note in examples.notes)


def test_an_iterable_that_shuffles_is_refused(no_memory):
    generator = torch.Generator().manual_seed(0)
    source = Endless(lambda: batched(torch.randperm(600, generator=generator)))
    with refused("^the targets for 'test' come out differently when they are read once more.*: switch off shuffling"):
        load_examples(source, ["test"], "all")


@pytest.mark.parametrize("number", [599, 400])
def test_an_iterable_that_becomes_shorter_is_refused(no_memory, number):
    lengths = iter([600, 600, number])
    source = Endless(lambda: iter([(INPUTS[:n], TARGETS[:n]) for n in [next(lengths)]]))
    batches = load_examples(source, ["test"], "all").batches["test"]
    with refused("the targets for 'test' come out differently"):
        all_of(batches)


def test_an_iterable_that_becomes_longer_is_refused(no_memory):
    lengths = iter([500, 600])
    source = Endless(lambda: iter([(INPUTS[:n], TARGETS[:n]) for n in [next(lengths)]]))
    with refused("the targets for 'test' come out differently"):
        load_examples(source, ["test"], "all")


class Noisy(Dataset):
    def __len__(self):
        return 600

    def __getitem__(self, index):
        return INPUTS[index] + torch.rand(()), TARGETS[index]


def test_random_augmentation_is_refused_where_it_would_change_from_point_to_point(no_memory, small_net):
    batches = load_examples(Noisy(), ["test"], "all").batches["test"]
    with refused("^the inputs for 'test' come out differently when they are read once more"):
        all_of(batches)
    assert readers() == []
    with refused("^the inputs for 'test' come out differently"):
        landscape.compute(nn.Sequential(nn.Flatten(), nn.Linear(108, 3)), Noisy(), x="-1:1:3", y=None, progress=False)


def test_what_can_be_walked_only_once_has_to_fit(no_memory):
    with refused("'test' are too much for the free memory, and a generator can be walked only once: give a Dataset"):
        load_examples(batched(), ["test"], "all")


def test_a_collate_function_that_drops_examples_is_refused(no_memory):
    def dropping(examples):
        return tuple(torch.stack(part) for part in zip(*examples[:-1], strict=True))

    loader = DataLoader(PAIRS, batch_size=20, collate_fn=dropping)
    with refused("of 256 examples for 'test' the collate function of the loader gave 255: let it keep them all|yield"):
        load_examples(loader, ["test"], "all")


@settings(max_examples=60)
@given(data=st.data(), sizes=st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_batches_are_cut_anew(data, sizes):
    number = sum(sizes)
    rows = torch.arange(number)
    items = [(part * 2, part) for part in torch.split(rows, sizes)]
    cuts = sorted(data.draw(st.lists(st.integers(0, number), max_size=6)))
    bounds = [pair for pair in itertools.pairwise(cuts) if data.draw(st.booleans())]
    parts = list(recut(iter(items), bounds, "test"))
    assert [part.tolist() for _, part in parts] == [rows[start:stop].tolist() for start, stop in bounds]
    assert all(torch.equal(doubled, 2 * part) for doubled, part in parts)
    with refused("come out differently"):
        list(recut(iter(items), [(0, number + 1)], "test"))


def test_the_thread_computes_like_the_one_that_waits_for_it(no_memory, monkeypatch):
    """Denormal numbers are flushed there, too, and products use as many threads."""

    class Tiny(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.full((2,), 1e-40) * 1.0 + torch.get_num_threads(), 0

    with strict_arithmetic(threads=1):
        streamed = load_examples(Tiny(), ["test"], "all").batches["test"]
        monkeypatch.undo()
        assert_alike(streamed, materialise(Tiny(), "test"))


# Whole runs


def arrays_of(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("bn_stats", ["frozen", "all"])
def test_a_surface_is_the_same_to_the_bit(tmp_path, small_net, no_memory, monkeypatch, bn_stats):
    np.savez(tmp_path / "set.npz", images=IMAGES[:, 0], labels=LABELS)
    more = {"bn_data": str(tmp_path / "set.npz"), "bn_samples": 64} if bn_stats == "all" else {}

    def compute(name):
        data = f"{tmp_path / 'set.npz'}(mean=0.4, std=0.3)"
        options = {"x": "-1:1:3", "y": "-1:1:3", "samples": 300, "batch_size": 64, "bn_stats": bn_stats, **more}
        return landscape.compute(small_net, data, out=tmp_path / name, progress=False, **options)

    streamed = compute("streamed.h5")
    assert any("read anew" in note for note in streamed.provenance["notes"])
    monkeypatch.undo()
    resident = compute("resident.h5")
    assert not any("read anew" in note for note in resident.provenance["notes"])
    assert streamed.job == resident.job
    one, other = arrays_of(tmp_path / "streamed.h5"), arrays_of(tmp_path / "resident.h5")
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    assert readers() == []
    assert compute("streamed.h5").provenance["resumed"] == 1


def test_a_first_layer_that_is_multiplied_once_is_the_same_to_the_bit(small_net, no_memory, monkeypatch):
    """Nothing is read at the points then."""
    reads = []

    class Counting(Dataset):
        def __len__(self):
            return 600

        def __getitem__(self, index):
            reads.append(index)
            return INPUTS[index], TARGETS[index]

    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.ReLU(), nn.Linear(8, 3))

    def compute(points):
        return landscape.compute(net, Counting(), x=(-1, 1, points), y=None, progress=False)

    streamed, few = compute(3), len(reads)
    compute(9)
    assert (
        len(reads) - few < few + 6 * 600 / 2
    )  # how far is read ahead of a walk that is left early is up to the threads
    monkeypatch.undo()
    resident = compute(3)
    assert streamed.provenance["evaluator"] == resident.provenance["evaluator"]
    assert streamed.provenance["evaluator"].startswith("fused")
    np.testing.assert_array_equal(streamed["loss"], resident["loss"])


def test_low_memory_reads_anew_what_would_fit(small_net):
    options = {"x": "-1:1:3", "y": None, "progress": False}
    data = TensorDataset(INPUTS[:, :1], TARGETS)
    little = landscape.compute(small_net, data, low_memory=True, **options)
    assert "the examples for 'test' are read anew at every point (--low-memory)" in little.provenance["notes"]
    usual = landscape.compute(small_net, data, **options)
    assert little.job == usual.job
    np.testing.assert_allclose(little["loss"], usual["loss"], rtol=1e-6)


# How much memory there is


def test_the_memory_that_is_free(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:   4000 kB\n")
    group = tmp_path / "groups" / "job" / "step"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/job/step\n")
    monkeypatch.setattr(capacity, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(capacity, "_OWN_CGROUP", tmp_path / "own")
    assert capacity.free_memory() == 4000 * 1024
    for folder, limit in ((group, "max\n"), (group.parent, "3000000\n")):
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text("2500000\n")
        (folder / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    assert capacity.free_memory() == 600_000
    assert capacity.fits(150_000)
    assert not capacity.fits(150_001)
    (tmp_path / "meminfo").unlink()
    (tmp_path / "own").unlink()
    assert capacity.free_memory() > 2**28


def test_what_is_in_words():
    sizes = (61_440_000_000, 999_960_000_000, 3_150_000, 4320, 1)
    assert [capacity.in_words(size) for size in sizes] == ["61.4 GB", "1,000 GB", "3.15 MB", "4,320 bytes", "1 bytes"]


# A GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_prepares_to_the_same_bits(tmp_path, monkeypatch, no_memory):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    constants = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
    images = load_data(str(tmp_path / "set.npz")).normalised(*constants).subset("all")
    expected = images.tensors()[0]
    streamed = load_examples(f"{tmp_path / 'set.npz'}(mean={constants[0]}, std={constants[1]})", ["test"], "all")
    there = streamed.batches["test"].to("cuda")
    assert torch.equal(torch.cat([inputs for inputs, _ in there.split(64)]).cpu(), expected)
    monkeypatch.undo()
    monkeypatch.setattr("landscape.data.capacity.ROOMY", 0)
    resident = images.batches().to("cuda")
    assert resident.inputs.source.inputs.device.type == "cuda"
    assert torch.equal(torch.cat([inputs for inputs, _ in resident.split(64)]).cpu(), expected)
    assert torch.equal(images.tensors("cuda")[0].cpu(), expected)
