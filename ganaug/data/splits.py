"""What a protocol is given and what it gives: labelled items in, the rows of every split out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RELEASE = "release"  # the split whose generator users get


@dataclass(frozen=True)
class Split:
    """Row numbers of the prepared images, sorted. Nothing of ``test`` may reach a generator or a setting."""

    train: list[int]
    test: list[int]
    spare: list[int] = field(default_factory=list)  # real images of neither, which a training may be watched with
    unlabelled: list[int] = field(default_factory=list)  # to learn from like those of ``train``, but for their labels


@dataclass(frozen=True)
class Items:
    """All that a protocol knows of the images."""

    labels: NDArray[np.int64]  # (N,), rows of ``classes``
    pixels: Sequence[str]  # a hash of each image's pixels
    official_test: NDArray[np.bool_]  # (N,), set apart for testing by the source
    classes: Sequence[str]
    groups: Sequence[str] | None = None  # a name for each image, where the source has groups

    def parts(self) -> dict[str, int]:
        """{class: the parts that its images can be parted into}: groups, or different images."""
        import numpy as np

        bound = self.bound()
        return {name: len(np.unique(bound[self.labels == label])) for label, name in enumerate(self.classes)}

    def bound(self) -> NDArray[np.int64]:
        """(N,) numbers, equal for images that must stay together: those of one group, and those of the same pixels.

        Both bind at once: a duplicate in two groups binds the groups.
        """
        import numpy as np
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        count = len(self.labels)
        keys = [np.unique(np.asarray(names), return_inverse=True)[1] for names in (self.pixels, self.groups) if names]
        offsets = np.cumsum([count, *(int(key.max()) + 1 for key in keys)])
        rows = np.tile(np.arange(count), len(keys))  # edges between an image and each of its keys
        ends = np.concatenate([key + offset for key, offset in zip(keys, offsets[:-1], strict=True)])
        edges = coo_array((np.ones(len(rows)), (rows, ends)), shape=(offsets[-1], offsets[-1]))
        return np.asarray(connected_components(edges, directed=False)[1][:count], np.int64)
