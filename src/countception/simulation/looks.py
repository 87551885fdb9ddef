"""What simulated images look like: one frozen, validated configuration per look.

The defaults mimic three public data sets: `Fluorescence` the VGG Cells (256 × 256, about 176 cells of 9.6 pixels),
`Stained` the bone marrow of MBM at half its resolution, `Membranes` the adipose tissue of GTEx. Lengths are in pixels
of the finished image, brightness in shares of the detector's full scale, amounts of stain in optical density. A pair is
a range ``(least, most)``, drawn from uniformly.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from countception.errors import ConfigError
from countception.validation_errors import in_words


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the least comes first, then the most")
    return pair


Side = Annotated[int, Field(ge=16, le=16384)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, le=1e3)]
Counts = Annotated[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], AfterValidator(_ascending)]
Range = Annotated[tuple[NotNegative, NotNegative], AfterValidator(_ascending)]
Blurs = Annotated[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(le=64)]], AfterValidator(_ascending)]
Ratios = Annotated[tuple[Annotated[float, Field(ge=1)], Annotated[float, Field(le=5)]], AfterValidator(_ascending)]


class Look(BaseModel):
    """What all looks have in common.

    Raises
    ------
    ConfigError
        An unknown name or a value out of range; the sentence names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size: tuple[Side, Side] = (256, 256)
    """Height and width of the image."""
    counts: Counts = (74, 317)
    """Fewest and most objects; skewed to the low end as in the real data, the mean lies at 42 % of the range."""
    photons: float = Field(80_000.0, ge=1, le=1e9)
    """Photons of a pixel at full scale: shot noise is Poisson in them."""
    read_noise: Share = 0.006
    """Standard deviation of the detector's Gaussian noise."""
    bits: Literal[8, 16] = 8
    """Depth of the image: uint8 or uint16."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(f"simulated images ({type(self).__name__.lower()}): {in_words(error)}") from None

    @model_validator(mode="after")
    def _room(self) -> Look:
        if self.counts[1] * 9 > self.size[0] * self.size[1]:
            raise ValueError(
                f"{self.counts[1]} objects leave less than 3 × 3 pixels each on {self.size[0]} × {self.size[1]}: "
                "ask for fewer, or for a larger image"
            )
        return self

    def changed(self, **changes: Any) -> Look:
        """The same look with other values, validated again."""
        return type(self)(**{**self.model_dump(), **changes})


class CellLook(Look):
    """A look of separate cells or nuclei: their shapes (Lehmussola 2007, section II-A) and where they lie (II-C)."""

    diameter: float = Field(9.6, ge=3, le=512)
    """Mean diameter of an object."""
    diameter_spread: Share = 0.05
    """Standard deviation of the log of the diameter."""
    elongation: Ratios = (1.0, 1.2)
    """Long over short axis."""
    irregularity: float = Field(0.07, ge=0, le=0.4)
    """Random perturbation of the outline's radius, as a share of it (the paper's alpha)."""
    overlap: Share = 1.0
    """Centres keep at least ``1 - overlap`` of the sum of both radii apart, as far as there is room: at 0 cells touch
    at most, at 1 they lie anywhere."""
    clustered: Share = 0.35
    """Probability that an object belongs to a cluster."""
    clusters: Counts = (3, 6)
    """Clusters per image."""
    cluster_spread: float = Field(3.5, gt=0, le=100)
    """Standard deviation of the places in a cluster, in diameters."""
    texture: Share = 0.28
    """Relative contrast of the texture inside an object (multi-octave value noise, section II-B)."""


class Fluorescence(CellLook):
    """Bright cells on a dark, unevenly lit background, each more or less out of focus."""

    channels: Literal[1, 3] = 3
    """1 gives ``(y, x)``; 3 gives ``(y, x, 3)``, RGB in `colour`."""
    colour: tuple[Share, Share, Share] = (0.0, 0.0, 1.0)
    """Red, green and blue of the dye; blue alone as in VGG Cells."""
    brightness: Share = 0.64
    """Mean brightness of a cell in focus, above the background."""
    brightness_spread: Share = 0.09
    """Standard deviation of the log of the brightness."""
    opacity: Share = 1.0
    """How much a cell hides of those below it; at 0 their light adds up."""
    blur: Blurs = (0.9, 2.9)
    """Standard deviation, in pixels, of the blur of a cell in focus and of one at the largest depth (section II-D)."""
    shared_focus: bool = True
    """Touching cells lie at the same depth."""
    background: Share = 0.165
    """Brightness of the background where it is brightest; it falls off as a second-order polynomial (section II-D)."""
    haze: Share = 0.7
    """Added to `background`, per share of the image covered by cells: light from far out of focus."""
    vignetting: Share = 0.0
    """How much of the cells' light is lost where the illumination is weakest."""
    saturation: float = Field(0.98, gt=0, le=1)
    """Share of full scale at which the detector saturates."""


class Stained(CellLook):
    """Bright-field tissue, haematoxylin and eosin: dark nuclei, pink textured tissue, white fat vacuoles."""

    size: tuple[Side, Side] = (300, 300)
    counts: Counts = (65, 195)
    diameter: float = Field(11.0, ge=3, le=512)
    diameter_spread: Share = 0.2
    elongation: Ratios = (1.0, 1.4)
    irregularity: float = Field(0.09, ge=0, le=0.4)
    overlap: Share = 0.2
    clustered: Share = 0.5
    cluster_spread: float = Field(4.0, gt=0, le=100)
    texture: Share = 0.4
    """Relative contrast of the chromatin."""
    photons: float = Field(20_000.0, ge=1, le=1e9)
    read_noise: Share = 0.006
    haematoxylin: Range = (0.42, 1.15)
    """Optical density of the nuclei's stain."""
    eosin: Range = (0.19, 0.32)
    """Mean optical density of the tissue's stain, drawn per image."""
    tissue_texture: Share = 0.5
    """Relative contrast of the pink tissue."""
    gaps: Share = 0.2
    """Share of the tissue that is torn or empty, in small white gaps."""
    vacuoles: Share = 0.5
    """Share of the image, at most and as far as whole vacuoles fit, that is fat; drawn between 0 and this."""
    vacuole_diameter: Range = (4.0, 11.0)
    """Diameter of the fat vacuoles, in diameters of a nucleus."""
    distractors: float = Field(1.5, ge=0, le=10)
    """Pink cells without a nucleus (red blood cells), which do not count: at most so many per nucleus."""
    stain_variation: Share = 0.05
    """Standard deviation, from image to image, of the stains' colours."""
    blur: Blurs = (0.35, 1.0)
    """Standard deviation, in pixels, of the blur in focus and of a nucleus far out of it."""


class Membranes(Look):
    """Bright cells that touch, with thin, darker, pink walls, as in fat tissue. The counts decide the cells' size."""

    size: tuple[Side, Side] = (150, 150)
    counts: Counts = (75, 260)
    diameter_spread: Share = 0.3
    """Standard deviation of the log of the diameter."""
    elongation: Ratios = (1.0, 1.6)
    """Long over short axis of the cells, all in one direction, drawn per image."""
    small: Share = 0.45
    """Share of the cells that are small ones, squeezed in between the others."""
    small_size: float = Field(0.38, gt=0, le=1)
    """Diameter of those, as a share of the others'."""
    waviness: Share = 0.15
    """Random displacement of the walls, as a share of a cell's radius."""
    wall: Blurs = (0.28, 0.48)
    """Standard deviation of the walls' profile, in pixels, drawn per image."""
    wall_density: Range = (0.06, 0.22)
    """Optical density of the walls, drawn per image."""
    wall_texture: Share = 0.35
    """Relative contrast of the density along the walls."""
    corners: Share = 0.3
    """Dark corners (nuclei, small vessels) per cell."""
    holes: float = Field(0.06, ge=0, le=0.5)
    """Share of the tissue, at most, where there are no cells: torn places."""
    edge: Share = 0.15
    """Probability that the tissue ends within the image."""
    stain_variation: Share = 0.06
    """Standard deviation, from image to image, of the stains' colours."""
    blur: float = Field(0.45, ge=0, le=20)
    """Standard deviation of the blur, in pixels."""
    photons: float = Field(60_000.0, ge=1, le=1e9)
    read_noise: Share = 0.003


LOOKS: dict[str, type[Look]] = {"fluorescence": Fluorescence, "stained": Stained, "membranes": Membranes}


def look_named(name: str, **changes: Any) -> Look:
    """A look by its name, with other values than its defaults.

    Raises
    ------
    ConfigError
        No look of that name, or a value out of range.
    """
    try:
        kind = LOOKS[name]
    except (KeyError, TypeError):
        raise ConfigError(f"there is no look {name!r}: the looks are {', '.join(LOOKS)} and random") from None
    return kind(**changes)
