"""Where the objects are: a count map or density → one point per counted object, with a confidence in each.

`locate` picks points from a density; `density_of_map` gives that of what a network predicts, which of a redundant count
map is `density_of_counts`. All work on the whole assembled map, which does not depend on the tiles it was computed in.
"""

from countception.locate.density import density_of_map
from countception.locate.inverse import density_of_counts
from countception.locate.peaks import REACH, Located, locate

__all__ = ["REACH", "Located", "density_of_counts", "density_of_map", "locate"]
