from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from countception.data.dataset import (
    Item,
    Sample,
    Stream,
    content_hash,
    load_dataset,
    load_item,
    read_dataset,
)
from countception.data.inspection import inspect
from countception.data.splits import fold_samples, split, split_off
from countception.errors import ConfigError, DatasetError, ImageError, PointsError
from countception.points import Dots
from countception.results.dot_pictures import draw_dots
from helpers_blobs import blobs


def sample(seed: int = 0, *, channels: int = 3, dots: int = 4, name: str = "a") -> Sample:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (channels, 24, 32), np.uint8)
    return Sample(image, Dots(rng.uniform(0, 24, (dots, 2))), name)


class TestLoading:
    def test_folder(self, folder: Path) -> None:
        samples = load_dataset(folder)
        assert [each.name for each in samples] == ["a", "b", "c", "d"]
        assert [len(each.dots) for each in samples] == [2, 3, 4, 5]
        assert samples[0].image.shape == (3, 24, 32)
        assert samples[0].image.dtype == np.uint8
        assert {each.group for each in samples} == {None}

    def test_dataset_and_samples_load_the_same(self, folder: Path) -> None:
        samples = load_dataset(folder)
        assert content_hash(load_dataset(read_dataset(folder))) == content_hash(samples)
        assert load_dataset(samples) == samples

    def test_groups_come_from_the_manifest(self, folder: Path) -> None:
        (folder / "manifest.csv").write_text("image,dots,group\na.png,a.csv,one\nb.png,b.csv,two\n")
        assert [each.group for each in load_dataset(folder)] == ["one", "two"]

    def test_masks_and_tables_mix(
        self, folder: Path, write_image: Callable[..., Path], write_mask: Callable[..., Path]
    ) -> None:
        write_image(folder / "e.png")
        write_mask(folder / "e_dots.png", [(3, 4)])
        assert load_dataset(folder)[-1].dots.points.tolist() == [[3, 4]]

    def test_class_numbers_mean_the_same_everywhere(self, folder: Path) -> None:
        (folder / "a.csv").write_text("x,y,class\n1,1,live\n2,2,dead\n")
        for name, label in zip("bc", ("live", "dead"), strict=True):
            (folder / f"{name}.csv").write_text(f"x,y,class\n1,1,{label}\n")
        (folder / "d.csv").write_text("x,y\n")
        samples = load_dataset(folder)
        assert {each.dots.class_names for each in samples} == {("dead", "live")}
        assert [each.dots.labels.tolist() for each in samples] == [[1, 0], [1], [0], []]

    def test_order_of_tables_without_header(self, folder: Path) -> None:
        (folder / "a.csv").write_text("1,2\n")
        with pytest.raises(PointsError, match=r"a\.csv: has no header"):
            load_dataset(folder)
        assert load_dataset(folder, order="yx")[0].dots.points.tolist() == [[1, 2]]
        assert load_dataset(read_dataset(folder, order="xy"))[0].dots.points.tolist() == [[2, 1]]

    def test_no_dots_at_all_can_be_read(self, folder: Path) -> None:
        for path in folder.glob("*.csv"):
            path.write_text("x,y\n")
        assert [len(each.dots) for each in load_dataset(folder)] == [0, 0, 0, 0]

    def test_one_pixel(
        self, tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]
    ) -> None:
        write_image(tmp_path / "a.png", shape=(1, 1))
        write_table(tmp_path / "a.csv", [(0, 0)])
        assert load_dataset(tmp_path)[0].image.shape == (3, 1, 1)


class TestBadData:
    def test_missing_dots(self, folder: Path) -> None:
        (folder / "c.csv").unlink()
        (folder / "b.csv").rename(folder / "bb.csv")
        with pytest.raises(
            DatasetError,
            match=r"2 images \(b\.png, c\.png\) and 1 dots file \(bb\.csv\) without a partner",
        ):
            load_dataset(folder)
        assert [each.name for each in load_dataset(folder, unmatched="ignore")] == ["a", "d"]

    def test_dots_in_micrometres_of_wide_pixels_are_not_to_be_removed(self, tmp_path: Path) -> None:
        resolution: dict[str, Any] = {"resolution": (1 / 1.3, 1 / 1.3), "metadata": {"unit": "um"}}
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 40), np.uint8), imagej=True, **resolution)
        (tmp_path / "a.csv").write_text("x,y\n1.3,2.6\n49.4,20.8\n13,13\n26,6\n")
        with pytest.raises(PointsError, match=r"1 of 4 dots lie outside .*; they may be in µm, as all .* 1\.3 µm wide"):
            load_dataset(tmp_path)
        (tmp_path / "a.csv").write_text("x,y\n1.3,2.6\n40.5,10.8\n13,13\n26,6\n")
        with pytest.raises(PointsError, match="remove those dots"):
            load_dataset(tmp_path)

    def test_dots_outside(self, folder: Path) -> None:
        (folder / "b.csv").write_text("x,y\n3,4\n31.5,0\n-0.6,2\n")
        with pytest.raises(
            PointsError,
            match=r"b\.csv: 2 of 3 dots lie outside the image b\.png, which is 24 × 32 .* at y = 0, x = 31\.5; do they",
        ):
            load_dataset(folder)
        assert load_dataset(folder, outside="drop")[1].dots.points.tolist() == [[4, 3]]
        assert len(load_dataset(folder, outside="keep")[1].dots) == 3

    def test_coordinates_of_a_map_are_guessed(self, folder: Path) -> None:
        for y, why in ((4_649_000, "coordinates of a map"), (-12, "y counts down from 0 there, as in QGIS")):
            (folder / "b.csv").write_text(f"x,y\n3,{y}\n31,{y + 9}\n")
            with pytest.raises(PointsError, match=why):
                load_dataset(folder)

    def test_swapped_coordinates_are_guessed(self, folder: Path) -> None:
        (folder / "b.csv").write_text("y,x\n30,4\n")
        with pytest.raises(PointsError, match="x and y may be swapped"):
            load_dataset(folder)

    @pytest.mark.parametrize("orientation", [1, 3, 6])
    def test_dots_on_an_image_as_it_is_stored_are_guessed(
        self, folder: Path, turn: Callable[..., None], orientation: int
    ) -> None:
        turn(folder / "b.png", orientation)  # 32 × 24 upright, by 6
        (folder / "b.csv").write_text("x,y\n30,4\n1,2\n" if orientation == 6 else "x,y\n4,30\n")
        with pytest.raises(PointsError, match=r"b\.csv: 1 of . dots lie outside the image b\.png") as caught:
            load_dataset(folder)
        assert ("exiftool -n -Orientation=1" in str(caught.value)) == (orientation == 6)
        assert ("x and y may be swapped" in str(caught.value)) == (orientation != 6)

    @pytest.mark.parametrize("far", ["1e300", "-1e300", "1e19"])
    def test_huge_coordinate(self, folder: Path, far: str) -> None:
        (folder / "b.csv").write_text(f"x,y\n{far},4\n")
        with pytest.raises(PointsError, match=r"b\.csv: 1 of 1 dots lie outside"):
            load_dataset(folder)

    @pytest.mark.parametrize(("x", "inside"), [("-0.5", True), ("-0.51", False), ("31.49", True), ("31.5", False)])
    def test_border_of_the_image_is_half_a_pixel_out(self, folder: Path, x: str, inside: bool) -> None:
        (folder / "b.csv").write_text(f"x,y\n{x},4\n")
        assert len(load_dataset(folder, outside="drop")[1].dots) == inside

    def test_mask_of_another_size(self, folder: Path, write_mask: Callable[..., Path]) -> None:
        (folder / "b.csv").unlink()
        write_mask(folder / "b_dots.png", [(3, 4)], shape=(20, 30))
        with pytest.raises(PointsError, match=r"b_dots\.png: the mask is 20 × 30 pixels but its image is 24 × 32"):
            load_dataset(folder)

    def test_different_depths(self, folder: Path) -> None:
        """Values of 16 bits are not those of 8: normalised together, neither looks like the other."""
        samples = load_dataset(folder)
        deep = replace(samples[1], image=samples[1].image.astype(np.uint16) * np.uint16(257))
        with pytest.raises(DatasetError, match=r"b has pixels of type uint16 but a of uint8, .*convert them to one"):
            load_dataset([samples[0], deep])
        assert len(load_dataset([deep, deep])) == 2

    def test_different_channels(self, folder: Path, write_image: Callable[..., Path]) -> None:
        write_image(folder / "c.png", channels=1)
        with pytest.raises(DatasetError, match=r"c\.png has 1 channels but .*a\.png has 3"):
            load_dataset(folder)
        with pytest.raises(DatasetError, match="b has 1 channels but a has 3"):
            load_dataset([sample(), sample(channels=1, name="b")])

    def test_different_classes(self) -> None:
        other = Sample(sample().image, Dots(np.zeros((1, 2)), class_names=("cell",)), "b")
        with pytest.raises(DatasetError, match="b has classes cell but a has object"):
            load_dataset([sample(), other])

    def test_tables_with_and_without_classes(self, folder: Path) -> None:
        (folder / "a.csv").write_text("x,y,class\n1,1,live\n2,2,dead\n")
        with pytest.raises(PointsError, match=r"b\.csv: has dots without a class, but the classes are dead, live"):
            load_dataset(folder)

    def test_damaged_image(self, folder: Path) -> None:
        (folder / "c.png").write_bytes((folder / "c.png").read_bytes()[:100])
        with pytest.raises(ImageError, match=r"c\.png"):
            load_dataset(folder)

    def test_nan_pixels(self, folder: Path) -> None:
        (folder / "c.png").unlink()
        tifffile.imwrite(folder / "c.tif", np.full((24, 32), np.nan, np.float32))
        with pytest.raises(ImageError, match=r"c\.tif: 768 of 768 pixel values are NaN"):
            load_dataset(folder)

    @pytest.mark.parametrize(
        ("image", "sentence"),
        [
            (np.zeros((24, 32), np.uint8), r"^a has shape \(24, 32\): it must be \(channel, y, x\)"),
            (np.zeros((24, 32, 3), np.uint8), "whose channels seem to come last: move them first"),
            (np.zeros((3, 0, 32), np.uint8), "a has no pixels"),
            (np.full((3, 24, 32), np.nan, np.float32), "a: 2304 of 2304 pixel values are NaN"),
            (np.zeros((3, 24, 32), complex), "a has pixels of type complex128"),
        ],
    )
    def test_images_of_samples(self, image: Any, sentence: str) -> None:
        with pytest.raises(ImageError, match=sentence):
            load_dataset([Sample(image, Dots(np.zeros((1, 2))), "a")])

    def test_dots_of_samples_outside(self) -> None:
        stray = replace(sample(), dots=Dots(np.array([[3.0, 4.0], [30.0, 4.0]])))
        with pytest.raises(PointsError, match=r"^a: 1 of 2 dots lie outside the image, which is 24 × 32 pixels"):
            load_dataset([stray])
        assert load_dataset([stray], outside="drop")[0].dots.points.tolist() == [[3, 4]]
        assert load_dataset([stray], outside="keep") == [stray]

    def test_samples_get_a_type_that_is_known(self) -> None:
        one = sample()
        (found,) = load_dataset([replace(one, image=one.image.astype(np.float64), group="g")])
        assert (found.image.dtype, found.name, found.group) == (np.float32, "a", "g")

    def test_names_and_groups_of_samples_become_text(self) -> None:
        """Of paths and numbers a model file could not be written, after all of the training."""
        samples = [replace(sample(), name=Path("a.png"), group=np.int64(k)) for k in range(2)]  # type: ignore[arg-type]
        assert [(one.name, one.group) for one in load_dataset(samples)] == [("a.png", "0"), ("a.png", "1")]
        assert split_off(load_dataset([*samples, sample()]), 1, seed=0)

    def test_no_samples(self) -> None:
        with pytest.raises(DatasetError, match="there are no samples"):
            load_dataset([])

    def test_item_that_is_gone(self, folder: Path) -> None:
        with pytest.raises(ImageError, match=r"z\.png: there is no such file"):
            load_item(Item(folder / "z.png", folder / "a.csv", "z"))


class TestSplit:
    @given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.integers(0, 10), st.integers(0, 2**32))
    def test_parts_are_disjoint_and_of_the_size_asked_for(self, parts: list[int], spare: int, seed: int) -> None:
        n = sum(parts) + spare
        drawn = split(n, parts=parts, seed=seed)
        assert [len(part) for part in drawn] == parts
        together = np.concatenate(drawn)
        assert len(np.unique(together)) == sum(parts)
        assert all(0 <= index < n for index in together)

    @given(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
        st.lists(st.integers(0, 12), min_size=1, max_size=3),
        st.integers(0, 100),
    )
    def test_groups_stay_together(self, groups: list[str], parts: list[int], seed: int) -> None:
        if sum(parts) > len(groups) or sum(part > 0 for part in parts) > len(set(groups)):
            with pytest.raises(DatasetError):
                split(len(groups), parts=parts, seed=seed, groups=groups)
            return
        drawn = split(len(groups), parts=parts, seed=seed, groups=groups)
        sets = [{groups[i] for i in part} for part in drawn]
        assert sum(map(len, sets)) == len(set().union(*sets))
        for part, names in zip(drawn, sets, strict=True):
            assert len(part) == sum(groups.count(name) for name in names)
        assert [bool(names) for names in sets] == [part > 0 for part in parts]

    def test_fields_of_four_tiles(self) -> None:
        groups = [f"field {k // 4}" for k in range(44)]
        drawn = split(44, parts=(15, 15, 10), seed=0, groups=groups)
        assert [len(part) for part in drawn] == [16, 16, 12]

    def test_later_parts_get_a_group(self) -> None:
        groups = [str(k // 10) for k in range(100)]
        assert [len(part) for part in split(100, parts=(45, 45, 10), seed=0, groups=groups)] == [50, 40, 10]

    def test_the_benchmarks_splits_by_field_stay_as_they_are(self) -> None:
        drawn = split(44, parts=(10, 5, 5), seed=7, groups=[f"field {k // 4}" for k in range(44)])
        assert [[part[i] // 4 for i in range(0, len(part), 4)] for part in drawn] == [[3, 5, 9], [0, 1], [2, 7]]

    def test_seed_decides(self) -> None:
        one, same, other = (split(100, parts=(50,), seed=seed)[0].tolist() for seed in (3, 3, 4))
        assert one == same
        assert one != other

    @pytest.mark.parametrize(
        ("n", "parts", "groups", "sentence"),
        [
            (5, (3, 3), None, r"5 images cannot be split into parts of 3 \+ 3"),
            (5, (-1, 3), None, "cannot be split"),
            (4, (2, 2), ["a"] * 4, "1 groups cannot be split into 2 parts"),
            (4, (2, 2), ["a"] * 3, "3 groups are named for 4 images"),
        ],
    )
    def test_parts_that_do_not_fit(
        self, n: int, parts: tuple[int, ...], groups: list[str] | None, sentence: str
    ) -> None:
        with pytest.raises(DatasetError, match=sentence):
            split(n, parts=parts, seed=0, groups=groups)


def grouped(*sizes: int) -> list[Sample]:
    names = [f"group {k}" for k, size in enumerate(sizes) for _ in range(size)]
    return [replace(sample(i, dots=1, name=f"{i}"), group=name) for i, name in enumerate(names)]


class TestSplittingOff:
    @pytest.mark.parametrize(
        ("sizes", "size", "aside"),
        [
            ((20, 1, 1, 1, 1), 6, {4}),
            ((40, 5, 5, 5, 5), 15, {15}),
            ((30, 10), 10, {10}),
            ((8, 10, 30), 12, {8, 10}),
            ((4,) * 10, 10, {8}),  # as near as 12, which would leave less to learn from
            ((4, 2, 2), 2, {2}),
            ((6, 3, 3, 3), 3, {3}),
            ((100, 1), 1, {1}),
            ((7, 9), 1, {7}),  # both are too large, but one is needed
            ((2, 2), 3, {2}),  # and one to learn from
            ((9,), 3, {3}),  # one group alone is parted
        ],
    )
    def test_is_as_near_to_the_size_as_whole_groups_allow(
        self, sizes: tuple[int, ...], size: int, aside: set[int]
    ) -> None:
        samples = grouped(*sizes)
        drawn = [split_off(samples, size, seed=seed) for seed in range(20)]
        assert {len(chosen) for chosen, _ in drawn} == aside
        for chosen, rest in drawn:
            assert sorted([*chosen, *rest], key=samples.index) == samples
            assert len(sizes) == 1 or {s.group for s in chosen}.isdisjoint({s.group for s in rest})

    def test_samples_without_groups_are_drawn_as_ever(self) -> None:
        samples = [sample(dots=1, name=f"i{k}") for k in range(20)]
        assert [s.name for s in split_off(samples, 5, seed=3)[0]] == ["i2", "i6", "i8", "i11", "i16"]

    def test_samples_of_one_name_are_no_group(self) -> None:
        samples = [sample(dots=1, name=name) for name in ("001", "001", "001", "002")]
        assert {len(split_off(samples, 1, seed=seed)[0]) for seed in range(20)} == {1}
        assert len(split_off(samples[:3], 1, seed=0)[1]) == 2

    def test_equal_images_stay_together(self) -> None:
        samples = [sample(k // 2, dots=k % 2, name=f"i{k}") for k in range(8)]
        samples[7] = replace(samples[7], group="with i0")
        samples[0] = replace(samples[0], group="with i0")
        for seed in range(20):
            chosen, rest = split_off(samples, 2, seed=seed)
            assert {s.image.tobytes() for s in chosen}.isdisjoint({s.image.tobytes() for s in rest})
        parts = fold_samples(samples, 3, seed=0)
        assert sorted(map(len, parts)) == [2, 2, 4]
        assert {s.name for s in max(parts, key=len)} == {"i0", "i1", "i6", "i7"}
        with pytest.raises(DatasetError, match="3 different groups of 8 images cannot be divided into 4 folds"):
            fold_samples(samples, 4, seed=0)


class TestContentHash:
    def test_is_the_same_on_every_machine(self) -> None:
        image = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
        samples = [Sample(image, Dots(np.array([[1.0, 2.5]])), "a")]
        fed = b"|u1 (1, 4, 6) 1 ['object']\n" + bytes(range(24)) + struct.pack("<2d", 1.0, 2.5)
        assert content_hash(samples) == hashlib.sha256(fed).hexdigest()

    def test_names_and_memory_do_not_matter(self) -> None:
        one = sample()
        turned = Sample(np.asfortranarray(one.image), one.dots, "other", "group")
        big_endian = Sample(one.image.astype(">u2"), one.dots, "a")
        assert content_hash([one]) == content_hash([turned])
        assert content_hash([Sample(one.image.astype("<u2"), one.dots, "a")]) == content_hash([big_endian])

    def test_everything_else_does(self) -> None:
        one = sample()
        pixels = one.image.copy()
        pixels[0, 0, 0] ^= 1
        labelled = Dots(one.dots.points, one.dots.labels, ("cell",))
        moved = Dots(one.dots.points + 1e-9)
        variants = [
            [one],
            [sample(1)],
            [one, one],
            [one, sample(1)],
            [sample(1), one],
            [Sample(pixels, one.dots, "a")],
            [Sample(one.image.astype(np.uint16), one.dots, "a")],
            [Sample(one.image.reshape(3, 32, 24), one.dots, "a")],
            [Sample(one.image, moved, "a")],
            [Sample(one.image, labelled, "a")],
        ]
        assert len({content_hash(variant) for variant in variants}) == len(variants)


@pytest.mark.parametrize("options", [{"outside": "foo"}, {"unmatched": "foo"}])
def test_other_words_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ConfigError, match=f"{name} cannot be 'foo': it is one of error"):
        load_dataset(blobs(1), **options)


class TestPagesThatDotsSay:
    """Dots of another page would be learned from as if they lay on the one that is read."""

    @staticmethod
    def stack(folder: Path, axes: str = "TYX", shape: tuple[int, ...] = (6, 20, 30)) -> None:
        tifffile.imwrite(folder / "a.tif", np.ones(shape, np.uint8), imagej=True, metadata={"axes": axes})

    @pytest.mark.parametrize(
        ("table", "said", "pages"),
        [
            ("x,y,frame\n1,2,3\n4,5,3.0\n", "frame 3", (2, 3)),  # from 0 or from 1
            ("x,y,page\n1,2,3\n", "page 3", (3,)),
            ("axis-0,axis-1,axis-2\n3.0,2,1\n", "axis-0 3", (3,)),
            (" ,X,Y,Ch,Slice,Frame\n1,1,2,1,1,4\n", "frame 4", (3,)),
        ],
    )
    def test_a_table(self, tmp_path: Path, table: str, said: str, pages: tuple[int, ...]) -> None:
        self.stack(tmp_path)
        (tmp_path / "a.csv").write_text(table)
        for page in range(6):
            if page in pages:
                assert load_dataset(tmp_path, page=page)
                continue
            with pytest.raises(PointsError, match=rf"a\.csv: its dots lie on {said} and not on page {page} of"):
                load_dataset(tmp_path, page=page)
        assert load_dataset(tmp_path, page="max"), "all pages in one"

    @pytest.mark.parametrize("place", [{"position": 4}, {"t_position": 4, "z_position": 1}])
    def test_points_of_imagej_which_counts_from_one(self, tmp_path: Path, place: dict[str, int]) -> None:
        roifile = pytest.importorskip("roifile")
        self.stack(tmp_path)
        dot = roifile.ImagejRoi.frompoints(np.array([[1, 2]], np.float32))
        dot.roitype = roifile.ROI_TYPE.POINT
        for name, number in place.items():
            setattr(dot, name, number)
        dot.tofile(tmp_path / "a.roi")
        assert load_dataset(tmp_path, page=3)
        with pytest.raises(PointsError, match=r"a\.roi: its dots lie on slice 4 and not on page 4 of the stack"):
            load_dataset(tmp_path, page=4)

    @pytest.mark.parametrize(
        ("name", "contents", "said"),
        [
            (
                "CellCounter_a.xml",
                "<CellCounter_Marker_File><Marker_Data><Marker_Type><Type>1</Type><Marker><MarkerX>2</MarkerX>"
                "<MarkerY>1</MarkerY><MarkerZ>{}</MarkerZ></Marker></Marker_Type></Marker_Data></CellCounter_Marker_File>",
                "slice 4",
            ),
            (
                "a.geojson",
                '{{"type": "Feature", "properties": {{}}, "geometry": {{"type": "Point", "coordinates": [2, 1], '
                '"plane": {{"c": -1, "z": 0, "t": {}}}}}}}',
                "t 3",
            ),
        ],
    )
    def test_markers_of_fiji_and_points_of_qupath(self, tmp_path: Path, name: str, contents: str, said: str) -> None:
        self.stack(tmp_path)
        (tmp_path / name).write_text(contents.format(said.split()[1]))
        assert load_dataset(tmp_path, page=3)
        assert load_dataset(tmp_path, page="max"), "all pages in one"
        with pytest.raises(PointsError, match=rf"its dots lie on {said} and not on page 0 of the stack"):
            load_dataset(tmp_path, page=0)
        (tmp_path / name).write_text(contents.format("01"[name.endswith("xml")]))  # as of a single image, too
        assert load_dataset(tmp_path, page=2)

    @pytest.mark.parametrize(("axes", "shape"), [("TZYX", (2, 3, 20, 30)), ("TCYX", (6, 2, 20, 30)), ("YX", (20, 30))])
    def test_where_pages_are_numbered_otherwise_nothing_is_compared(
        self, tmp_path: Path, axes: str, shape: tuple[int, ...]
    ) -> None:
        self.stack(tmp_path, axes, shape)
        (tmp_path / "a.csv").write_text("x,y,frame\n1,2,9\n")
        assert load_dataset(tmp_path, page=0)


class TestPagesOfAManifest:
    """Each row reads its own page, wherever a data set is read."""

    @pytest.fixture
    def manifest(self, tmp_path: Path) -> Path:
        film = np.multiply.outer(np.arange(6, dtype=np.uint8), np.ones((20, 30), np.uint8))
        tifffile.imwrite(tmp_path / "film.tif", film, imagej=True, metadata={"axes": "TYX"})
        for page in (4, 1):
            (tmp_path / f"film_{page}.csv").write_text(f"x,y,page\n{page},2,{page}\n")
        path = tmp_path / "manifest.csv"
        path.write_text("image,page,dots\nfilm.tif,4,film_4.csv\nfilm.tif,1,film_1.csv\n")
        return path

    def test_loaded_and_streamed(self, manifest: Path) -> None:
        dataset = read_dataset(manifest, page=0)  # of rows that say none
        loaded = load_dataset(dataset)
        assert [np.unique(sample.image).tolist() for sample in loaded] == [[4], [1]]
        assert [sample.dots.points.tolist() for sample in loaded] == [[[2, 4]], [[2, 1]]]
        streamed = [np.unique(np.asarray(one.image)) for one in Stream(dataset, dataset.classes, whose="the model")]
        assert [each.tolist() for each in streamed] == [[4], [1]]

    def test_dots_of_another_page_are_refused(self, manifest: Path) -> None:
        manifest.write_text("image,page,dots\nfilm.tif,4,film_1.csv\n")
        with pytest.raises(PointsError, match="lie on page 1 and not on page 4"):
            load_dataset(manifest)

    @pytest.mark.parametrize(
        "table",
        [
            "axis-0,axis-1,axis-2\n1,5,6\n4,7,8\n4.0,2,3\n2,0,0\n",  # napari's
            "page,y,x\n1,5,6\n4,7,8\n4,2,3\n2,0,0\n",
            "frame,y,x\n1,5,6\n4,7,8\n4,2,3\n0,0,0\n",  # from 0, as one is 0
            " ,X,Y,Ch,Slice,Frame\n1,6,5,1,1,2\n2,8,7,1,1,5\n3,3,2,1,1,5\n4,0,0,1,1,3\n",  # ImageJ's, from 1
        ],
    )
    def test_one_table_for_all_pages(self, manifest: Path, table: str) -> None:
        (manifest.parent / "film.csv").write_text(table)
        manifest.write_text("image,page,dots\nfilm.tif,4,film.csv\nfilm.tif,1,film.csv\nfilm.tif,5,film.csv\n")
        loaded = load_dataset(manifest)
        assert [each.dots.points.tolist() for each in loaded] == [[[7, 8], [2, 3]], [[5, 6]], []]

    @pytest.mark.parametrize(
        "table",
        [
            "axis-0,axis-1,axis-2\n1,5,6\n",
            "page,y,x\n1,5,6\n",
            " ,X,Y,Ch,Slice,Frame\n1,6,5,1,1,2\n",
        ],
    )
    def test_one_table_for_all_pages_of_which_one_has_dots(self, manifest: Path, table: str) -> None:
        (manifest.parent / "film.csv").write_text(table)
        manifest.write_text("image,page,dots\nfilm.tif,0,film.csv\nfilm.tif,1,film.csv\nfilm.tif,2,film.csv\n")
        assert [each.dots.points.tolist() for each in load_dataset(manifest)] == [[], [[5, 6]], []]

    @pytest.mark.parametrize(
        ("table", "said"),
        [("page,y,x\n5,5,6\n", "page 5 and not on page 0"), ("frame,y,x\n1,5,6\n", "whether planes count from 0 or")],
    )
    def test_one_table_whose_only_page_is_none_of_those_or_unclear(self, manifest: Path, table: str, said: str) -> None:
        (manifest.parent / "film.csv").write_text(table)
        manifest.write_text("image,page,dots\nfilm.tif,0,film.csv\nfilm.tif,1,film.csv\n")
        with pytest.raises(PointsError, match=said):
            load_dataset(manifest)

    def test_of_several_columns_that_of_the_page_is_meant(self, manifest: Path) -> None:
        (manifest.parent / "film.csv").write_text("page,z,y,x\n1,12.5,5,6\n")
        manifest.write_text("image,page,dots\nfilm.tif,0,film.csv\nfilm.tif,1,film.csv\n")
        assert [each.dots.points.tolist() for each in load_dataset(manifest)] == [[], [[5, 6]]]

    def test_a_table_of_several_images_has_one_plane_of_each(self, manifest: Path) -> None:
        film = tifffile.imread(manifest.parent / "film.tif")
        tifffile.imwrite(manifest.parent / "b.tif", film, imagej=True, metadata={"axes": "TYX"})
        (manifest.parent / "all.csv").write_text("image,x,y,z\nfilm.tif,6,5,2\nb.tif,8,7,4\n")
        manifest.write_text("image,page,dots\nfilm.tif,1,all.csv\nb.tif,3,all.csv\n")
        assert [each.dots.points.tolist() for each in load_dataset(manifest)] == [[[5, 6]], [[7, 8]]]

    def test_a_stack_of_masks_for_all_pages(self, manifest: Path) -> None:
        masks = np.zeros((6, 20, 30), np.uint8)
        masks[4, 5, 6] = 255
        tifffile.imwrite(manifest.parent / "masks.tif", masks, photometric="minisblack")
        manifest.write_text("image,page,dots\nfilm.tif,4,masks.tif\nfilm.tif,1,masks.tif\n")
        assert [each.dots.points.tolist() for each in load_dataset(manifest)] == [[[5, 6]], []]

    def test_classes_of_one_table_for_all_pages(self, manifest: Path) -> None:
        (manifest.parent / "film.csv").write_text("page,y,x,class\n1,5,6,red\n4,7,8,blue\n5,7,8,green\n")
        manifest.write_text("image,page,dots\nfilm.tif,4,film.csv\nfilm.tif,1,film.csv\n")
        assert read_dataset(manifest).classes == ("blue", "red")

    def test_planes_that_may_count_from_either(self, manifest: Path) -> None:
        (manifest.parent / "film.csv").write_text("frame,y,x\n1,5,6\n4,7,8\n")
        manifest.write_text("image,page,dots\nfilm.tif,4,film.csv\nfilm.tif,1,film.csv\n")
        with pytest.raises(PointsError, match=r"film\.csv: does not say whether planes count from 0 or from 1 in its"):
            load_dataset(manifest)

    def test_one_table_that_says_no_pages(self, manifest: Path) -> None:
        (manifest.parent / "film.csv").write_text("y,x\n5,6\n")
        manifest.write_text("image,page,dots\nfilm.tif,4,film.csv\nfilm.tif,1,film.csv\n")
        with pytest.raises(DatasetError, match=r"line 3: film\.csv is listed before; each file belongs in one row"):
            load_dataset(manifest)

    def test_pictures_and_marked_parts(self, manifest: Path) -> None:
        dataset = read_dataset(manifest)
        assert [path.name for path in draw_dots(dataset, manifest.parent / "shown")] == [
            "film_page4.png",
            "film_page1.png",
        ]
        assert inspect(manifest).counts
        parts = manifest.parent / "parts.geojson"
        ring = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
        shape = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        parts.write_text(json.dumps(shape))
        within = dataset.within(parts)
        assert [item.page for item in within.items] == [4, 1]
        assert [len(sample.dots) for sample in load_dataset(within)] == [1, 1]
