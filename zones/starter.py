"""A commented zone file to begin with."""

from __future__ import annotations

from zones.model import Zone
from zones.reference import keys_of, toml_value

_HEAD = """\
# Zones of one camera. Every key is explained in docs/zones.md.
#   patrol zones lint {file}                     checks it
#   patrol zones show {file} --picture {picture} --out zones.png    draws it over the picture
schema = 1
{camera}# the camera that the zones belong to, as agent.toml names it
street = ""            # a plate is warned once in a street, whichever camera sees it
place = ""             # address in words, for people

[picture]              # the picture in which the vertices were measured; a smaller or larger one of the same shape fits too
width = {width}
height = {height}

# One [[zone]] for each place. A vehicle stands where its wheels are, so draw the ground, not the air above it.
[[zone]]
id = "pavement"
name = "Pavement"
polygon = {polygon}    # an example across the lower middle: move its vertices
"""


def starting_file(
    width: int,
    height: int,
    *,
    file: str = "zones.toml",
    picture: str = "picture.png",
    camera: str | None = None,
) -> str:
    """The text of a valid zone file for pictures of this size, with one example polygon and all keys explained.

    Args:
        width, height: size of the picture, pixels.
        file, picture: names to use in the comments.
        camera: whose zones they are, if that is known.
    """
    polygon = [
        [round(width * 0.30), round(height * 0.60)],
        [round(width * 0.70), round(height * 0.60)],
        [round(width * 0.85), round(height * 0.90)],
        [round(width * 0.15), round(height * 0.90)],
    ]
    # A line break in a name would end the comment.
    file, picture = (
        "".join(letter if letter.isprintable() else "?" for letter in name) for name in (file, picture)
    )
    named = '# camera = "cam1"      ' if camera is None else f"camera = {toml_value(camera)}    "
    head = _HEAD.format(
        width=width, height=height, polygon=toml_value(polygon), file=file, picture=picture, camera=named
    )
    lines: list[str] = []
    for key in keys_of(Zone):
        if not key.required and key.default is not None:
            lines.append(f"# {key.name} = {toml_value(key.default)}")
            lines.append(f"#     {key.meaning} Takes: {key.takes.replace('`', '')}.")
    return head + "# Its rules; these are the defaults:\n" + "\n".join(lines) + "\n"
