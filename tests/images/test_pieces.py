from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tiny
from countception.errors import ImageError
from countception.images import decoders, pieces
from countception.images.pieces import Pieces, opened
from countception.images.read import read_image
from countception.results.batch import count_files

HEIGHT, WIDTH = 70, 90


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGE", 1)


def noise(*shape: int, dtype: str = "uint8") -> npt.NDArray[Any]:
    values = np.random.default_rng(0).integers(0, 255, shape)
    return values.astype(dtype)


WRITTEN: dict[str, tuple[npt.NDArray[Any], dict[str, Any]]] = {
    "in one run": (noise(HEIGHT, WIDTH, 3), {"photometric": "rgb"}),
    "grey": (noise(HEIGHT, WIDTH), {"photometric": "minisblack"}),
    "16 bits, big-endian": (noise(HEIGHT, WIDTH, dtype="uint16"), {"byteorder": ">", "photometric": "minisblack"}),
    "real numbers": (noise(HEIGHT, WIDTH, dtype="float32") / 7, {"photometric": "minisblack"}),
    "planes apart": (noise(3, HEIGHT, WIDTH), {"photometric": "rgb", "planarconfig": "separate"}),
    "tiles": (noise(HEIGHT, WIDTH, 3), {"photometric": "rgb", "tile": (32, 16)}),
    "compressed tiles": (noise(HEIGHT, WIDTH, 3), {"photometric": "rgb", "tile": (16, 32), "compression": "deflate"}),
    "compressed strips": (noise(HEIGHT, WIDTH, 3), {"photometric": "rgb", "compression": "lzw", "rowsperstrip": 7}),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_regions_are_those_of_the_whole_image(tmp_path: Path, kind: str) -> None:
    pixels, options = WRITTEN[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, **options)
    whole = read_image(path)
    with opened(path) as image:
        assert isinstance(image, Pieces)
        assert image.shape == whole.shape
        np.testing.assert_array_equal(np.asarray(image), whole)
        for rows, columns in [((0, 70), (0, 90)), ((13, 41), (30, 90)), ((69, 70), (0, 1))]:
            region = image[:, slice(*rows), slice(*columns)]
            assert region.dtype == whole.dtype
            np.testing.assert_array_equal(region, whole[:, slice(*rows), slice(*columns)])


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize(
    ("shape", "axes", "page", "axis"),
    [
        ((4, HEIGHT, WIDTH), "ZYX", 2, None),
        ((2, 3, HEIGHT, WIDTH), "TCYX", 1, None),
        ((2, 3, HEIGHT, WIDTH), "CZYX", 1, None),
        ((4, HEIGHT, WIDTH), "ZYX", None, "Z"),
    ],
)
def test_a_plane_of_a_stack(
    tmp_path: Path, shape: tuple[int, ...], axes: str, page: int | None, axis: str | None, compression: str | None
) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, noise(*shape), metadata={"axes": axes}, photometric="minisblack", compression=compression, ome=True
    )
    whole = read_image(path, page=page, axis=axis)
    with opened(path, page=page, axis=axis) as image:
        assert isinstance(image, Pieces)
        np.testing.assert_array_equal(image[:, 5:60, 8:31], whole[:, 5:60, 8:31])


@given(
    st.tuples(*[st.integers(0, HEIGHT - 1)] * 2),
    st.tuples(*[st.integers(0, WIDTH - 1)] * 2),
    st.sampled_from(list(WRITTEN)),
)
def test_any_region(
    tmp_path_factory: pytest.TempPathFactory, rows: tuple[int, int], columns: tuple[int, int], kind: str
) -> None:
    pixels, options = WRITTEN[kind]
    path = tmp_path_factory.getbasetemp() / f"{kind}.tif"
    if not path.exists():
        tifffile.imwrite(path, pixels, **options)
    y, x = (slice(min(ends), max(ends) + 1) for ends in (rows, columns))
    with opened(path) as image:
        np.testing.assert_array_equal(image[:, y, x], read_image(path)[:, y, x])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("corner", [0, 7, 255])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
def test_transparency_is_read_in_pieces_as_it_is_whole(
    tmp_path: Path, kind: str, dtype: str, corner: int, *, alike: bool
) -> None:
    path, pixels = tmp_path / "a.tif", noise(600, 40, 4, dtype=dtype)
    pixels[..., 3] = corner * (257 if dtype == "uint16" else 1)
    if not alike:
        pixels[550:, 9:, 3] = 100
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=[kind], tile=(16, 16), compression="deflate")
    whole = read_image(path)
    with opened(path) as image:
        assert isinstance(image, Pieces)
        assert image.shape == whole.shape == (3, 600, 40)
        np.testing.assert_array_equal(image[:, :, :], whole)
        np.testing.assert_array_equal(image[1:, 540:580, 3:30], whole[1:, 540:580, 3:30])


def test_what_needs_all_pixels_is_read_whole(tmp_path: Path) -> None:
    rgba, palette, png = tmp_path / "a.tif", tmp_path / "b.tif", tmp_path / "c.png"
    real = noise(HEIGHT, WIDTH, 4, dtype="float32")
    tifffile.imwrite(rgba, real, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(palette, noise(HEIGHT, WIDTH), photometric="palette", colormap=noise(3, 256, dtype="uint16"))
    Image.fromarray(noise(HEIGHT, WIDTH, 3)).save(png)
    for path in (rgba, palette, png):
        with opened(path) as image:
            assert isinstance(image, np.ndarray)
            np.testing.assert_array_equal(image, read_image(path))


def test_small_files_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(HEIGHT, WIDTH))
    monkeypatch.setattr(pieces, "LARGE", HEIGHT * WIDTH + 1)
    with opened(path) as image:
        assert isinstance(image, np.ndarray)


def test_without_zarr_compressed_files_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(HEIGHT, WIDTH), compression="deflate")
    monkeypatch.setattr(pieces, "find_spec", lambda _: None)
    with opened(path) as image:
        assert isinstance(image, np.ndarray)


def test_only_what_is_asked_for_is_decoded(tmp_path: Path) -> None:
    """The end of the file is damaged; the start of the image is read all the same."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(512, 256, 3), photometric="rgb", tile=(32, 32), compression="deflate")
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages.first.dataoffsets[-1]
    with path.open("r+b") as stream:
        stream.seek(last)
        stream.write(b"\xff" * 16)
    with opened(path) as image:
        assert image[:, :32, :].shape == (3, 32, 256)
        with pytest.raises(ImageError, match=r"a\.tif.*damaged"):
            image[:, 480:, :]


def test_strips_are_unpacked_once_for_the_tiles_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = pieces._regions_of

    class Asked:
        def __init__(self, array: Any) -> None:
            self.array = array

        def __getitem__(self, region: Any) -> Any:
            asked.append(region)
            return self.array[region]

    def regions_of(*arguments: Any) -> Any:
        array = real(*arguments)
        return lambda: Asked(array())

    monkeypatch.setattr(pieces, "_regions_of", regions_of)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(600, 500, 3), photometric="rgb", compression="deflate", rowsperstrip=16)
    whole = read_image(path)
    with opened(path) as image:
        for top, left in product(range(0, 600, 100), range(0, 500, 100)):
            part = np.s_[:, top : top + 120, left : left + 120]
            np.testing.assert_array_equal(image[part], whole[part])
    assert len(asked) == 6


def test_tall_compressed_strips_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = noise(300, 40, 3)
    for rows, kind in ((256, Pieces), (257, np.ndarray), (300, np.ndarray)):
        tifffile.imwrite(path, pixels, photometric="rgb", compression="deflate", rowsperstrip=rows)
        with opened(path) as image:
            assert isinstance(image, kind)
            np.testing.assert_array_equal(image[:, 10:20, 5:30], pixels.transpose(2, 0, 1)[:, 10:20, 5:30])


def test_not_a_number_is_refused_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = noise(HEIGHT, WIDTH, dtype="float32")
    values[60, 5] = np.nan
    tifffile.imwrite(path, values)
    with opened(path) as image:
        assert image[:, :60, :].max() > 0
        with pytest.raises(ImageError, match=r"a\.tif.*NaN"):
            image[:, 50:, :]


@pytest.mark.parametrize("content", [b"", b"II*\0" + b"\0" * 40])
def test_damaged_files_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif"), opened(path):
        pass


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64), "compression": "deflate"}])
def test_counts_are_those_of_the_array(tmp_path: Path, options: dict[str, Any]) -> None:
    counter = tiny.untrained()
    pixels = noise(300, 260, counter.model.normalisation.channels)
    path, report = tmp_path / "a.tif", tmp_path / "points"
    tifffile.imwrite(path, np.moveaxis(pixels, 2, 0), photometric="minisblack", metadata={"axes": "CYX"}, **options)
    expected = counter.count(pixels, tile=32, points=True)
    found = counter.count(path, tile=32, points=True)
    assert found.value == expected.value
    assert found.warnings == expected.warnings
    np.testing.assert_array_equal(found.map, expected.map)
    (row,) = count_files(counter, [path], points=report, overlays=tmp_path / "overlays", tile=32, pictures=1)
    assert not row.error
    assert row.count == expected.value
    assert row.picture


def test_more_than_the_memory_is_counted_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(300, 260, 3), photometric="rgb", tile=(64, 64), compression="deflate")
    expected = tiny.untrained().count(path).value
    monkeypatch.setattr(decoders, "_memory", lambda: 100_000)
    with pytest.raises(ImageError, match="more than this computer's memory"):
        read_image(path)
    assert tiny.untrained().count(path).value == expected


@pytest.mark.parametrize("options", [{}, {"tile": (32, 32), "compression": "deflate"}])
def test_the_image_of_a_slide_beside_its_overview(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "slide.svs"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(noise(300, 260, 3), photometric="rgb", **options)
        tiff.write(noise(60, 52, 3), photometric="rgb")
    with pytest.raises(ImageError, match="name the page"), opened(path):
        pass
    whole = read_image(path, page=0)
    with opened(path, page=0) as image:
        assert isinstance(image, Pieces)
        assert image.shape == (3, 300, 260)
        np.testing.assert_array_equal(image[:, 100:250, 40:200], whole[:, 100:250, 40:200])


def test_the_finest_of_a_pyramid_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    tile: dict[str, Any] = {"photometric": "rgb", "tile": (32, 32), "compression": "deflate"}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(noise(256, 320, 3), subifds=1, **tile)
        tiff.write(noise(128, 160, 3), subfiletype=1, **tile)
    with opened(path) as image:
        assert isinstance(image, Pieces)
        np.testing.assert_array_equal(image[:, 60:200, 10:300], read_image(path)[:, 60:200, 10:300])


def test_of_a_slide_its_image_is_read_and_not_what_lies_beside(tmp_path: Path) -> None:
    """As Aperio writes them: the image in tiles, a thumbnail, a smaller level, the label and the whole slide."""
    path, base = tmp_path / "a.svs", noise(512, 768, 3)
    text = "Aperio Image Library v11\n768x512 (256x256)|AppMag = 20|MPP = 0.5"
    options: dict[str, Any] = {"photometric": "rgb", "compression": "deflate", "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(base, tile=(256, 256), description=text, **options)
        tiff.write(base[::6, ::6], rowsperstrip=8, description=f"{text} -> 128", **options)
        tiff.write(base[::2, ::2], tile=(128, 128), description=text, **options)
        tiff.write(base[:90, :90], rowsperstrip=90, description="Aperio\nlabel 90x90", subfiletype=1, **options)
        tiff.write(base[:90, :99], rowsperstrip=90, description="Aperio\nmacro 99x90", subfiletype=9, **options)
    whole = np.moveaxis(base, 2, 0)
    np.testing.assert_array_equal(read_image(path), whole)
    np.testing.assert_array_equal(read_image(path, page=2), whole[:, ::2, ::2])
    with opened(path) as pieces_:
        assert isinstance(pieces_, Pieces)
        np.testing.assert_array_equal(pieces_[:, 200:300, 500:], whole[:, 200:300, 500:])
    (row,) = count_files(tiny.untrained(), [tmp_path])
    assert (row.width, row.height, row.error) == (768, 512, "")
    assert row.area_mm2 == pytest.approx(768 * 512 * 0.25e-6)
    (smaller,) = count_files(tiny.untrained(), [tmp_path], page=2)
    assert (smaller.width, smaller.area_mm2) == (384, None), "its pixels are larger"


def hamamatsu(path: Path, base: npt.NDArray[Any], label: str) -> None:
    """As its scanners write slides: the image and a picture of the whole slide."""
    tags = [(65420, "I", 1, 1, False), (271, "s", 0, "Hamamatsu", False), (65427, "s", 0, label, False)]
    options: dict[str, Any] = {"photometric": "rgb", "compression": "deflate", "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(base, tile=(16, 16), extratags=[*tags[: 3 if label else 2], (65421, "f", 1, 20.0, False)], **options)
        tiff.write(base[:9, :9], extratags=[tags[0], (65421, "f", 1, -1.0, False)], **options)


@pytest.mark.parametrize("label", ["", "S23-0001"])
def test_slides_are_known_by_their_kind_and_not_by_what_they_are_called(tmp_path: Path, label: str) -> None:
    base = noise(HEIGHT, WIDTH, 3)
    hamamatsu(tmp_path / "a.tif", base, label)  # by .ndpi tifffile knows those with larger offsets, as scanners write
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.moveaxis(base, 2, 0))


def test_a_map_is_read_without_its_mask_and_smaller_copies(tmp_path: Path) -> None:
    path, base, options = tmp_path / "a.tif", noise(HEIGHT, WIDTH, 3), {"tile": (32, 32), "metadata": None}
    valid = np.ones((HEIGHT, WIDTH), bool)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(base, photometric="rgb", compression="deflate", **options)
        tiff.write(valid, photometric="mask", subfiletype=4, **options)
        tiff.write(base[::2, ::2], photometric="rgb", subfiletype=1, **options)
        tiff.write(valid[::2, ::2], photometric="mask", subfiletype=5, **options)
        tiff.write(base[:20, :17], photometric="rgb", subfiletype=1, **options)
    np.testing.assert_array_equal(read_image(path), np.moveaxis(base, 2, 0))
    with opened(path) as image:
        np.testing.assert_array_equal(image[:, :, :], np.moveaxis(base, 2, 0))


def test_an_image_called_as_slides_are_is_not_taken_for_one(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tiff:
        for name in ("Baseline", "Week 4"):
            tiff.write(noise(HEIGHT, WIDTH), metadata={"axes": "YX", "Name": name})
    with pytest.raises(ImageError, match="holds 2 images of several kinds; name the page"):
        read_image(tmp_path / "a.ome.tif")


def zeiss(path: Path, planes: npt.NDArray[Any]) -> None:
    """A stack as Zeiss's LSM writes it: after each plane a small one."""
    described = np.zeros((), [(name or f"_{i}", kind) for i, (name, kind) in enumerate(tifffile.TIFF.CZ_LSMINFO)])
    known = {"MagicNumber": 67127628, "StructureSize": described.dtype.itemsize, "DataType": 1}
    known |= {"DimensionX": planes.shape[2], "DimensionY": planes.shape[1], "DimensionZ": len(planes)}
    known |= {"DimensionChannels": 1, "DimensionTime": 1, "VoxelSizeX": 5e-7, "VoxelSizeY": 5e-7}
    for key, value in known.items():
        described[key] = value
    text = described.tobytes()
    with tifffile.TiffWriter(path) as tiff:
        for plane in planes:
            tiff.write(plane, photometric="minisblack", metadata=None, extratags=[(34412, "B", len(text), text, False)])
            tiff.write(plane[:9, :9], photometric="minisblack", metadata=None, subfiletype=1)


def test_pages_of_a_stack_with_small_images_beside_are_its_planes(tmp_path: Path) -> None:
    planes = noise(4, HEIGHT, WIDTH)
    zeiss(tmp_path / "a.lsm", planes)
    for page, expected in ((0, planes[0]), (3, planes[3]), ("max", planes.max(0))):
        np.testing.assert_array_equal(read_image(tmp_path / "a.lsm", page=page)[0], expected)
    with pytest.raises(ImageError, match="stack of 4 planes"):
        read_image(tmp_path / "a.lsm")
    rows = count_files(tiny.untrained(channels=1), [tmp_path], page="all")
    assert [(row.page, row.width, row.error) for row in rows] == [(k, WIDTH, "") for k in range(4)]
    assert rows[2].area_mm2 == pytest.approx(HEIGHT * WIDTH * 0.25e-6)
