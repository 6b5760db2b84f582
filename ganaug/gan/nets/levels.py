"""The sizes of a network's maps: their side and their channels at each level."""


def sides(image_size: int) -> list[int]:
    """The side of the maps at each level, the image's own first: ``sides(28) == [28, 14, 7]``.

    The side is halved while it is even and above seven: the smallest is the generator's seed map.
    """
    levels = [image_size]
    while levels[-1] % 2 == 0 and levels[-1] > 7:
        levels.append(levels[-1] // 2)
    return levels


def widths(width: int, levels: int, most: int = 4) -> list[int]:
    """The channels at each level, the image's own first, doubled up to ``most``: ``widths(24, 3) == [24, 48, 96]``."""
    return [width * min(2**level, most) for level in range(levels)]
