"""A street that is drawn: scripted scenes seen by a fixed camera, with exact ground truth.

    from benchmarks.simulator import load_scene, encode, zone_file

    scene = load_scene("demo_pavement")
    picture = scene.render(30_000)  # BGR, at 30 s
    encode(scene, "street.mp4", codec="h265", gop_s=2)

The scene format is described in docs/simulator.md.
"""

from benchmarks.simulator.encode import encode, encoder_options, frame_count, frame_times, truth_path
from benchmarks.simulator.scene import Scene, load_scene, preset_names
from benchmarks.simulator.truth import Truth
from benchmarks.simulator.zones import zone_file

__all__ = [
    "Scene",
    "Truth",
    "encode",
    "encoder_options",
    "frame_count",
    "frame_times",
    "load_scene",
    "preset_names",
    "truth_path",
    "zone_file",
]
